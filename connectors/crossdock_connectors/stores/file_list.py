"""Listing a folder tree in the order of the paths, with memory bounded by its largest folder."""

from __future__ import annotations

import errno
import heapq
import os
import stat
from collections.abc import Iterator, Sequence

from crossdock import ObjectInfo

PAGE = 1000
RESERVED = ".crossdock-"
_RUN, _CHUNK = 20_000, 500
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def etag(found: os.stat_result) -> str:
    """Names a version of a file: it changes with size, modification time or file number."""
    return f"{found.st_size:x}-{found.st_mtime_ns:x}-{found.st_ino:x}"


def info_of(path: str, found: os.stat_result) -> ObjectInfo:
    return ObjectInfo(path, found.st_size, etag(found), found.st_mtime)


class Tree:
    """The regular files below ``root`` (a real path ending in ``/``).

    Symbolic links are followed when they end below the root; those that lead out of it, to nothing or
    in a circle are left out, and so is everything staged. What vanishes meanwhile is left out too.
    """

    def __init__(self, root: str, prefix: str, after: str | None) -> None:
        self._root = root
        self._prefix = prefix
        self._after = after

    def pages(self) -> Iterator[Sequence[ObjectInfo]]:
        """Pages of files whose path starts with the prefix and comes after ``after``.

        The order is that of the code points of the whole path, which for UTF-8 names is that of its bytes.
        """
        start = self._prefix[: self._prefix.rfind("/") + 1]
        if start and not self._inside(start):
            return
        open_folders = [(start, self._names(start))]
        page: list[ObjectInfo] = []
        while open_folders:
            folder, names = open_folders[-1]
            for name in names:
                path = folder + name
                if path[-1] == "/":
                    if self._may_follow(path) and self._descends(path, [f for f, _ in open_folders]):
                        open_folders.append((path, self._names(path)))
                        break
                elif (self._after is None or path > self._after) and (found := self._info(path)):
                    page.append(found)
                    if len(page) == PAGE:
                        yield page
                        page = []
            else:
                open_folders.pop()
        if page:
            yield page

    def level(self) -> Iterator[ObjectInfo | str]:
        """What lies directly in the folder of the prefix, in order: files, and folders by their path."""
        for name in self._names(self._prefix):
            path = self._prefix + name
            if self._after is not None and path <= self._after:
                continue
            if path[-1] != "/":
                if (found := self._info(path)) is not None:
                    yield found
            elif self._inside(path):
                yield path

    def _names(self, folder: str) -> Iterator[str]:
        """The names in a folder in order; a folder's ends in ``/``, which also sorts it rightly."""
        names: list[str] = []
        packed: list[list[bytes]] = []
        ahead = self._prefix[len(folder) :]
        try:
            with os.scandir(self._root + folder) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith(RESERVED):
                        continue
                    if _is_folder(entry):
                        name += "/"
                    if ahead and not name.startswith(ahead):
                        continue
                    names.append(name)
                    if len(names) == _RUN:
                        packed.append(_pack(names))
                        names = []
        except OSError as error:
            if error.errno not in _GONE:
                raise
        names.sort()
        return heapq.merge(names, *map(_unpack, packed)) if packed else iter(names)

    def _may_follow(self, folder: str) -> bool:
        after = self._after
        return after is None or folder > after or after.startswith(folder)

    def _descends(self, folder: str, above: list[str]) -> bool:
        """Whether to enter: any real folder, and a linked one that ends below the root and in no circle."""
        path = self._root + folder
        if not os.path.islink(path[:-1]):
            return True
        real = os.path.realpath(path)
        return self._inside(folder) and real not in {os.path.realpath(self._root + f) for f in above}

    def _inside(self, path: str) -> bool:
        return (os.path.realpath(self._root + path) + "/").startswith(self._root)

    def _info(self, path: str) -> ObjectInfo | None:
        try:
            found = os.lstat(self._root + path)
            if stat.S_ISLNK(found.st_mode):
                if not self._inside(path):
                    return None
                found = os.stat(self._root + path)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise
        return info_of(path, found) if stat.S_ISREG(found.st_mode) else None


def folders(root: str) -> Iterator[tuple[str, bool]]:
    """Each real folder below ``root``, which ends in ``/``, and whether it is empty but for staged data."""
    for at, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith(RESERVED))
        if at != root:
            yield at[len(root) :], not names and all(name.startswith(RESERVED) for name in files)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links; the stat that follows finds out
        return False


def _pack(names: list[str]) -> list[bytes]:
    """Sorted names at about their own length: a million of them as objects would take 80 MB."""
    names.sort()
    chunks = ("\0".join(names[i : i + _CHUNK]) for i in range(0, len(names), _CHUNK))
    return [chunk.encode("utf-8", "surrogateescape") for chunk in chunks]


def _unpack(chunks: list[bytes]) -> Iterator[str]:
    for chunk in chunks:
        yield from chunk.decode("utf-8", "surrogateescape").split("\0")
