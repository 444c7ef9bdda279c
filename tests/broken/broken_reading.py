"""Stores that are each wrong about one thing when they list or are read: variations of the template's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import get_ident
from urllib.parse import quote

import broken_attributes
import broken_browse
import broken_stores

from crossdock import (
    ConfigError,
    Entry,
    NotFoundError,
    ObjectAttributes,
    ObjectInfo,
    SourceChangedError,
)
from crossdock.template.store import SampleReader, SampleStore

Pages = Iterator[Sequence[ObjectInfo]]


found_by = partial(broken_stores.found_by, also=None)


@found_by("test_browse_nothing")
class HauntedStore(broken_browse.ShownStore):
    """Shows a file where there is none."""

    def level(self, prefix: str) -> list[Entry]:
        return super().level(prefix) or [Entry("x", "file", "x", 1)]


@found_by("test_folder_attributes")
class OwnerlessStore(broken_attributes.CoveredStore):
    """Declares that folders keep their owner."""

    folder_keeps = frozenset({"owner"})

    def folder_attributes(self, path: str) -> ObjectAttributes:
        super().folder_attributes(path)
        return ObjectAttributes()


@found_by("test_paths")
class QuotingStore(SampleStore):
    """Lists paths as they stand in a URL."""

    def list(self, prefix: str = "", after: str | None = None) -> Pages:
        for page in super().list(prefix, after):
            yield [replace(info, path=quote(info.path)) for info in page]


@found_by("test_hostile_paths_are_refused")
class TrustingStore(SampleStore):
    """Takes any path, also one that leads out of its folder."""

    def place(self, path: str) -> Path:
        return Path(self.root, path)


@found_by("test_list_prefix")
class FolderStore(SampleStore):
    """Takes a prefix for the name of a folder."""

    def list(self, prefix: str = "", after: str | None = None) -> Pages:
        return super().list(f"{prefix.rstrip('/')}/" if prefix else "", after)


@found_by("test_list_without_a_match_has_no_pages")
class PagingStore(SampleStore):
    """Gives a page without objects where there are none."""

    def list(self, prefix: str = "", after: str | None = None) -> Pages:
        yield from list(super().list(prefix, after)) or [[]]


@found_by("test_list_after")
class RepeatingStore(SampleStore):
    """Lists from the beginning, whatever was seen already."""

    def list(self, prefix: str = "", after: str | None = None) -> Pages:
        return super().list(prefix)


@found_by("test_list_pages_hold_objects_and_agree_with_stat")
class TwofoldStore(SampleStore):
    """Spells the version of an object in two ways."""

    def list(self, prefix: str = "", after: str | None = None) -> Pages:
        for page in super().list(prefix, after):
            yield [replace(info, etag=f'"{info.etag}"') for info in page]


@found_by("test_list_stays_inside")
class CuriousStore(SampleStore):
    """Lists what is beside its folder."""

    def list(self, prefix: str = "", after: str | None = None) -> Pages:
        if prefix == "../":
            yield [ObjectInfo(f"../{self.root.name}", 1, "1")]


@found_by("test_is_folder")
class PrefixStore(SampleStore):
    """Takes whatever some path begins with for a folder."""

    def is_folder(self, path: str) -> bool:
        return any(self.list(path))


@found_by("test_stat")
class SizelessStore(SampleStore):
    """Does not know how large objects are without opening them."""

    def stat(self, path: str) -> ObjectInfo:
        return replace(super().stat(path), size=0)


@found_by("test_missing_objects_are_not_found")
class FlatStore(SampleStore):
    """Takes a folder for an object."""

    def stat(self, path: str) -> ObjectInfo:
        return ObjectInfo(path, 0, "folder") if self.place(path).is_dir() else super().stat(path)


@found_by("test_etag_changes_with_the_content")
class WeighingStore(SampleStore):
    """Tells versions apart by their size alone."""

    def stat(self, path: str) -> ObjectInfo:
        info = super().stat(path)
        return replace(info, etag=str(info.size))


@found_by("test_read_empty_object")
class HollowStore(SampleStore):
    """Takes an empty object for none."""

    def open_read(self, path: str, info: ObjectInfo | None = None) -> SampleReader:
        reader = super().open_read(path, info)
        if not reader.info.size:
            reader.close()
            raise NotFoundError(f"{path} is empty")
        return reader


@found_by("test_pinned_version_is_read")
class SuspiciousStore(SampleStore):
    """Takes every version for another one."""

    def open_read(self, path: str, info: ObjectInfo | None = None) -> SampleReader:
        if info is not None:
            raise SourceChangedError(path)
        return super().open_read(path)


@found_by("test_pinned_version_that_is_gone")
class PuzzledStore(SampleStore):
    """Blames the options when an object has vanished."""

    def open_read(self, path: str, info: ObjectInfo | None = None) -> SampleReader:
        try:
            return super().open_read(path, info)
        except NotFoundError as error:
            raise ConfigError(path) if info else error from None


class OddlyRead(SampleStore):
    """Correct but for its readers."""

    reader: type[SampleReader]

    def open_read(self, path: str, info: ObjectInfo | None = None) -> SampleReader:
        opened = super().open_read(path, info)
        opened.__class__ = self.reader
        vars(opened).update(place=self.place(path), thread=get_ident())
        return opened


class FillingReader(SampleReader):
    def read_into(self, offset: int, buffer: memoryview) -> int:
        super().read_into(offset, buffer)
        return len(buffer)


@found_by("test_read_past_the_end")
class FillingStore(OddlyRead):
    """Gives as many bytes as are asked for, also behind the end."""

    reader = FillingReader


class ClosingReader(SampleReader):
    def close(self) -> None:
        os.close(self._file)


@found_by("test_readers_close_twice")
class ClosingStore(OddlyRead):
    """A reader that is closed must not be closed again."""

    reader = ClosingReader


class OpeningReader(SampleReader):
    place: Path

    def read_into(self, offset: int, buffer: memoryview) -> int:
        data = self.place.read_bytes()[offset : offset + len(buffer)]
        buffer[: len(data)] = data
        return len(data)


@found_by("test_change_while_reading")
class OpeningStore(OddlyRead):
    """Opens the object again for every range."""

    reader = OpeningReader


class OwnedReader(SampleReader):
    thread: int

    def read_into(self, offset: int, buffer: memoryview) -> int:
        if self.thread != get_ident():
            raise RuntimeError("made in another thread")
        return super().read_into(offset, buffer)


@found_by("test_read_from_several_threads")
class OwnedStore(OddlyRead):
    """A reader works in the thread that has opened it."""

    reader = OwnedReader


@found_by("test_delete")
class StrictStore(SampleStore):
    """Complains that what is to be deleted is not there."""

    def delete(self, path: str) -> None:
        self.place(path).unlink()


@found_by("test_close_twice")
class ClosableStore(SampleStore):
    """A store that is closed must not be closed again."""

    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True
