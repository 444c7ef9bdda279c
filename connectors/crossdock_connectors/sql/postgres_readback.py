"""Reading staged rows back before they are committed."""

# ruff: noqa: S608 - names go through quote(); SQL has no parameters for names.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crossdock import NotFoundError, PlanHint, Split, Unit

from ..readback import WrittenSource
from . import postgres_staging as staging_
from .postgres_database import Connection, Database, quote
from .postgres_partition import by_place
from .postgres_relation import Relation, find
from .postgres_source import Plan, PostgresSource, pack
from .postgres_staging import Loaded, Staging
from .postgres_types import columns_of

if TYPE_CHECKING:
    import pyarrow as pa

_SMALLEST = 100_000


class StagedSource(WrittenSource):
    """What the receipts of one unit stand for."""

    def __init__(self, database: Database, staging: Staging, loaded: Sequence[Loaded]) -> None:
        super().__init__(staging.table, staging.schema)
        self._database, self._staging, self._loaded = database, staging, loaded
        self._source = PostgresSource(database)

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        staging = self._staging
        with self._database.connect() as connection:
            relation = self._relation(connection)
            names = ", ".join(map(quote, staging.schema.names))
            columns = columns_of(connection.describe(f"SELECT {names} FROM {relation.sql}"), "text")
            extra = staging.direct or bool(staging_.others(connection, staging, self._loaded))
            wheres, rows = by_place(connection, relation, hint.parallel * 2, _SMALLEST)
        if not any(each.rows for each in self._loaded):
            return
        for index, place in enumerate(wheres):
            mine = [staging_.of(self._loaded)] if extra else []
            where = " AND ".join(f"({each})" for each in [*mine, place] if each)
            yield Split(
                unit.name, index, pack(Plan(relation, columns, where)), max(1, int(rows / len(wheres)))
            )

    def _relation(self, connection: Connection) -> Relation:
        found = find(connection, self._staging.schema_name, self._staging.loaded)
        if found is None:
            raise self._staging.lost("its table does not exist")
        return found

    @contextmanager
    def stored(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        try:
            with self._source.read(split) as batches:
                yield batches
        except NotFoundError as error:
            raise self._staging.lost("its table does not exist") from error

    def close(self) -> None:
        self._source.close()
