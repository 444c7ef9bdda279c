"""Listing paths: directory by directory, several at once, in the order of the whole paths.

The service sorts by directories (``a``, ``a/b``, ``a-b``); as paths ``a-b`` comes before ``a/b``. So each
directory is listed on its own and sorted here; the next ones are asked for meanwhile.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from crossdock import InternalError, ObjectInfo

from .address import Place
from .blob_list import moment
from .wire import Wire

RESERVED = ".crossdock-"
PAGE = 5000
AHEAD = 8
_NO_DIRECTORY = ("PathNotFound", "ResourceTypeMismatch")


@dataclass
class Tree:
    """Everything below a place, behind ``after``, whose path below the root starts with ``prefix``.

    ``hidden``: what is staged, too.
    """

    wire: Wire
    place: Place
    prefix: str = ""
    after: str | None = None
    hidden: bool = False
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AHEAD))

    def pages(self) -> Iterator[Sequence[ObjectInfo]]:
        """Pages of files, ordered by path; none is empty."""
        files = (info for info, inside in self._walk() if inside is None)
        while page := list(islice(files, PAGE)):
            yield page

    def paths(self) -> Iterator[str]:
        """Of files and folders; a folder comes before what is in it."""
        return (info.path.rstrip("/") for info, _ in self._walk())

    def folders(self) -> Iterator[tuple[str, bool]]:
        """Each folder's path and whether nothing is in it; a folder comes before what is in it."""
        return ((info.path.rstrip("/"), inside.empty) for info, inside in self._walk() if inside is not None)

    def _walk(self) -> Iterator[tuple[ObjectInfo, _Level | None]]:
        """Depth first without recursion: a stack of directories, each with what is left of it.

        With each directory comes what is in it.
        """
        folder = self.prefix.rpartition("/")[0]
        try:
            stack = [self._level(f"{folder}/" if folder else "")]
            while stack:
                level = stack[-1]
                self._look_ahead(level)
                if not level.left:
                    stack.pop()
                    continue
                info = level.left.popleft()
                inside = level.asked.pop(info.path).result() if info.path.endswith("/") else None
                if inside is not None:
                    stack.append(inside)
                yield info, inside
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _look_ahead(self, level: _Level) -> None:
        if not level.left or not level.left[0].path.endswith("/") or level.left[0].path in level.asked:
            return
        folders = (info.path for info in level.left if info.path.endswith("/"))
        for path, _ in zip(folders, range(AHEAD), strict=False):
            if path not in level.asked:
                level.asked[path] = self._pool.submit(self._level, path)

    def _level(self, folder: str) -> _Level:
        """What is in a directory, sorted: files that are wanted, directories that may hold such."""
        directory = (self.place.root + folder).rstrip("/")
        query = {"resource": "filesystem", "recursive": "false", "maxResults": str(PAGE)}
        if directory:
            query["directory"] = directory
        found: list[ObjectInfo] = []
        empty = True
        while True:
            answer = self.wire.call("GET", f"/{self.place.container}", query, accept=(404, 409))
            if answer.status >= 400:
                if answer.headers.get("x-ms-error-code") in _NO_DIRECTORY:
                    return _Level(deque(), empty=False)
                raise self.wire.refusal(answer, f"/{self.place.container}")
            for info in self.parsed(answer.body):
                empty = False
                if self._may_hold(info.path):
                    found.append(info)
            token = answer.headers.get("x-ms-continuation")
            if not token:
                break
            query["continuation"] = token
        found.sort(key=lambda info: info.path)
        return _Level(deque(found), empty)

    def parsed(self, body: bytes) -> Iterator[ObjectInfo]:
        """The entries of a page, which staged data is only with ``hidden``; directories end with ``/``."""
        try:
            paths = json.loads(body)["paths"]
            for item in paths:
                name = item["name"]
                path = name[len(self.place.root) :]
                if not self.hidden and path.rpartition("/")[2].startswith(RESERVED):
                    continue
                if str(item.get("isDirectory", "")).lower() == "true":
                    yield ObjectInfo(path + "/", 0, item.get("etag", ""))
                    continue
                modified = moment(item.get("lastModified", ""))
                yield ObjectInfo(path, int(item.get("contentLength", 0)), item["etag"].strip('"'), modified)
        except (KeyError, TypeError, ValueError) as error:
            raise InternalError("the service sent a listing that is no list of paths") from error

    def _may_hold(self, path: str) -> bool:
        if not path.endswith("/"):
            return self._wanted(path)
        if self.after is not None and self.after >= path and not self.after.startswith(path):
            return False
        return path.startswith(self.prefix) or self.prefix.startswith(path)

    def _wanted(self, path: str) -> bool:
        return path.startswith(self.prefix) and (self.after is None or path > self.after)


@dataclass
class _Level:
    """A directory that is being listed: what is left of it, and what was asked for already."""

    left: deque[ObjectInfo]
    empty: bool
    asked: dict[str, Future[_Level]] = field(default_factory=dict)
