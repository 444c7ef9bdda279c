"""A table connector for crossdock: tables as Arrow IPC files in a folder (``sample:///folder``).

A table ``t`` is its newest manifest ``t@7.json``, which names the files that hold the rows. A commit
writes the next manifest; a hard link, which fails where the name is taken, makes that one step
even when two programs commit at once. Rows are staged in files that no manifest names yet.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pyarrow as pa
from pydantic import Field

from crossdock import (
    AccessDeniedError,
    AlreadyExistsError,
    Attempt,
    Begun,
    Capabilities,
    ConfigError,
    ConnectorConfig,
    ConnectorSpec,
    CrossdockError,
    DataError,
    Location,
    NotFoundError,
    PlanHint,
    ReadBack,
    Receipt,
    SchemaMismatchError,
    Sink,
    Source,
    SourceChangedError,
    Split,
    StageLostError,
    Target,
    Unit,
    UnitPage,
    WriteMode,
    Writer,
    hookimpl,
)

Manifest = dict[str, Any]  # schema: text; parts: file names in order; runs: who has committed already


class SampleConfig(ConnectorConfig):
    """The options, as ``-s key=value`` and ``-k key=value`` give them."""

    compression: str | None = Field(None, pattern="^(lz4|zstd)$", description="Compress what is written")


class Folder:
    """The files of all tables. Table names are quoted, so ``@`` and ``/`` in them do no harm."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def versions(self, table: str) -> list[int]:
        prefix = quote(table, safe="") + "@"
        names = os.listdir(self.path) if self.path.is_dir() else []
        return sorted(int(n[len(prefix) : -5]) for n in names if n.startswith(prefix) and n.endswith(".json"))

    def manifest(self, table: str, version: int) -> Manifest:
        found: Manifest = json.loads((self.path / f"{quote(table, safe='')}@{version}.json").read_bytes())
        return found

    def newest(self, table: str) -> tuple[int, Manifest | None]:
        versions = self.versions(table)
        return (versions[-1], self.manifest(table, versions[-1])) if versions else (0, None)

    def publish(self, table: str, version: int, manifest: Manifest, stem: str) -> bool:
        """Write a manifest in one step; False when somebody else has just written that version."""
        final = self.path / f"{quote(table, safe='')}@{version}.json"
        draft = self.path / f"{stem}{os.urandom(8).hex()}"
        draft.write_text(json.dumps(manifest))
        try:
            os.link(draft, final)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True


