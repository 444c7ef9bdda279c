"""Checks of a sink that loads staged files by itself (``BulkLoader``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ..spi import Attempt, BulkLoader, Sink, Split, StagedFile
from .table_base import TableBase, rows


class BulkLoadChecks(TableBase):
    """Declared means that it works, undeclared that it is absent."""

    def staged_file(self, path: Path) -> StagedFile | None:
        """The Parquet file as the sink can fetch it; None where that needs more than this machine.

        Here: by a URL of ``file``. A connector that fetches from elsewhere puts it there.
        """
        declared = self.spec.capabilities.bulk_load
        if declared is None or "file" not in declared.schemes:
            return None
        return StagedFile(path.as_uri(), "parquet", path.stat().st_size)

    def test_bulk_load_is_declared_where_it_is(self, sink: Sink[Any]) -> None:
        declared = self.spec.capabilities.bulk_load
        assert isinstance(sink, BulkLoader) == (declared is not None)
        if declared is not None:
            assert declared.formats, "a sink that loads files names their formats"
            assert declared.schemes, "a sink that loads files names the schemes it fetches by"

    def test_bulk_load(self, sink: Sink[Any], url: str, tmp_path: Path) -> None:
        """A file that is loaded twice counts once, is counted right, and is not seen before the commit."""
        import pyarrow.parquet as pq

        table = pa.concat_tables([rows(0, 150), rows(150, 50)])
        pq.write_table(table, tmp_path / "staged.parquet")
        file = self.staged_file(tmp_path / "staged.parquet")
        if file is None or not isinstance(sink, BulkLoader) or not sink.can_load():
            pytest.skip("the sink loads no file that this machine could stage for it")
        begun = self.begin(sink, "t", self.creating, table.schema)
        split = Split("t", 0, b"of the source")
        sink.load(begun.handle, split, Attempt("run", 1), file)
        receipt = sink.load(begun.handle, split, Attempt("run", 2), file)
        assert receipt.rows == table.num_rows, "a bulk loader counts what it has loaded"
        assert not self.exists(url, "t"), "rows are visible before the commit"
        sink.commit(begun.handle, [(split, receipt)])
        sink.cleanup(begun.handle)
        assert self.fetch(url, "t").sort_by("id").equals(table.sort_by("id"))
