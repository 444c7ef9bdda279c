"""A stage: a folder of a store that belongs to one run, with a file per unit and a manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

from ..errors import AlreadyExistsError, ConfigError
from ..spi.data import PlanHint, Split, Unit, UnitPage, WriteMode
from ..spi.record import record
from ..spi.store import Block, Folders, ObjectInfo, ObjectStore, UploadRequest, WholeWriter
from . import manifest
from .binary import FileTarget
from .listing import Selection, version
from .manifest import CLAIM, NAME, Claim, Manifest, Staged
from .tabular import FormatSource

if TYPE_CHECKING:
    import pyarrow as pa

_PAGE = 1000
_OURS = re.compile(r"[A-Za-z0-9_-]{0,40}-[0-9a-f]{16}\.\w+")


@dataclass
class StageTarget(FileTarget):
    """A file per unit, whose name says enough for a person and is fine in every store and address."""

    def path(self, unit: Unit) -> str:
        data = unit.name.encode(errors="surrogateescape")
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", unit.name)[-40:]
        return f"{stem}-{blake2b(data, digest_size=8).hexdigest()}{self.extension}"

    def check(self, unit: Unit, mode: WriteMode, *, guarded: bool = False) -> None:
        """The folder is empty or this run's own: ``claim`` sees to it."""

    def shared_name(self, unit: Unit) -> str | None:
        return None


# -- whose it is ----------------------------------------------------------------------------------------


def look(store: ObjectStore, owner: str, where: str) -> bool:
    """Whether the folder is that owner's already; False where it is empty, or missing.

    Raises ConfigError where it is another run's, or holds anything else.
    """
    if (found := manifest.claimed(store)) is not None:
        if found.owner == owner:
            return True
        raise ConfigError(f"the stage {where} belongs to another run, {found.run_id!r}; name a new folder")
    other = next((info.path for page in store.list() for info in page), None)
    if other is not None:
        raise ConfigError(f"the stage {where} is not empty: it has {other}; name a new folder")
    return False


def claim(store: ObjectStore, claim: Claim, where: str) -> None:
    """Take the folder; twice is the same as once. Raises what ``look`` raises."""
    if look(store, claim.owner, where):
        # A process that was killed may have left something of it.
        store.abandon(CLAIM, claim.owner)
        return
    data = claim.encode()
    upload = store.open_upload(CLAIM, UploadRequest(claim.owner, size=len(data)))
    try:
        if isinstance(store, WholeWriter):
            store.put_whole(upload, memoryview(data))
        else:
            block = Block(0, 1, 0, 0, len(data))
            store.write_block(upload, block, memoryview(data))
            store.commit(upload, [block])
    except AlreadyExistsError:
        # Somebody was quicker; that may be this very run, whose answer was lost.
        if not look(store, claim.owner, where):
            raise
    finally:
        store.abort(upload)


def remove(store: ObjectStore, parent: ObjectStore | None, name: str, owner: str) -> bool:
    """Remove what that owner has staged, the manifest first and the claim last, and the folder ``name`` of
    ``parent``; twice is the same as once.

    Returns whether all is gone then. What is another run's, or nobody's, stays, and the folder with it.
    """
    found = manifest.claimed(store)
    if found is not None and found.owner == owner:
        # Half removed is as good as half written: nobody takes it for complete.
        store.delete(NAME)
        for page in store.list():
            for info in page:
                if _OURS.fullmatch(info.path):
                    store.delete(info.path)
        for uploader in (found.run_id, owner):
            store.abandon_all(uploader)
        store.delete(CLAIM)
    if next(iter(store.list()), None) is not None:
        return False
    if isinstance(parent, Folders):
        parent.remove_folder(name)
        return not parent.is_folder(name)
    return True


# -- reading it -----------------------------------------------------------------------------------------


@record
class StagedFiles(Selection):
    """The files that the manifest names, compared with those that are there."""

    @cached_property
    def manifest(self) -> Manifest:
        return manifest.checked(self.store, manifest.read(self.store, self.where), self.where)

    @cached_property
    def by_file(self) -> dict[str, Staged]:
        return {unit.file: unit for unit in self.manifest.units}

    def pages(self, after: str | None = None) -> Iterator[list[ObjectInfo]]:
        yield [unit.info for unit in self.manifest.units]


@dataclass
class StageSource(FormatSource):
    """The rows of a stage, under the names that their units had.

    ``whole``: a split is a whole file, for a sink that fetches it by itself.
    """

    whole: bool = False

    @property
    def staged(self) -> StagedFiles:
        assert isinstance(self.selection, StagedFiles)  # noqa: S101 - what it was opened with
        return self.selection

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        if self.merge:
            yield from self.selection.merged(after)
            return
        units, start = self.staged.manifest.units, int(after or 0)
        for at in range(start, len(units), _PAGE):
            page = tuple(_unit(staged) for staged in units[at : at + _PAGE])
            yield UnitPage(page, b"%d" % (at + _PAGE))

    def schema(self, unit: Unit) -> pa.Schema:
        return super().schema(unit if self.merge else _inner(unit))

    def _schema_of(self, info: ObjectInfo) -> pa.Schema:
        """Options that choose what is read of a file would make another copy of the stage than there is."""
        found = super()._schema_of(info)
        staged = self.staged.by_file[info.path]
        if found.names != list(staged.columns):
            raise ConfigError(
                f"{staged.name} was staged with the columns {', '.join(staged.columns)}, and is read with "
                f"{', '.join(found.names)}; leave out the option of the stage that chooses columns"
            )
        return found

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        if self.whole and not self.merge:
            hint = replace(hint, max_splits=1)
        for split in super().plan(unit if self.merge else _inner(unit), hint):
            yield replace(split, unit=unit.name)

    def expected(self, unit: Unit) -> tuple[int, Sequence[str]]:
        """How many rows a unit has, and the digests of all of them where the manifest has those."""
        if not self.merge:
            rows, values = json.loads(unit.token)[3:]
            return rows, [values] if values else []
        units = self.staged.manifest.units
        values = [staged.values for staged in units]
        return sum(staged.rows for staged in units), values if all(values) else []


def _unit(staged: Staged) -> Unit:
    token = json.dumps([staged.file, staged.etag, staged.modified, staged.rows, staged.values])
    return Unit(staged.name, staged.size, token.encode())


def _inner(unit: Unit) -> Unit:
    """The unit as the store's own listing would have it."""
    file, etag, modified, *_ = json.loads(unit.token)
    return Unit(file, unit.size, version(ObjectInfo(file, unit.size or 0, etag, modified)))


def file_of(split: Split) -> ObjectInfo:
    """The file that a split of a stage is read from, where it is a whole one."""
    (place, _), *_ = json.loads(split.token)
    return ObjectInfo(*place)
