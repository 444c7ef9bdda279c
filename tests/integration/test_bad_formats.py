"""A truncated file of each format: one sentence with the file, exit code 2, nothing written."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from observing import journals, left_behind

import crossdock


@pytest.mark.parametrize("form", ["orc", "avro", "json", "json.gz", "parquet"])
def test_a_truncated_file_is_refused_and_nothing_is_written(
    form: str, originals: Path, tmp_path: Path, table: pa.Table, home: Path
) -> None:
    options = {"file_pattern": "arrayOfObjects"} if "json" in form else {}
    whole = tmp_path / f"whole.{form}"
    crossdock.copy(originals / "t.parquet", whole, sink_options=options)
    assert crossdock.copy(whole, tmp_path / "whole.csv", verify=True).rows_copied == table.num_rows
    before = len(journals(home))
    for kept in (0.5, 0.999):
        data = whole.read_bytes()
        (tmp_path / f"cut.{form}").write_bytes(data[: int(len(data) * kept)])
        with pytest.raises(crossdock.CrossdockError) as refusal:
            crossdock.copy(tmp_path / f"cut.{form}", tmp_path / "out.csv")
        assert refusal.value.exit_code == 2, refusal.value
        assert f"cut.{form}" in str(refusal.value)
        assert "\n" not in str(refusal.value).strip()
        assert not (tmp_path / "out.csv").exists()
        assert left_behind(tmp_path) == []
    assert len(journals(home)) - before <= 2
