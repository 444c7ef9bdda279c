"""Splits that are carried by processes of their own: what goes wrong there costs a split, no more."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from moody_tables import ROWS, SPLITS, feel, reads, seed

import crossdock
from crossdock import ConfigError, TransientError, isolation, retry
from crossdock.plugins import registry

WHOLE = list(range(SPLITS * ROWS))
# By mood: the variable that caps it, and what the error of a split says that always goes so.
_MOODS = {
    "crash": ("", "0", r"ended with status -11"),
    "hang": (
        isolation.SILENCE,
        "3",
        r"was ended: no row or byte came for 3 seconds \(CROSSDOCK_ISOLATE_SILENCE\)",
    ),
    "loop": (isolation.CPU, "1", r"was ended: it used more than 1 seconds of the processor"),
    "leak": (isolation.MEMORY, "700MiB", r"needed more than 700 MiB of memory"),
}


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a table of a third party, whose splits are isolated."""
    monkeypatch.setenv(isolation.WHICH, isolation.THIRD_PARTY)
    monkeypatch.setattr(retry, "ATTEMPTS", 2)
    seed(tmp_path / "table")
    return tmp_path / "table"


def _copy(table: Path) -> crossdock.CopyResult:
    return crossdock.copy(
        f"moody://{table}", f"{table.parent}/out/", sink_format="parquet", parallel_copies=1
    )


def _copied(table: Path) -> list[int]:
    (file,) = (table.parent / "out").iterdir()
    found: list[int] = pq.read_table(file)["id"].to_pylist()
    return found


@pytest.mark.parametrize("mood", _MOODS)
def test_what_goes_wrong_once_costs_one_attempt(
    mood: str, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, value, _ = _MOODS[mood]
    if name:
        monkeypatch.setenv(name, value)
    feel(table, mood)
    result = _copy(table)
    assert _copied(table) == WHOLE
    opened, processes = reads(table)
    assert opened == {0: 1, 1: 1, 2: 2, 3: 1}
    assert len(processes) == 2, "one process carries, and another one after it"
    assert os.getpid() not in processes
    assert result.retries == 1


@pytest.mark.parametrize("mood", ["crash", "leak"])
def test_what_always_goes_wrong_fails_its_split_only(
    mood: str, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run says what happened; once that is put right, it goes on with the splits that are missing."""
    name, value, said = _MOODS[mood]
    if name:
        monkeypatch.setenv(name, value)
    feel(table, mood, times=1000)
    with pytest.raises(TransientError, match=said) as caught:
        _copy(table)
    assert caught.value.resumable
    (table / "mood").unlink()
    assert caught.value.run_id is not None
    result = crossdock.resume(caught.value.run_id)
    assert _copied(table) == WHOLE
    opened, _ = reads(table)
    assert opened == {0: 1, 1: 1, 2: retry.ATTEMPTS + 1, 3: 1}
    assert result.splits_skipped == 2


@pytest.mark.parametrize(
    ("which", "apart"), [("", False), ("sqlite", False), ("moody", True), ("sqlite,third-party", True)]
)
def test_the_operator_says_which(
    which: str, apart: bool, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(isolation.WHICH, which)
    _copy(table)
    assert _copied(table) == WHOLE
    assert (os.getpid() not in reads(table)[1]) is apart


@pytest.mark.parametrize(("which", "capped"), [("", False), ("odbc", True)])
def test_who_isolates_itself_has_the_memory_that_it_wants(
    which: str, capped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drivers set aside far more than they use: psqlODBC ends its process when it does not get that."""
    monkeypatch.setenv(isolation.WHICH, which)
    caps = isolation.isolated([registry().by_name("odbc")], registry(), 512 << 20)
    assert caps is not None
    assert (caps.memory is not None) is capped


def test_built_in_connectors_are_no_third_party(table: Path) -> None:
    assert "moody" in registry().third_party
    assert not registry().third_party & {"file", "sqlite", "parquet"}


_WRONG = {
    "which": (isolation.WHICH, "third_party", "names third_party, which is no connector here"),
    "memory": (isolation.MEMORY, "much", "CROSSDOCK_ISOLATE_MEMORY 'much' is not a size"),
    "cpu": (isolation.CPU, "-1", "CROSSDOCK_ISOLATE_CPU=-1 is no number of seconds"),
    "silence": (isolation.SILENCE, "long", "CROSSDOCK_ISOLATE_SILENCE=long is no number of seconds"),
}


@pytest.mark.parametrize(("name", "value", "said"), _WRONG.values(), ids=list(_WRONG))
def test_settings_that_make_no_sense(
    name: str, value: str, said: str, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=said):
        _copy(table)
    assert not (table / "reads").exists()
    assert not (table.parent / "out").exists()
