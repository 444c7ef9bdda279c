"""The log of a copy: with a secret, by child processes, in files that fill, and refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from observing import Record
from test_blob_runs import KEY, container, options

import crossdock
from crossdock import AuthError, ColumnMapping, ConfigError, CrossdockError, MappedColumn, api, run_log

__all__ = ["container", "options"]


def items(folder: Path) -> list[str]:
    found: list[str] = []
    for file in folder.glob("*.csv"):
        found += [line[3] for line in list(csv.reader(io.StringIO(file.read_text())))[1:]]
    return found


def files(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:03}.csv").write_text(f"id\n1\nbad{number}\n")
    return folder


COPY: dict[str, Any] = {"sink_format": "parquet", "skip_rows": True, "source_options": {"types": "id:int64"}}


def test_a_log_in_a_blob_container_and_its_secret(
    tmp_path: Path, container: Any, options: dict[str, Any], source_record: Record
) -> None:
    """The journal does not keep the account key; who resumes gives it again, and all lines are there."""
    source = files(tmp_path / "in", 20)
    trouble = source_record.options | {"fail": "read:RuntimeError", "fail_skip": "30"}
    log = f"az://{container.container_name}/logs/mine"
    with pytest.raises(CrossdockError):
        crossdock.copy(
            f"hooked://{source}/", tmp_path / "out/", run_id="r", parallel_copies=1, log=log,
            log_options=options, **COPY | {"source_options": {**trouble, "types": "id:int64"}},
        )  # fmt: skip
    assert KEY not in (tmp_path / "home" / "runs" / "r.db").read_bytes().decode("latin-1")
    with pytest.raises(AuthError, match="the log's account_key"):
        api.resume("r")
    result = api.resume("r", log_options={"account_key": KEY, "proxy": ""})
    assert (result.rows_copied, result.rows_skipped) == (20, 20)
    told = [
        line[3]
        for blob in container.list_blobs(name_starts_with="logs/mine/")
        for line in list(csv.reader(io.StringIO(container.download_blob(blob.name).readall().decode())))[1:]
    ]
    assert sorted(told) == sorted(f"bad{number}" for number in range(20))


def test_rows_left_out_in_child_processes(tmp_path: Path) -> None:
    mapping = ColumnMapping((MappedColumn(("id",), "id", type="int8"),))
    result = crossdock.copy(
        "gilrows://here", tmp_path / "out.parquet", map=mapping, skip_rows=True, log=tmp_path / "log",
        source_options={"rows": "1000"}, verify=True,
    )  # fmt: skip
    assert (result.rows_copied, result.rows_skipped) == (128, 872)
    assert len(items(tmp_path / "log")) == 872
    plain = crossdock.copy(
        "gilrows://here",
        tmp_path / "two.parquet",
        map=mapping,
        skip_rows=True,
        source_options={"rows": "1000"},
    )
    assert plain.rows_skipped == 872
    assert 0 < len([note for note in plain.notes if note.startswith("left out: ")]) <= 3


def test_a_full_file_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "_FULL_RELIABLE", 1_000)
    result = crossdock.copy(
        files(tmp_path / "in", 40), tmp_path / "out/", log=tmp_path / "log", log_reliable=True, **COPY
    )
    assert result.rows_skipped == 40
    assert sorted(items(tmp_path / "log")) == sorted(f"bad{number}" for number in range(40))
    assert len(list((tmp_path / "log").iterdir())) > 3


def test_a_retried_split_tells_its_rows_once(tmp_path: Path, source_record: Record) -> None:
    """The first attempt has told its bad row when the sink fails."""
    source = tmp_path / "a.csv"
    source.write_text("id\n" + "1\n" * 10 + "bad\n")
    sink_options = source_record.options | {"fail": "write:transient", "pull": "false"}
    result = crossdock.copy(
        source, f"hooked://{tmp_path}/out.parquet", log=tmp_path / "log", sink_options=sink_options, **COPY
    )
    assert (result.retries, result.rows_skipped) == (1, 1)
    assert items(tmp_path / "log") == ["bad"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"log": "sqlite:///x.db"}, "cannot hold a log"),
        ({"log": ""}, "the log is empty"),
        ({"log_options": {"x": "y"}}, "options of a log make no sense"),
        ({"log": "logs", "log_options": {"nope": "y"}}, "the log has no option 'nope'"),
        ({"log": "logs", "log_level": "loud"}, "it is info or warning"),
        ({"skip_files": "strange"}, "--skip-files 'strange' is not known"),
        ({"sink_format": "binary", "source_format": "binary"}, "--skip-rows needs tables"),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    source = files(tmp_path / "in", 1)
    with pytest.raises(ConfigError, match=words):
        crossdock.copy(source, tmp_path / "out/", **{"skip_rows": True, "sink_format": "parquet"} | given)
    assert sorted(each.name for each in tmp_path.iterdir() if each.name != "home") == ["in"]


def test_a_log_that_cannot_be_written_ends_the_copy_before_any_data(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file is in the way")
    with pytest.raises(CrossdockError):
        crossdock.copy(files(tmp_path / "in", 1), tmp_path / "out/", log=tmp_path / "log", **COPY)
    assert not list(tmp_path.glob("out/*.parquet"))
