"""What the checks of a table connector share: sample rows, copying in, reading back, staging a split."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from ..errors import NotFoundError
from ..spi import Attempt, Begun, PlanHint, Receipt, Scriptable, Sink, Source, Split, Target, Unit, WriteMode
from .opening import open_sink, open_source
from .spec_checks import SpecContract

Staged = tuple[Split, Receipt]
SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("amount", pa.float64())])


def rows(start: int, count: int) -> pa.Table:
    """Rows whose ids are ``start``, ``start + 1``, ...; every seventh name is null."""
    ids = range(start, start + count)
    names = [None if i % 7 == 0 else f"row {i} żółć" for i in ids]
    return pa.table([pa.array(ids, pa.int64()), pa.array(names), [i / 8 for i in ids]], schema=SCHEMA)


def new_run() -> str:
    return f"run-{uuid.uuid4().hex[:12]}"


class TableBase(SpecContract):
    """Fixtures and small operations; contains no check of its own."""

    ordered: ClassVar[bool] = True
    """Whether reading gives the rows in the order of the splits. False for engines without an order."""

    @pytest.fixture
    def sink(self, url: str) -> Iterator[Sink[pa.RecordBatch]]:
        if self.spec.open_sink is None:
            pytest.skip("the connector only reads")
        with closing(self.open_sink(url)) as sink:
            yield sink

    @pytest.fixture
    def source(self, url: str) -> Iterator[Source[pa.RecordBatch]]:
        """Opened on the empty location; for what is seeded later, use ``open_source``."""
        if self.spec.open_source is None:
            pytest.skip("the connector only writes")
        with closing(self.open_source(url)) as source:
            yield source

    def open_sink(self, url: str) -> Sink[Any]:
        return open_sink(self.spec, self.options, url)

    def open_source(self, url: str) -> Source[Any]:
        return open_source(self.spec, self.options, url)

    def seed(self, url: str, name: str, table: pa.Table, batch: int = 100) -> None:
        """Create the table ``name`` (which does not exist) with these rows, by somebody else's hand."""
        self.copy(url, name, [table], mode=self.creating, batch=batch)

    def fetch(self, url: str, name: str) -> pa.Table:
        """All rows of the table; raises NotFoundError when there is no such table."""
        with closing(self.open_source(url)) as source:
            unit = self.unit(source, name)
            return self.read(source, unit, source.plan(unit, PlanHint()))

    def damage(self, url: str, name: str) -> bool:
        """Cut the stored table short behind the connector's back; False where that cannot be done."""
        return False

    def refuse_doubles(self, url: str, name: str) -> bool:
        """Make the table refuse a row whose id it has; False where that cannot be done.

        Here: by a script that makes an index, where the connector runs scripts.
        """
        if self.spec.open_source is None:
            return False
        with closing(self.open_source(url)) as source:
            if not isinstance(source, Scriptable):
                return False
            source.script(f"CREATE UNIQUE INDEX only_once ON {name} (id)")
        return True

    @property
    def creating(self) -> WriteMode:
        """A declared mode that creates a table."""
        declared = self.spec.capabilities.write_modes
        return next(
            mode for mode in (WriteMode.ERROR, WriteMode.OVERWRITE, WriteMode.APPEND) if mode in declared
        )

    def need(self, mode: WriteMode) -> None:
        if mode not in self.spec.capabilities.write_modes:
            pytest.skip(f"the mode {mode} is not declared; test_undeclared_modes_are_refused looks at it")

    def unit(self, source: Source[Any], name: str) -> Unit:
        found = [unit for page in source.units() for unit in page.units if unit.name == name]
        if not found:
            raise NotFoundError(f"units() does not list {name!r}")
        assert len(found) == 1, f"units() lists {name!r} {len(found)} times"
        return found[0]

    def read(self, source: Source[Any], unit: Unit, splits: Iterator[Split] | Sequence[Split]) -> pa.Table:
        """The rows of the splits in their order; every batch must have the unit's schema."""
        schema = source.schema(unit)
        assert schema is not None, "a table has a schema"
        batches = []
        for split in splits:
            with source.read(split) as items:
                for batch in items:
                    assert batch.schema.equals(schema), f"schema() says {schema}, a batch has {batch.schema}"
                    batches.append(batch)
        return pa.Table.from_batches(batches, schema)

    def exists(self, url: str, name: str) -> bool:
        """Whether readers see the table."""
        with self.may_raise(NotFoundError) as refusal:
            self.fetch(url, name)
        return refusal.error is None

    def ids(self, url: str, name: str) -> list[int]:
        """The ids of all rows that readers see, in order where the connector keeps one."""
        found: list[int] = self.fetch(url, name)["id"].to_pylist()
        return found if self.ordered else sorted(found)

    def begin(
        self,
        sink: Sink[Any],
        name: str,
        mode: WriteMode,
        schema: pa.Schema = SCHEMA,
        run: str | None = None,
        *,
        skip_rows: bool = False,
    ) -> Begun:
        unit, target = Unit(name), Target(mode, schema, skip_rows=skip_rows)
        sink.check(unit, target)
        begun = sink.begin(unit, target, run or new_run())
        assert isinstance(begun.handle, bytes)
        assert begun.max_writers >= 1
        assert begun.max_splits is None or begun.max_splits >= 1
        return begun

    def shares(self, begun: Begun, table: pa.Table, wanted: int = 3) -> list[pa.Table]:
        """The table cut into as many splits as the sink takes."""
        count = min(wanted, begun.max_splits or wanted)
        size = -(-table.num_rows // count)
        return [table.slice(i * size, size) for i in range(count)]

    def stage(
        self,
        sink: Sink[Any],
        begun: Begun,
        name: str,
        table: pa.Table,
        index: int = 0,
        *,
        attempt: int = 1,
        batch: int = 100,
    ) -> Staged:
        """Write one split to its end; returns what the journal would keep."""
        split = Split(name, index, b"of the source")
        writer = sink.writer(begun.handle, split, Attempt("run", attempt))
        try:
            writer.consume(iter(table.to_batches(max_chunksize=batch)))
            receipt = writer.finish()
        except BaseException:
            writer.abort()
            raise
        assert receipt.rows in (None, table.num_rows)
        assert receipt.items >= 0
        assert receipt.bytes >= 0
        return split, receipt

    def stage_all(
        self, sink: Sink[Any], begun: Begun, name: str, tables: Sequence[pa.Table], batch: int = 100
    ) -> list[Staged]:
        return [self.stage(sink, begun, name, table, i, batch=batch) for i, table in enumerate(tables)]

    def copy(
        self,
        url: str,
        name: str,
        tables: Sequence[pa.Table],
        mode: WriteMode,
        *,
        batch: int = 100,
    ) -> None:
        """A whole undisturbed copy: one split per table."""
        with closing(self.open_sink(url)) as sink:
            begun = self.begin(sink, name, mode, tables[0].schema)
            try:
                sink.commit(begun.handle, self.stage_all(sink, begun, name, tables, batch))
            finally:
                sink.cleanup(begun.handle)
