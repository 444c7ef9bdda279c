"""Workers come and go while a copy goes on; what it says about that and about its time."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

import pytest
from observing import Record, left_behind

import crossdock
from crossdock import api
from crossdock.cli.main import run
from crossdock.crew import Crew
from crossdock.meter import Worker


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big.bin"
    path.write_bytes(Random(1).randbytes(1_500_000))
    return path


class Scripted(Crew):
    """Four workers until four work at once, one until one does for a while, then six."""

    def __init__(self, record: Record) -> None:
        super().__init__(4, 4, 4)
        self._record, self.alone = record, 0

    @property
    def next_look(self) -> float:
        return 0.01

    def grow(self, workers: Sequence[Worker] = ()) -> int:
        at_once = [int(event["at_once"]) for event in self._record.events("taken")]
        if self.size == 4 and 4 in at_once:
            self.size = 1
        elif self.size == 1 and at_once[-5:] == [1] * 5:
            self.size, self.alone = 6, len(at_once)
        return self.size


def test_workers_leave_and_come_back(
    big: Path, tmp_path: Path, sink_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = Scripted(sink_record)
    monkeypatch.setattr("crossdock.run.crew", lambda *_: crew)
    result = crossdock.copy(
        big, f"limited://{tmp_path}/copy.bin", block_size=5_000,
        sink_options=sink_record.options | {"at_once": "100", "lasts": "0.02"},
    )  # fmt: skip
    assert (tmp_path / "copy.bin").read_bytes() == big.read_bytes()
    assert left_behind(tmp_path) == []
    assert crew.alone, "the others never left"
    at_once = [int(event["at_once"]) for event in sink_record.events("taken")]
    assert max(at_once[: crew.alone - 5]) == 4
    assert max(at_once[crew.alone :]) == result.parallel_copies == 6


def copied(big: Path, tmp_path: Path, record: Record, parallel: Any) -> crossdock.CopyResult:
    """A server whose every answer takes 20 ms: many workers wait for it together."""
    result = crossdock.copy(
        big, f"limited://{tmp_path}/copy.bin", block_size=5_000, parallel_copies=parallel, run_id="r",
        sink_options=record.options | {"at_once": "100", "lasts": "0.02"},
    )  # fmt: skip
    assert (tmp_path / "copy.bin").read_bytes() == big.read_bytes()
    return result


@pytest.fixture
def idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that runs the tests may have no idle moment."""
    idle = iter(range(1, 1 << 30))
    monkeypatch.setattr("crossdock.tuning.idle_time", lambda: float(next(idle)))
    monkeypatch.setattr("crossdock.tuning.memory_room", lambda: 1.0)
    monkeypatch.setattr("crossdock.tuning.process_time", lambda: 0.0)
    monkeypatch.setattr("crossdock.prepare.automatic_parallel", lambda: 2)


@pytest.mark.usefixtures("idle_machine")
def test_more_workers_where_they_carry_more(big: Path, tmp_path: Path, sink_record: Record) -> None:
    result = copied(big, tmp_path, sink_record, "auto")
    assert max(int(event["at_once"]) for event in sink_record.events("taken")) > 3
    first, *_ = result.output()["crossdock"]["tuning"]
    assert (first["from"], first["to"], first["why"]) == (3, 6, "trying more")
    assert 0 < first["at"] < result.duration
    assert first["bytesPerSecond"] > 0


@pytest.mark.usefixtures("idle_machine")
def test_a_number_that_is_given_is_kept(big: Path, tmp_path: Path, sink_record: Record) -> None:
    result = copied(big, tmp_path, sink_record, 3)
    assert max(int(event["at_once"]) for event in sink_record.events("taken")) == 3
    assert result.tuning == []


def test_small_files_are_shared_by_as_many_as_may_work(
    tmp_path: Path, sink_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bundles for the first two workers, eight of them would have all there is."""
    monkeypatch.setattr("crossdock.prepare.automatic_parallel", lambda: 2)
    monkeypatch.setattr("crossdock.run.crew", lambda *_: Crew(16, 16, 16))
    (tmp_path / "in").mkdir()
    for number in range(40):
        (tmp_path / "in" / f"{number}.csv").write_text(f"n\n{number}\n")
    result = crossdock.copy(
        tmp_path / "in", f"limited://{tmp_path}/out", source_format="csv", sink_format="parquet",
        sink_options=sink_record.options | {"at_once": "100", "lasts": "0.05"},
    )  # fmt: skip
    assert len(list((tmp_path / "out").iterdir())) == 40
    assert result.parallel_copies > 8


@pytest.mark.parametrize("most", [0, 1])
def test_threads_that_cannot_begin_are_done_without(
    big: Path, tmp_path: Path, sink_record: Record, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    big.write_bytes(b"x" * 50_000)
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if thread.name in [f"crossdock-{number}" for number in range(most, 3)]:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr("threading.Thread.start", limited)
    if not most:
        with pytest.raises(crossdock.InternalError, match="can't start new thread") as caught:
            copied(big, tmp_path, sink_record, 3)
        assert caught.value.run_id is not None
        return
    assert copied(big, tmp_path, sink_record, 3).parallel_copies == 1


class Page(HTMLParser):
    """What a page says, and whether it fetches anything."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.opened: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_run_says_where_its_time_went(
    big: Path, tmp_path: Path, sink_record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    result = copied(big, tmp_path, sink_record, 2)
    (execution,) = result.output()["executionDetails"]
    parts = execution["crossdock"]["breakdown"]
    assert sum(parts.values()) == pytest.approx(result.duration, abs=0.0011)
    # Half of what two workers do is to wait for the server, and nearly all of it.
    assert parts["writing"] > 0.5 * result.duration
    assert api.show("r").timeline
    file = tmp_path / "run.html"
    assert run(["runs", "show", "r", "--html", str(file)]) == 0
    told = capsys.readouterr().out
    assert "where the time went: file to limited" in told
    assert "writing" in told
    assert "mostly" in told
    page = Page(file.read_text())
    assert page.fetched == []
    assert {"svg", "polyline", "rect"} <= set(page.opened)
    assert any("writing" in word for word in page.words)


def test_a_page_that_cannot_be_written(
    big: Path, tmp_path: Path, sink_record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    copied(big, tmp_path, sink_record, 32)
    assert run(["runs", "show", "r", "--html", str(tmp_path / "none" / "run.html")]) == 2
    assert "--html" in capsys.readouterr().err


def test_a_journal_of_an_older_crossdock_is_shown(
    big: Path, tmp_path: Path, sink_record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    copied(big, tmp_path, sink_record, 32)
    shown = api.show("r")
    assert shown.output is not None
    older = json.loads(json.dumps(shown.output))
    for hop in older["executionDetails"]:
        del hop["crossdock"]
    del older["crossdock"]["tuning"]
    from contextlib import closing

    from crossdock.history import journal_path
    from crossdock.journal import Journal

    with closing(Journal.open(journal_path("r", None))) as journal:
        journal.set(output=older, timeline=None)
    assert run(["runs", "show", "r"]) == 0
    assert "succeeded" in capsys.readouterr().out
