"""A copy is taken over by somebody who does not have its journal: the sink says what is committed already."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from postgres_rows import tables
from servers.azurite import ACCOUNT, KEY, Azurite

import crossdock
from crossdock import CancelledError, CopyResult, NotSupportedError
from crossdock.fencing import fenced

RUN = "the-run"


def nothing() -> None:
    """The lease is held."""


def until(passed: int) -> Callable[[], None]:
    """The lease is held so often: one is asked for before a unit is begun, one before its commit."""
    times = iter([None] * passed)

    def check() -> None:
        if next(times, "over") == "over":
            raise CancelledError

    return check


@pytest.fixture
def carried(tmp_path: Path) -> Callable[..., CopyResult]:
    """Carry the run out on a machine, as the holder of the lease with that number."""

    def carry(machine: str, lease: int, *ends: object, **options: Any) -> CopyResult:
        with fenced(options.pop("fence", nothing), lease):
            return crossdock.copy(*map(str, ends), run_id=RUN, home=tmp_path / machine, **options)  # type: ignore[misc]

    return carry


def files(folder: Path, count: int = 3) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.csv").write_text(
            "id\n" + "".join(f"{100 * number + i}\n" for i in range(1, 101))
        )
    return folder


def hidden(folder: Path) -> Collection[str]:
    return [path.name for path in folder.rglob(".*")]


@pytest.mark.parametrize("left", ["nothing", "a file"])
@pytest.mark.parametrize("named", [True, False])
def test_deleted_sources_stay_merged(
    tmp_path: Path, carried: Callable[..., CopyResult], left: str, named: bool
) -> None:
    """The second holder finds no source any more, or some of it only: what was merged stays."""
    source, sink = files(tmp_path / "source"), tmp_path / "sink"
    sink.mkdir()
    into = sink / "source.csv" if named else sink
    given = {
        "source_options": {"delete_files_after_completion": "true"},
        "sink_options": {"copy_behavior": "MergeFiles"},
        "source_format": "binary",
        "sink_format": "binary",
        "mode": "overwrite",
    }
    assert carried("a", 1, source, into, **given).files_read == 3
    merged = (sink / "source.csv").read_bytes()
    assert merged.count(b"\n") == 303
    if left == "a file":
        (source / "2.csv").write_text("id\n1\n")
    result = carried("b", 2, source, into, **given)
    assert (sink / "source.csv").read_bytes() == merged
    if named:
        assert (result.files_written, result.bytes_written) == (1, len(merged))
    crossdock.settle(RUN, tmp_path / "b")
    assert hidden(sink) == []


@pytest.fixture(params=["sqlite", "postgresql"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a table that is not there yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'there.db'}#target"
    return f"{request.getfixturevalue('database')}#target"


def ids(table: str) -> list[str]:
    """Of all rows that are there."""
    return sorted(str(each) for batch in crossdock.read(table) for each in batch["id"].to_pylist())


WANTED = sorted(map(str, range(1, 301)))


def test_committed_rows_are_not_added_again(
    tmp_path: Path, carried: Callable[..., CopyResult], table: str
) -> None:
    """The first holder has committed and was lost; nobody but the sink knows, until the end is known."""
    source = files(tmp_path / "source")
    carried("a", 1, source, table, mode="append")
    assert ids(table) == WANTED
    for machine, lease in (("b", 2), ("c", 3)):
        result = carried(machine, lease, source, table, mode="append")
        assert ids(table) == WANTED
        assert any("was there already" in note for note in result.notes)
        assert result.rows_copied == len(WANTED)
    crossdock.settle(RUN, tmp_path / "c")
    crossdock.settle(RUN, tmp_path / "c")
    assert left_in(table) == []
    # Nobody remembers the run any more: it is a new one.
    carried("d", 2, source, table, mode="append")
    assert ids(table) == sorted(WANTED * 2)


def left_in(table: str) -> list[str]:
    """What crossdock has left in the database."""
    address = table.partition("#")[0]
    if address.startswith("postgresql"):
        return [name for name in tables(address) if "crossdock" in name]
    with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as database:
        found = database.execute("SELECT name FROM sqlite_schema WHERE name LIKE '%crossdock%'").fetchall()
    return [name for (name,) in found]


@pytest.mark.parametrize("passed", [0, 1])
def test_what_was_only_begun_is_done_anew(
    tmp_path: Path, carried: Callable[..., CopyResult], table: str, passed: int
) -> None:
    """The first holder is stopped before it begins at the sink, or between its last row and the commit."""
    source = files(tmp_path / "source")
    with pytest.raises(CancelledError):
        carried("a", 1, source, table, mode="append", fence=until(passed))
    result = carried("b", 2, source, table, mode="append")
    assert ids(table) == WANTED
    assert result.notes == []
    # The first one wakes up: it has lost what it had begun, and what is there stays.
    with pytest.raises(CancelledError), fenced(until(0), 1):
        crossdock.resume(RUN, home=tmp_path / "a")
    assert ids(table) == WANTED
    crossdock.settle(RUN, tmp_path / "b")
    assert left_in(table) == []


def test_same_machine_goes_on(tmp_path: Path, carried: Callable[..., CopyResult], table: str) -> None:
    """Nobody was in between: what its journal says is done is not done again."""
    source = files(tmp_path / "source")
    with pytest.raises(CancelledError):
        carried("a", 1, source, table, mode="append", fence=until(1))
    with fenced(nothing, 2):
        result = crossdock.resume(RUN, home=tmp_path / "a")
    assert ids(table) == WANTED
    assert result.splits_skipped > 0


def test_what_the_second_holder_has_carried_is_not_carried_again(
    tmp_path: Path, carried: Callable[..., CopyResult], table: str
) -> None:
    """It was stopped before its commit, and goes on: nobody was in between, and the source is gone by now."""
    source = files(tmp_path / "source")
    with pytest.raises(CancelledError):
        carried("a", 1, source, table, mode="append", fence=until(1))
    with pytest.raises(CancelledError):
        carried("b", 2, source, table, mode="append", fence=until(2))
    for path in source.iterdir():
        path.unlink()
    with fenced(nothing, 3):
        crossdock.resume(RUN, home=tmp_path / "b")
    assert ids(table) == WANTED
    crossdock.settle(RUN, tmp_path / "b")
    assert left_in(table) == []


def test_staging_that_another_has_replaced_is_not_taken_for_its_own(
    tmp_path: Path, carried: Callable[..., CopyResult], table: str
) -> None:
    """The first holder comes back after a second one, which has staged more rows and has not committed."""
    source = files(tmp_path / "source")
    with pytest.raises(CancelledError):
        carried("a", 1, source, table, mode="append", fence=until(1))
    (source / "3.csv").write_text("id\n" + "".join(f"{number}\n" for number in range(301, 401)))
    with pytest.raises(CancelledError):
        carried("b", 2, source, table, mode="append", fence=until(2))
    with fenced(nothing, 3):
        crossdock.resume(RUN, home=tmp_path / "a")
    assert ids(table) == sorted(map(str, range(1, 401)))


@pytest.mark.parametrize("mode", ["error", "overwrite"])
def test_rows_of_files_that_are_there_are_counted(
    tmp_path: Path, carried: Callable[..., CopyResult], mode: str
) -> None:
    """Whether the first holder has read them back before it was lost nobody knows: so they are read again, or
    the report does not say that they were verified."""
    source, into = files(tmp_path / "source"), tmp_path / "sink.parquet"
    given = {"mode": mode, "verify": True, "source_format": "csv"}
    assert carried("a", 1, source, into, **given).verified is True
    result = carried("b", 2, source, into, **given)
    assert ids(str(into)) == WANTED
    assert result.rows_copied == len(WANTED)
    assert result.verified is (mode == "overwrite")
    said = result.output()["dataConsistencyVerification"]["VerificationResult"]
    assert said == ("NotVerified" if mode == "error" else "Verified")
    crossdock.settle(RUN, tmp_path / "b")
    assert hidden(tmp_path) == []


def test_machine_comes_back_after_another(
    tmp_path: Path, carried: Callable[..., CopyResult], table: str
) -> None:
    """Its own journal says that nothing is committed; the one in between has done it."""
    source = files(tmp_path / "source")
    with pytest.raises(CancelledError):
        carried("a", 1, source, table, mode="append", fence=until(1))
    carried("b", 2, source, table, mode="append")
    with fenced(nothing, 3):
        crossdock.resume(RUN, home=tmp_path / "a")
    assert ids(table) == WANTED


def test_sink_without_a_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be there already is added by no second holder; what is replaced is replaced again."""
    from crossdock_connectors.tables.sqlite_sink import SqliteSink

    monkeypatch.setattr(SqliteSink, "remembers", lambda _: False)
    source, table = files(tmp_path / "source"), f"sqlite:///{tmp_path / 'there.db'}#target"
    for mode in ("append", "overwrite"):
        with fenced(nothing, 1):
            crossdock.copy(source, table, mode=mode, run_id=f"first-{mode}", home=tmp_path / "a")
    before = ids(table)
    with pytest.raises(NotSupportedError, match="cannot say whether they have committed"), fenced(nothing, 2):
        crossdock.copy(source, table, mode="append", run_id="first-append", home=tmp_path / "b")
    assert ids(table) == before == WANTED
    with fenced(nothing, 2):
        crossdock.copy(source, table, mode="overwrite", run_id="first-overwrite", home=tmp_path / "b")
    assert ids(table) == WANTED


