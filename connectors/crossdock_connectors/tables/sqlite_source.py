"""SQLite as a source: one unit per table, splits by ranges of the rowid."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from crossdock import (
    Browsable,
    ConfigError,
    CrossdockError,
    DataError,
    EntryPage,
    NotFoundError,
    NotSupportedError,
    Parameter,
    PlanHint,
    Reached,
    Scriptable,
    ScriptResult,
    Source,
    SourceChangedError,
    Split,
    Unit,
    UnitPage,
)

from . import sqlite_browse as browse_
from . import sqlite_scripting as scripting_
from .sqlite_columns import (
    QUERY,
    Column,
    Relation,
    columns_of,
    misfit_error,
    relation,
    schema_of,
    select,
    tables,
    value_error,
)
from .sqlite_database import Connection, Database, Presence, is_written_here, literal, quote
from .sqlite_errors import fault
from .sqlite_ranges import Key, cut
from .sqlite_types import arrow_type, stored_as
from .sqlite_values import parse

if TYPE_CHECKING:
    import pyarrow as pa

_SMALLEST = 20_000
_PER_WORKER = 4
_VERSION = 1


@dataclass
class SqliteSource(Source["pa.RecordBatch"], Browsable, Scriptable):
    """The tables of a database, or the one named, or a query.

    ``partition`` names the column whose ranges are the splits (``none``: one split).
    """

    database: Database
    table: str = ""
    query: str = ""
    partition: str = "rowid"
    _presence: Presence = field(init=False)

    def __post_init__(self) -> None:
        self._presence = Presence(self.database.path, writes=False)

    def test(self) -> Reached:
        with self.database.connect() as connection:
            return browse_.reached(connection)

    def browse(self, path: str = "", after: str | None = None, most: int = 1000) -> EntryPage:
        with self.database.connect() as connection:
            return browse_.level(connection, path, after, most)

    def script(
        self, text: str, parameters: Sequence[Parameter] = (), *, rows: int | None = None
    ) -> ScriptResult:
        return scripting_.script(self.database, text, parameters, rows)

    def call(
        self, procedure: str, parameters: Sequence[Parameter] = (), *, rows: int | None = None
    ) -> ScriptResult:
        raise NotSupportedError("SQLite has no procedures")

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        with self.database.connect() as connection:
            if self.table or self.query:
                if after is None:
                    name = relation(connection, self.table or QUERY, self.query).name
                    yield UnitPage((Unit(name),))
                return
            names = tables(connection, after.decode() if after else "")
        if not names and after is None:
            raise NotFoundError(f"{self.database.path} has no tables")
        yield from UnitPage.of(names)

    def schema(self, unit: Unit) -> pa.Schema:
        with self.database.connect() as connection:
            source = self._open(connection, unit.name)
            return schema_of(columns_of(connection, source))

    def _open(self, connection: Connection, name: str) -> Relation:
        source = relation(connection, name, self.query)
        if source.prepare:
            connection.run(source.prepare)
        return source

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        stamp = self.database.stamp()
        with self.database.connect() as connection:
            source = self._open(connection, unit.name)
            columns = columns_of(connection, source)
            key = self._key(connection, source)
            limit = min(max(hint.parallel * _PER_WORKER, hint.most), hint.max_splits or 1 << 30)
            # A copy within one database: what it writes would look like a change of the source.
            wanted = 1 if key is None or is_written_here(self.database.path) else max(1, limit)
            bounds, rows = cut(Key(connection, source.sql, key), wanted) if key else ([], 0.0)
        per_split = max(_SMALLEST, hint.min_split_bytes // (16 * len(columns) or 1))
        bounds = _thin(bounds, rows / per_split)
        if self.partition in ("rowid", "none") and source.rowid:
            # Else SQLite may read an index that holds all columns, in the order of that.
            source = replace(source, sql=f"{source.sql} NOT INDEXED")
        wheres = _wheres(key, bounds, nulls=key != source.rowid) if key else [""]
        for index, where in enumerate(wheres):
            token = pack(source, columns, where, stamp if len(wheres) > 1 else "")
            yield Split(unit.name, index, token, max(1, int(rows / len(wheres))))

    def _key(self, connection: Connection, source: Relation) -> str | None:
        """The SQL name of the partition column; None for one split."""
        if self.partition == "none":
            return None
        if self.partition == "rowid":
            return source.rowid or None
        if not _is_indexed(connection, source, self.partition):
            raise ConfigError(
                f"partition={self.partition}: {source.name} has no index on an integer column of that name"
            )
        return quote(self.partition)

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        plan = _unpack(split.token)
        with self.database.connect() as connection, ExitStack() as stack:
            if plan.source.prepare:
                connection.run(plan.source.prepare)
            sql = select(plan.source, plan.columns, plan.where)
            try:
                reader = stack.enter_context(connection.batches(sql))
            except CrossdockError as error:
                raise self._explained(error, plan) from error
            yield self._batches(reader, plan)

    def _batches(self, reader: pa.RecordBatchReader, plan: _Plan) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        schema, first = schema_of(plan.columns), True
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except (OSError, pa.ArrowException) as error:
                raise self._explained(error, plan) from error
            if first:
                first = False
                self._check_first(batch, plan)
                batch = batch.slice(1)
            if batch.num_rows:
                arrays = [self._parsed(*pair, plan) for pair in zip(batch.columns, plan.columns, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _check_first(self, batch: pa.RecordBatch, plan: _Plan) -> None:
        """Our snapshot of the database is now fixed: is it the planned one, and are the types right?"""
        if plan.stamp and plan.stamp != self.database.stamp():
            raise SourceChangedError(
                f"{self.database.path} was written to since the copy was planned",
                hint="-s partition=none reads each table in one piece",
            )
        wanted = [arrow_type({"text": "string", "integer": "int64"}.get(stored_as(c.code), c.code))
                  for c in plan.columns]  # fmt: skip
        for found, kind, column in zip(batch.schema.types, wanted, plan.columns, strict=True):
            if found != kind and stored_as(column.code) != "null":
                raise self._explained(DataError(f"{plan.source.name}.{column.name} is {found}"), plan)

    def _parsed(self, values: pa.Array, column: Column, plan: _Plan) -> pa.Array:
        import pyarrow as pa

        try:
            return parse(values, column.code)
        except pa.ArrowInvalid:
            pass
        for value in values:
            try:
                parse(pa.array([value.as_py()], values.type), column.code)
            except (pa.ArrowInvalid, UnicodeDecodeError):
                break
        raise self._locate(values.type, value, column, plan)

    def _locate(self, kind: pa.DataType, value: Any, column: Column, plan: _Plan) -> DataError:
        """Name the row of a value that was stored as the right class and does not parse."""
        raw = value.as_buffer().to_pybytes() if hasattr(value, "as_buffer") else None
        wanted = f"CAST(x'{raw.hex()}' AS TEXT)" if raw is not None else str(value)
        with self.database.connect() as connection:
            if plan.source.prepare:
                connection.run(plan.source.prepare)
            where = f"({plan.where}) AND " if plan.where else ""
            rowid = connection.value(
                f"SELECT {plan.source.rowid or 'NULL'} FROM {plan.source.sql} "
                f"WHERE {where}{quote(column.name)} = {wanted} LIMIT 1"
            )
        shown = repr(raw.decode(errors="backslashreplace")[:60]) if raw is not None else str(value)
        return value_error(plan.source, column, shown, "", rowid)

    def _explained(self, error: Exception, plan: _Plan) -> CrossdockError:
        """What went wrong while reading: a value of another type, if there is one; else the error itself."""
        known = error if isinstance(error, CrossdockError) else fault(error, self.database.path)
        text = str(error).lower()
        if isinstance(error, DataError) or "mismatch" in text or "integer overflow" in text or known is None:
            with self.database.connect() as connection:
                if plan.source.prepare:
                    connection.run(plan.source.prepare)
                found = misfit_error(connection, plan.source, plan.columns, plan.where)
            if found is not None:
                return found
        return known or DataError(f"{self.database.path}, {plan.source.name}: {error}")

    def close(self) -> None:
        self._presence.end()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a split's token says."""

    source: Relation
    columns: Sequence[Column]
    where: str
    stamp: str


