"""Many small files and a server whose every answer takes a while: many workers wait for it together."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import pytest
from observing import Record

import crossdock
from crossdock import CopyResult
from crossdock.crew import MANY, MOST
from crossdock.prepare import automatic_parallel

COUNT = 4 * MANY


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(COUNT):
        (folder / f"{number:03d}").write_bytes(b"%d" % number)
    return folder


@pytest.fixture(autouse=True)
def idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that runs the tests may have no idle moment."""
    monkeypatch.setattr("crossdock.crew.idle_time", perf_counter)


def copied(source: Path, record: Record, parallel: int | str = "auto", **options: str) -> CopyResult:
    """Copy to a server that takes 20 ms for each request; the files are there."""
    out = source.parent / "out"
    result = crossdock.copy(
        source,
        f"limited://{out}",
        sink_options=record.options | {"at_once": "100", "lasts": "0.02"} | options,
        parallel_copies=parallel,  # type: ignore[arg-type]
    )
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in source.iterdir()
    }
    return result


def at_once(record: Record) -> int:
    return max(int(event["at_once"]) for event in record.events("taken"))


def test_as_many_workers_as_help(source: Path, sink_record: Record) -> None:
    result = copied(source, sink_record)
    assert 12 < at_once(sink_record) <= MOST
    assert 12 < result.parallel_copies <= MOST


def test_a_number_that_is_given_is_kept(source: Path, sink_record: Record) -> None:
    assert copied(source, sink_record, 5).parallel_copies == 5
    assert at_once(sink_record) == 5


def test_no_more_than_the_connections_that_are_allowed(source: Path, sink_record: Record) -> None:
    assert copied(source, sink_record, max_concurrent_connections="6").parallel_copies == 6
    assert at_once(sink_record) == 6


def test_a_few_files_have_the_usual_number(source: Path, sink_record: Record) -> None:
    for path in sorted(source.iterdir())[MANY // 2 :]:
        path.unlink()
    assert copied(source, sink_record).parallel_copies <= max(3, automatic_parallel())


def test_a_server_that_throttles_gets_fewer(source: Path, sink_record: Record) -> None:
    result = copied(source, sink_record, at_once="4", lasts="0.005", retry_after="0")
    assert result.throttled == sink_record.count("refused") > 0
    assert any("workers worked" in note for note in result.notes)
