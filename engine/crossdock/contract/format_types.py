"""Checks of types and column names in a file: each value comes back unchanged or the format refuses."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ..errors import DataError, NotSupportedError, SchemaMismatchError
from ..spi import FileFormat
from .cases import COLUMN_NAMES, TYPE_CASES, TYPE_NAMES, TypeCase, lossless
from .format_base import FormatBase


class FormatTypeChecks(FormatBase):
    """Data-driven: ``cases.py`` has the types and the names."""

    @pytest.mark.parametrize("case", TYPE_CASES, ids=TYPE_NAMES)
    def test_types(self, format: FileFormat, case: TypeCase) -> None:  # noqa: A002 - the fixture
        """Lossless, or SchemaMismatchError from ``check``, or DataError for a value the type cannot tell.

        A format that tables can be staged in (``stages``) refuses none.
        """
        table = case.table()
        with self.may_raise(SchemaMismatchError, DataError) as refusal:
            data = self.write(format, table)
        self.record(case=case.name, answer="kept" if refusal.error is None else "refused")
        if refusal.error is not None:
            required = case.core or self.spec.capabilities.stages
            assert not required, f"{case.type} may not be refused: {refusal.error}"
            return
        assert lossless(table["value"], self.read(format, data)["value"]) == ""

    @pytest.mark.parametrize("name", COLUMN_NAMES.values(), ids=list(COLUMN_NAMES))
    def test_column_names(self, format: FileFormat, name: str) -> None:  # noqa: A002 - the fixture
        table = pa.Table.from_arrays([pa.array([1, 2]), pa.array(["x", "y"])], names=["id", name])
        with self.may_raise(SchemaMismatchError, NotSupportedError) as refusal:
            format.check(table.schema)
        if refusal.error is not None:
            return
        found = self.read(format, self.write(format, table))
        assert found.schema.names == ["id", name]
        assert found.column(1).to_pylist() == ["x", "y"]
