"""The ``crossdock`` command. ``--version`` is answered before anything heavy is imported."""

from __future__ import annotations

import os
import sys

from . import __version__

INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit.

    0 done, 1 failed, 2 wrong request, 3 some skipped, 130 interrupted, 143 terminated.
    """
    _fill_streams()
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"crossdock {__version__}\n")
        return
    spare()
    try:
        from .cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        # While modules are imported, which takes longer than many a copy.
        sys.stderr.write("crossdock: interrupted\n")
        code = INTERRUPTED
    _leave_quickly()
    sys.exit(code)


def _fill_streams() -> None:
    """The number of a stream that was closed would go to the next file, which then gets what is printed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def spare() -> None:
    """Keep libraries from what this command has no use for: threads for matrices, plugins for models.

    Nothing of what is imported is garbage, so that is looked for less often.
    """
    import gc

    gc.set_threshold(50_000)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _leave_quickly() -> None:
    """The interpreter looks for garbage once more before it exits, among all that was imported."""
    import gc

    gc.freeze()


if __name__ == "__main__":
    main()
