"""Deleting the files that an address and its settings mean."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from .credentials import public_url
from .errors import CancelledError, ConfigError, CrossdockError, NotFoundError
from .files.binary import BinarySource
from .files.listing import Selection
from .files.selecting import parent
from .files.settings import StoreReadSettings
from .gate import NoGate
from .meter import Worker
from .opening import blaming, open_end
from .plugins import registry
from .request import SourceEnd
from .retry import again
from .sides import Side
from .spelling import snake_case
from .spi.store import Folders, ObjectInfo

_AT_ONCE = 8
Told = Callable[[str, CrossdockError | None], None]


def delete(
    address: str,
    *,
    source_format: str | None = None,
    source_options: Mapping[str, str] | None = None,
    keep_folder: bool = False,
    cancel: threading.Event | None = None,
    told: Told | None = None,
) -> int:
    """Delete what ``copy`` would read with these settings; returns how many files that were.

    A whole folder goes itself, with the folders in it, unless ``keep_folder``, or ``recursive=false`` which
    keeps folders and what is in them. ``told`` gets each path and what kept it from being deleted, in the
    order in which they are listed; the others are deleted all the same, then the first such error is raised.
    Raises NotFoundError where the file or folder is missing; that a choice of files has none is fine.
    """
    ended = cancel or threading.Event()
    side = Side(registry(), address, source_format, snake_case(source_options), "source", ended)
    if side.spec.kind != "store":
        raise ConfigError(f"{public_url(address)} has tables, not files")
    with blaming(side.spec.name, "source"):
        found = _meant(side)
        side.sort_options()
        with closing(open_end(SourceEnd(**side.common(False), **found), "binary")) as source:
            assert isinstance(source, BinarySource)  # noqa: S101 - of a store
            deletion = _Deletion(side, source.selection, ended, told or _nobody)
            count = deletion.files()
            if source.selection.is_whole_folder and source.selection.settings.recursive:
                deletion.folders(keep=keep_folder)
    return count


def _meant(side: Side) -> dict[str, Any]:
    """As ``Side.find``; a folder need not have files."""
    whole = side.path.endswith("/") or side.pattern or side.settings.chooses
    try:
        return side.find()
    except NotFoundError:
        if not whole:
            raise
        return {"root": side.with_path(side.path), "pattern": side.pattern}


def _nobody(path: str, error: CrossdockError | None) -> None:
    """For those who do not ask."""


class _Deletion:
    def __init__(self, side: Side, selection: Selection, ended: threading.Event, told: Told) -> None:
        self.side, self.selection, self.store, self.ended, self.told = (
            side, selection, selection.store, ended, told,
        )  # fmt: skip

    def files(self) -> int:
        """Page by page; raises the first error once all others are deleted."""
        count, failed = 0, None
        workers = self._settings.max_concurrent_connections or _AT_ONCE
        try:
            with ThreadPoolExecutor(workers) as pool:
                for page in self.selection.pages():
                    for info, error in zip(page, pool.map(self._file, page), strict=True):
                        self.told(info.path, error)
                        count += error is None
                        failed = failed or error
        except NotFoundError:
            settings = self._settings
            if settings.file_list_path or not (
                settings.chooses or self.selection.pattern or self._is_there()
            ):
                raise
        if failed is not None:
            raise failed
        return count

    @property
    def _settings(self) -> StoreReadSettings:
        return self.selection.settings

    def _file(self, info: ObjectInfo) -> CrossdockError | None:
        if self.ended.is_set():
            raise CancelledError

        def attempt(number: int) -> None:
            with blaming(self.side.spec.name, "source"):
                self.store.delete(info.path)

        try:
            again(attempt, self.ended, Worker(), NoGate())
        except CancelledError:
            raise
        except CrossdockError as error:
            return error
        return None

    def _is_there(self) -> bool:
        """Whether the folder exists, where folders exist by themselves."""
        folder, name = parent(self.side.path.rstrip("/"))
        if self.selection.name or not isinstance(self.store, Folders):
            return False
        return not name or self.side.ask(folder, lambda store: store.is_folder(name))

    def folders(self, *, keep: bool) -> None:
        """Remove the folders below, the deepest first, and the folder itself; none that has files again."""
        if not isinstance(self.store, Folders):
            return
        for path, _ in sorted(self.store.folders(), reverse=True):
            self.store.remove_folder(path)
        folder, name = parent(self.side.path.rstrip("/"))
        if name and not keep:
            with closing(self.side.store(folder)) as above:
                if isinstance(above, Folders):
                    above.remove_folder(name)
