"""Options and addresses of a stage: what is refused, and what a resumed copy is given again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from observing import Record, expected_rows, read_shelf

import crossdock
from crossdock import api


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a table ``t`` in ``a.db``."""
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.execute("CREATE TABLE t (id INTEGER, word TEXT)")
        db.execute("INSERT INTO t VALUES (1, 'one')")
        db.commit()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_empty_address(folder: Path) -> None:
    with pytest.raises(crossdock.ConfigError, match="the stage is empty"):
        crossdock.copy("sqlite:///a.db#t", "sqlite:///b.db", stage="")
    with pytest.raises(crossdock.ConfigError, match="the stage is empty"):
        crossdock.stage_out("sqlite:///a.db#t", "")
    assert not (folder / "b.db").exists()


def test_columns_are_not_chosen_by_the_stage(folder: Path) -> None:
    with pytest.raises(
        crossdock.ConfigError, match=r"staged with the columns id, word, and is read with id;"
    ):
        crossdock.copy("sqlite:///a.db#t", "b.csv", stage="s", stage_options={"columns": "id"})
    crossdock.stage_out("sqlite:///a.db#t", "out")
    with pytest.raises(crossdock.ConfigError, match="staged with the columns id, word"):
        crossdock.stage_in("out", "b.csv", stage_options={"columns": "word"})
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".csv") == []
    crossdock.stage_in("out", "b.csv", stage_options={"columns": "id,word"})
    assert (folder / "b.csv").read_text() == 'id,word\n1,"one"\n'


def test_an_unknown_one_is_told_of_all(folder: Path) -> None:
    with pytest.raises(
        crossdock.ConfigError, match=r"the stage has no option 'pth'; did you mean path\?"
    ) as caught:
        crossdock.copy("sqlite:///a.db#t", "b.csv", stage="s", stage_options={"pth": "b"})
    assert "enable_compression" in caught.value.message


@pytest.mark.parametrize("sink", ["out", "out/", "out/more/", "out/b.csv"])
def test_the_sink_is_not_in_the_stage(folder: Path, sink: str) -> None:
    crossdock.stage_out("sqlite:///a.db#t", "out")
    before = sorted(path.name for path in (folder / "out").iterdir())
    with pytest.raises(crossdock.ConfigError, match="the sink is inside the stage"):
        crossdock.stage_in("out", sink, sink_format="delimited", mode="overwrite")
    assert sorted(path.name for path in (folder / "out").iterdir()) == before


class TestGivenAgain:
    """A resumed copy takes the options that it was begun with."""

    OPTIONS = {"path": "sub", "enableCompression": "false"}  # noqa: RUF012

    def begun(self, shelf: Path, sink_record: Record) -> None:
        fail = {"fail": "commit:RuntimeError", **sink_record.options}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                "rows://here", f"shelf://{shelf}", source_options={"rows": "1000"}, sink_options=fail,
                stage="s", stage_options=self.OPTIONS, keep_staging=True, run_id="r",
            )  # fmt: skip

    def test_all_that_were(self, folder: Path, shelf: Path, sink_record: Record) -> None:
        self.begun(shelf, sink_record)
        result = api.resume("r", stage="s", stage_options=self.OPTIONS)
        assert read_shelf(shelf) == expected_rows(1000)
        assert result.hops[0].splits_skipped == result.hops[0].splits_done

    def test_forgotten_with_them(self, folder: Path, shelf: Path, sink_record: Record) -> None:
        self.begun(shelf, sink_record)
        assert api.forget("r", stage_options=self.OPTIONS) == 0
        assert not (folder / "s" / "sub" / "crossdock-stage-r").exists()

    def test_an_unknown_one_is_said_to_be_the_stages(
        self, folder: Path, shelf: Path, sink_record: Record
    ) -> None:
        self.begun(shelf, sink_record)
        with pytest.raises(
            crossdock.ConfigError, match=r"--stage-option pth=\.\.\.: the stage has no option"
        ):
            api.resume("r", stage_options={"pth": "sub"})
