"""Checks of types and names: each value arrives unchanged or is refused with the documented error."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from ..errors import ConfigError, DataError, NotFoundError, NotSupportedError, SchemaMismatchError
from ..spi import Sink, Target, Unit
from .cases import COLUMN_NAMES, TABLE_NAMES, TYPE_CASES, TYPE_NAMES, TypeCase, lossless
from .table_base import TableBase, rows


class TypeChecks(TableBase):
    """Data-driven: ``cases.py`` has the types and the names."""

    @pytest.mark.parametrize("case", TYPE_CASES, ids=TYPE_NAMES)
    def test_types(self, sink: Sink[Any], url: str, case: TypeCase) -> None:
        """Lossless, or SchemaMismatchError from ``check``, or DataError for a value the type cannot tell."""
        table = case.table()
        with self.may_raise(SchemaMismatchError, DataError) as refusal:
            self.copy(url, "t", [table], self.creating)
        self.record(case=case.name, answer="kept" if refusal.error is None else "refused")
        if refusal.error is not None:
            assert not case.core, f"{case.type} may not be refused: {refusal.error}"
            assert not self.exists(url, "t"), "refused and yet visible"
            return
        found = self.fetch(url, "t").sort_by("id")
        assert lossless(table["value"], found["value"]) == ""

    @pytest.mark.parametrize("name", COLUMN_NAMES.values(), ids=list(COLUMN_NAMES))
    def test_column_names(self, sink: Sink[Any], url: str, name: str) -> None:
        table = pa.Table.from_arrays([pa.array([1, 2]), pa.array(["x", "y"])], names=["id", name])
        self.seed(url, "canary", rows(0, 1))
        with self.may_raise(SchemaMismatchError, NotSupportedError) as refusal:
            sink.check(Unit("t"), Target(self.creating, table.schema))
        if refusal.error is not None:
            return
        self.copy(url, "t", [table], self.creating)
        found = self.fetch(url, "t")
        assert found.schema.names == ["id", name]
        assert found.column(1).to_pylist() == ["x", "y"]
        assert self.ids(url, "canary") == [0]

    @pytest.mark.parametrize("name", TABLE_NAMES.values(), ids=list(TABLE_NAMES))
    def test_table_names(self, sink: Sink[Any], url: str, name: str) -> None:
        if sink.one_target:
            pytest.skip("the sink has one target, which the address names")
        self.seed(url, "a", rows(0, 1))
        with self.may_raise(ConfigError, NotSupportedError) as refusal:
            sink.check(Unit(name), Target(self.creating, rows(0, 1).schema))
        if refusal.error is not None:
            with self.raises(NotFoundError):
                self.fetch(url, name)
            return
        self.copy(url, name, [rows(7, 3)], self.creating)
        assert self.ids(url, name) == [7, 8, 9]
        assert self.ids(url, "a") == [0]
