"""Many small files, carried by forked processes: killed, refused, cancelled, and gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from observing import Record, left_behind, stops

import crossdock
from crossdock import AuthError, CopyResult, forking
from crossdock.grouping import MOST

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
COUNT = 240


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "WORTH", 100)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    # What runs the tests may have threads of its own, which hold no lock that a copy takes.
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.current_thread()])


def made(folder: Path, count: int = COUNT) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:04d}").write_bytes(b"%d" % number)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return made(tmp_path / "source")


def copied(source: Path, record: Record, **options: Any) -> CopyResult:
    """Copy to a server that takes any number of requests; the files are there."""
    given = {"at_once": "100", "lasts": "0.001"} | record.options | options.pop("sink_options", {})
    result = crossdock.copy(
        source, f"limited://{source.parent / 'out'}", sink_options=given, run_id="r", **options
    )
    arrived(source)
    return result


def arrived(source: Path, but: int = 0) -> None:
    out = source.parent / "out"
    found = {path.name: path.read_bytes() for path in out.iterdir()}
    wanted = {path.name: path.read_bytes() for path in source.iterdir()}
    assert len(wanted) - len(found) == but
    assert wanted | found == wanted
    assert left_behind(out) == []


def pids(record: Record) -> set[int]:
    return {event["pid"] for event in record.events("taken")}


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.usefixtures("two_processes")
class TestForked:
    def test_two_processes_carry_all(self, source: Path, sink_record: Record) -> None:
        result = copied(source, sink_record)
        assert len(pids(sink_record)) == 2
        assert os.getpid() not in pids(sink_record)
        assert sink_record.count("block") == COUNT
        assert (result.files_written, result.splits_done) == (COUNT, COUNT)
        assert result.bytes_written == sum(path.stat().st_size for path in source.iterdir())
        assert result.parallel_copies >= 2
        assert result.seconds["sink"] > 0

    def test_what_is_verified_is_read_back_there(self, source: Path, sink_record: Record) -> None:
        assert copied(source, sink_record, verify=True).verified
        assert os.getpid() not in pids(sink_record)

    def test_a_process_that_dies_costs_its_group(self, source: Path, sink_record: Record) -> None:
        result = copied(source, sink_record, sink_options={"fail": "block:kill", "fail_skip": "30"})
        assert result.files_written == COUNT
        assert COUNT <= sink_record.count("block") <= COUNT + MOST
        assert sink_record.count("failed") == 1

    def test_all_processes_die(self, source: Path, sink_record: Record) -> None:
        fail = {"fail": "block:kill", "fail_skip": "30", "fail_times": "2"}
        copied(source, sink_record, sink_options=fail)
        assert COUNT <= sink_record.count("block") <= COUNT + 2 * MOST
        assert os.getpid() in pids(sink_record)
        assert len(pids(sink_record)) == 3

    def test_an_error_ends_the_run_which_can_go_on(self, source: Path, sink_record: Record) -> None:
        fail = {"fail": "block:login", "fail_skip": "30"}
        with pytest.raises(AuthError, match="the login failed") as caught:
            copied(source, sink_record, sink_options=fail)
        assert (caught.value.side, caught.value.resumable) == ("sink", True)
        before = sink_record.count("block")
        assert before < COUNT
        assert crossdock.resume("r").splits_skipped > 0
        arrived(source)
        assert sink_record.count("block") == COUNT

    def test_lost_files_are_carried_again(self, source: Path, sink_record: Record) -> None:
        result = copied(source, sink_record, sink_options={"fail": "block:lost", "fail_skip": "30"})
        assert result.files_written == COUNT
        assert sink_record.count("failed") == 1
        assert os.getpid() not in pids(sink_record)

    def test_a_transient_error_is_tried_again_there(self, source: Path, sink_record: Record) -> None:
        result = copied(source, sink_record, sink_options={"fail": "block:transient", "fail_times": "3"})
        assert result.retries == 3
        assert os.getpid() not in pids(sink_record)

    def test_a_file_that_has_gone_is_skipped(self, source: Path, source_record: Record) -> None:
        given = source_record.options | {"at_once": "100", "fail": "read:missing", "fail_unit": "0123"}
        sink = f"limited://{source.parent / 'out'}"
        result = crossdock.copy(f"limited://{source}", sink, source_options=given)
        assert result.skipped == ["0123"]
        arrived(source, but=1)
        assert os.getpid() not in pids(source_record)

    def test_throttling_is_reported(self, source: Path, sink_record: Record) -> None:
        given = {"at_once": "1", "retry_after": "0"}
        result = copied(source, sink_record, parallel_copies=8, sink_options=given)
        assert result.throttled == sink_record.count("refused") > 0
        assert any("of 8 workers worked" in note for note in result.notes)

    def test_the_display_sees_them(self, source: Path, sink_record: Record) -> None:
        seen: list[crossdock.Snapshot] = []
        copied(source, sink_record, progress=seen.append, sink_options={"lasts": "0.01"})
        assert any(0 < snapshot.units_done < COUNT and snapshot.waiting for snapshot in seen)
        assert (seen[-1].units_done, seen[-1].bytes_done) == (COUNT, seen[-1].bytes_total)

    def test_cancelled_it_stops_and_goes_on(self, source: Path, sink_record: Record) -> None:
        given = {"lasts": "0.02"}
        took = stops(0.5, lambda cancel: copied(source, sink_record, cancel=cancel, sink_options=given))
        assert took < 5
        assert not any(is_alive(pid) for pid in pids(sink_record))
        before = sink_record.count("block")
        assert before < COUNT
        assert crossdock.resume("r").splits_skipped >= before - MOST
        arrived(source)

    def test_one_limit_of_bandwidth_is_kept_by_one_process(self, source: Path, sink_record: Record) -> None:
        copied(source, sink_record, bandwidth="1GB/s")
        assert pids(sink_record) == {os.getpid()}


def test_beside_other_threads_nothing_is_forked(
    source: Path, sink_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "WORTH", 100)
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        copied(source, sink_record)
    finally:
        ended.set()
        thread.join()
    assert pids(sink_record) == {os.getpid()}


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one process on one core")
@pytest.mark.parametrize("how", ["parent killed", "Ctrl-C"])
def test_no_process_outlives_the_command(tmp_path: Path, sink_record: Record, how: str) -> None:
    source = made(tmp_path / "source", 2 * forking.WORTH)
    given = [
        f"-k{name}={value}"
        for name, value in ({"lasts": "0.02", "at_once": "99"} | sink_record.options).items()
    ]
    command = [sys.executable, "-m", "crossdock", "copy", str(source), f"limited://{tmp_path / 'out'}"]
    run = subprocess.Popen([*command, "--run-id", "r", *given], start_new_session=True)
    deadline = time.monotonic() + 30
    while sink_record.count("block") < 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    if how == "Ctrl-C":
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(30) == 130
    else:
        run.kill()
        run.wait(30)
    working = pids(sink_record)
    assert len(working) == 2
    assert run.pid not in working
    while any(map(is_alive, working)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, working))
    before = sink_record.count("block")
    assert crossdock.resume("r").splits_skipped >= before - 2 * MOST
    arrived(source)
