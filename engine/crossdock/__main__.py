"""The ``crossdock`` command. ``--version`` is answered before anything heavy is imported."""

from __future__ import annotations

import sys

from . import __version__


def main() -> None:
    """Run the command line and exit.

    0 done, 1 failed, 2 wrong request, 3 some skipped, 130 interrupted, 143 terminated.
    """
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"crossdock {__version__}\n")
        return
    _spare()
    from .cli.main import run

    code = run(sys.argv[1:])
    _leave_quickly()
    sys.exit(code)


def _spare() -> None:
    """Keep libraries from what this command has no use for: threads for matrices, plugins for models."""
    import os

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _leave_quickly() -> None:
    """The interpreter looks for garbage once more before it exits, among all that was imported."""
    import gc

    gc.freeze()


if __name__ == "__main__":
    main()
