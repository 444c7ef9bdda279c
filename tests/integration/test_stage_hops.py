"""``stage out`` and ``stage in``: two machines, one manifest between them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from observing import Record, expected_rows, journals, read_shelf
from staged_tables import ROWS, WORDS, filled, rows_of

import crossdock
from crossdock import api


def tables_of(path: Path) -> list[str]:
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as db:
        return [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


@pytest.fixture
def sink(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/b.db"


@pytest.fixture
def staged(tmp_path: Path, stage: Path) -> Path:
    """A stage with two tables."""
    crossdock.stage_out(filled(tmp_path / "a.db", "one", "two"), stage, verify=True, run_id="out")
    return stage


class TestBoth:
    def test_everything_arrives_once(self, staged: Path, tmp_path: Path, sink: str) -> None:
        result = crossdock.stage_in(staged, sink, verify=True)
        assert rows_of(tmp_path / "b.db", "one") == rows_of(tmp_path / "b.db", "two") == WORDS
        assert (result.rows_copied, result.verified) == (2 * ROWS, True)
        (note,) = result.notes
        assert "crossdock stage remove" in note
        assert crossdock.stage_remove(staged)
        assert not staged.exists()

    def test_removed_on_request(self, staged: Path, tmp_path: Path, sink: str) -> None:
        result = crossdock.stage_in(staged, sink, remove=True)
        assert result.notes == []
        assert not staged.exists()
        assert rows_of(tmp_path / "b.db", "one") == WORDS

    def test_another_machine_has_another_copy_of_the_folder(
        self, staged: Path, tmp_path: Path, sink: str
    ) -> None:
        """Other versions of the same bytes are fine: they are read and compared."""
        shutil.copytree(staged, tmp_path / "stick")
        shutil.rmtree(staged)
        crossdock.stage_in(tmp_path / "stick", sink, verify=True)
        assert rows_of(tmp_path / "b.db", "two") == WORDS

    def test_many_become_one_table(self, staged: Path, tmp_path: Path, sink: str) -> None:
        crossdock.stage_in(staged, f"{sink}#all", verify=True)
        assert sorted(rows_of(tmp_path / "b.db", "all"), key=repr) == sorted(WORDS * 2, key=repr)

    def test_into_files(self, tmp_path: Path, stage: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.csv").write_text("n\n1\n2\n")
        crossdock.stage_out(tmp_path / "in", stage)
        crossdock.stage_in(stage, tmp_path / "out.jsonl")
        assert (tmp_path / "out.jsonl").read_text() == '{"n":1}\n{"n":2}\n'
        crossdock.stage_in(stage, f"{tmp_path}/folder/", sink_format="jsonlines")
        assert (tmp_path / "folder" / "a.jsonl").read_text() == '{"n":1}\n{"n":2}\n'

    def test_only_the_manifest_makes_it_complete(
        self, stage: Path, source_record: Record, sink_record: Record, shelf: Path
    ) -> None:
        fail = {"fail": "batch:RuntimeError", "fail_split": "5", "rows": "1000", **source_record.options}
        with pytest.raises(crossdock.InternalError) as caught:
            crossdock.stage_out("rows://here", stage, source_options=fail, run_id="r", parallel_copies=2)
        assert caught.value.resumable
        with pytest.raises(crossdock.ConfigError, match="is not complete: the run 'r' is still writing it"):
            crossdock.stage_in(stage, f"shelf://{shelf}")
        done = api.show("r").splits_done
        source_record.clear()
        result = api.resume("r")
        assert result.splits_skipped == done > 0
        assert source_record.count("read") == result.splits_done - done
        crossdock.stage_in(stage, f"shelf://{shelf}", sink_options=sink_record.options)
        assert read_shelf(shelf) == expected_rows(1000)

    def test_a_run_that_is_forgotten_leaves_nothing(self, stage: Path, home: Path) -> None:
        fail = {"fail": "batch:RuntimeError", "fail_split": "5", "rows": "1000"}
        with pytest.raises(crossdock.InternalError):
            crossdock.stage_out("rows://here", stage, source_options=fail, run_id="r")
        api.forget("r")
        assert not stage.exists()
        assert journals(home) == []

    def test_an_interrupted_load_goes_on(
        self, stage: Path, source_record: Record, sink_record: Record, shelf: Path
    ) -> None:
        crossdock.stage_out("rows://here", stage, source_options={"rows": "1000"})
        fail = {"fail": "commit:RuntimeError", **sink_record.options}
        with pytest.raises(crossdock.InternalError):
            crossdock.stage_in(stage, f"shelf://{shelf}", sink_options=fail, run_id="r", remove=True)
        assert stage.exists()
        result = api.resume("r")
        assert result.splits_skipped == result.splits_done
        assert read_shelf(shelf) == expected_rows(1000)
        assert not stage.exists()


class TestRefused:
    """What is there is not what the manifest says: one sentence, and nothing has changed at the sink."""

    def refused(self, stage: Path, sink: str, match: str, exit_code: int, home: Path) -> None:
        with pytest.raises(crossdock.CrossdockError, match=match) as caught:
            crossdock.stage_in(stage, sink)
        assert caught.value.exit_code == exit_code
        assert tables_of(Path(sink.removeprefix("sqlite:///"))) == []
        assert [name for name in journals(home) if not name.startswith("out")] == []

    def files(self, stage: Path) -> list[Path]:
        return sorted(stage.glob("*.parquet"))

    def test_missing(self, staged: Path, sink: str, home: Path) -> None:
        self.files(staged)[1].unlink()
        self.refused(staged, sink, r"lacks two-\w+\.parquet", 2, home)

    def test_extra(self, staged: Path, sink: str, home: Path) -> None:
        (staged / "more.parquet").write_bytes(b"PAR1")
        self.refused(staged, sink, r"not in its manifest: more\.parquet", 2, home)

    def test_altered(self, staged: Path, sink: str, home: Path) -> None:
        path = self.files(staged)[1]
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        self.refused(staged, sink, r"two-\w+\.parquet .* is not what was written", 1, home)

    def test_truncated(self, staged: Path, sink: str, home: Path) -> None:
        path = self.files(staged)[1]
        path.write_bytes(path.read_bytes()[:-1])
        self.refused(staged, sink, "is not what was written", 1, home)

    def test_a_unit_that_was_taken_out_of_the_manifest(self, staged: Path, sink: str, home: Path) -> None:
        path = staged / "_crossdock_manifest.jsonl"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:1] + lines[2:]))
        self.refused(staged, sink, "the manifest .* is not what was written", 1, home)

    def test_another_version(self, staged: Path, sink: str, home: Path) -> None:
        path = staged / "_crossdock_manifest.jsonl"
        path.write_text(path.read_text().replace('"crossdock_stage": 1', '"crossdock_stage": 7', 1))
        self.refused(staged, sink, "has version 7, this crossdock reads 1", 2, home)

    def test_no_stage(self, tmp_path: Path, sink: str, home: Path) -> None:
        (tmp_path / "folder").mkdir()
        self.refused(tmp_path / "folder", sink, "is not a stage", 2, home)
        with pytest.raises(crossdock.ConfigError, match="is not a stage"):
            crossdock.stage_remove(tmp_path / "folder")

    def test_rows_that_are_not_those_that_were_read(self, staged: Path, sink: str, home: Path) -> None:
        """Whoever alters a file and the manifest to fit is found out by the digest of the values."""
        from crossdock.digest_range import ByteDigest

        path = staged / "_crossdock_manifest.jsonl"
        head, *units, foot = map(json.loads, path.read_text().splitlines())
        units[1]["values"] = units[1]["values"][:-1] + ("0" if units[1]["values"][-1] != "0" else "1")
        lines = [json.dumps(each) + "\n" for each in (head, *units)]
        digest = ByteDigest()
        for line in lines:
            digest.update(line.encode())
        path.write_text("".join(lines) + json.dumps(foot | {"digest": str(digest)}) + "\n")
        with pytest.raises(crossdock.VerificationError, match="two: the values that came from the stage"):
            crossdock.stage_in(staged, sink, verify=True)
        assert "two" not in tables_of(Path(sink.removeprefix("sqlite:///")))

    @pytest.mark.parametrize("left", ["mine.txt", "_crossdock_stage.json"])
    def test_out_into_a_folder_that_has_something(
        self, tmp_path: Path, stage: Path, home: Path, left: str
    ) -> None:
        stage.mkdir()
        (stage / left).write_text('{"run_id": "other"}')
        with pytest.raises(crossdock.ConfigError, match=r"is not empty|belongs to another run, 'other'"):
            crossdock.stage_out(filled(tmp_path / "a.db", "one"), stage)
        assert (stage / left).read_text() == '{"run_id": "other"}'
        assert [path.name for path in stage.iterdir()] == [left]
        assert journals(home) == []

    def test_out_into_the_source(self, tmp_path: Path, home: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.csv").write_text("n\n1\n")
        with pytest.raises(crossdock.ConfigError, match="is inside the source"):
            crossdock.stage_out(tmp_path / "in", tmp_path / "in" / "stage")


def test_files_of_others_stay(staged: Path) -> None:
    (staged / "mine.txt").write_text("keep")
    assert not crossdock.stage_remove(staged)
    assert [path.name for path in staged.iterdir()] == ["mine.txt"]
