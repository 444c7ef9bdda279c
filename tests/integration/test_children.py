"""Connectors that hold the interpreter lock: their splits are carried by child processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from observing import Record, expected_rows, read_shelf

import crossdock
from crossdock import api
from crossdock.limits import Throttle

ROWS = 1000


def children_of(pid: int) -> list[int]:
    """Its child processes that still live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry.name))
    return found


linux_only = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


def copy(shelf: Path, source: Record, sink: Record, **options: str) -> crossdock.CopyResult:
    return crossdock.copy(
        "gilrows://here",
        f"shelf://{shelf}",
        source_options={"rows": str(ROWS), **source.options, **options},
        sink_options=sink.options,
        parallel_copies=2,
        run_id="r",
    )


def test_splits_are_carried_elsewhere(shelf: Path, source_record: Record, sink_record: Record) -> None:
    used = time.process_time()
    result = copy(shelf, source_record, sink_record)
    assert result.cpu > time.process_time() - used + 0.05, "to begin a child takes longer"
    assert read_shelf(shelf) == expected_rows(ROWS)
    assert (result.rows_copied, result.splits_done, result.retries) == (ROWS, 8, 0)
    readers = {event["pid"] for event in source_record.events("read")}
    assert os.getpid() not in readers
    assert 1 <= len(readers) <= 2, "children are used again"
    assert readers == {event["pid"] for event in sink_record.events("writer")}
    # What is asked once stays here.
    for kind in ("listed", "planned"):
        assert {event["pid"] for event in source_record.events(kind)} == {os.getpid()}
    assert {event["pid"] for event in sink_record.events("commit")} == {os.getpid()}


@linux_only
def test_no_child_outlives_the_run(shelf: Path, source_record: Record, sink_record: Record) -> None:
    before = set(children_of(os.getpid()))
    copy(shelf, source_record, sink_record)
    assert set(children_of(os.getpid())) == before


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_a_child_that_dies_costs_one_attempt(
    shelf: Path, source_record: Record, sink_record: Record, how: str
) -> None:
    result = copy(shelf, source_record, sink_record, fail=f"batch:{how}", fail_split="3", fail_after="2")
    assert read_shelf(shelf) == expected_rows(ROWS)
    assert result.retries == 1
    reads = [event["split"] for event in source_record.events("read")]
    assert sorted(reads) == sorted([*range(8), 3])
    attempts = [event["attempt"] for event in sink_record.events("writer") if event["split"] == 3]
    assert len(set(attempts)) == 2
    assert sorted(path.name for path in shelf.iterdir()) == ["t0.json", "t0.parts"]
    assert len(list((shelf / "t0.parts").iterdir())) == 8, "nothing of the dead attempt is left"


def test_a_child_that_always_dies_ends_the_run(
    shelf: Path, source_record: Record, sink_record: Record
) -> None:
    with pytest.raises(
        crossdock.TransientError, match="the process that carried t0 ended with status 9"
    ) as e:
        copy(shelf, source_record, sink_record, fail="batch:exit", fail_split="3", fail_times="0")
    assert e.value.resumable
    assert not (shelf / "t0.json").exists()
    reads = [event["split"] for event in source_record.events("read")]
    assert reads.count(3) == 5


@pytest.mark.parametrize(
    ("fail", "kind"),
    [
        ("batch:RuntimeError", crossdock.InternalError),
        ("batch:bad value", crossdock.DataError),
        ("read:login", crossdock.AuthError),
        ("batch:changed", crossdock.SourceChangedError),
    ],
)
def test_errors_keep_their_kind_and_side(
    shelf: Path,
    source_record: Record,
    sink_record: Record,
    fail: str,
    kind: type[crossdock.CrossdockError],
) -> None:
    with pytest.raises(kind) as caught:
        copy(shelf, source_record, sink_record, fail=fail)
    assert (type(caught.value), caught.value.side) == (kind, "source")


def test_an_error_at_the_sink_is_the_sinks(shelf: Path, source_record: Record, sink_record: Record) -> None:
    with pytest.raises(crossdock.InternalError) as caught:
        crossdock.copy(
            "gilrows://here",
            f"shelf://{shelf}",
            sink_options=sink_record.options | {"fail": "take:RuntimeError", "fail_split": "2"},
        )
    assert caught.value.side == "sink"


