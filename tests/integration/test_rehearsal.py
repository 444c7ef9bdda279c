"""``--dry-run``: what would be copied, how and why; and nothing is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from observing import Record, journals

import crossdock


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.csv").write_text("id,word\n1,x\n")
    return tmp_path


def files() -> list[Path]:
    return sorted(path for path in Path().rglob("*") if path.parts[0] != "home")


def planned(source: str, sink: str, **options: Any) -> dict[str, Any]:
    before = files()
    result = crossdock.copy(source, sink, dry_run=True, **options)
    assert files() == before
    assert journals(Path("home")) == []
    output = json.loads(json.dumps(result.output()))
    assert {output.get(key, 0) for key in ("dataRead", "dataWritten", "filesRead", "filesWritten")} == {0}
    plan: dict[str, Any] = output["crossdock"]["plan"]
    return plan


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("sink", "options", "reason"),
    [
        ("out/", {}, "nothing asks to look into the files"),
        ("out/", {"sink_format": "parquet"}, "delimited becomes parquet"),
        ("out/", {"map": "id", "sink_format": "csv"}, "columns are mapped"),
        (
            "out/",
            {"sink_options": {"delimiter": ";"}, "sink_format": "csv"},
            "options ask for another encoding of the files",
        ),
        ("all.csv", {}, "many files become one"),
        ("sqlite:///x.db", {}, "sqlite has tables"),
    ],
)
def test_why(sink: str, options: dict[str, Any], reason: str) -> None:
    plan = planned("in", sink, **options)
    assert plan["reason"] == reason
    assert ("columns" in plan) == (reason != "nothing asks to look into the files")


@pytest.mark.usefixtures("folder")
def test_how_much_and_which_columns() -> None:
    plan = planned("in", "out/", sink_format="parquet", map="word=text,id", parallel_copies=3)
    assert plan == {
        "reason": "delimited becomes parquet",
        "units": 2,
        "bytes": 24,
        "splits": 2,
        "parallelCopies": 3,
        "files": 2,
        "names": ["a.csv", "b.csv"],
        "columnsOf": "a.csv",
        "columns": [
            {"name": "text", "type": "string", "source": "word"},
            {"name": "id", "type": "int64", "source": "id"},
        ],
    }


def test_a_table(shelf: Path, source_record: Record, sink_record: Record) -> None:
    result = crossdock.copy(
        "rows://here",
        f"shelf://{shelf}",
        dry_run=True,
        source_options=source_record.options,
        sink_options=sink_record.options,
    )
    assert result.plan is not None
    assert (result.plan["splits"], result.plan["bytes"]) == (8, None)
    assert source_record.count("read") == 0
    assert sink_record.count("begun") == 0
