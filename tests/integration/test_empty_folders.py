"""Folders that no file makes (``empty_folders``), on local files."""

from __future__ import annotations

from pathlib import Path

import pytest
from observing import Record

import crossdock

EMPTY = {"empty_folders": "true"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for folder in ("a/empty/deep", "b", "z/full"):
        (tmp_path / "source" / folder).mkdir(parents=True)
    (tmp_path / "source" / "z" / "full" / "x").write_bytes(b"x")
    return tmp_path / "source"


def folders_in(path: Path) -> set[str]:
    return {found.relative_to(path).as_posix() for found in path.rglob("*") if found.is_dir()}


def test_made_where_asked_for(source: Path, tmp_path: Path) -> None:
    crossdock.copy(source, tmp_path / "without/")
    assert folders_in(tmp_path / "without") == {"z", "z/full"}
    result = crossdock.copy(source, tmp_path / "with/", sink_options=EMPTY, verify=True)
    assert folders_in(tmp_path / "with") == {"a", "a/empty", "a/empty/deep", "b", "z", "z/full"}
    assert result.files_written == 1, "folders are no files"


def test_a_dry_run_makes_none(source: Path, tmp_path: Path) -> None:
    crossdock.copy(source, tmp_path / "out/", sink_options=EMPTY, dry_run=True)
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_way(source: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "out" / "b"
    blocked.parent.mkdir()
    blocked.write_bytes(b"in the way")
    with pytest.raises(crossdock.AlreadyExistsError, match="a file where a folder should be"):
        crossdock.copy(source, tmp_path / "out/", sink_options=EMPTY, mode="overwrite")
    assert blocked.read_bytes() == b"in the way"


@pytest.mark.parametrize("error", ["busy", "transient"])
def test_made_again_after_a_passing_error(
    source: Path, tmp_path: Path, sink_record: Record, error: str
) -> None:
    options = sink_record.options | EMPTY | {"fail": f"folder:{error}", "fail_times": "2"}
    crossdock.copy(source, f"hooked://{tmp_path}/out/", sink_options=options)
    assert folders_in(tmp_path / "out") == {"a", "a/empty", "a/empty/deep", "b", "z", "z/full"}


def test_made_by_the_run_that_is_resumed(source: Path, tmp_path: Path, sink_record: Record) -> None:
    """All files were there and one folder was made when the run was stopped."""
    options = sink_record.options | EMPTY | {"fail": "folder:RuntimeError", "fail_skip": "1"}
    with pytest.raises(crossdock.InternalError):
        crossdock.copy(source, f"hooked://{tmp_path}/out/", sink_options=options, run_id="r")
    assert folders_in(tmp_path / "out") == {"a", "a/empty", "a/empty/deep", "z", "z/full"}
    result = crossdock.resume("r")
    assert folders_in(tmp_path / "out") == {"a", "a/empty", "a/empty/deep", "b", "z", "z/full"}
    assert (result.files_written, result.splits_skipped) == (1, 1)


@pytest.mark.parametrize(
    ("options", "sink_options"),
    [
        ({"wildcard_file_name": "*"}, EMPTY),
        ({"recursive": "false"}, EMPTY),
        ({"modified_datetime_start": "2000-01-01"}, EMPTY),
    ],
)
def test_not_with_a_choice_of_files(
    source: Path, tmp_path: Path, options: dict[str, str], sink_options: dict[str, str]
) -> None:
    (source / "top").write_bytes(b"top")
    with pytest.raises(crossdock.NotSupportedError, match="whole folder"):
        crossdock.copy(source, tmp_path / "out/", source_options=options, sink_options=sink_options)
    assert not (tmp_path / "out").exists()


def test_not_for_tables(source: Path, tmp_path: Path) -> None:
    (source / "x.csv").write_text("id\n1\n")
    (source / "z" / "full" / "x").unlink()
    with pytest.raises(crossdock.NotSupportedError, match="binary copy"):
        crossdock.copy(source, tmp_path / "out/", sink_format="parquet", sink_options=EMPTY)


def test_not_when_flattened(source: Path, tmp_path: Path) -> None:
    with pytest.raises(crossdock.ConfigError, match="keeps no folders"):
        crossdock.copy(source, tmp_path / "out/", sink_options=EMPTY | {"copy_behavior": "FlattenHierarchy"})
