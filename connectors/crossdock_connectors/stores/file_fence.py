"""Keeping below the root: symbolic links may lead anywhere in it and nowhere else."""

from __future__ import annotations

import os
import stat

from crossdock import ConfigError

_KNOWN_FOLDERS = 10_000


class Fence:
    """Refuses what a symbolic link leads out of ``root``, which is a real path."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._within = root.rstrip("/") + "/"
        self._known: dict[str, tuple[int, int]] = {}

    def check(self, full: str, fd: int | None = None) -> None:
        """Raise ConfigError for a path that ends elsewhere.

        An open file is asked for its own path where the system tells: that cannot be swapped afterwards.
        """
        try:
            real = os.readlink(f"/proc/self/fd/{fd}") if fd is not None else os.path.realpath(full)
        except OSError:
            real = os.path.realpath(full)
        if not (real + "/").startswith(self._within):
            raise ConfigError(f"{full} leads out of {self._root} through a symbolic link")

    def check_folder(self, folder: str) -> None:
        """As ``check``, for a folder that may be asked for often, and may be missing.

        By its device and inode a folder is known again with one look, however deep it lies.
        """
        lowest = folder
        while len(lowest) > len(self._root):
            try:
                found = os.lstat(lowest)
            except FileNotFoundError:
                # What is missing cannot lead anywhere; a link to nothing is found one step up, as itself.
                lowest = os.path.dirname(lowest)
                continue
            except OSError:
                return self.check(folder)
            identity = (found.st_dev, found.st_ino)
            if not stat.S_ISDIR(found.st_mode) or self._known.get(lowest) != identity:
                self.check(folder)
                if len(self._known) >= _KNOWN_FOLDERS:
                    self._known.clear()
                if stat.S_ISDIR(found.st_mode):
                    self._known[lowest] = identity
            return None
        return None