def test_a_copy_without_a_name_leaves_nothing_behind(tmp_path: Path) -> None:
    """The log of an activity, for example: whoever takes over does not know its run."""
    sink = tmp_path / "sink"
    (tmp_path / "log").write_text("x")
    with fenced(nothing, 2):
        crossdock.copy(
            tmp_path / "log", sink / "log", source_format="binary", sink_format="binary", mode="overwrite"
        )
    assert [path.name for path in sink.iterdir()] == ["log"]


def test_rows_delivered_at_least_once_are_not_added_by_a_second_holder(
    tmp_path: Path, carried: Callable[..., CopyResult], database: str
) -> None:
    """Nobody has noted what is there."""
    source, table = files(tmp_path / "source"), f"{database}#target"
    given = {"mode": "append", "sink_options": {"delivery": "at-least-once"}}
    carried("a", 1, source, table, **given)
    with pytest.raises(NotSupportedError, match="cannot say whether they have committed"):
        carried("b", 2, source, table, **given)
    assert ids(table) == WANTED


def test_files_that_are_there_are_not_copied_again(
    tmp_path: Path, carried: Callable[..., CopyResult], azurite: Azurite
) -> None:
    """Blobs say which run has made them: only what is missing, or somebody else's, is carried."""
    container = f"c{uuid.uuid4().hex[:12]}"
    options = {
        "sink_options": {
            "endpoint": azurite.url,
            "account": ACCOUNT,
            "account_key": KEY,
            "ca_bundle": str(azurite.ca),
        }
    }
    with BlobServiceClient(
        azurite.url, {"account_name": ACCOUNT, "account_key": KEY}, connection_verify=str(azurite.ca)
    ) as client:
        blobs = client.create_container(container)
        url = f"az://{container}/"
        source = files(tmp_path / "source", 5)
        given = {"mode": "overwrite", "source_format": "binary", "sink_format": "binary", **options}
        carried("a", 1, source, url, **given)
        blobs.delete_blob("3.csv")
        blobs.upload_blob("4.csv", b"of somebody else", overwrite=True)
        before = {each.name: each.etag for each in blobs.list_blobs()}
        carried("b", 2, source, url, **given)
        after = {each.name: each.etag for each in blobs.list_blobs()}
        assert {name for name in after if after[name] == before.get(name)} == {"0.csv", "1.csv", "2.csv"}
        for path in source.iterdir():
            assert blobs.download_blob(path.name).readall() == path.read_bytes()


