"""PostgreSQL as a source: one unit per table, splits by places in the file or by ranges of a key."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from crossdock import (
    Cancellable,
    ConfigError,
    CrossdockError,
    NotFoundError,
    PlanHint,
    Source,
    Split,
    Unit,
    UnitPage,
)

from . import postgres_browse as browse_
from . import postgres_scripting as scripting_
from .consulted import Consulted, Looks, Scripts
from .postgres_database import Connection, Database, quote
from .postgres_errors import fault, stream_error
from .postgres_partition import by_key, by_partition, by_place, key_column
from .postgres_relation import Relation, current_schema, named, tables
from .postgres_snapshot import NONE, Keeper, Mark
from .postgres_types import Column, Strange, columns_of, decode

if TYPE_CHECKING:
    import pyarrow as pa

_VERSION = 2
_SMALLEST = 20_000
_PER_WORKER = 4
BATCH = 4 << 20


@dataclass
class PostgresSource(Source["pa.RecordBatch"], Cancellable, Consulted):
    """The tables of a schema, or the table named, or a query.

    ``column``: ranges of this column are the splits (``bounds``: between these), else places in the file, or
    what ``partition`` says.
    ``snapshot``: all in one. ``level`` is the isolation level in SQL, empty for the usual one.
    """

    looks: ClassVar[Looks] = browse_
    scripts: ClassVar[Scripts] = scripting_

    database: Database
    schema_name: str = ""
    table: str = ""
    query: str = ""
    partition: str = "auto"
    column: str = ""
    bounds: tuple[str, str] | None = None
    snapshot: bool = True
    level: str = ""
    decimals: str = "text"
    strange: Strange = "error"
    weakness: str = ""
    _keeper: Keeper = field(init=False)

    def __post_init__(self) -> None:
        self._keeper = Keeper(self.database, self.level)

    def looking(self) -> Connection:
        return self.database.connect()

    @contextmanager
    def scripting(self) -> Iterator[Connection]:
        with self.database.connect() as connection:
            if self.level:
                connection.run(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {self.level}")
            yield connection

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        with self.database.connect() as connection:
            schema = self.schema_name or current_schema(connection)
            if self.table or self.query:
                if after is None:
                    if not self.query:
                        named(connection, schema, self.table)
                    yield UnitPage((Unit(self.table or "query"),))
                return
            names = tables(connection, schema, after.decode() if after else "")
        if not names and after is None:
            raise NotFoundError(f"{self.database.shown} has no tables in the schema {schema}")
        yield from UnitPage.of(names)

    def schema(self, unit: Unit) -> pa.Schema:
        with self.database.connect() as connection:
            return schema_of(self._columns(connection, self._relation(connection, unit.name)))

    def _relation(self, connection: Connection, name: str) -> Relation:
        if self.query:
            return Relation(name, f"({self.query}\n) AS {quote('_crossdock_query')}")
        return named(connection, self.schema_name or current_schema(connection), self.table or name)

    def _columns(self, connection: Connection, relation: Relation) -> list[Column]:
        described = connection.describe(f"SELECT * FROM {relation.rows()}")
        _check_names(described.names, relation)
        return columns_of(described, self.decimals)

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        if self.snapshot:
            with self._keeper.session() as (connection, mark):
                relation = self._relation(connection, unit.name)
                self._keeper.hold(relation)
                splits = list(self._splits(connection, relation, mark, hint))
        else:
            with self.database.connect() as connection:
                splits = list(self._splits(connection, self._relation(connection, unit.name), NONE, hint))
        yield from (replace(split, unit=unit.name) for split in splits)

    def _splits(
        self, connection: Connection, relation: Relation, mark: Mark, hint: PlanHint
    ) -> Iterator[Split]:
        columns = self._columns(connection, relation)
        most = max(hint.parallel * _PER_WORKER, hint.most) if hint.parallel > 1 else 1
        most = min(most, hint.max_splits or most)
        smallest = max(_SMALLEST, hint.min_split_bytes // (16 * len(columns) or 1))
        conditions = self._conditions(connection, relation, columns, most, smallest)
        placed = conditions.placed and len(conditions.wheres) > 1
        for index, (where, rows) in enumerate(conditions.wheres):
            token = pack(Plan(relation, columns, where, mark, placed, hint.first_rows))
            yield Split("", index, token, max(1, int(rows)))

    def _conditions(
        self,
        connection: Connection,
        relation: Relation,
        columns: Sequence[Column],
        most: int,
        smallest: float,
    ) -> _Conditions:
        option, column = self.partition, self.column
        if option == "PhysicalPartitionsOfTable":
            return _Conditions(by_partition(connection, relation, most))
        if option == "DynamicRange" and not column:
            column = key_column(connection, relation)
        if column:
            if column not in [each.name for each in columns]:
                raise ConfigError(f"partition_column={column}: {relation.name} has no such column")
            wheres, rows = by_key(connection, relation, column, most, smallest, given=self.bounds)
        elif option == "None" or not relation.stored:
            wheres, rows = [""], 0.0
        else:
            wheres, rows = by_place(connection, relation, most, smallest)
        return _Conditions([(where, rows / len(wheres)) for where in wheres], placed=not column)

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        plan = unpack(split.token)
        with self.database.connect() as connection:
            within: AbstractContextManager[object]
            if plan.mark.id:
                within = self._keeper.within(connection, plan.mark, plan.relation, plan.placed)
            else:
                level = self.level or "READ COMMITTED"
                within = connection.transaction([f"ISOLATION LEVEL {level}", "READ ONLY"])
            with within, connection.batches(plan.sql, BATCH) as reader:
                yield self._batches(reader, plan)

    def _batches(self, reader: pa.RecordBatchReader, plan: Plan) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        schema = schema_of(plan.columns)
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except (OSError, pa.ArrowException) as error:
                raise self._explained(error, plan) from error
            if batch.num_rows:
                pairs = zip(batch.columns, plan.columns, strict=True)
                arrays = [decode(values, column, self.strange) for values, column in pairs]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _explained(self, error: Exception, plan: Plan) -> CrossdockError:
        where = f"{self.database.shown}, {plan.relation.name}"
        return fault(error, where) or stream_error(str(error), where)

    def cancel(self) -> None:
        self.database.cancel()

    def notes(self) -> Sequence[str]:
        own = [self.weakness] if self.weakness else []
        if not self.snapshot:
            own.append("the splits were not read in one snapshot, each at its own time")
        return [*own, *self._keeper.notes]

    def close(self) -> None:
        self._keeper.close()
        self.database.close()


@dataclass(frozen=True, slots=True)
class _Conditions:
    """Those of the splits, which together hold every row once, with about how many rows each has."""

    wheres: Sequence[tuple[str, float]]
    placed: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a split's token says. ``placed``: ``where`` is over places, which an update changes.

    ``most``: how many rows it has at most.
    """

    relation: Relation
    columns: Sequence[Column]
    where: str
    mark: Mark = NONE
    placed: bool = False
    most: int | None = None

    @property
    def sql(self) -> str:
        # A table without columns has rows all the same; none of them can be told.
        listed = ", ".join(column.sql for column in self.columns)
        limit = "" if self.most is None else f" LIMIT {self.most}"
        return f"SELECT {listed} FROM {self.relation.rows(self.where)}{limit}"


def pack(plan: Plan) -> bytes:
    relation = plan.relation
    fields = [
        [relation.name, relation.sql, relation.oid, relation.kind, relation.file],
        [[column.name, column.code] for column in plan.columns],
        plan.where,
        [plan.mark.id, plan.mark.oldest],
        plan.placed,
        plan.most,
    ]
    return json.dumps([_VERSION, *fields]).encode()


def unpack(token: bytes) -> Plan:
    version, *rest = json.loads(token)
    if version != _VERSION:
        raise ConfigError("the copy was planned by another version of crossdock; start it anew")
    relation, columns, where, mark, placed, most = rest
    return Plan(Relation(*relation), [Column(*each) for each in columns], where, Mark(*mark), placed, most)


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([pa.field(column.name, column.type) for column in columns])


def _check_names(names: Sequence[str], relation: Relation) -> None:
    if not names:
        raise ConfigError(f"{relation.name} has no columns")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"two columns of the query are called {twice[0]!r}; give one of them another name")