def test_transient_errors_are_tried_again(shelf: Path, source_record: Record, sink_record: Record) -> None:
    result = copy(shelf, source_record, sink_record, fail="batch:busy", fail_split="3", fail_times="2")
    assert (result.retries, result.throttled) == (2, 2)
    assert read_shelf(shelf) == expected_rows(ROWS)


def test_a_child_that_cannot_start_says_why(
    shelf: Path, source_record: Record, sink_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connector opens here and not there: one sentence, no endless attempts."""
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(crossdock.ConfigError, match="called 'gilrows'"):
        copy(shelf, source_record, sink_record)
    assert not shelf.joinpath("t0.json").exists()


def test_mapping_and_verification(tmp_path: Path) -> None:
    result = crossdock.copy(
        "gilrows://here",
        tmp_path / "out.parquet",
        map="value=v,id=number",
        verify=True,
        parallel_copies=2,
        source_options={"rows": str(ROWS)},
    )
    expected = expected_rows(ROWS).select(["value", "id"]).rename_columns(["v", "number"])
    assert pq.read_table(tmp_path / "out.parquet").sort_by("number") == expected
    assert result.verified


def test_verification_over_children_notices(shelf: Path) -> None:
    with pytest.raises(crossdock.VerificationError):
        crossdock.copy("gilrows://here", f"shelf://{shelf}", verify=True, sink_options={"corrupt": "value"})
    assert not (shelf / "t0.json").exists()


def test_secrets_reach_the_children(shelf: Path, source_record: Record, sink_record: Record) -> None:
    copy(shelf, source_record, sink_record, **{"needs_password": "true", "password": "hunter2"})
    assert read_shelf(shelf) == expected_rows(ROWS)


def test_all_children_share_one_bandwidth(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, source_record: Record
) -> None:
    booked: list[int] = []
    book = Throttle.delay

    def delay(self: Throttle, amount: int) -> float:
        booked.append(amount)
        return min(book(self, amount), 0.001)

    monkeypatch.setattr(Throttle, "delay", delay)
    result = crossdock.copy(
        "gilrows://here",
        f"shelf://{shelf}",
        source_options={"rows": str(ROWS), **source_record.options},
        bandwidth="1kB/s",
        parallel_copies=2,
    )
    assert read_shelf(shelf) == expected_rows(ROWS)
    assert len(booked) == ROWS // 25
    assert sum(booked) == result.bytes_read
    assert len({event["pid"] for event in source_record.events("read")}) == 2


@linux_only
def test_cancelling_ends_children_soon(shelf: Path, source_record: Record, sink_record: Record) -> None:
    """Also those that are stuck in a call."""
    cancel, before = threading.Event(), set(children_of(os.getpid()))
    asked: list[float] = []

    def watch(snapshot: crossdock.Snapshot) -> None:
        if not asked and source_record.count("failed") == 2:
            asked.append(time.monotonic())
            cancel.set()

    with pytest.raises(crossdock.CancelledError) as caught:
        crossdock.copy(
            "gilrows://here",
            f"shelf://{shelf}",
            source_options=source_record.options | {"fail": "batch:hang", "fail_times": "2"},
            sink_options=sink_record.options,
            parallel_copies=2,
            cancel=cancel,
            progress=watch,
            run_id="r",
        )
    assert time.monotonic() - asked[0] < 3
    assert caught.value.resumable
    assert set(children_of(os.getpid())) == before
    assert api.resume("r").rows_copied == ROWS
    assert read_shelf(shelf) == expected_rows(ROWS)


@linux_only
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_end_with_their_parent(shelf: Path, source_record: Record, how: signal.Signals) -> None:
    options = source_record.options | {"fail": "batch:hang", "fail_times": "2"}
    code = (
        "import crossdock;"
        f"crossdock.copy('gilrows://here', 'shelf://{shelf}', source_options={options!r}, parallel_copies=2)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as parent:
        try:
            until = time.monotonic() + 30
            while source_record.count("failed") < 2:
                assert parent.poll() is None
                assert time.monotonic() < until
                time.sleep(0.02)
            children = children_of(parent.pid)
            assert len(children) == 2
            parent.send_signal(how)
            until = time.monotonic() + 5
            while any(Path(f"/proc/{child}").exists() for child in children):
                assert time.monotonic() < until, "a child lives on"
                time.sleep(0.02)
            parent.wait(5)
        finally:
            parent.kill()
