"""The files within compressed files and archives, as the units of a binary copy."""

from __future__ import annotations

import json
import posixpath
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from ..errors import ConfigError
from ..files.binary import DEFAULT_BLOCK
from ..files.listing import Selection
from ..files.objectfile import ObjectFile
from ..limits import BUFFERS
from ..spi.data import PlanHint, Split, Unit, UnitPage
from ..spi.endpoints import Source
from ..spi.store import ObjectInfo, ObjectStore
from .archives import Entry, entries, open_entry, unpacked_stream
from .codecs import ARCHIVES
from .packed_file import PackedFile, chunks_of

_MOST_IDLE = 16


@dataclass
class UnpackedSource(Source[memoryview]):
    """A unit per file within the selected objects, each read by one split, from its start to its end.

    ``folder``: what is in an archive goes into a folder with the archive's name. ``single``: an archive may
    have one file only.
    """

    store: ObjectStore
    selection: Selection
    codec: str
    folder: bool = True
    single: bool = False
    _names: dict[str, str] = field(default_factory=dict)
    _idle: list[_Stream] = field(default_factory=list)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        for page in self.selection.pages(after.decode(errors="surrogateescape") if after else None):
            found = tuple(unit for info in page for unit in self._units_of(info))
            yield UnitPage(found, page[-1].path.encode(errors="surrogateescape"))

    def _units_of(self, info: ObjectInfo) -> Iterator[Unit]:
        with ObjectFile(self.store.open_read(info.path, info)) as file:
            found = entries(file, info.size, self.codec, info.path)
        if self.single and len(found) > 1:
            raise ConfigError(f"{info.path} holds {len(found)} files; name a folder as the sink")
        place = info.path if self.codec in ARCHIVES and self.folder else posixpath.dirname(info.path)
        for entry in found:
            name = posixpath.join(place, entry.name)
            if self._names.setdefault(name, info.path) != info.path:
                raise ConfigError(
                    f"{info.path} and {self._names[name]} both hold {entry.name}; archive_folder=true keeps "
                    "them apart"
                )
            what = [info.path, info.size, info.etag, info.modified]
            yield Unit(name, None, json.dumps([what, asdict(entry)]).encode())

    def of_size(self, size: int) -> Unit:
        """The only unit, which is as large as that where nothing else is known."""
        unit = next(self.units()).units[0]
        what, entry = json.loads(unit.token)
        known = size if entry["size"] is None else entry["size"]
        return Unit(unit.name, known, json.dumps([what, entry | {"size": known}]).encode())

    def schema(self, unit: Unit) -> None:
        return None

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        (_, size, _, _), entry = json.loads(unit.token)
        length, memory = entry["size"], hint.block or DEFAULT_BLOCK
        weight = max(1, entry["packed"] or length or size)
        # It begins as the token of any binary split does, with a size: it is never written in one request.
        token = b"-1 0.0 " + unit.token
        yield Split(unit.name, 0, token, weight, None if length is None else 0, length, memory)

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[memoryview]]:
        what, found = json.loads(split.token.split(b" ", 2)[2])
        info, entry = ObjectInfo(*what), Entry(**found)
        stream = self._stream(info, entry)
        with BUFFERS.borrow(split.memory or DEFAULT_BLOCK) as buffer:
            yield _items(stream.open(entry), buffer)
        # Not where an error leaves it: nobody knows its state then.
        self._keep(stream)

    def _stream(self, info: ObjectInfo, entry: Entry) -> _Stream:
        """One that has not passed the entry yet, the furthest of them; else a new one."""
        with self._mutex:
            fit = [each for each in self._idle if each.info == info and each.place <= entry.at]
            if fit:
                found = max(fit, key=lambda each: each.place)
                self._idle.remove(found)
                return found
        return _Stream(self.store, info, self.codec)

    def _keep(self, stream: _Stream) -> None:
        with self._mutex:
            self._idle.append(stream)
            spare = self._idle.pop(0) if len(self._idle) > _MOST_IDLE else None
        if spare is not None:
            spare.close()

    def close(self) -> None:
        for stream in self._idle:
            stream.close()
        self._idle.clear()
        self.store.close()


class _Stream:
    """An open object. A compressed archive is gone through once, by each that reads files of it in order."""

    def __init__(self, store: ObjectStore, info: ObjectInfo, codec: str) -> None:
        self.info, self._codec = info, codec
        self._file = ObjectFile(store.open_read(info.path, info))
        self._whole = unpacked_stream(self._file, info.size, info.path) if codec == "tarGZip" else None

    @property
    def place(self) -> int:
        return 0 if self._whole is None else self._whole.place

    def open(self, entry: Entry) -> PackedFile:
        if self._whole is None:
            return open_entry(self._file, self.info.size, self._codec, entry, self.info.path)
        whole = self._whole
        name = f"{entry.name} in {self.info.path}"
        return PackedFile(lambda: chunks_of(whole, entry.at, entry.size), name, entry.size)

    def close(self) -> None:
        self._file.close()


def _items(file: PackedFile, buffer: memoryview) -> Iterator[memoryview]:
    while True:
        fill = 0
        while fill < len(buffer) and (count := file.readinto(buffer[fill:])):
            fill += count
        if fill:
            yield buffer[:fill]
        if fill < len(buffer):
            file.check_end()
            return
