"""The one exception that means "the input is wrong, not the program"."""

from __future__ import annotations


class InputError(Exception):
    """Bad configuration, data, checkpoint or flag.

    The message is one sentence that names the thing, the place and the remedy. The command line
    prints it on stderr without a traceback and exits with code 2.
    """
