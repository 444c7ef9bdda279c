"""Staged copies: source to Parquet on a store, and from there to the sink; the stage is gone afterwards."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from observing import Record, expected_rows, journals, read_shelf
from staged_tables import ROWS, WORDS, files, filled, rows_of

import crossdock
from crossdock import api


class TestLocal:
    def test_table(self, words: str, tmp_path: Path, stage: Path) -> None:
        seen: list[crossdock.Snapshot] = []
        sink = f"sqlite:///{tmp_path}/b.db"
        result = crossdock.copy(words, sink, stage=stage, verify=True, progress=seen.append)
        assert rows_of(tmp_path / "b.db") == WORDS
        assert files(stage) == []
        assert (result.rows_read, result.rows_copied, result.verified) == (ROWS, ROWS, True)
        output = result.output()
        ends = [(each["source"]["type"], each["sink"]["type"]) for each in output["executionDetails"]]
        assert ends == [("sqlite", "file"), ("file", "sqlite")]
        assert [hop["rowsCopied"] for hop in output["crossdock"]["hops"]] == [ROWS, ROWS]
        assert output["dataConsistencyVerification"]["VerificationResult"] == "Verified"
        notes = [snapshot.note for snapshot in seen]
        assert {"1 of 2: source to stage", "2 of 2: stage to sink"} == set(notes)
        info = api.show(result.run_id)
        assert (info.state, info.source, info.sink) == ("succeeded", words, sink)
        assert info.output is not None
        assert info.output["rowsCopied"] == ROWS

    def test_what_is_staged_is_compressed_parquet_with_a_manifest(
        self, words: str, tmp_path: Path, stage: Path
    ) -> None:
        import pyarrow.parquet as pq

        result = crossdock.copy(
            words, f"sqlite:///{tmp_path}/b.db", stage=stage, keep_staging=True, verify=True, run_id="r"
        )
        folder = stage / "crossdock-stage-r"
        assert result.stage == str(folder)
        (staged,) = folder.glob("*.parquet")
        assert pq.ParquetFile(staged).metadata.row_group(0).column(1).compression == "SNAPPY"
        head, unit, foot = map(json.loads, (folder / "_crossdock_manifest.jsonl").read_text().splitlines())
        assert (head["run_id"], head["format"], head["source"]) == ("r", "parquet", words)
        assert (unit["name"], unit["file"], unit["rows"]) == ("words", staged.name, ROWS)
        assert unit["columns"] == {"id": "int64", "word": "string", "part": "double"}
        assert sum(length for length, _ in unit["pieces"]) == staged.stat().st_size == unit["size"]
        assert unit["values"].startswith(f"rows1:{ROWS}:")
        assert foot["units"] == 1
        api.forget("r")
        assert staged.exists(), "kept on request"

    def test_options_of_the_stage(self, words: str, tmp_path: Path, stage: Path) -> None:
        import pyarrow.parquet as pq

        given = {"path": "deep/er", "enableCompression": "false"}
        crossdock.copy(
            words,
            f"sqlite:///{tmp_path}/b.db",
            stage=stage,
            stage_options=given,
            keep_staging=True,
            run_id="r",
        )
        (staged,) = (stage / "deep" / "er" / "crossdock-stage-r").glob("*.parquet")
        assert pq.ParquetFile(staged).metadata.row_group(0).column(1).compression == "UNCOMPRESSED"

    def test_units_keep_their_names(self, tmp_path: Path, stage: Path) -> None:
        names = ["plain", "a.csv", "per cent % and / slash", "ümlaut", "CON", "x" * 120]
        source = filled(tmp_path / "a.db", *names)
        crossdock.copy(source, f"sqlite:///{tmp_path}/direct.db")
        crossdock.copy(source, f"sqlite:///{tmp_path}/staged.db", stage=stage, verify=True)
        query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        with (
            closing(sqlite3.connect(tmp_path / "direct.db")) as one,
            closing(sqlite3.connect(tmp_path / "staged.db")) as two,
        ):
            assert two.execute(query).fetchall() == one.execute(query).fetchall()
        assert rows_of(tmp_path / "staged.db", "plain") == WORDS

    def test_files_keep_their_names(self, tmp_path: Path, stage: Path) -> None:
        source = tmp_path / "in"
        (source / "2024").mkdir(parents=True)
        (source / "a.csv").write_text("n\n1\n2\n")
        (source / "2024" / "b.csv").write_text("n\n3\n")
        crossdock.copy(source, tmp_path / "out", sink_format="jsonlines", stage=stage, verify=True)
        assert files(tmp_path / "out") == ["2024", "2024/b.jsonl", "a.jsonl"]
        assert (tmp_path / "out" / "2024" / "b.jsonl").read_text() == '{"n":3}\n'

    def test_files_become_one_table(self, tmp_path: Path, stage: Path) -> None:
        source = tmp_path / "in"
        source.mkdir()
        for n in range(3):
            (source / f"{n}.csv").write_text(f"id\n{n}\n")
        crossdock.copy(source, f"sqlite:///{tmp_path}/b.db#all", stage=stage, verify=True)
        assert rows_of(tmp_path / "b.db", "all") == [(0,), (1,), (2,)]

    def test_parquet_goes_as_tables(self, tmp_path: Path, stage: Path, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        pq.write_table(table, tmp_path / "a.parquet")
        crossdock.copy(tmp_path / "a.parquet", tmp_path / "b.parquet", stage=stage, verify=True)
        assert pq.read_table(tmp_path / "b.parquet").equals(table)
        assert files(stage) == []

    def test_columns_are_mapped_once(self, words: str, tmp_path: Path, stage: Path) -> None:
        sink = f"sqlite:///{tmp_path}/b.db"
        crossdock.copy(words, sink, map="id=n,word=id", stage=stage, verify=True)
        with closing(sqlite3.connect(tmp_path / "b.db")) as db:
            assert db.execute("SELECT n, id FROM words ORDER BY n").fetchall() == [w[:2] for w in WORDS]

    def test_nothing_to_copy(self, tmp_path: Path, stage: Path) -> None:
        (tmp_path / "empty.csv").write_text("a,b\n")
        result = crossdock.copy(
            tmp_path / "empty.csv", f"sqlite:///{tmp_path}/b.db", stage=stage, verify=True
        )
        assert result.rows_copied == 0
        assert files(stage) == []

    def test_dry_run(self, words: str, tmp_path: Path, stage: Path, home: Path) -> None:
        result = crossdock.copy(words, f"sqlite:///{tmp_path}/b.db", stage=stage, dry_run=True)
        assert result.status == "Planned"
        assert not stage.exists()
        assert not (tmp_path / "b.db").exists()
        assert journals(home) == []


def failing(
    sink: Record, source: Record, shelf: Path, fail: dict[str, str], **options: Any
) -> crossdock.CrossdockError:
    with pytest.raises(crossdock.CrossdockError) as caught:
        crossdock.copy(
            "rows://here",
            f"shelf://{shelf}",
            source_options={"rows": "1000", **source.options},
            sink_options=sink.options | fail,
            parallel_copies=2,
            run_id="r",
            **options,
        )
    return caught.value


class TestEndings:
    def test_failure_removes_all(
        self, source_record: Record, sink_record: Record, shelf: Path, stage: Path, home: Path
    ) -> None:
        error = failing(sink_record, source_record, shelf, {"fail": "finish:RuntimeError"}, stage=stage)
        assert (error.side, error.resumable, error.run_id) == ("sink", False, None)
        assert files(stage) == []
        assert files(shelf) == []
        assert journals(home) == []

    def test_kept_on_request_it_goes_on_where_it_was(
        self, source_record: Record, sink_record: Record, shelf: Path, stage: Path
    ) -> None:
        fail = {"fail": "finish:RuntimeError"}
        error = failing(sink_record, source_record, shelf, fail, stage=stage, keep_staging=True, verify=True)
        assert error.resumable
        read = source_record.count("read")
        assert read >= 1
        result = api.resume("r")
        assert source_record.count("read") == read, "the first hop was repeated"
        assert read_shelf(shelf) == expected_rows(1000)
        assert result.splits_skipped >= read
        assert result.hops[0].splits_skipped == result.hops[0].splits_done
        assert len(files(stage / "crossdock-stage-r")) == 3

    def test_what_was_kept_is_removed_by_forget(
        self, source_record: Record, sink_record: Record, shelf: Path, stage: Path, home: Path
    ) -> None:
        fail = {"fail": "finish:RuntimeError"}
        failing(sink_record, source_record, shelf, fail, stage=stage, keep_staging=True)
        assert api.show("r").state == "failed"
        assert api.forget("r") == 0
        assert files(stage) == files(shelf) == []
        assert journals(home) == []

    def test_failure_in_the_first_hop(
        self, source_record: Record, sink_record: Record, shelf: Path, stage: Path, home: Path
    ) -> None:
        with pytest.raises(crossdock.InternalError) as caught:
            crossdock.copy(
                "rows://here", f"shelf://{shelf}", stage=stage,
                source_options={"rows": "1000", "fail": "batch:RuntimeError", "fail_split": "5"},
            )  # fmt: skip
        assert caught.value.side == "source"
        assert files(stage) == []
        assert journals(home) == []

    @pytest.mark.parametrize("note", ["1 of 2: source to stage", "2 of 2: stage to sink"])
    def test_cancelled(self, tmp_path: Path, words: str, stage: Path, home: Path, note: str) -> None:
        cancel = threading.Event()

        def progress(snapshot: crossdock.Snapshot) -> None:
            if snapshot.note == note:
                cancel.set()

        # The display is asked once more when a hop has ended: the copy may be quicker than the first look.
        with pytest.raises(crossdock.CancelledError):
            crossdock.copy(
                words, f"sqlite:///{tmp_path}/b.db", stage=stage, progress=progress, cancel=cancel,
                bandwidth="20KB/s",
            )  # fmt: skip
        assert files(stage) == []
        assert journals(home) == []
        assert rows_of_nothing(tmp_path / "b.db")

    def test_foreign_files_stay_and_are_told(self, words: str, tmp_path: Path, stage: Path) -> None:
        def progress(snapshot: crossdock.Snapshot) -> None:
            folder = stage / "crossdock-stage-r"
            if snapshot.note.startswith("2") and folder.exists():
                (folder / "mine.txt").write_text("keep")

        result = crossdock.copy(
            words, f"sqlite:///{tmp_path}/b.db", stage=stage, run_id="r", progress=progress
        )
        assert files(stage) == ["crossdock-stage-r", "crossdock-stage-r/mine.txt"]
        assert any("files of others" in note for note in result.notes)


def rows_of_nothing(path: Path) -> bool:
    if not path.exists():
        return True
    with closing(sqlite3.connect(path)) as db:
        return db.execute(
            "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE '_crossdock%'"
        ).fetchone() == (0,)


class TestBulkLoader:
    """A sink that fetches staged files by itself."""

    def copy(self, shelf: Path, stage: Path, record: Record, **options: Any) -> crossdock.CopyResult:
        return crossdock.copy(
            "rows://here", f"fetchingshelf://{shelf}", source_options={"rows": "1000"},
            sink_options=record.options | options.pop("sink", {}), stage=stage, run_id="r", **options,
        )  # fmt: skip

    def test_rows_of_child_processes(self, shelf: Path, stage: Path) -> None:
        """They open the ends of both hops by themselves."""
        result = crossdock.copy(
            "gilrows://here", f"shelf://{shelf}", source_options={"rows": "1000"}, stage=stage, verify=True
        )
        assert read_shelf(shelf) == expected_rows(1000)
        assert result.verified

    @pytest.mark.parametrize("verify", [False, True])
    def test_rows_do_not_pass_through_us(
        self, shelf: Path, stage: Path, sink_record: Record, verify: bool
    ) -> None:
        result = self.copy(shelf, stage, sink_record, verify=verify)
        assert read_shelf(shelf) == expected_rows(1000)
        assert sink_record.count("writer") == 0
        (load,) = sink_record.events("load")
        assert load["format"] == "parquet"
        assert (result.rows_copied, result.verified) == (1000, True if verify else None)
        assert files(stage) == []

    def test_where_that_does_not_work_after_all_they_do(
        self, shelf: Path, stage: Path, sink_record: Record
    ) -> None:
        result = self.copy(shelf, stage, sink_record, sink={"refuses": "true"})
        assert read_shelf(shelf) == expected_rows(1000)
        assert sink_record.count("writer") == 1
        assert "the bytes went through this machine: the shelf is not in the mood" in result.notes

    def test_where_the_sink_is_isolated_it_is_said(
        self, shelf: Path, stage: Path, sink_record: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CROSSDOCK_ISOLATE", "fetchingshelf")
        result = self.copy(shelf, stage, sink_record)
        assert read_shelf(shelf) == expected_rows(1000)
        assert sink_record.count("load") == 0
        assert any("CROSSDOCK_ISOLATE" in note for note in result.notes)

    def test_a_loader_that_loses_rows_is_found_out(
        self, shelf: Path, stage: Path, sink_record: Record
    ) -> None:
        with pytest.raises(crossdock.VerificationError, match="999 rows came from the stage where 1,000"):
            self.copy(shelf, stage, sink_record, sink={"corrupt": "lose"})
        assert not list(shelf.glob("*.json"))

    def test_a_direct_copy_has_nothing_to_fetch(self, shelf: Path, sink_record: Record) -> None:
        crossdock.copy("rows://here", f"fetchingshelf://{shelf}", sink_options=sink_record.options)
        assert sink_record.count("load") == 0

    def test_one_that_was_killed_is_not_loaded_again(
        self, shelf: Path, stage: Path, sink_record: Record
    ) -> None:
        with pytest.raises(crossdock.InternalError):
            self.copy(shelf, stage, sink_record, sink={"fail": "commit:RuntimeError"}, keep_staging=True)
        api.resume("r")
        assert sink_record.count("load") == 1
        assert read_shelf(shelf) == expected_rows(1000)


class TestRefused:
    """One sentence, and nothing has changed anywhere."""

    @pytest.mark.parametrize(
        ("stage", "words_of_error"),
        [
            ("nowhere://x/y", "nowhere"),
            ("sqlite:///{folder}/s.db", "sqlite cannot be a stage"),
            ("{folder}/out", "is the sink"),
            ("{folder}/in/deep", "is inside the source"),
            ("{folder}/in", "is inside the source"),
        ],
    )
    def test_stage(self, tmp_path: Path, home: Path, stage: str, words_of_error: str) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.csv").write_text("n\n1\n")
        before = files(tmp_path)
        with pytest.raises(crossdock.UserError, match=words_of_error):
            crossdock.copy(
                tmp_path / "in", tmp_path / "out", sink_format="parquet", stage=stage.format(folder=tmp_path)
            )
        assert files(tmp_path) == before

    def test_bytes(self, tmp_path: Path, stage: Path) -> None:
        (tmp_path / "a.bin").write_bytes(b"x")
        with pytest.raises(crossdock.ConfigError, match="a stage holds tables"):
            crossdock.copy(tmp_path / "a.bin", tmp_path / "b.bin", source_format="binary", stage=stage)

    def test_options_without_a_stage(self, words: str, tmp_path: Path) -> None:
        with pytest.raises(crossdock.ConfigError, match="--stage"):
            crossdock.copy(words, f"sqlite:///{tmp_path}/b.db", stage_options={"path": "x"})
        with pytest.raises(crossdock.ConfigError, match="--stage"):
            crossdock.copy(words, f"sqlite:///{tmp_path}/b.db", keep_staging=True)

    def test_unknown_option(self, words: str, tmp_path: Path, stage: Path) -> None:
        with pytest.raises(crossdock.ConfigError, match=r"--stage-option syn=.*did you mean sync"):
            crossdock.copy(words, f"sqlite:///{tmp_path}/b.db", stage=stage, stage_options={"syn": "true"})

    def test_a_sink_that_refuses_is_asked_before_anything_is_staged(
        self, words: str, tmp_path: Path, stage: Path, home: Path
    ) -> None:
        filled(tmp_path / "b.db", "words")
        with pytest.raises(crossdock.AlreadyExistsError):
            crossdock.copy(words, f"sqlite:///{tmp_path}/b.db", stage=stage)
        assert not stage.exists()
        assert journals(home) == []

    def test_a_folder_that_is_not_empty(self, words: str, tmp_path: Path, stage: Path, home: Path) -> None:
        folder = stage / "crossdock-stage-r"
        folder.mkdir(parents=True)
        (folder / "mine.txt").write_text("keep")
        with pytest.raises(crossdock.ConfigError, match=r"is not empty: it has mine\.txt"):
            crossdock.copy(words, f"sqlite:///{tmp_path}/b.db", stage=stage, run_id="r")
        assert (folder / "mine.txt").read_text() == "keep"
        assert journals(home) == []
