"""Checks of a table source: units, schema, plan, read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pyarrow as pa
import pytest

from ..errors import CrossdockError, NotFoundError
from ..spi import PlanHint, Sink, Source, Split, Unit
from .opening import plan_there, read_split_there, units_after_there
from .table_base import SCHEMA, TableBase, rows

_MANY = 5000
_LARGE = 1 << 15
_HINTS = {
    "serial": PlanHint(),
    "parallel": PlanHint(parallel=4),
    "three": PlanHint(parallel=8, max_splits=3),
    "one": PlanHint(parallel=8, max_splits=1),
    "coarse": PlanHint(parallel=4, min_split_bytes=1 << 30),
}


class SourceChecks(TableBase):
    """What the engine relies on when it lists, plans and reads."""

    @pytest.fixture
    def seeded(self, source: Source[Any], url: str) -> str:
        """A location with the table ``t``, written in batches of uneven size."""
        sizes = (700, 13, 700, 1, 586, 1000, 2000)
        starts = [sum(sizes[:number]) for number in range(len(sizes))]
        self.seed(url, "t", pa.concat_tables(map(rows, starts, sizes)), batch=1000)
        return url

    def test_units_go_on_behind_every_cursor(self, source: Source[Any], url: str) -> None:
        for name in ("b", "a", "c"):
            self.seed(url, name, rows(0, 3))
        with closing(self.open_source(url)) as opened:
            pages = list(opened.units())
            names = [unit.name for page in pages for unit in page.units]
            assert sorted(names) == ["a", "b", "c"]
            assert [unit.name for page in opened.units() for unit in page.units] == names, "another order"
        assert pages[-1].cursor is None, "the last page has a cursor"
        for number, page in enumerate(pages[:-1]):
            rest = self.elsewhere(units_after_there, url, page.cursor)
            assert rest == [later.units for later in pages[number + 1 :]]

    def test_nothing_there(self, source: Source[Any]) -> None:
        with self.raises(NotFoundError):
            if not [unit for page in source.units() for unit in page.units]:
                raise NotFoundError("no units are as good")

    def test_missing_table_is_not_found(self, seeded: str) -> None:
        with closing(self.open_source(seeded)) as source, self.raises(NotFoundError):
            source.schema(Unit("never_was"))

    @pytest.mark.parametrize("hint", _HINTS.values(), ids=list(_HINTS))
    def test_plan_holds_each_row_once(self, seeded: str, hint: PlanHint) -> None:
        with closing(self.open_source(seeded)) as source:
            unit = self.unit(source, "t")
            splits = list(source.plan(unit, hint))
            assert [split.index for split in splits] == list(range(len(splits)))
            assert {split.unit for split in splits} == {"t"}
            assert all(split.weight >= 0 and split.memory >= 0 for split in splits)
            assert hint.max_splits is None or len(splits) <= hint.max_splits
            found = self.read(source, unit, splits)["id"].to_pylist()
        assert sorted(found) == list(range(_MANY))
        assert not self.ordered or found == list(range(_MANY)), "the splits are not in the order of the rows"

    def test_plan_is_repeatable(self, seeded: str) -> None:
        with closing(self.open_source(seeded)) as source:
            unit = self.unit(source, "t")
            for hint in _HINTS.values():
                first = list(source.plan(unit, hint))
                assert list(source.plan(unit, hint)) == first
                assert list(source.plan(self.unit(source, "t"), hint)) == first
            assert self.elsewhere(plan_there, seeded, unit, hint) == first

    def test_schema_is_that_of_the_batches(self, seeded: str) -> None:
        with closing(self.open_source(seeded)) as source:
            unit = self.unit(source, "t")
            schema = source.schema(unit)
            assert schema is not None
            assert schema.names == SCHEMA.names
            assert self.read(source, unit, source.plan(unit, PlanHint(parallel=3))).num_rows == _MANY

    def test_split_is_read_in_another_process(self, seeded: str) -> None:
        with closing(self.open_source(seeded)) as source:
            unit = self.unit(source, "t")
            split = list(source.plan(unit, PlanHint(parallel=3)))[-1]
            here = self.read(source, unit, [split])
        there = pa.Table.from_batches(self.elsewhere(read_split_there, seeded, split), here.schema)
        assert there.equals(here)

    def test_split_is_read_twice(self, seeded: str) -> None:
        """A split is read again after a failure at the sink."""
        with closing(self.open_source(seeded)) as source:
            unit = self.unit(source, "t")
            splits = list(source.plan(unit, PlanHint(parallel=3)))
            first = [self.read(source, unit, [split]) for split in splits]
            assert [self.read(source, unit, [split]) for split in splits] == first

    def test_read_left_early(self, seeded: str) -> None:
        """The engine leaves a split as soon as the sink fails; the source must take it."""
        with closing(self.open_source(seeded)) as source:
            unit = self.unit(source, "t")
            splits = list(source.plan(unit, PlanHint()))
            for _ in range(3):
                with source.read(splits[0]) as items:
                    next(items)
                with pytest.raises(InterruptedError), source.read(splits[0]):
                    raise InterruptedError("of the sink")
            assert self.read(source, unit, splits).num_rows == _MANY

    def test_splits_are_read_from_several_threads(self, seeded: str) -> None:
        with closing(self.open_source(seeded)) as source:
            unit = self.unit(source, "t")
            splits = list(source.plan(unit, PlanHint(parallel=4)))
            with ThreadPoolExecutor(4) as pool:
                parts = list(pool.map(lambda split: self.read(source, unit, [split]), splits * 2))
        found = [i for part in parts for i in part["id"].to_pylist()]
        assert sorted(found) == sorted([*range(_MANY)] * 2)

    def test_empty_table(self, source: Source[Any], url: str) -> None:
        self.seed(url, "empty", SCHEMA.empty_table())
        with closing(self.open_source(url)) as opened:
            unit = self.unit(opened, "empty")
            splits = list(opened.plan(unit, PlanHint(parallel=4)))
            assert len(splits) <= 1, "an empty unit has one empty split or none"
            found = self.read(opened, unit, splits)
        assert (found.num_rows, found.schema.names) == (0, SCHEMA.names)

    def test_large(self, sink: Sink[Any], url: str) -> None:
        """More rows than fit any buffer that was made for small tables; each arrives once."""
        sizes = (50_000, 1, 20_000)
        starts = [sum(sizes[:number]) for number in range(len(sizes))]
        begun = self.begin(sink, "t", self.creating)
        tables = list(map(rows, starts, sizes))
        if (most := begun.max_splits) is not None:
            tables = [*tables[: most - 1], pa.concat_tables(tables[most - 1 :])]
        sink.commit(begun.handle, self.stage_all(sink, begun, "t", tables, batch=_LARGE))
        sink.cleanup(begun.handle)
        found = self.fetch(url, "t")
        assert sorted(found["id"].to_pylist()) == list(range(sum(sizes)))
        assert found["name"].null_count == sum(table["name"].null_count for table in tables)

    def test_one_row(self, source: Source[Any], url: str) -> None:
        self.seed(url, "t", rows(5, 1))
        with closing(self.open_source(url)) as opened:
            unit = self.unit(opened, "t")
            found = self.read(opened, unit, opened.plan(unit, PlanHint(parallel=8)))
        assert found["id"].to_pylist() == [5]

    def test_damaged_table_is_never_a_short_success(self, seeded: str) -> None:
        with closing(self.open_source(seeded)) as source:
            splits: list[Split] = list(source.plan(self.unit(source, "t"), PlanHint()))
        if not self.damage(seeded, "t"):
            pytest.skip("damage() is not overridden")
        with closing(self.open_source(seeded)) as source, self.raises(CrossdockError):
            for split in splits:
                with source.read(split) as items:
                    list(items)

    def test_source_closes_twice(self, seeded: str) -> None:
        source = self.open_source(seeded)
        self.unit(source, "t")
        source.close()
        source.close()
