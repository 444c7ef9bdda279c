"""What becomes of runs that are refused, given up or forgotten."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from observing import Record, copy_failing, expected_rows, journals, left_behind, read_shelf

import crossdock
from crossdock import api

ROWS = 1000


class TestRefusals:
    def test_a_run_that_succeeded(self, shelf: Path) -> None:
        crossdock.copy("rows://here", f"shelf://{shelf}", run_id="r")
        with pytest.raises(crossdock.ConfigError, match="has succeeded; there is nothing to resume"):
            api.resume("r")

    def test_a_run_that_cannot_be_resumed(self, shelf: Path, source_record: Record) -> None:
        """What was wrong with the data is wrong the next time too."""
        fail = {"units": "40", "splits": "1", "rows": "10", "fail": "batch:bad value", "fail_unit": "t39"}
        with pytest.raises(crossdock.DataError) as caught:
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                source_options=source_record.options | fail,
                parallel_copies=1,
                run_id="r",
            )
        assert (caught.value.resumable, caught.value.run_id) == (False, "r")
        with pytest.raises(crossdock.ConfigError, match="cannot be resumed; begin it anew"):
            api.resume("r")
        api.forget("r")
        assert (shelf / "t0.json").exists()

    def test_no_such_run(self) -> None:
        with pytest.raises(crossdock.NotFoundError, match="there is no run 'nobody'"):
            api.resume("nobody")

    def test_another_version_of_the_journal(
        self, shelf: Path, home: Path, source_record: Record, sink_record: Record
    ) -> None:
        copy_failing(shelf, source_record, sink_record, {"fail": "batch:RuntimeError"})
        with closing(sqlite3.connect(home / "runs" / "r.db")) as journal:
            journal.execute("PRAGMA user_version = 99")
        before = (home / "runs" / "r.db").read_bytes()
        for call in (api.resume, api.show, api.forget):
            with pytest.raises(crossdock.ConfigError, match="has version 99, this crossdock reads"):
                call("r")
        assert (home / "runs" / "r.db").read_bytes() == before
        (listed,) = api.runs()
        assert (listed.run_id, listed.state) == ("r", "unreadable")
        assert "has version 99" in listed.error

    def test_a_run_that_is_being_worked_on(
        self, shelf: Path, source_record: Record, sink_record: Record
    ) -> None:
        """By another process, until that is killed."""
        copy_failing(shelf, source_record, sink_record, {"fail": "batch:RuntimeError"})
        code = "from crossdock import api; api.resume('r', source_options={'slow': '0.5'})"
        with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as other:
            try:
                while api.show("r").state != "running":
                    assert other.poll() is None, other.stderr and other.stderr.read()
                    time.sleep(0.01)
                for call in (api.resume, api.forget):
                    with pytest.raises(crossdock.ConfigError, match="is being worked on by another process"):
                        call("r")
                assert api.show("r").state == "running"
            finally:
                other.kill()
        assert api.show("r").state == "interrupted"
        api.resume("r", source_options={"slow": "0"})
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_the_run_id_of_another_run(self, shelf: Path, source_record: Record, sink_record: Record) -> None:
        copy_failing(shelf, source_record, sink_record, {"fail": "batch:RuntimeError"})
        with pytest.raises(crossdock.ConfigError, match="the run id 'r' is taken; resume it with"):
            crossdock.copy("rows://here", f"shelf://{shelf}", run_id="r")
        api.resume("r")
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_unknown_options(self, shelf: Path, source_record: Record, sink_record: Record) -> None:
        copy_failing(shelf, source_record, sink_record, {"fail": "batch:RuntimeError"})
        with pytest.raises(crossdock.ConfigError, match=r"has no option 'pasword'.*did you mean password"):
            api.resume("r", sink_options={"pasword": "x"})
        api.resume("r")
        assert read_shelf(shelf) == expected_rows(ROWS)


class TestForget:
    def test_staged_data_and_journal_go(
        self, shelf: Path, home: Path, source_record: Record, sink_record: Record
    ) -> None:
        copy_failing(shelf, source_record, sink_record, {"fail": "batch:RuntimeError", "fail_split": "5"})
        assert list(shelf.rglob("*.arrow"))
        api.forget("r")
        assert list(shelf.rglob("*.arrow")) == []
        assert journals(home) == []
        with pytest.raises(crossdock.NotFoundError):
            api.show("r")

    def test_staged_files_go(self, tmp_path: Path, home: Path, sink_record: Record) -> None:
        source = tmp_path / "source"
        source.mkdir()
        for name in ("a", "b", "c"):
            (source / name).write_bytes(bytes(1 << 20))
        sink = sink_record.options | {"fail": "write:RuntimeError", "pull": "false"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                source, f"hooked://{tmp_path}/out/", sink_options=sink, block_size="128KiB", run_id="r"
            )
        assert left_behind(tmp_path / "out")
        api.forget("r")
        assert left_behind(tmp_path / "out") == []
        assert journals(home) == []

    def test_what_is_visible_stays(
        self, shelf: Path, home: Path, source_record: Record, sink_record: Record
    ) -> None:
        fail = {"units": "6", "fail": "batch:RuntimeError", "fail_unit": "t4"}
        copy_failing(shelf, source_record, sink_record, fail)
        finished = {path.stem for path in shelf.glob("*.json")}
        api.forget("r")
        assert {path.stem for path in shelf.glob("*.json")} == finished
        for name in finished:
            assert read_shelf(shelf, name) == expected_rows(ROWS)
        assert journals(home) == []

    def test_committed_but_not_cleaned_up(self, tmp_path: Path, shelf: Path, sink_record: Record) -> None:
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                sink_options=sink_record.options | {"fail": "cleanup:RuntimeError"},
                run_id="r",
            )
        sink_record.clear()
        api.forget("r")
        assert sink_record.count("cleanup") == 1
        assert read_shelf(shelf) == expected_rows(ROWS)
