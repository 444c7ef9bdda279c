"""Resuming: what was done is not done again, and the result is as if nothing had happened."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest
from observing import Record, copy_failing, expected_rows, journals, left_behind, read_shelf

import crossdock
from crossdock import api

ROWS = 1000


class TestOneUnit:
    def test_only_what_was_in_flight_is_carried_again(
        self, shelf: Path, source_record: Record, sink_record: Record
    ) -> None:
        fail = {"fail": "batch:RuntimeError", "fail_split": "5", "fail_after": "2"}
        error = copy_failing(shelf, source_record, sink_record, fail)
        assert error.resumable
        assert not (shelf / "t0.json").exists()
        done = {event["split"] for event in sink_record.events("finished")}
        assert 4 <= len(done) < 8
        assert api.show("r").splits_done == len(done)

        source_record.clear()
        sink_record.clear()
        result = api.resume("r")

        assert result.splits_skipped == len(done)
        again = [event["split"] for event in source_record.events("read")]
        assert sorted(again) == sorted(set(range(8)) - done)
        assert sorted(event["split"] for event in sink_record.events("writer")) == sorted(again)
        assert read_shelf(shelf) == expected_rows(ROWS)
        assert result.rows_copied == ROWS

    def test_nothing_is_planned_or_begun_again(
        self, shelf: Path, source_record: Record, sink_record: Record
    ) -> None:
        copy_failing(shelf, source_record, sink_record, {"fail": "batch:RuntimeError", "fail_split": "5"})
        source_record.clear()
        sink_record.clear()
        api.resume("r")
        assert not source_record.count("planned")
        assert not source_record.count("listed")
        assert not sink_record.count("begun")
        assert sink_record.count("commit") == 1

    def test_attempts_have_numbers_of_their_own(
        self, shelf: Path, source_record: Record, sink_record: Record
    ) -> None:
        copy_failing(shelf, source_record, sink_record, {"fail": "batch:RuntimeError", "fail_split": "5"})
        api.resume("r")
        tries = [(event["split"], event["attempt"]) for event in sink_record.events("writer")]
        assert len(tries) == len(set(tries))
        assert len([split for split, _ in tries if split == 5]) == 2

    def test_a_writer_that_fails_at_its_end(
        self, shelf: Path, source_record: Record, sink_record: Record
    ) -> None:
        sink = {"fail": "finish:RuntimeError", "fail_split": "6"}
        with pytest.raises(crossdock.InternalError) as caught:
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                source_options=source_record.options,
                sink_options=sink_record.options | sink,
                run_id="r",
            )
        assert caught.value.side == "sink"
        assert caught.value.resumable
        done = sink_record.count("finished")
        source_record.clear()
        result = api.resume("r")
        assert result.splits_skipped == done
        assert source_record.count("read") == 8 - done
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_killed_between_commit_and_journal(
        self, shelf: Path, source_record: Record, sink_record: Record
    ) -> None:
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                source_options=source_record.options,
                sink_options=sink_record.options | {"fail": "committed:RuntimeError"},
                run_id="r",
            )
        manifest = (shelf / "t0.json").read_bytes()
        source_record.clear()
        result = api.resume("r")
        assert source_record.count("read") == 0
        assert result.splits_skipped == 8
        assert (shelf / "t0.json").read_bytes() == manifest
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_twice(self, shelf: Path, source_record: Record, sink_record: Record) -> None:
        fail = {"fail": "batch:RuntimeError", "fail_split": "5", "fail_times": "2"}
        copy_failing(shelf, source_record, sink_record, fail)
        with pytest.raises(crossdock.InternalError) as caught:
            api.resume("r")
        assert (caught.value.run_id, caught.value.resumable) == ("r", True)
        result = api.resume("r")
        assert read_shelf(shelf) == expected_rows(ROWS)
        assert result.rows_copied == ROWS
        assert source_record.count("read") <= 8 + 4  # two failures, at most two splits in flight each


class TestCancel:
    def test_an_event_interrupts_and_resume_goes_on(
        self, shelf: Path, source_record: Record, sink_record: Record
    ) -> None:
        cancel = threading.Event()

        def watch(snapshot: crossdock.Snapshot) -> None:
            if sink_record.count("finished") >= 3:
                cancel.set()

        with pytest.raises(crossdock.CancelledError) as caught:
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                source_options={"slow": "0.02", "splits": "20", **source_record.options},
                sink_options=sink_record.options,
                parallel_copies=2,
                cancel=cancel,
                progress=watch,
                run_id="r",
            )
        assert (caught.value.exit_code, caught.value.resumable) == (130, True)
        assert api.show("r").state == "interrupted"
        done = sink_record.count("finished")
        assert 3 <= done < 20
        source_record.clear()
        result = api.resume("r")
        assert (result.splits_skipped, source_record.count("read")) == (done, 20 - done)
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_before_anything_was_planned(self, shelf: Path, source_record: Record) -> None:
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(crossdock.CancelledError) as caught:
            crossdock.copy(
                "rows://here", f"shelf://{shelf}", source_options=source_record.options, cancel=cancel
            )
        assert caught.value.resumable
        assert caught.value.run_id is not None
        assert not shelf.exists()
        api.resume(caught.value.run_id)
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_a_dry_run_leaves_nothing(self, shelf: Path, home: Path) -> None:
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(crossdock.CancelledError) as caught:
            crossdock.copy("rows://here", f"shelf://{shelf}", cancel=cancel, dry_run=True)
        assert (caught.value.resumable, caught.value.run_id) == (False, None)
        assert journals(home) == []

    def test_a_listing_that_fails_goes_on_behind_its_last_page(
        self, shelf: Path, source_record: Record
    ) -> None:
        options = {"units": "6", "rows": "10", "splits": "1", "fail": "units:RuntimeError", "fail_skip": "1"}
        with pytest.raises(crossdock.InternalError) as caught:
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                source_options=source_record.options | options,
                run_id="r",
            )
        assert caught.value.resumable
        source_record.clear()
        api.resume("r")
        assert [event["start"] for event in source_record.events("listed")] == [4]
        assert len(list(shelf.glob("*.json"))) == 6

    @pytest.mark.parametrize("side", ["source", "sink"])
    def test_a_blocked_call_is_ended(
        self, shelf: Path, source_record: Record, sink_record: Record, side: str
    ) -> None:
        """By the connector, from another thread; what the call then raises is not what the run says."""
        asked: list[float] = []
        cancel = threading.Event()
        blocked = {"cancellable": "true", "fail": "batch:wait" if side == "source" else "take:wait"}
        record = source_record if side == "source" else sink_record

        def watch(snapshot: crossdock.Snapshot) -> None:
            if record.count("failed") and not asked:
                asked.append(time.monotonic())
                cancel.set()

        with pytest.raises(crossdock.CancelledError) as caught:
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                source_options=source_record.options | (blocked if side == "source" else {}),
                sink_options=sink_record.options | (blocked if side == "sink" else {}),
                parallel_copies=2,
                cancel=cancel,
                progress=watch,
                run_id="r",
            )
        assert time.monotonic() - asked[0] < 3
        assert record.count("cancelled") >= 1
        assert caught.value.resumable
        api.resume("r")
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_an_error_elsewhere_ends_a_blocked_call_too(
        self, shelf: Path, source_record: Record, sink_record: Record
    ) -> None:
        with pytest.raises(crossdock.DataError):
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                source_options=source_record.options
                | {"fail": "batch:bad value", "fail_split": "1", "fail_after": "3", "slow": "0.1"},
                sink_options=sink_record.options
                | {"cancellable": "true", "fail": "take:wait", "fail_split": "0"},
                parallel_copies=2,
            )
        assert sink_record.count("cancelled") >= 1

    def test_while_waiting_for_a_retry(self, shelf: Path, source_record: Record) -> None:
        from crossdock import retry

        retry.FIRST_WAIT = 600.0  # the fixture puts it back
        cancel = threading.Event()

        def watch(snapshot: crossdock.Snapshot) -> None:
            if snapshot.waiting.get("throttle"):
                cancel.set()

        fail = {"fail": "read:transient", "fail_split": "0"}
        with pytest.raises(crossdock.CancelledError):
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                source_options=source_record.options | fail,
                cancel=cancel,
                progress=watch,
            )


class TestManyUnits:
    def test_finished_units_are_not_touched(
        self, shelf: Path, source_record: Record, sink_record: Record
    ) -> None:
        fail = {"units": "6", "splits": "4", "fail": "batch:RuntimeError", "fail_unit": "t4"}
        copy_failing(shelf, source_record, sink_record, fail)
        finished = {path.stem for path in shelf.glob("*.json")}
        before = {name: (shelf / f"{name}.json").stat().st_mtime_ns for name in finished}
        assert finished
        source_record.clear()
        sink_record.clear()
        api.resume("r")
        assert not finished & {event["unit"] for event in source_record.events("read")}
        assert {name: (shelf / f"{name}.json").stat().st_mtime_ns for name in finished} == before
        for number in range(6):
            assert read_shelf(shelf, f"t{number}") == expected_rows(ROWS)

    @pytest.mark.parametrize("cursors", ["true", "false"])
    def test_killed_while_listing(
        self, shelf: Path, source_record: Record, cursors: str, tmp_path: Path
    ) -> None:
        """Listing goes on behind the last page, or from the start where pages have no cursors."""
        options = {"units": "6", "cursors": cursors, "rows": "10", "splits": "1", **source_record.options}
        options |= {"fail": "units:exit", "fail_times": "1"}
        code = (
            "import crossdock;"
            f"crossdock.copy('rows://here', 'shelf://{shelf}', source_options={options!r}, run_id='r')"
        )
        done = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False, timeout=60)
        assert done.returncode == 9
        source_record.clear()
        api.resume("r")
        starts = [event["start"] for event in source_record.events("listed")]
        assert starts == ([2, 4] if cursors == "true" else [0, 2, 4])
        assert sorted(path.stem for path in shelf.glob("*.json")) == [f"t{n}" for n in range(6)]
        assert sorted(event["unit"] for event in source_record.events("planned")) == [
            f"t{n}" for n in range(6)
        ]


class TestFiles:
    """A binary copy, in blocks; and tables in files."""

    @pytest.fixture
    def big(self, tmp_path: Path) -> Path:
        path = tmp_path / "big.bin"
        path.write_bytes(Random(1).randbytes(1 << 20))
        return path

    @pytest.mark.parametrize("pull", ["true", "false"])
    def test_blocks(self, big: Path, tmp_path: Path, source_record: Record, pull: str) -> None:
        """Carried by this process or by the store, a block that is durable stays so."""
        out = tmp_path / "out"
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                f"hooked://{big}",
                f"hooked://{out}/big.bin",
                source_options=source_record.options | {"fail": "read:RuntimeError", "fail_skip": "9"},
                sink_options={"pull": pull},
                block_size="64KiB",
                parallel_copies=2,
                run_id="r",
            )
        assert not (out / "big.bin").exists()
        done = api.show("r").splits_done
        assert 8 <= done < 16
        source_record.clear()
        result = api.resume("r")
        assert (result.splits_skipped, source_record.count("opened")) == (done, 16 - done)
        assert (result.bytes_read, result.bytes_skipped) == (1 << 20, done << 16)
        assert (out / "big.bin").read_bytes() == big.read_bytes()
        assert left_behind(out) == []

    @pytest.mark.parametrize("extension", ["jsonl", "parquet"])
    def test_rows(self, tmp_path: Path, sink_record: Record, extension: str) -> None:
        """The resumed file equals that of an undisturbed run: text byte for byte, Parquet row for row."""
        source, whole, broken = tmp_path / "rows.csv", tmp_path / f"whole.{extension}", f"broken.{extension}"
        source.write_text("id,word\n" + "".join(f"{n},{'w' * (n % 500)}\n" for n in range(60_000)))
        crossdock.copy(source, whole, parallel_copies=2)
        sink = sink_record.options | {"fail": "write:RuntimeError", "fail_split": "2"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                source, f"hooked://{tmp_path}/{broken}", parallel_copies=2, sink_options=sink, run_id="r"
            )
        done = api.show("r")
        assert 0 < done.splits_done < done.splits_total
        sink_record.clear()
        result = api.resume("r")
        assert result.splits_skipped == done.splits_done
        again = {event["split"] for event in sink_record.events("written")}
        assert len(again - {done.splits_total}) == done.splits_total - done.splits_done
        if extension == "parquet":
            assert pq.read_table(tmp_path / broken) == pq.read_table(whole)
        else:
            assert (tmp_path / broken).read_bytes() == whole.read_bytes()
        assert left_behind(tmp_path) == []

    def test_many_small_files(self, tmp_path: Path, source_record: Record) -> None:
        source = tmp_path / "many"
        source.mkdir()
        for number in range(300):
            (source / f"{number:03}").write_text(f"file {number}")
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                f"hooked://{source}/",
                tmp_path / "out/",
                source_options=source_record.options | {"fail": "read:RuntimeError", "fail_unit": "217"},
                parallel_copies=2,
                run_id="r",
            )
        source_record.clear()
        result = api.resume("r")
        assert result.splits_skipped >= 30  # whole bundles were finished
        assert source_record.count("opened") <= 300 - result.splits_skipped
        for number in range(300):
            assert (tmp_path / f"out/{number:03}").read_text() == f"file {number}"
        assert left_behind(tmp_path / "out") == []