class SampleSource(Source[pa.RecordBatch]):
    """A unit's token is its manifest: what was listed is what is read, whatever happens meanwhile."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        manifests = self._folder.path.glob("*@*.json")
        tables = sorted({unquote(path.name.partition("@")[0]) for path in manifests})
        if not tables:
            raise NotFoundError(f"there are no tables in {self._folder.path}")
        left = [table for table in tables if after is None or table > after.decode()]
        for number, table in enumerate(left, 1):
            token = json.dumps(self._folder.newest(table)[1]).encode()
            yield UnitPage((Unit(table, token=token),), table.encode() if number < len(left) else None)

    def _manifest(self, unit: Unit) -> Manifest:
        manifest: Manifest | None = (
            json.loads(unit.token) if unit.token else self._folder.newest(unit.name)[1]
        )
        if manifest is None:
            raise NotFoundError(f"there is no table {unit.name!r} in {self._folder.path}")
        return manifest

    def schema(self, unit: Unit) -> pa.Schema:
        return _schema(self._manifest(unit)["schema"])

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        parts = self._manifest(unit)["parts"]
        size = -(-len(parts) // (hint.max_splits or len(parts) or 1)) or 1
        for index, start in enumerate(range(0, len(parts), size)):
            some = parts[start : start + size]
            yield Split(unit.name, index, json.dumps(some).encode(), weight=len(some))

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        with closing(self._batches(json.loads(split.token))) as batches:
            yield batches

    def _batches(self, parts: list[str]) -> Generator[pa.RecordBatch, None, None]:
        for part in parts:
            try:
                file = pa.OSFile(str(self._folder.path / part))
            except FileNotFoundError:
                raise SourceChangedError(f"{part} was replaced while the table was read") from None
            with file:
                reader = pa.ipc.open_file(file)
                for number in range(reader.num_record_batches):
                    yield reader.get_batch(number)


class SampleWriter(Writer[pa.RecordBatch]):
    """One attempt writes one file, whose name no other attempt has."""

    def __init__(self, path: Path, schema: pa.Schema, compression: str | None) -> None:
        self._path = path
        self._rows = self._items = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._writer = pa.ipc.new_file(
            self._file, schema, options=pa.ipc.IpcWriteOptions(compression=compression)
        )

    def write(self, item: pa.RecordBatch) -> None:
        self._writer.write_batch(item)
        self._rows += item.num_rows
        self._items += 1

    def finish(self) -> Receipt:
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        size = self._file.tell()
        self._file.close()
        return Receipt(self._path.name.encode(), self._items, size, self._rows)

    def abort(self) -> None:
        with suppress(Exception):
            self._file.close()
        with suppress(OSError):
            self._path.unlink()


class SampleSink(Sink[pa.RecordBatch], ReadBack[pa.RecordBatch]):
    """The handle is JSON: everything that another process needs to go on."""

    def __init__(self, folder: Folder, compression: str | None) -> None:
        self._folder = folder
        self._compression = compression

    def check(self, unit: Unit, target: Target) -> None:
        if len(quote(unit.name, safe="")) > 150:
            raise ConfigError(f"the table name {unit.name[:20]!r}... is too long for a file name")
        there = self._folder.newest(unit.name)[1]
        if there and target.mode is WriteMode.ERROR:
            raise AlreadyExistsError(f"the table {unit.name!r} exists already")
        if there and target.mode is WriteMode.APPEND and _text(target.schema) != there["schema"]:
            raise SchemaMismatchError(f"the columns of {unit.name!r} are others: {_schema(there['schema'])}")

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        handle = {"table": unit.name, "mode": target.mode, "run": run_id, "schema": _text(target.schema)}
        return Begun(json.dumps(handle).encode(), max_writers=64)

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> SampleWriter:
        begun = json.loads(handle)
        name = f"{self._stem(begun)}{split.index}@{attempt.number}.arrow"
        return SampleWriter(self._folder.path / name, _schema(begun["schema"]), self._compression)

    def _stem(self, begun: dict[str, str]) -> str:
        return f"{quote(begun['table'], safe='')}@{quote(begun['run'], safe='')}@"

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        begun = json.loads(handle)
        published = False
        while not published:
            version, there = self._folder.newest(begun["table"])
            if there and begun["run"] in there["runs"]:
                return  # our own earlier commit, whatever was changed since
            if there and begun["mode"] == WriteMode.ERROR:
                raise AlreadyExistsError(f"the table {begun['table']!r} appeared during the copy")
            parts = self._durable(receipts)
            if there and begun["mode"] == WriteMode.APPEND:
                parts = there["parts"] + parts
            runs = [*(there["runs"] if there else []), begun["run"]]
            self._folder.path.mkdir(parents=True, exist_ok=True)
            manifest = {"schema": begun["schema"], "parts": parts, "runs": runs}
            published = self._folder.publish(begun["table"], version + 1, manifest, self._stem(begun))

    def _durable(self, receipts: Sequence[tuple[Split, Receipt]]) -> list[str]:
        parts = [receipt.token.decode() for _, receipt in sorted(receipts, key=lambda pair: pair[0].index)]
        lost = [part for part in parts if not (self._folder.path / part).exists()]
        if lost:
            raise StageLostError(f"{lost[0]} is gone")
        return parts

    def cleanup(self, handle: bytes) -> None:
        """Remove our files that the table does not use, and those of rows that were replaced."""
        begun = json.loads(handle)
        table, folder = begun["table"], self._folder
        newest = folder.newest(table)[1]
        used = set(newest["parts"]) if newest else set()
        ours = {path.name for path in folder.path.glob("*") if path.name.startswith(self._stem(begun))}
        replaced = {
            part for version in folder.versions(table) for part in folder.manifest(table, version)["parts"]
        }
        for part in (ours | replaced) - used:
            (folder.path / part).unlink(missing_ok=True)

    def written(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> tuple[Source[pa.RecordBatch], Unit]:
        begun = json.loads(handle)
        manifest = {"schema": begun["schema"], "parts": self._durable(receipts), "runs": []}
        return SampleSource(self._folder), Unit(begun["table"], token=json.dumps(manifest).encode())


def _text(schema: pa.Schema) -> str:
    return base64.b64encode(schema.serialize()).decode()


def _schema(text: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def classify(error: BaseException) -> CrossdockError | None:
    """What Arrow and the file system raise, in crossdock's words."""
    if isinstance(error, pa.ArrowInvalid):
        return DataError(f"this is no whole Arrow file: {error}")
    if isinstance(error, FileNotFoundError):
        return NotFoundError(str(error))
    return AccessDeniedError(str(error)) if isinstance(error, PermissionError) else None


def open_source(config: SampleConfig, location: Location) -> SampleSource:
    return SampleSource(Folder(location.path))


def open_sink(config: SampleConfig, location: Location) -> SampleSink:
    return SampleSink(Folder(location.path), config.compression)


SPEC = ConnectorSpec(
    name="sample",
    summary="Tables as Arrow IPC files in a folder",
    kind="table",
    config=SampleConfig,
    schemes=("sample",),
    capabilities=Capabilities(write_modes=frozenset(WriteMode), read_back="before_commit"),
    open_source=open_source,
    open_sink=open_sink,
    classify=classify,
    example="crossdock copy flights.csv sample:///data/tables",
)


@hookimpl
def crossdock_connectors() -> list[ConnectorSpec]:
    return [SPEC]
