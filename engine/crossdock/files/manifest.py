"""The manifest of a stage: what is staged, written last; without it a stage is not complete.

One line of JSON for the stage, one per unit, one with their number and the digest of all lines before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import ConfigError, NotFoundError, SourceChangedError
from ..spi.store import ObjectInfo, ObjectStore, UploadRequest
from .objectfile import ObjectFile, PartStream, blocks_of

VERSION = 1
NAME = "_crossdock_manifest.jsonl"
CLAIM = "_crossdock_stage.json"
_BLOCK = 4 << 20


@dataclass(frozen=True, slots=True)
class Staged:
    """A unit on a stage.

    ``name`` is the unit's own, ``file`` where its rows are. ``pieces`` are lengths and digests of the file's
    bytes, in order; ``values`` the digest of its rows, empty where nobody asked for it.
    """

    name: str
    file: str
    size: int
    etag: str
    modified: float
    rows: int
    columns: dict[str, str]
    pieces: list[tuple[int, str]]
    values: str = ""

    @property
    def info(self) -> ObjectInfo:
        return ObjectInfo(self.file, self.size, self.etag, self.modified)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a stage says of itself. ``ending``: what the names of the source's files end with."""

    run_id: str
    format: str
    source: str = ""
    ending: str = ""
    units: list[Staged] = field(default_factory=list)


def write(store: ObjectStore, owner: str, manifest: Manifest, units: Iterable[Staged], number: int) -> None:
    """Write the manifest in one step. ``number`` is another one in each process that tries."""
    from ..digest_range import ByteDigest

    upload = store.open_upload(NAME, UploadRequest(owner, overwrite=True))
    stream, digest, count = PartStream(store, upload, 0, number, _BLOCK), ByteDigest(), -1
    try:
        head = {"crossdock_stage": VERSION, **{k: v for k, v in asdict(manifest).items() if k != "units"}}
        for line in _lines(head, units):
            digest.update(line)
            stream.write(line)
            count += 1
        stream.write(_line({"units": count, "digest": str(digest)}))
        store.commit(upload, blocks_of(0, number, stream.finish()))
    finally:
        stream.abort()
        store.abort(upload)


def _lines(head: dict[str, Any], units: Iterable[Staged]) -> Iterator[bytes]:
    yield _line(head)
    for unit in units:
        yield _line(asdict(unit))


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def read(store: ObjectStore, where: str) -> Manifest:
    """Read the manifest of the stage ``where``.

    Raises ConfigError for what is no stage, or no complete one, SourceChangedError for a manifest that is not
    what was written.
    """
    from ..digest_range import ByteDigest

    try:
        lines = _content(store, NAME).splitlines(keepends=True)
    except NotFoundError:
        raise _without(store, where) from None
    digest = ByteDigest()
    for line in lines[:-1]:
        digest.update(line)
    try:
        head, *units, foot = map(json.loads, lines)
        version = head.pop("crossdock_stage")
        if version != VERSION:
            raise ConfigError(
                f"the stage {where} has version {version}, this crossdock reads {VERSION}; stage it anew"
            )
        if foot != {"units": len(units), "digest": str(digest)}:
            raise _altered(where)
        return Manifest(**head, units=[_staged(unit) for unit in units])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _altered(where) from error


def _content(store: ObjectStore, path: str) -> bytes:
    with ObjectFile(store.open_read(path)) as file:
        return bytes(file.read())


def _staged(fields: dict[str, Any]) -> Staged:
    pieces = [(int(length), str(text)) for length, text in fields.pop("pieces")]
    return Staged(**fields, pieces=pieces)


def _altered(where: str) -> SourceChangedError:
    return SourceChangedError(f"the manifest of the stage {where} is not what was written; stage it anew")


def _without(store: ObjectStore, where: str) -> ConfigError:
    claim = claimed(store)
    if claim is None:
        return ConfigError(f"{where} is not a stage: crossdock stage out writes one")
    return ConfigError(
        f"the stage {where} is not complete: the run {claim.run_id!r} is still writing it, or has ended "
        "early",
        hint="wait for it, or resume it where it was begun",
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose a stage is. ``owner`` was drawn for this stage alone: two machines may give a run the same id."""

    run_id: str
    owner: str

    def encode(self) -> bytes:
        return json.dumps({"crossdock_stage": VERSION, "run_id": self.run_id, "owner": self.owner}).encode()


def claimed(store: ObjectStore) -> Claim | None:
    """Whose the stage is; None where it is nobody's."""
    try:
        found = json.loads(_content(store, CLAIM))
        return Claim(str(found["run_id"]), str(found.get("owner", "?")))
    except NotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return Claim("?", "?")


def checked(store: ObjectStore, manifest: Manifest, where: str) -> Manifest:
    """Compare the manifest with what is there; returns it with the versions that are.

    Raises NotFoundError for a missing file, ConfigError for one too many, SourceChangedError for one whose
    bytes are others. A file whose version is the one that was written is not read for that.
    """
    there = {info.path: info for page in store.list() for info in page}
    units = []
    for unit in manifest.units:
        found = there.pop(unit.file, None)
        if found is None:
            raise NotFoundError(f"the stage {where} lacks {unit.file}; stage it anew")
        units.append(replace(unit, etag=found.etag, modified=found.modified))
        if found.size != unit.size or (found.etag != unit.etag and not _same_bytes(store, found, unit)):
            raise SourceChangedError(
                f"{unit.file} of the stage {where} is not what was written; stage it anew"
            )
    extra = sorted(there.keys() - {NAME, CLAIM})
    if extra:
        raise ConfigError(f"the stage {where} has a file that is not in its manifest: {extra[0]}; remove it")
    return replace(manifest, units=units)


def _same_bytes(store: ObjectStore, info: ObjectInfo, unit: Staged) -> bool:
    from ..digest_range import ByteDigest
    from ..limits import BUFFERS

    with store.open_read(info.path, info) as reader, BUFFERS.borrow(_BLOCK) as buffer:
        at = 0
        for length, expected in unit.pieces:
            digest, end = ByteDigest(), at + length
            while at < end:
                piece = buffer[: min(len(buffer), end - at)]
                reader.read_into(at, piece)
                digest.update(piece)
                at += len(piece)
            if str(digest) != expected:
                return False
    return at == unit.size
