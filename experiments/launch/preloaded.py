"""What runs import, which takes seconds: imported once, by the process that theirs are forked from.

`experiments.launch.workers` names this module to it. No computation may start here: a process that
has threads, or a GPU, cannot be forked.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():  # importing torchvision is no news on a terminal
    warnings.simplefilter("ignore", FutureWarning)
    import experiments.run.execute  # noqa: F401