def test_stage_is_taken_over(tmp_path: Path, carried: Callable[..., CopyResult], table: str) -> None:
    """What somebody else has staged of the run is removed, and what they have loaded is not loaded again."""
    source = files(tmp_path / "source")
    stage, given = tmp_path / "stage", {"mode": "append", "source_format": "csv"}
    with pytest.raises(CancelledError):
        carried("a", 1, source, table, stage=stage, keep_staging=True, fence=until(1), **given)
    assert any(path.is_file() for path in stage.rglob("*"))
    carried("b", 2, source, table, stage=stage, **given)
    assert ids(table) == WANTED
    carried("c", 3, source, table, stage=stage, **given)
    assert ids(table) == WANTED
    crossdock.settle(RUN, tmp_path / "c")
    assert left_in(table) == []
    assert not any(path.is_file() for path in stage.rglob("*"))


def test_stage_that_another_has_replaced_is_staged_anew(
    tmp_path: Path, carried: Callable[..., CopyResult], table: str
) -> None:
    """What the first holder's journal calls staged, the second has removed; then it was lost, too."""
    source = files(tmp_path / "source")
    given = {"stage": tmp_path / "stage", "keep_staging": True, "mode": "append", "source_format": "csv"}
    # Of the first hop: for its claim, its unit, its commit and its manifest; of the second for its unit.
    with pytest.raises(CancelledError):
        carried("a", 1, source, table, fence=until(4), **given)
    with pytest.raises(CancelledError):
        carried("b", 2, source, table, fence=until(1), **given)
    with fenced(nothing, 3):
        crossdock.resume(RUN, home=tmp_path / "a")
    assert ids(table) == WANTED


def test_stage_is_there_until_the_end_of_the_second_hop_is_known(
    tmp_path: Path, carried: Callable[..., CopyResult]
) -> None:
    """Files are written again by whoever takes the hop over: they are read from the stage of another job."""
    source, stage, sink = files(tmp_path / "source"), tmp_path / "stage", tmp_path / "sink"
    sink.mkdir()
    crossdock.stage_out(source, stage, home=tmp_path / "out")
    for machine, lease in (("a", 1), ("b", 2)):
        with fenced(nothing, lease):
            crossdock.stage_in(
                stage, f"{sink}/", sink_format="jsonlines", mode="overwrite", remove=True, run_id=RUN,
                home=tmp_path / machine,
            )  # fmt: skip
        assert sorted(line for path in sink.iterdir() for line in path.read_text().splitlines()) == sorted(
            f'{{"id":{each}}}' for each in WANTED
        )
    crossdock.settle(RUN, tmp_path / "b")
    crossdock.settle(RUN, tmp_path / "b")
    assert not stage.exists()
    assert hidden(sink) == []
