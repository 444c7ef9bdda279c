"""The files that a text file names (``file_list_path``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

from ..errors import ConfigError, NotFoundError
from ..spi.record import record
from ..spi.store import ObjectInfo, ObjectStore
from .objectfile import ObjectFile

PAGE = 1000
CONNECTIONS = 16


@record
class FileList:
    """Paths in ``store``, one a line, in the file ``name`` of the store that ``open`` opens.

    ``where`` is what messages call the list. ``as_listed`` keeps the order of the lines; else paths are
    sorted. Blank lines and repeated ones count for nothing; other blanks belong to the names.
    ``connections``: how many files are looked up at once.
    """

    store: ObjectStore
    open: Callable[[], ObjectStore]
    name: str
    where: str
    as_listed: bool = False
    connections: int = CONNECTIONS

    def pages(self, after: str | None) -> Iterator[list[ObjectInfo]]:
        """The files behind ``after``. Raises NotFoundError for the list, or a file of it, that is missing."""
        paths = self.paths()
        if after is not None:
            if after not in paths:
                raise ConfigError(f"{self.where} changed since the run began: it lacks {after}; copy anew")
            paths = paths[paths.index(after) + 1 :]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(self.connections, max(1, len(paths)))) as pool:
            for start in range(0, len(paths), PAGE):
                yield list(pool.map(self._look_up, paths[start : start + PAGE]))

    def paths(self) -> list[str]:
        """What the list names. Raises NotFoundError, ConfigError for a list that is none."""
        try:
            with closing(self.open()) as store, ObjectFile(store.open_read(self.name)) as file:
                text = file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConfigError(f"the file list {self.where} is not UTF-8 text") from error
        except NotFoundError as error:
            raise NotFoundError(f"the file list {self.where} does not exist", detail=str(error)) from error
        lines = (line.removesuffix("\r") for line in text.split("\n"))
        paths = list(dict.fromkeys(line for line in lines if line.strip()))
        if not paths:
            raise ConfigError(f"the file list {self.where} is empty")
        return paths if self.as_listed else sorted(paths)

    def _look_up(self, path: str) -> ObjectInfo:
        try:
            return self.store.stat(path)
        except NotFoundError as error:
            message = f"{path!r}, which the file list {self.where} names, {self._instead(path)}"
            raise NotFoundError(message, detail=str(error)) from error
        except ConfigError as error:
            raise ConfigError(f"the file list {self.where}: {error.message}") from error

    def _instead(self, path: str) -> str:
        if path != path.strip():
            return "does not exist; the line has blanks at its ends"
        if self.store.is_folder(path):
            return "is a folder; it names files"
        if "\\" in path:
            return "does not exist; write / between folders"
        return "does not exist"
