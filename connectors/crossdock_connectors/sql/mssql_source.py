"""SQL Server as a source: one unit per table, splits by ranges of a key or by the server's partitions."""

# ruff: noqa: S608 - names and texts go through MSSQL.quote() and text(); SQL has no parameters for names.

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossdock import (
    Browsable,
    Cancellable,
    CancelledError,
    ConfigError,
    CrossdockError,
    DataError,
    EntryPage,
    InternalError,
    NotFoundError,
    Parameter,
    PlanHint,
    Reached,
    SchemaMismatchError,
    Scriptable,
    ScriptResult,
    Source,
    Split,
    Unit,
    UnitPage,
)

from ..queries import one_select
from . import mssql_browse as browse_
from . import mssql_columns as columns_
from . import mssql_partition as partition_
from . import mssql_scripting as scripting_
from .identifiers import MSSQL
from .mssql_columns import Column, columns_of, describe, unit_name, unit_parts
from .mssql_connection import Connection, Server
from .mssql_scripts import assignments
from .mssql_types import Reading, Type, reading
from .ranges import PLACEHOLDER

if TYPE_CHECKING:
    import pyarrow as pa

    from .mssql_config import MssqlConfig

_VERSION = 1
_BATCH = 8 << 20
_PER_WORKER = 4
_SMALLEST = 50_000
_ISOLATION = {"ReadCommitted": "READ COMMITTED", "ReadUncommitted": "READ UNCOMMITTED",
              "RepeatableRead": "REPEATABLE READ", "Serializable": "SERIALIZABLE",
              "Snapshot": "SNAPSHOT"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Relation:
    """What is read: ``sql`` with ``{where}`` for a condition; its columns as they are declared and read."""

    name: str
    sql: str
    columns: Sequence[Column]
    parts: tuple[str, str] | None = None

    def select(self, condition: str) -> str:
        if self.parts is None:
            return self.sql.replace(PLACEHOLDER, f"({condition or '1 = 1'})")
        return f"{self.sql} WHERE {condition}" if condition else self.sql


@dataclass
class MssqlSource(Source["pa.RecordBatch"], Cancellable, Browsable, Scriptable):
    """The tables of a database, or the one named, or what a query or procedure gives."""

    server: Server
    config: MssqlConfig
    table: str = ""
    _cancelled: bool = False
    _in_ranges: bool = False

    def __post_init__(self) -> None:
        one_select(self.config.query, t_sql=True)

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        if self._cancelled:
            raise CancelledError
        with self.server.connect() as connection:
            yield connection

    def cancel(self) -> None:
        self._cancelled = True
        self.server.cancel()

    def test(self) -> Reached:
        with self._connect() as connection:
            return browse_.reached(connection)

    def browse(self, path: str = "", after: str | None = None, most: int = 1000) -> EntryPage:
        with self._connect() as connection:
            return browse_.level(connection, path, self.config.table_schema, after, most)

    def script(
        self, text: str, parameters: Sequence[Parameter] = (), *, rows: int | None = None
    ) -> ScriptResult:
        with self._carrier() as connection:
            return scripting_.script(connection, text, parameters, rows)

    def call(
        self, procedure: str, parameters: Sequence[Parameter] = (), *, rows: int | None = None
    ) -> ScriptResult:
        with self._carrier() as connection:
            return scripting_.call(connection, procedure, self.config.table_schema, parameters, rows)

    @contextmanager
    def _carrier(self) -> Iterator[Connection]:
        """A connection whose results are record batches, whichever driver statements go through."""
        if self._cancelled:
            raise CancelledError
        with self.server.carrier() as connection:
            self._isolate(connection)
            yield connection

    def _isolate(self, connection: Connection) -> None:
        if level := self.config.isolation_level:
            connection.run(f"SET TRANSACTION ISOLATION LEVEL {_ISOLATION[level]}")

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        schema = self.config.table_schema
        if self.table or self.config.query or self.config.procedure:
            if after is None:
                yield UnitPage((Unit(self._unit_name()),))
            return
        with self._connect() as connection:
            found = columns_.tables(connection)
        if not found:
            raise NotFoundError(f"{self.server.where} has no tables")
        names = sorted(unit_name(parts, schema) for parts in found)
        names = [name for name in names if after is None or name > after.decode()]
        yield from UnitPage.of(names)

    def _unit_name(self) -> str:
        if self.table:
            return unit_name(
                columns_.parts_of(self.table, self.config.table_schema), self.config.table_schema
            )
        if self.config.procedure:
            return columns_.parts_of(self.config.procedure, self.config.table_schema)[1]
        return "query"

    def schema(self, unit: Unit) -> pa.Schema:
        import pyarrow as pa

        with self._connect() as connection:
            relation = self._relation(connection, unit)
        return pa.schema([(c.name, self._reading(c).type) for c in relation.columns])

    def _reading(self, column: Column) -> Reading:
        return reading(column.name, column.type, self.config.datetime2, self.config.datetimeoffset)

    def _relation(self, connection: Connection, unit: Unit) -> _Relation:
        if self.config.procedure:
            return self._called(connection)
        if self.config.query:
            return self._queried(connection)
        parts = unit_parts(unit.name, self.config.table_schema)
        columns = columns_of(connection, parts)
        columns_.check_names(columns, unit.name)
        sql = f"SELECT {items(columns, self._readings(columns))} FROM {MSSQL.quoted(parts)}"
        return _Relation(unit.name, sql, columns, parts)

    def _readings(self, columns: Sequence[Column]) -> list[Reading]:
        return [self._reading(column) for column in columns]

    def _is_plain(self, columns: Sequence[Column]) -> bool:
        return not any(how.expression or how.remainder for how in map(self._reading, columns))

    def _queried(self, connection: Connection) -> _Relation:
        query = one_select(self.config.query, t_sql=True)
        columns = describe(connection, query.replace(PLACEHOLDER, "(1 = 1)"))
        columns_.check_names(columns, "the query")
        if not self._is_plain(columns):
            query = f"SELECT {items(columns, self._readings(columns))} FROM ({query}) AS q"
            try:
                describe(connection, query.replace(PLACEHOLDER, "(1 = 1)"))
            except CrossdockError as error:
                raise self._cut_off(columns) from error
        return _Relation("query", query, columns)

    def _called(self, connection: Connection) -> _Relation:
        parts = columns_.parts_of(self.config.procedure, self.config.table_schema)
        sql = f"EXEC {MSSQL.quoted(parts)} {assignments(self.config.parameters)}".rstrip()
        columns = describe(connection, sql)
        columns_.check_names(columns, f"the result of {'.'.join(parts)}")
        if not self._is_plain(columns):
            raise self._cut_off(columns)
        return _Relation(parts[1], sql, columns)

    def _cut_off(self, columns: Sequence[Column]) -> SchemaMismatchError:
        column = next(c for c in columns if not self._is_plain([c]))
        return SchemaMismatchError(
            f"column {column.name!r} is {column.type}, of which the driver cuts off digits or the offset",
            hint="datetime2=us and datetimeoffset=utc accept that; or convert the column where it comes from",
        )

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        with self._connect() as connection:
            relation = self._relation(connection, unit)
            pieces = self._pieces(connection, relation, hint)
        self._in_ranges |= len(pieces) > 1
        for index, (condition, weight) in enumerate(pieces):
            token = pack(relation.name, relation.select(condition), relation.columns, hint.first_rows)
            yield Split(unit.name, index, token, max(1, weight), memory=4 * _BATCH)

    def _pieces(self, connection: Connection, relation: _Relation, hint: PlanHint) -> list[tuple[str, int]]:
        """The conditions of the splits and about how many rows each has."""
        option = self.config.partition_option
        most = min(max(hint.parallel * _PER_WORKER, hint.most), hint.max_splits or 1 << 30)
        if option == "None" or self.config.procedure or most < 2:
            return [("", 1)]
        if relation.parts is None:
            return self._pieces_of_query(connection, relation, min(most, hint.parallel))
        if option == "PhysicalPartitionsOfTable":
            found = columns_.partitioning(connection, relation.parts)
            if found is None:
                raise ConfigError(f"partition_option={option}: {relation.name} is not partitioned")
            return partition_.physical(found, most)
        rows = columns_.row_count(connection, relation.parts)
        if option == "auto" and not self.config.partition_column:
            width = sum(column.type.width for column in relation.columns)
            most = min(most, rows // max(_SMALLEST, hint.min_split_bytes // max(1, width)))
        key = self._key(connection, relation)
        if key is None or most < 2:
            return [("", rows)]
        conditions = self._given(key, most)
        if conditions is None:
            pages = columns_.page_count(connection, relation.parts)
            table = partition_.Rows(MSSQL.quoted(relation.parts), rows, pages)
            conditions = partition_.cut(connection, key, table, most)
        return [(condition, rows // len(conditions)) for condition in conditions]

    def _pieces_of_query(
        self, connection: Connection, relation: _Relation, most: int
    ) -> list[tuple[str, int]]:
        if PLACEHOLDER not in relation.sql:
            if self.config.partition_option == "DynamicRange":
                raise ConfigError(f"partition_option=DynamicRange needs {PLACEHOLDER} in the query's WHERE")
            return [("", 1)]
        if not self.config.partition_column:
            raise ConfigError(f"a query with {PLACEHOLDER} needs partition_column=...")
        key = partition_.key_of(relation.columns, self.config.partition_column)
        conditions = self._given(key, most)
        if conditions is None:
            whole = partition_.Rows(f"({relation.select('')}) AS q")
            conditions = partition_.cut(connection, key, whole, most)
        return [(condition, 1) for condition in conditions]

    def _key(self, connection: Connection, relation: _Relation) -> partition_.Key | None:
        if self.config.partition_column:
            return partition_.key_of(relation.columns, self.config.partition_column)
        assert relation.parts is not None  # noqa: S101 - a table
        name = columns_.key_column(connection, relation.parts)
        column = next((c for c in relation.columns if c.name == name), None)
        if column is not None and columns_.can_be_cut(column):
            return partition_.Key(column)
        if self.config.partition_option == "DynamicRange":
            raise ConfigError(
                f"{relation.name} has no index that begins with a number, a date or a time; name a column "
                "with partition_column=..."
            )
        return None

    def _given(self, key: partition_.Key, most: int) -> list[str] | None:
        """The conditions between the bounds of the options; None without any."""
        low, high = self.config.partition_lower_bound, self.config.partition_upper_bound
        if not low and not high:
            return None
        try:
            first, last = key.number(low), key.number(high)
        except ValueError:
            raise ConfigError(
                f"partition_lower_bound and partition_upper_bound are both needed, as {key.column.type}"
            ) from None
        if first > last:
            raise ConfigError("partition_lower_bound is above partition_upper_bound")
        return partition_.conditions(key, partition_.bounded(first, last, most))

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        config = self.config
        with self._connect() as connection:
            self._isolate(connection)
            with read(connection, split.token, config.datetime2, config.datetimeoffset) as batches:
                yield batches

    def notes(self) -> Sequence[str]:
        if not self._in_ranges:
            return self.server.notes
        return [*self.server.notes, "the splits were not read in one snapshot: each is a SELECT of its own"]

    def close(self) -> None:
        """Connections last as long as what they are for."""


def items(columns: Sequence[Column], how: Sequence[Reading]) -> str:
    """The list of a SELECT, with what the driver cuts off beside it."""
    found, remainders = [], []
    for number, (column, each) in enumerate(zip(columns, how, strict=True)):
        name = MSSQL.quote(column.name)
        found.append(f"{each.expression.format(name)} AS {name}" if each.expression else name)
        if each.remainder:
            remainders.append(f"{each.remainder.format(name)} AS {MSSQL.quote(f'{number} ns')}")
    return ", ".join([*found, *remainders])


def pack(name: str, sql: str, columns: Sequence[Column], first: int | None = None) -> bytes:
    """The token of a split: a query whose list is that of ``items``. ``first``: nobody wants more rows."""
    rows = max(128, min(65_536, _BATCH // max(1, sum(column.type.width for column in columns))))
    rows = min(rows, first or rows)
    return json.dumps([_VERSION, name, sql, [[c.name, str(c.type)] for c in columns], rows]).encode()


@contextmanager
def read(
    connection: Connection,
    token: bytes,
    datetime2: Literal["ns", "us"],
    offsets: Literal["refuse", "utc", "text"],
) -> Iterator[Iterator[pa.RecordBatch]]:
    """The rows of what was packed."""
    version, *rest = json.loads(token)
    if version != _VERSION:
        raise ConfigError("the copy was planned by another version of crossdock; start it anew")
    name, sql, listed, rows = rest
    columns = [Column(each, Type.parse(kind)) for each, kind in listed]
    how = [reading(column.name, column.type, datetime2, offsets) for column in columns]
    with connection.batches(sql, rows) as (_, batches):
        yield _converted(name, columns, how, batches)


def _converted(
    name: str, columns: Sequence[Column], how: Sequence[Reading], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    schema = pa.schema([(c.name, each.type) for c, each in zip(columns, how, strict=True)])
    for batch in batches:
        if batch.num_columns != len(columns) + sum(bool(each.remainder) for each in how):
            raise InternalError(f"{name} was read with {batch.num_columns} columns, not {len(columns)}")
        beside = iter(batch.columns[len(columns) :])
        arrays = []
        for values, column, each in zip(batch.columns, columns, how, strict=False):
            try:
                arrays.append(_exact(values, next(beside), each) if each.remainder else _as(values, each))
            except pa.ArrowInvalid as error:
                raise DataError(
                    f"{name}.{column.name} has a value that {each.type} cannot hold ({error})",
                    hint="-s datetime2=us reads moments of all years" if each.remainder else "",
                ) from error
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _as(values: pa.Array, how: Reading) -> pa.Array:
    return values if values.type == how.type else values.cast(how.type)


def _exact(values: pa.Array, remainder: pa.Array, how: Reading) -> pa.Array:
    """Moments with the nanoseconds that were read beside them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rest = remainder.cast(pa.int64()).cast(pa.duration("ns"))
    return pc.add_checked(values.cast(how.type), rest)
