"""Any database as a source: one unit per table, whole or by ranges of a key."""

# ruff: noqa: S608 - names go through Traits.quote(); SQL has no parameters for names.

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from crossdock import (
    Cancellable,
    ConfigError,
    CrossdockError,
    DataError,
    NotFoundError,
    PlanHint,
    SchemaMismatchError,
    Source,
    Split,
    Unit,
    UnitPage,
)

from . import odbc_browse as browse_
from . import odbc_catalog as catalog
from . import odbc_partition as partition_
from . import odbc_scripting as scripting_
from .consulted import Consulted, Looks, Scripts
from .odbc_catalog import Column, Name
from .odbc_connection import BATCH_BYTES, Connection, Database, Rows, named
from .odbc_types import cast, fetched, unbounded
from .ranges import restricted

if TYPE_CHECKING:
    import pyarrow as pa

    from .odbc_config import OdbcConfig

_VERSION = 2
_PER_WORKER = 4
_ISOLATION = {"ReadCommitted": "READ COMMITTED", "ReadUncommitted": "READ UNCOMMITTED",
              "RepeatableRead": "REPEATABLE READ", "Serializable": "SERIALIZABLE",
              "Snapshot": "SNAPSHOT"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Relation:
    """What is read: a table, or a query. ``sql`` goes behind FROM; of a procedure it is the call, with
    ``values`` for its marks."""

    shown: str
    sql: str
    columns: Sequence[Column] = ()
    name: Name | None = None
    values: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a split's token says. ``wire`` is fetched and becomes ``schema``; ``long``: texts and binaries
    that may be longer than the limits; ``values``: for the marks in ``sql``."""

    shown: str
    sql: str
    wire: pa.Schema
    schema: pa.Schema
    long: tuple[Sequence[str], Sequence[str]] = ((), ())
    values: Sequence[str] = ()


@dataclass
class OdbcSource(Source["pa.RecordBatch"], Cancellable, Consulted):
    """The tables of a database, or the one named, or what a query or procedure gives."""

    looks: ClassVar[Looks] = browse_
    scripts: ClassVar[Scripts] = scripting_

    database: Database
    config: OdbcConfig
    table: str = ""
    query: str = ""
    _called: Plan | None = field(default=None, init=False)

    def looking(self) -> AbstractContextManager[Connection]:
        return self.database.connect()

    @contextmanager
    def scripting(self) -> Iterator[Connection]:
        with self.database.connect() as connection:
            if level := self.config.isolation_level:
                connection.run(f"SET TRANSACTION ISOLATION LEVEL {_ISOLATION[level]}")
            yield connection

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        if self.table or self.query or self.config.procedure:
            if after is None:
                yield UnitPage((Unit(self._unit_name()),))
            return
        schema = self.config.schema_name
        home = schema or self.database.default_schema
        with self.database.connect() as connection:
            found = catalog.tables(connection, schema)
        if not found:
            inside = f" in the schema {schema}" if schema else ""
            raise NotFoundError(f"{self.database.where} has no tables{inside}")
        names = sorted(catalog.unit_name(name, home) for name in found)
        names = [name for name in names if after is None or name > after.decode()]
        yield from UnitPage.of(names)

    def _unit_name(self) -> str:
        if self.query:
            return "query"
        if procedure := self.config.procedure:
            return scripting_.parts_of(self.database.traits, procedure)[-1]
        name = catalog.parse(self.database, self.table, self.config.schema_name)
        return catalog.unit_name(name, self.config.schema_name or self.database.default_schema)

    def schema(self, unit: Unit) -> pa.Schema:
        return self._planned(self._relation(unit)).schema

    def _relation(self, unit: Unit) -> Relation:
        if self.query:
            return Relation("query", f"({self.query}\n) {self.database.traits.quote('crossdock_query')}")
        if procedure := self.config.procedure:
            listed, values = scripting_.arguments(self.config.parameters)
            sql = scripting_.called(self.database.traits, procedure, listed, reading=True)
            return Relation(unit.name, sql, values=values)
        name = catalog.of_unit(self.database, unit.name, self.config.schema_name)
        return relation_of(self.database, name)

    def _planned(self, relation: Relation) -> Plan:
        if relation.values is None:
            return plan_of(self.database, relation, self.config.decimals)
        if self._called is None:
            # It may change something, and is asked for its columns once.
            self._called = plan_of(self.database, relation, self.config.decimals)
        return self._called

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        relation = self._relation(unit)
        plan = self._planned(relation)
        for index, where in enumerate(self._conditions(relation, plan, hint)):
            sql = plan.sql if relation.values is not None else selected(self.database, relation, where)
            yield Split(unit.name, index, pack(replace(plan, sql=sql)), memory=4 * BATCH_BYTES)

    def _conditions(self, relation: Relation, plan: Plan, hint: PlanHint) -> list[str]:
        """The conditions of the splits, which together hold every row once."""
        config, most = self.config, max(hint.parallel * _PER_WORKER, hint.most)
        wanted = min(most, hint.max_splits or 1 << 30)
        if config.partition_option == "None":
            if config.partition_column:
                raise ConfigError("partition_column needs partition_option=DynamicRange")
            return [""]
        if relation.values is not None:
            raise ConfigError("partition_option=DynamicRange: what a procedure gives is read in one piece")
        key = self._key(relation, plan)
        if hint.parallel < 2 or wanted < 2:
            return [""]
        if config.partition_lower_bound:
            return partition_.bounded(key, config.partition_lower_bound, config.partition_upper_bound, wanted)
        with self.database.connect() as connection:
            return partition_.cut(connection, key, relation.sql, wanted)

    def _key(self, relation: Relation, plan: Plan) -> partition_.Key:
        import pyarrow.types as t

        name = self.config.partition_column
        if not name and relation.name is not None:
            with self.database.connect() as connection:
                name = catalog.key_column(connection, relation.name)
        if not name:
            raise ConfigError(f"{relation.shown} has no primary key to cut by; name a partition_column")
        if name not in plan.schema.names:
            raise ConfigError(f"partition_column={name}: {relation.shown} has no such column")
        kind = plan.schema.field(name).type
        if not (t.is_integer(kind) or t.is_date(kind) or t.is_timestamp(kind) or t.is_decimal(kind)):
            raise ConfigError(f"partition_column={name} is {kind}; only numbers, dates and times are cut")
        return partition_.Key(self.database.traits.quote(name), kind)

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        plan = unpack(split.token)
        self.database.answered = True
        level = self.config.isolation_level
        first = f"SET TRANSACTION ISOLATION LEVEL {_ISOLATION[level]}" if level else ""
        with self.database.rows(autocommit=not level, first=first) as rows:
            yield batches(self.database, rows, plan)
            if level and self.config.procedure:
                rows.commit()

    def cancel(self) -> None:
        self.database.cancel()

    def notes(self) -> Sequence[str]:
        if self.config.partition_option == "None":
            return []
        return ["the splits were not read in one snapshot: ODBC has none for several connections"]

    def close(self) -> None:
        """Connections last as long as what they are for."""


def relation_of(database: Database, name: Name) -> Relation:
    """A table or view. Raises NotFoundError."""
    with database.connect() as connection:
        columns = catalog.columns(connection, name)
    return Relation(name.shown, database.traits.quoted((name.schema, name.table)), columns, name)


def selected(database: Database, relation: Relation, condition: str = "") -> str:
    """The SELECT of the rows that fulfil a condition."""
    listed = ", ".join(database.traits.quote(column.name) for column in relation.columns) or "*"
    return f"SELECT {listed} FROM {restricted(relation.sql, condition)}"


def plan_of(database: Database, relation: Relation, decimals: str) -> Plan:
    """How all of it is read. Raises SchemaMismatchError for columns without a name or two of one."""
    values, sql = relation.values, relation.sql
    if values is None:
        sql = selected(database, relation)
        with database.rows() as rows:
            found = rows.schema(selected(database, relation, "1 = 0"))
    else:
        with database.rows(autocommit=database.traits.transactions == 0) as rows:
            found = rows.schema(sql, values)
        if not found.names:
            raise SchemaMismatchError(f"the procedure {relation.shown} gives no rows to read")
    for number, name in enumerate(found.names, 1):
        if not name:
            raise SchemaMismatchError(f"column {number} of {relation.shown} has no name; give it one")
        if found.names.count(name) > 1:
            raise SchemaMismatchError(f"{relation.shown} has two columns {name!r}; rename one")
    by_name = {column.name: column for column in relation.columns}
    wire, schema = fetched(found, by_name, decimals)
    long = unbounded(relation.columns, database.limits) if relation.columns else _texts(found)
    return Plan(relation.shown, sql, wire, schema, long, values or ())


def _texts(found: pa.Schema) -> tuple[list[str], list[str]]:
    import pyarrow.types as t

    texts = [field.name for field in found if t.is_string(field.type)]
    return texts, [field.name for field in found if t.is_binary(field.type)]


def batches(database: Database, rows: Rows, plan: Plan) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    def too_long() -> DataError:
        return _too_long(database, plan)

    for batch in rows.batches(plan.sql, plan.wire, too_long, plan.values):
        if batch.num_rows:
            pairs = zip(batch.columns, plan.schema, strict=True)
            arrays = [cast(values, column.type, f"{plan.shown}.{column.name}") for values, column in pairs]
            yield pa.RecordBatch.from_arrays(arrays, schema=plan.schema)


def _too_long(database: Database, plan: Plan) -> DataError:
    """Which column it is, as far as the database can tell; arrow-odbc does not."""
    texts, binaries = plan.long
    found = [(name, "max_text_size", database.limits[0], "LENGTH") for name in texts]
    found += [(name, "max_binary_size", database.limits[1], "OCTET_LENGTH") for name in binaries]
    if not found:
        return DataError(f"{plan.shown}: a value is longer than its column is declared")
    if len(found) > 1:
        with database.connect() as connection:
            found = [each for each in found if _has_longer(connection, plan, each)] or found
    _, option, limit, _ = found[0]
    return named([name for name, other, *_ in found if other == option], option, limit, plan.shown)


def _has_longer(connection: Connection, plan: Plan, candidate: tuple[str, str, int, str]) -> bool:
    """Whether the column may be the one: also where the database does not know that function."""
    column, _, limit, length = candidate
    # Characters of UTF-16 are counted, of which one of the database's may need two.
    long = f"{{fn {length}(q.{connection.traits.quote(column)})}} > {limit // 2}"
    try:
        return bool(connection.value(f"SELECT COUNT(*) FROM ({plan.sql}\n) q WHERE {long}"))
    except CrossdockError:
        return True


def pack(plan: Plan) -> bytes:
    schemas = [b64encode(memoryview(each.serialize())).decode() for each in (plan.wire, plan.schema)]
    fields = [plan.shown, plan.sql, *schemas, list(map(list, plan.long)), list(plan.values)]
    return json.dumps([_VERSION, *fields]).encode()


def unpack(token: bytes) -> Plan:
    import pyarrow as pa

    version, *rest = json.loads(token)
    if version != _VERSION:
        raise ConfigError("the copy was planned by another version of crossdock; start it anew")
    shown, sql, wire, schema, (texts, binaries), values = rest
    wire, schema = (pa.ipc.read_schema(pa.py_buffer(b64decode(each))) for each in (wire, schema))
    return Plan(shown, sql, wire, schema, (texts, binaries), values)
