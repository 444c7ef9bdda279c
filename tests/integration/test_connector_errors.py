"""Connectors that fail: who is blamed, what is tried again, what is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from observing import Record, expected_rows, journals, read_shelf

import crossdock
from crossdock import api

ROWS = 1000


def copy(
    shelf: Path, source: dict[str, str] | None = None, sink: dict[str, str] | None = None, **options: object
) -> crossdock.CopyResult:
    return crossdock.copy(
        "rows://here",
        f"shelf://{shelf}",
        source_options={"rows": str(ROWS), **(source or {})},
        sink_options=sink,
        **{"run_id": "r", **options},  # type: ignore[arg-type]
    )


class TestBlame:
    @pytest.mark.parametrize("where", ["open", "units", "schema", "plan", "read", "batch", "close"])
    def test_the_source(self, shelf: Path, source_record: Record, where: str) -> None:
        with pytest.raises(crossdock.InternalError) as caught:
            copy(shelf, source_record.options | {"fail": f"{where}:RuntimeError"})
        error = caught.value
        assert error.side == "source"
        assert error.message == "the source failed unexpectedly: RuntimeError: unknown trouble"
        assert "in two lines" in error.detail
        assert error.exit_code == 1
        assert not (shelf / "t0.json").exists()

    @pytest.mark.parametrize("where", ["check", "begin", "writer", "take", "finish", "commit", "cleanup"])
    def test_the_sink(self, shelf: Path, sink_record: Record, where: str) -> None:
        with pytest.raises(crossdock.InternalError) as caught:
            copy(shelf, sink=sink_record.options | {"fail": f"{where}:RuntimeError"})
        assert caught.value.side == "sink"
        assert caught.value.message == "the sink failed unexpectedly: RuntimeError: unknown trouble"

    @pytest.mark.parametrize("how", ["wrap", "swallow", ""])
    def test_the_source_through_the_sinks_bulk_loader(
        self, shelf: Path, source_record: Record, sink_record: Record, how: str
    ) -> None:
        """Whatever the loader makes of the error of its input; nothing short becomes visible."""
        fail = {"fail": "batch:bad value", "fail_after": "2"}
        with pytest.raises(crossdock.DataError) as caught:
            copy(shelf, source_record.options | fail, sink_record.options | {"bulk": how})
        assert (caught.value.message, caught.value.side) == ("a value does not convert", "source")
        assert not (shelf / "t0.json").exists()
        assert sink_record.count("aborted") >= 1

    def test_a_bulk_loader_that_stops_early(self, shelf: Path) -> None:
        with pytest.raises(crossdock.InternalError, match="stopped before the end of its input") as caught:
            copy(shelf, sink={"bulk": "stop"})
        assert caught.value.side == "sink"
        assert not (shelf / "t0.json").exists()

    def test_what_went_wrong_first_counts(
        self, shelf: Path, sink_record: Record, source_record: Record
    ) -> None:
        """Not what closing the source or aborting the writer says afterwards."""
        sink = sink_record.options | {"fail": "take:login", "fail_split": "4"}
        with pytest.raises(crossdock.AuthError) as caught:
            copy(shelf, source_record.options | {"fail": "close:RuntimeError", "fail_split": "4"}, sink)
        assert caught.value.side == "sink"

    def test_a_writer_whose_abort_raises(
        self, shelf: Path, sink_record: Record, source_record: Record
    ) -> None:
        sink = sink_record.options | {"fail": "abort:RuntimeError", "fail_times": "0"}
        with pytest.raises(crossdock.DataError) as caught:
            copy(shelf, source_record.options | {"fail": "batch:bad value"}, sink)
        assert caught.value.side == "source"

    @pytest.mark.parametrize("side", ["source", "sink"])
    def test_a_connector_that_exits(
        self, shelf: Path, source_record: Record, sink_record: Record, side: str
    ) -> None:
        """Its thread does not vanish with the split."""
        source, sink = {**source_record.options}, {**sink_record.options}
        (source if side == "source" else sink)["fail"] = (
            "batch:SystemExit" if side == "source" else "take:SystemExit"
        )
        with pytest.raises(crossdock.InternalError, match="SystemExit: 3"):
            copy(shelf, source, sink)
        assert not (shelf / "t0.json").exists()


class TestRetries:
    @pytest.mark.parametrize("where", ["schema", "plan", "read", "batch", "close"])
    def test_at_the_source(self, shelf: Path, source_record: Record, where: str) -> None:
        result = copy(shelf, source_record.options | {"fail": f"{where}:busy", "fail_times": "2"})
        assert (result.retries, result.throttled) == (2, 2)
        assert read_shelf(shelf) == expected_rows(ROWS)

    @pytest.mark.parametrize("where", ["check", "begin", "writer", "take", "finish", "commit", "cleanup"])
    def test_at_the_sink(self, shelf: Path, sink_record: Record, where: str) -> None:
        result = copy(shelf, sink=sink_record.options | {"fail": f"{where}:transient", "fail_times": "2"})
        assert (result.retries, result.throttled) == (2, 0)
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_while_listing(self, shelf: Path, source_record: Record) -> None:
        """Listing goes on behind the last page: no unit is missing, none is there twice."""
        source = {"units": "6", "rows": "10", "fail": "units:transient", "fail_times": "2"}
        result = copy(shelf, source_record.options | source)
        assert [event["start"] for event in source_record.events("listed")] == [0, 2, 4]
        assert sorted(path.stem for path in shelf.glob("*.json")) == [f"t{n}" for n in range(6)]
        assert result.retries == 2

    def test_only_the_split_that_failed(self, shelf: Path, source_record: Record) -> None:
        fail = {"fail": "batch:busy", "fail_split": "3", "fail_after": "2"}
        copy(shelf, source_record.options | fail)
        reads = [event["split"] for event in source_record.events("read")]
        assert sorted(reads) == sorted([*range(8), 3])

    def test_an_attempt_that_failed_leaves_nothing(
        self, shelf: Path, source_record: Record, sink_record: Record
    ) -> None:
        fail = {"fail": "batch:busy", "fail_split": "3", "fail_after": "2"}
        copy(shelf, source_record.options | fail, sink_record.options)
        assert [event["split"] for event in sink_record.events("aborted")] == [3]
        assert len(list((shelf / "t0.parts").iterdir())) == 8

    def test_the_server_says_how_long_to_wait(self, shelf: Path, source_record: Record) -> None:
        copy(shelf, source_record.options | {"fail": "read:later", "fail_split": "3"})
        (failed,) = source_record.events("failed")
        again = max(event["at"] for event in source_record.events("read") if event["split"] == 3)
        assert again - failed["at"] >= 0.5

    def test_five_times_at_most(self, shelf: Path, source_record: Record) -> None:
        fail = {"fail": "read:transient", "fail_split": "3", "fail_times": "0"}
        with pytest.raises(crossdock.TransientError) as caught:
            copy(shelf, source_record.options | fail)
        assert (caught.value.resumable, caught.value.run_id) == (True, "r")
        assert [event["split"] for event in source_record.events("read")].count(3) == 5

    def test_never_what_is_no_use(self, shelf: Path, source_record: Record) -> None:
        with pytest.raises(crossdock.AuthError):
            copy(shelf, source_record.options | {"fail": "read:login", "fail_split": "3", "fail_times": "0"})
        assert [event["split"] for event in source_record.events("read")].count(3) == 1


class TestLostStages:
    @pytest.mark.parametrize("where", ["commit", "writer", "take", "finish"])
    def test_the_unit_is_carried_again_once(
        self, shelf: Path, source_record: Record, sink_record: Record, where: str
    ) -> None:
        result = copy(shelf, source_record.options, sink_record.options | {"fail": f"{where}:lost"})
        assert read_shelf(shelf) == expected_rows(ROWS)
        assert sink_record.count("begun") == 2
        assert result.rows_copied == ROWS
        tries = [(event["split"], event["attempt"]) for event in sink_record.events("writer")]
        assert len(tries) == len(set(tries)), "no attempt has the number of an earlier one"
        assert len(list((shelf / "t0.parts").iterdir())) == 8

    def test_not_twice(self, shelf: Path, sink_record: Record) -> None:
        with pytest.raises(crossdock.StageLostError):
            copy(shelf, sink=sink_record.options | {"fail": "commit:lost", "fail_times": "2"})
        assert sink_record.count("begun") == 2
        assert not (shelf / "t0.json").exists()

    def test_only_that_unit(self, shelf: Path, source_record: Record, sink_record: Record) -> None:
        lost = {"fail": "commit:lost", "fail_unit": "t1"}
        copy(shelf, source_record.options | {"units": "4", "splits": "2"}, sink_record.options | lost)
        begun = [event["unit"] for event in sink_record.events("begun")]
        assert sorted(begun) == ["t0", "t1", "t1", "t2", "t3"]
        for number in range(4):
            assert read_shelf(shelf, f"t{number}") == expected_rows(ROWS)

    @pytest.mark.parametrize("size", [1000, 200_000])
    def test_files(self, tmp_path: Path, sink_record: Record, size: int) -> None:
        """What a store lost is noticed when it is to be committed."""
        source = tmp_path / "source.bin"
        source.write_bytes(bytes(range(200)) * (size // 200))
        out = tmp_path / "out"
        crossdock.copy(
            source,
            f"hooked://{out}/copy.bin",
            sink_options=sink_record.options | {"lose": "true"},
            block_size="64KiB",
        )
        assert (sink_record.folder / "lost").exists()
        assert (out / "copy.bin").read_bytes() == source.read_bytes()
        assert [path.name for path in out.iterdir()] == ["copy.bin"]


class TestWhatIsLeft:
    def test_nothing_of_a_run_that_cannot_be_resumed(
        self, shelf: Path, home: Path, source_record: Record
    ) -> None:
        fail = {"fail": "batch:bad value", "fail_split": "6"}
        with pytest.raises(crossdock.DataError) as caught:
            copy(shelf, source_record.options | fail)
        assert (caught.value.resumable, caught.value.run_id) == (False, None)
        assert list(shelf.rglob("*.*")) == []
        assert journals(home) == []

    def test_a_full_sink_is_emptied_and_the_run_resumed(
        self, shelf: Path, source_record: Record, sink_record: Record
    ) -> None:
        with pytest.raises(crossdock.NoSpaceError) as caught:
            copy(
                shelf, source_record.options, sink_record.options | {"fail": "finish:full", "fail_split": "6"}
            )
        assert (caught.value.exit_code, caught.value.resumable) == (1, True)
        assert list(shelf.rglob("*.arrow")) == []
        api.resume("r")
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_a_cleanup_that_fails_too(self, shelf: Path, source_record: Record, sink_record: Record) -> None:
        """The first error is reported; the journal stays, so that the stage can be forgotten later."""
        with pytest.raises(crossdock.DataError):
            copy(
                shelf,
                source_record.options | {"fail": "batch:bad value", "fail_split": "6"},
                sink_record.options | {"fail": "cleanup:RuntimeError", "fail_times": "1"},
            )
        assert list(shelf.rglob("*.arrow"))
        api.forget("r")
        assert list(shelf.rglob("*.arrow")) == []

    @pytest.mark.parametrize(("fail", "resumable"), [("plan:RuntimeError", True), ("plan:bad value", False)])
    def test_a_unit_without_a_plan_is_cleaned_up_at_once(
        self, shelf: Path, source_record: Record, sink_record: Record, fail: str, resumable: bool
    ) -> None:
        """The journal does not have it, so neither resuming nor forgetting would."""
        with pytest.raises(crossdock.CrossdockError) as caught:
            copy(shelf, source_record.options | {"fail": fail}, sink_record.options)
        assert caught.value.resumable == resumable
        assert sink_record.count("begun") == sink_record.count("cleanup") == 1
        if resumable:
            api.resume("r")
            assert read_shelf(shelf) == expected_rows(ROWS)

    def test_units_begun_before_one_that_fails_are_known(
        self, shelf: Path, source_record: Record, sink_record: Record
    ) -> None:
        """Small units are begun in bundles, which the journal gets as one."""
        source = {"units": "60", "rows": "10", "splits": "1", "page": "60"}
        with pytest.raises(crossdock.InternalError):
            copy(
                shelf,
                source_record.options | source,
                sink_record.options | {"fail": "begin:RuntimeError", "fail_unit": "t21"},
                parallel_copies=1,
            )
        begun = {event["unit"] for event in sink_record.events("begun")} - {"t21"}
        sink_record.clear()
        api.forget("r")
        visible = {path.stem for path in shelf.glob("*.json")}
        assert {event["table"] for event in sink_record.events("cleanup")} == begun - visible

    def test_connections_are_closed(self, shelf: Path, source_record: Record, sink_record: Record) -> None:
        copy(shelf, source_record.options, sink_record.options)
        assert source_record.count("source closed") >= 1
        assert sink_record.count("sink closed") >= 1


LOGIN = {"needs_password": "true", "password": "hunter2"}


class TestSecrets:
    def stored(self, home: Path) -> bytes:
        return b"".join(path.read_bytes() for path in (home / "runs").iterdir())

    def test_options_are_in_no_journal(
        self, shelf: Path, home: Path, source_record: Record, sink_record: Record
    ) -> None:
        fail = source_record.options | {"fail": "batch:RuntimeError", "fail_split": "5"}
        with pytest.raises(crossdock.InternalError):
            copy(shelf, LOGIN | fail, LOGIN | sink_record.options)
        assert b"hunter2" not in self.stored(home)
        assert b"needs_password" in self.stored(home), "the options that are no secrets are"

        with pytest.raises(crossdock.AuthError) as caught:
            api.resume("r", source_options={"password": "hunter2"})
        assert (caught.value.side, caught.value.resumable, caught.value.run_id) == ("sink", True, "r")
        api.resume("r", source_options={"password": "hunter2"}, sink_options={"password": "hunter2"})
        assert b"hunter2" not in self.stored(home)
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_a_resumed_run_without_its_secret_loses_nothing(self, shelf: Path, source_record: Record) -> None:
        fail = source_record.options | {"fail": "batch:RuntimeError", "fail_split": "5"}
        with pytest.raises(crossdock.InternalError):
            copy(shelf, LOGIN | fail)
        done = api.show("r").splits_done
        with pytest.raises(crossdock.AuthError):
            api.resume("r")
        assert api.show("r").splits_done == done > 0
        assert api.show("r").state != "running"
        assert api.resume("r", source_options={"password": "hunter2"}).splits_skipped == done

    def test_forgetting_needs_them_too(self, shelf: Path, home: Path, source_record: Record) -> None:
        fail = source_record.options | {"fail": "batch:RuntimeError", "fail_split": "5"}
        with pytest.raises(crossdock.InternalError):
            copy(shelf, fail, LOGIN)
        with pytest.raises(crossdock.AuthError):
            api.forget("r")
        assert journals(home)
        api.forget("r", sink_options={"password": "hunter2"})
        assert journals(home) == []
        assert list(shelf.rglob("*.arrow")) == []

    def test_passwords_in_addresses_are_in_no_journal(
        self, shelf: Path, home: Path, source_record: Record
    ) -> None:
        fail = source_record.options | {"fail": "batch:RuntimeError", "fail_split": "5"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                "rows://me:hunter2@here/x?sig=hunter2&y=1",
                f"shelf://me:hunter2@here{shelf}",
                source_options=fail,
                run_id="r",
            )
        assert b"hunter2" not in self.stored(home)
        run = api.show("r")
        assert (run.source, run.sink) == ("rows://me@here/x?sig=***&y=1", f"shelf://me@here{shelf}")
        with pytest.raises(crossdock.AuthError) as caught:
            api.resume("r")
        assert "the source's address with sig and password (--source ADDRESS)" in caught.value.message
        assert "the sink's address with password (--sink ADDRESS)" in caught.value.message
        assert (caught.value.resumable, caught.value.run_id) == (True, "r")
        result = api.resume(
            "r", source="rows://me:new@here/x?sig=hunter2&y=1", sink=f"shelf://me:hunter2@here{shelf}"
        )
        assert result.source.url == "rows://me@here/x?sig=***&y=1"
        assert read_shelf(shelf) == expected_rows(ROWS)
