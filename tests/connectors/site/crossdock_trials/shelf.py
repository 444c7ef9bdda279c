"""A table sink in a folder: staged Arrow files, and a manifest per table that a commit replaces in one step.

::

    NAME.parts/RUN-SPLIT.ATTEMPT.arrow    what one attempt wrote
    NAME.json                             {"files": [...], "run": the last run that committed}
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, SecretStr

from crossdock import (
    AlreadyExistsError,
    Attempt,
    AuthError,
    Begun,
    BulkLoader,
    Cancellable,
    Location,
    NotSupportedError,
    PlanHint,
    ReadBack,
    Receipt,
    Sink,
    Source,
    Split,
    StagedFile,
    StageLostError,
    Target,
    Unit,
    UnitPage,
    WriteMode,
    Writer,
)

from .switch import DriverError, Switch, TrialConfig


class ShelfConfig(TrialConfig):
    bulk: str = Field("", description="how items are taken: one by one, wrap or swallow errors, stop early")
    corrupt: str = Field(
        "",
        description="what becomes of rows of split 0: value, drop, swap; lose: a drop that is admitted",
    )
    corrupt_unit: str = Field("", description="only of the unit of this name")
    max_writers: int = Field(64, description="splits of a unit that may be written at once")
    max_splits: int = Field(0, description="splits that a unit may have; 0 is any number")
    memory: int = Field(0, description="what a writer says that it needs")
    cancellable: bool = Field(False, description="whether a blocked write can be ended")
    refuses: bool = Field(False, description="whether loading staged files does not work after all")
    password: SecretStr | None = Field(None, description="must be hunter2, where it is needed")
    needs_password: bool = Field(False, description="whether to ask for the password")


class ShelfSink(Sink[pa.RecordBatch], ReadBack[pa.RecordBatch]):
    def __init__(self, config: ShelfConfig, location: Location) -> None:
        self.config, self.switch = config, Switch(config, location)
        self._folder, self._table = Path(location.path), location.fragment
        self.one_target = bool(self._table)
        if config.needs_password and (
            config.password is None or config.password.get_secret_value() != "hunter2"
        ):
            raise AuthError("the password is wrong")

    def _manifest(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def check(self, unit: Unit, target: Target) -> None:
        self.switch("check", unit.name)
        name = self._table or unit.name
        if target.mode is WriteMode.ERROR and self._manifest(name).exists():
            raise AlreadyExistsError(f"the table {name} exists already")

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        self.switch.note("begun", unit=unit.name)
        self.switch("begin", unit.name)
        name = self._table or unit.name
        (self._folder / f"{name}.parts").mkdir(parents=True, exist_ok=True)
        assert target.schema is not None
        schema = b64encode(memoryview(target.schema.serialize())).decode()
        handle = json.dumps([name, run_id, target.mode, schema]).encode()
        config = self.config
        return Begun(handle, config.max_writers, config.max_splits or None, memory=config.memory)

    def _part(self, handle: bytes, split: Split, attempt: int) -> Path:
        name, run_id, *_ = json.loads(handle)
        return self._folder / f"{name}.parts" / f"{run_id}-{split.index}.{attempt}.arrow"

    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> Writer[pa.RecordBatch]:
        self.switch.note("writer", unit=split.unit, split=split.index, attempt=attempt.number)
        self.switch("writer", split.unit, split.index)
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(json.loads(handle)[3])))
        path = self._part(handle, split, attempt.number)
        kind = _CancellableWriter if self.config.cancellable else _ShelfWriter
        return kind(self, path, schema, split, attempt.number)

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        name, run_id, mode, _ = json.loads(handle)
        self.switch.note("commit", table=name, splits=[split.index for split, _ in receipts])
        self.switch("commit", name)
        manifest = self._manifest(name)
        old = json.loads(manifest.read_bytes()) if manifest.exists() else None
        if old and old["run"] == run_id:
            return
        if old and mode == WriteMode.ERROR:
            raise AlreadyExistsError(f"the table {name} exists already")
        parts = [self._part(handle, split, int(receipt.token)) for split, receipt in receipts]
        for part in parts:
            if not part.exists():
                raise StageLostError(f"{part.name} is gone")
        kept = old["files"] if old and mode == WriteMode.APPEND else []
        fresh = manifest.with_suffix(".new")
        fresh.write_text(json.dumps({"files": kept + [str(part) for part in parts], "run": run_id}))
        fresh.replace(manifest)
        self.switch("committed", name)

    def cleanup(self, handle: bytes) -> None:
        name, run_id, *_ = json.loads(handle)
        self.switch.note("cleanup", table=name)
        self.switch("cleanup", name)
        manifest = self._manifest(name)
        kept = json.loads(manifest.read_bytes())["files"] if manifest.exists() else []
        folder = self._folder / f"{name}.parts"
        for part in folder.glob(f"{run_id}-*"):
            if str(part) not in kept:
                part.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()

    def written(
        self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]
    ) -> tuple[Source[pa.RecordBatch], Unit]:
        name = json.loads(handle)[0]
        self.switch("written", name)
        paths = [str(self._part(handle, split, int(receipt.token))) for split, receipt in receipts]
        return _Parts(paths, self.switch), Unit(name)

    def close(self) -> None:
        self.switch.note("sink closed")


class FetchingShelf(ShelfSink, BulkLoader):
    """Loads staged Parquet files of this machine by itself."""

    def can_load(self) -> bool:
        return True

    def load(self, handle: bytes, split: Split, attempt: Attempt, file: StagedFile) -> Receipt:
        self.switch("load", split.unit, split.index)
        if self.config.refuses:
            raise NotSupportedError("the shelf is not in the mood")
        path = unquote(urlsplit(file.url).path)
        self.switch.note("load", unit=split.unit, split=split.index, format=file.format, size=file.size)
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(json.loads(handle)[3])))
        part = self._part(handle, split, attempt.number)
        writer = _ShelfWriter(self, part, schema, split, attempt.number)
        try:
            for batch in pq.ParquetFile(path).iter_batches():
                writer.write(batch)
            return writer.finish()
        except BaseException:
            writer.abort()
            raise


class _ShelfWriter(Writer[pa.RecordBatch]):
    def __init__(self, sink: ShelfSink, path: Path, schema: pa.Schema, split: Split, attempt: int) -> None:
        self._config, self._switch = sink.config, sink.switch
        self._path, self._split, self._attempt = path, split, attempt
        self._file = path.open("wb")
        self._writer = pa.ipc.new_stream(self._file, schema)
        self._rows = self._batches = 0

    def write(self, item: pa.RecordBatch) -> None:
        self._switch("take", self._split.unit, self._split.index, self._batches)
        here = self._config.corrupt_unit in ("", self._split.unit)
        given = item.num_rows
        if here and self._split.index == 0 and self._batches == 0:
            item = _corrupted(item, self._config.corrupt)
        self._writer.write_batch(item)
        self._rows += item.num_rows if self._config.corrupt == "lose" else given
        self._batches += 1

    def consume(self, items: Iterator[pa.RecordBatch]) -> None:
        how = self._config.bulk
        if how == "stop":
            self.write(next(items))
            return
        try:
            super().consume(items)
        except Exception as error:
            if how == "wrap":
                # As a C++ loader does that pulls from an Arrow stream: only the text is left.
                raise DriverError(f"the stream failed: {error}") from None
            if how != "swallow":
                raise

    def finish(self) -> Receipt:
        self._switch("finish", self._split.unit, self._split.index)
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._switch.note("finished", unit=self._split.unit, split=self._split.index)
        return Receipt(str(self._attempt).encode(), self._batches, self._path.stat().st_size, self._rows)

    def abort(self) -> None:
        self._switch.note("aborted", unit=self._split.unit, split=self._split.index)
        self._file.close()
        self._path.unlink(missing_ok=True)
        self._switch("abort", self._split.unit, self._split.index)


class _CancellableWriter(_ShelfWriter, Cancellable):
    def cancel(self) -> None:
        self._switch.note("cancelled", split=self._split.index)
        self._switch.woken.set()


def _corrupted(item: pa.RecordBatch, how: str) -> pa.RecordBatch:
    """One value changed, one row dropped, or two values of a column swapped."""
    if not how:
        return item
    rows = item.to_pylist()
    if how in ("drop", "lose"):
        del rows[1]
    elif how == "value":
        rows[1]["value"] += 1
    else:
        rows[1]["value"], rows[2]["value"] = rows[2]["value"], rows[1]["value"]
    return pa.RecordBatch.from_pylist(rows, schema=item.schema)


class _Parts(Source[pa.RecordBatch]):
    """What was written, read again: a split per file."""

    def __init__(self, paths: Sequence[str], switch: Switch) -> None:
        self._paths, self._switch = paths, switch

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        yield UnitPage((Unit("written"),))

    def schema(self, unit: Unit) -> Any:
        with pa.ipc.open_stream(self._paths[0]) as stream:
            return stream.schema

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        for index, path in enumerate(self._paths):
            yield Split(unit.name, index, path.encode())

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        self._switch("read_back", split.unit, split.index)
        with pa.OSFile(split.token.decode()) as file, pa.ipc.open_stream(file) as stream:
            yield iter(stream)


def read_table(folder: Path, name: str) -> pa.Table:
    """What is visible under ``name``."""
    files = json.loads((folder / f"{name}.json").read_bytes())["files"]
    tables = []
    for path in files:
        with pa.OSFile(path) as file, pa.ipc.open_stream(file) as stream:
            tables.append(stream.read_all())
    return pa.concat_tables(tables)
