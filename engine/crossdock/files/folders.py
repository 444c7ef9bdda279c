"""Folders of a source that its files do not make at the sink, or not with the access that they had."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import NotFoundError, NotSupportedError
from ..spi.endpoints import Sink, Source
from ..spi.store import Folders, ObjectAttributes
from .binary import BinarySink, BinarySource
from .settings import StoreReadSettings, StoreWriteSettings

_FIELDS = {"ACL": "acl", "Owner": "owner", "Group": "group"}


class CopiedFolders:
    """``copy`` may be called again; nothing of it is in the journal."""

    def __init__(self, source: Folders, sink: Folders, fields: frozenset[str], empty: bool) -> None:
        self._source, self._sink, self._fields, self._empty = source, sink, fields, empty

    def copy(self, ask_sink: Callable[[Callable[[], None]], None]) -> None:
        """Make empty folders where wanted; give all that are there now what is preserved."""
        for path, empty in self._source.folders():
            if not self._fields and not empty:
                continue
            if empty and not self._empty:
                continue
            kept = ObjectAttributes()
            if self._fields:
                try:
                    found = self._source.folder_attributes(path)
                except NotFoundError:
                    continue  # it has vanished since it was listed
                kept = ObjectAttributes(**{name: getattr(found, name) for name in self._fields})
            ask_sink(partial(self._sink.make_folder, path, kept))


def copied_folders(
    source: Source[Any],
    sink: Sink[Any],
    read: StoreReadSettings,
    write: StoreWriteSettings,
    names: tuple[str, str],
) -> CopiedFolders | None:
    """None where folders are as the files make them. ``names`` are the connectors'.

    Raises NotSupportedError for empty folders that cannot be found or made.
    """
    whole = (
        isinstance(source, BinarySource)
        and isinstance(sink, BinarySink)
        and source.selection.is_whole_folder
        and read.recursive
        and write.copy_behavior == "PreserveHierarchy"
    )
    if write.empty_folders and not whole:
        raise NotSupportedError(
            "empty_folders needs a binary copy of a whole folder, without a choice of files"
        )
    if not whole:
        return None
    assert isinstance(source, BinarySource)  # noqa: S101 - looked at above
    assert isinstance(sink, BinarySink)  # noqa: S101 - looked at above
    for store, name in ((source.store, names[0]), (sink.store, names[1])):
        if not isinstance(store, Folders):
            if write.empty_folders:
                raise NotSupportedError(f"empty_folders: {name} has no folders by itself")
            return None
    assert isinstance(source.store, Folders)  # noqa: S101 - looked at above
    assert isinstance(sink.store, Folders)  # noqa: S101 - looked at above
    common = source.store.folder_keeps & sink.store.folder_keeps
    fields = frozenset(_FIELDS[word] for word in write.preserve if _FIELDS.get(word) in common)
    return (
        CopiedFolders(source.store, sink.store, fields, write.empty_folders)
        if fields or write.empty_folders
        else None
    )
