"""Where files are staged."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

from .file_fence import Fence

_MOST_KNOWN = 10_000


class Places:
    """Where to stage what goes into each folder below ``root``. Safe to use from several threads."""

    def __init__(self, root: str, fence: Fence) -> None:
        self._root, self._fence = root, fence
        self._within = root.rstrip("/") + "/"
        self._known: dict[str, tuple[str, int]] = {}
        self._made: set[str] = set()

    def of(self, folder: str) -> tuple[str, int]:
        """Where to stage what goes into ``folder``, and how many folders down to it had to be made.

        That is the root, else (another file system is mounted in between) the lowest folder that exists.
        """
        if (known := self._known.get(folder)) is not None:
            return known
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
            self._made.clear()
        self._fence.check(folder)
        missing, found = self._missing(folder)
        lowest = os.path.dirname(missing[-1]) if missing else folder
        stage = self._root
        if (lowest + "/").startswith(self._within) and found.st_dev != os.stat(self._root).st_dev:
            stage = lowest
        self._made.update(missing)
        return self._known.setdefault(folder, (stage, len(missing)))

    def _missing(self, folder: str) -> tuple[Sequence[str], os.stat_result]:
        """The folder and those above it that do not exist or that this store made, and what is above them."""
        missing: list[str] = []
        while True:
            try:
                found = os.stat(folder)
                if not stat.S_ISDIR(found.st_mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
                if folder not in self._made:
                    return missing, found
            except FileNotFoundError:
                pass
            missing.append(folder)
            folder = os.path.dirname(folder)
