# PYTHON_ARGCOMPLETE_OK
"""The console script `boxseg`: exit codes, and errors in one sentence.

Everything is imported inside, so that a Ctrl-C of that moment ends like any other.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

TRAIN = ("reproduce", "train")
"""Commands that save what they do now and then."""

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: its words; those of this process unless given.

    Returns:
        0, or 1 where what was asked for failed, 2 where it was refused, 130 after a Ctrl-C.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return _run(words)
    except KeyboardInterrupt:
        chosen = next((word for word in words if not word.startswith("-")), None)
        on = "; the same command goes on from what was saved" if chosen in TRAIN else ""
        print(f"boxseg: interrupted{on}.", file=sys.stderr)
        return INTERRUPTED


def _run(words: Sequence[str]) -> int:
    import contextlib
    import errno
    import io

    from boxseg.errors import InputError
    from boxseg.progress_display.display import DISPLAY
    from experiments.commands.parser import USAGE_ERROR, parsed
    from experiments.configuration.extensions import Extensions, use
    from experiments.run.logs import set_up_logging

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal has no letters for is no reason to stop.
            stream.reconfigure(errors="backslashreplace")
    options = parsed(words)
    set_up_logging()
    try:
        with contextlib.closing(DISPLAY):  # what is told of an error comes last
            use(Extensions.named(options.config_dir, options.package))
            return int(options.run(options))
    except InputError as error:
        print(f"boxseg: {error}", file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS):
            raise
        place = f" {error.filename}" if error.filename else ""
        print(
            f"boxseg: cannot write{place}: {error.strerror}; free the disk or choose a writable "
            "folder.",
            file=sys.stderr,
        )
        return USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main())
