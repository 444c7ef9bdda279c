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
    from .cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
