"""The files that a text file names (``file_list_path``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from ..errors import ConfigError, NotFoundError
from ..spi.store import ObjectInfo, ObjectStore
from .objectfile import ObjectFile

PAGE = 1000
CONNECTIONS = 16


@dataclass(frozen=True)
class FileList:
    """Paths in ``store``, one a line, in the file ``name`` of the store that ``open`` opens.

    ``as_listed`` keeps the order of the lines; else paths are sorted. Empty lines and repeated
    ones count for nothing. ``connections``: how many files are looked up at once.
    """

    store: ObjectStore
    open: Callable[[], ObjectStore]
    name: str
    as_listed: bool = False
    connections: int = CONNECTIONS

    def pages(self, after: str | None) -> Iterator[list[ObjectInfo]]:
        """The files behind ``after``. Raises NotFoundError for the list, or a file of it, that is missing."""
        paths = self._paths()
        if after is not None:
            if after not in paths:
                raise ConfigError(f"{self.name} changed since the run began: it lacks {after}; copy anew")
            paths = paths[paths.index(after) + 1 :]
        with ThreadPoolExecutor(min(self.connections, max(1, len(paths)))) as pool:
            for start in range(0, len(paths), PAGE):
                yield list(pool.map(self._look_up, paths[start : start + PAGE]))

    def _paths(self) -> list[str]:
        try:
            with closing(self.open()) as store, ObjectFile(store.open_read(self.name)) as file:
                text = file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConfigError(f"the file list {self.name} is not UTF-8 text") from error
        except NotFoundError as error:
            raise NotFoundError(f"the file list {self.name} does not exist", detail=str(error)) from error
        paths = list(filter(None, dict.fromkeys(text.replace("\r\n", "\n").split("\n"))))
        if not paths:
            raise ConfigError(f"the file list {self.name} is empty")
        return paths if self.as_listed else sorted(paths)

    def _look_up(self, path: str) -> ObjectInfo:
        try:
            return self.store.stat(path)
        except NotFoundError as error:
            raise NotFoundError(
                f"{path}, which {self.name} lists, does not exist", detail=str(error)
            ) from error
