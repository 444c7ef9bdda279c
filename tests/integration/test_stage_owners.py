"""Whose a stage is: runs of one id, now or later, on one machine or two, leave each other's rows alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from observing import left_behind

import crossdock
from crossdock import api
from crossdock.files import manifest
from crossdock.journal import Journal
from crossdock_connectors.stores.file_store import FileStore

ROWS = [(n, f"w{n}") for n in range(500)]
Sequence = Callable[[], None]


@pytest.fixture
def database(tmp_path: Path) -> str:
    """The tables ``one`` and ``two``."""
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        for table in ("one", "two"):
            db.execute(f"CREATE TABLE {table} (id INTEGER, word TEXT)")
            db.executemany(f"INSERT INTO {table} VALUES (?, ?)", ROWS)
        db.commit()
    return f"sqlite:///{tmp_path}/a.db"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The home of another machine."""
    return tmp_path / "elsewhere"


def staged_rows(stage: Path, table: str = "one") -> list[tuple[int, str]]:
    """What the stage loads, which is compared with its manifest."""
    target = stage.parent / "loaded.db"
    target.unlink(missing_ok=True)
    crossdock.stage_in(stage, f"sqlite:///{target}", verify=True)
    with closing(sqlite3.connect(target)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master")]
        assert {name for name in names if not name.startswith("_crossdock")} == {table}
        return db.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()


def was_staged(source: str, stage: Path, home: Path | None = None) -> bool:
    """Whether the run had the stage; else it was refused as another's."""
    try:
        crossdock.stage_out(source, stage, run_id="n", home=home, verify=True)
    except crossdock.ConfigError as error:
        if "belongs to another run" not in error.message:
            raise
        return False
    return True


class TestOneIdTwice:
    def refused(self, source: str, stage: Path, home: Path | None = None) -> None:
        with pytest.raises(crossdock.ConfigError, match="belongs to another run, 'n'") as caught:
            crossdock.stage_out(source, stage, run_id="n", home=home)
        assert (caught.value.run_id, caught.value.resumable) == (None, False)

    def test_after_it_was_forgotten(self, database: str, stage: Path) -> None:
        crossdock.stage_out(f"{database}#one", stage, run_id="n", verify=True)
        api.forget("n")
        self.refused(f"{database}#one", stage)
        assert staged_rows(stage) == ROWS

    @pytest.mark.parametrize("table", ["one", "two"])
    def test_on_two_machines(self, database: str, stage: Path, elsewhere: Path, table: str) -> None:
        crossdock.stage_out(f"{database}#one", stage, run_id="n", verify=True)
        self.refused(f"{database}#{table}", stage, elsewhere)
        assert staged_rows(stage) == ROWS

    @pytest.mark.parametrize("nth", range(1, 4))
    def test_on_two_machines_at_once(
        self, database: str, stage: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, nth: int
    ) -> None:
        """The other machine comes in before an upload of this one, and runs to its end."""
        begin, calls, ended = FileStore.open_upload, list[str](), dict[str, bool]()

        def open_upload(store: FileStore, path: str, request: crossdock.UploadRequest) -> bytes:
            calls.append(path)
            if len(calls) == nth:
                ended["two"] = was_staged(f"{database}#two", stage, elsewhere)
            return begin(store, path, request)

        monkeypatch.setattr(FileStore, "open_upload", open_upload)
        ended["one"] = was_staged(f"{database}#one", stage)
        monkeypatch.setattr(FileStore, "open_upload", begin)
        table = "two" if nth == 1 else "one"
        assert [name for name, had_it in ended.items() if had_it] == [table]
        assert len(ended) == 2
        assert staged_rows(stage, table) == ROWS
        assert left_behind(stage) == []

    def test_of_a_copy_that_keeps_its_stage(
        self, database: str, tmp_path: Path, stage: Path, elsewhere: Path
    ) -> None:
        crossdock.copy(
            f"{database}#one",
            f"sqlite:///{tmp_path}/b.db",
            stage=stage,
            keep_staging=True,
            run_id="n",
            verify=True,
        )
        with pytest.raises(crossdock.ConfigError, match="belongs to another run, 'n'"):
            crossdock.copy(
                f"{database}#two", f"sqlite:///{tmp_path}/c.db", stage=stage, run_id="n", home=elsewhere
            )
        assert not list((elsewhere / "runs").iterdir())
        assert staged_rows(stage / "crossdock-stage-n") == ROWS

    def test_forgetting_it_elsewhere(self, stage: Path, elsewhere: Path, database: str) -> None:
        """A run that had begun elsewhere, whose folder somebody removed and another run took."""
        fail = {"fail": "batch:RuntimeError", "fail_split": "5", "rows": "1000"}
        with pytest.raises(crossdock.InternalError):
            crossdock.stage_out("rows://here", stage, source_options=fail, run_id="n", home=elsewhere)
        assert crossdock.stage_remove(stage)
        crossdock.stage_out(f"{database}#one", stage, run_id="n", verify=True)
        with pytest.raises(crossdock.ConfigError, match="belongs to another run"):
            api.resume("n", home=elsewhere)
        assert staged_rows(stage) == ROWS
        assert api.forget("n", home=elsewhere) == 0
        assert staged_rows(stage) == ROWS


class TestNothingWasClaimed:
    """A run that never had the folder does not remove it."""

    def test_wrong_request(self, database: str, stage: Path) -> None:
        stage.mkdir()
        with pytest.raises(crossdock.CrossdockError, match="nope"):
            crossdock.stage_out(f"{database}#nope", stage)
        assert stage.is_dir()

    def test_source_that_cannot_be_read(self, tmp_path: Path, stage: Path) -> None:
        stage.mkdir()
        (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing PAR1")
        with pytest.raises(crossdock.CrossdockError):
            crossdock.stage_out(tmp_path / "broken.parquet", stage)
        assert stage.is_dir()

    @pytest.mark.parametrize("has", ["mine.txt", "_crossdock_stage.json"])
    def test_rehearsal_says_what_the_run_would(self, database: str, stage: Path, has: str) -> None:
        stage.mkdir()
        (stage / has).write_text('{"run_id": "n", "owner": "somebody"}')
        with pytest.raises(crossdock.ConfigError, match=r"is not empty|belongs to another run, 'n'"):
            crossdock.stage_out(database, stage, dry_run=True)
        assert [path.name for path in stage.iterdir()] == [has]

    def test_rehearsal_changes_nothing(self, database: str, stage: Path) -> None:
        assert crossdock.stage_out(database, stage, dry_run=True).status == "Planned"
        assert not stage.exists()


class TestRemove:
    def interrupted(self, stage: Path) -> None:
        fail = {"fail": "batch:RuntimeError", "fail_split": "5", "rows": "1000"}
        with pytest.raises(crossdock.InternalError):
            crossdock.stage_out("rows://here", stage, source_options=fail, run_id="n")
        assert left_behind(stage)

    def test_what_a_run_had_begun_goes_too(self, stage: Path) -> None:
        self.interrupted(stage)
        assert crossdock.stage_remove(stage)
        assert not stage.exists()

    def test_what_another_run_had_begun_stays_and_is_told(self, stage: Path) -> None:
        self.interrupted(stage)
        other = stage / f".crossdock-n-more-{'0' * 24}.data"
        other.write_bytes(b"theirs")
        assert not crossdock.stage_remove(stage)
        assert list(stage.iterdir()) == [other]

    def test_a_claim_that_nobody_can_read(self, stage: Path) -> None:
        stage.mkdir()
        (stage / manifest.CLAIM).write_text("[")
        assert crossdock.stage_remove(stage)
        assert not stage.exists()


def test_owner_is_journaled_before_it_is_in_the_folder(
    database: str, stage: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the claim, a run that goes on knows the folder for its own."""
    known = []

    class Killed(BaseException):
        pass

    def open_upload(store: FileStore, path: str, request: crossdock.UploadRequest) -> bytes:
        with closing(Journal.open(home / "runs" / "n.db", lock=False)) as journal:
            known.append((path, request.run_id == journal.get("stage_owner")))
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(FileStore, "open_upload", open_upload)
        with pytest.raises(Killed):
            crossdock.stage_out(f"{database}#one", stage, run_id="n", verify=True)
    assert known == [(manifest.CLAIM, True)]
    api.resume("n")
    assert staged_rows(stage) == ROWS