def pack(source: Relation, columns: Sequence[Column], where: str, stamp: str) -> bytes:
    relation_ = [source.name, source.sql, source.prepare, source.rowid]
    listed = [[c.name, c.code, c.guard] for c in columns]
    return json.dumps([_VERSION, relation_, listed, where, stamp]).encode()


def _unpack(token: bytes) -> _Plan:
    version, *rest = json.loads(token)
    if version != _VERSION:
        raise ConfigError("the copy was planned by another version of crossdock; start it anew")
    relation_, listed, where, stamp = rest
    return _Plan(Relation(*relation_), [Column(*column) for column in listed], where, stamp)


def _thin(bounds: list[int], most: float) -> list[int]:
    """Drop boundaries evenly where the splits would be too small."""
    wanted = int(most)
    if len(bounds) < wanted or not bounds:
        return bounds
    step = (len(bounds) + 1) / max(1, wanted)
    return sorted({bounds[int(i * step) - 1] for i in range(1, wanted)})


def _wheres(key: str, bounds: list[int], *, nulls: bool) -> list[str]:
    if not bounds:
        return [""]
    first = f"{key} < {bounds[0]}" + (f" OR {key} IS NULL" if nulls else "")
    between = [f"{key} >= {low} AND {key} < {high}" for low, high in pairwise(bounds)]
    return [first, *between, f"{key} >= {bounds[-1]}"]


def _is_indexed(connection: Connection, source: Relation, column: str) -> bool:
    name = literal(source.name)
    declared = connection.run(
        f"SELECT type, pk FROM pragma_table_xinfo({name}) WHERE name = {literal(column)} COLLATE NOCASE"
    )
    if not declared or "INT" not in declared[0][0].upper():
        return False
    indexes = connection.run(
        f"SELECT 1 FROM pragma_index_list({name}) AS l JOIN pragma_index_info(l.name) AS i "
        f"WHERE NOT l.partial AND i.seqno = 0 AND i.name = {literal(column)} COLLATE NOCASE"
    )
    return bool(indexes) or declared[0] == ("INTEGER", 1)
