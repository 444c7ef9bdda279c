"""Sizes at the edges of what blocks can do (F10)."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from azure_rig import BLOCK, WHOLE, Rig
from servers.fault_proxy import Exchange
from servers.network_faults import status

import crossdock
from crossdock import CrossdockError, NotSupportedError
from crossdock.journal import Journal

MIB, TIB = 1 << 20, 1 << 40


@pytest.mark.parametrize(
    "size",
    [0, 1, WHOLE - 1, WHOLE, WHOLE + 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 1, 3 * BLOCK, 3 * BLOCK + 1],
)
def test_there_and_back(rig: Rig, size: int) -> None:
    path = rig.file(size)
    rig.up(path, verify=True)
    assert rig.read() == path.read_bytes()
    rig.down(rig.folder / "back", verify=True)
    assert (rig.folder / "back").read_bytes() == path.read_bytes()


def _sparse(rig: Rig, size: int) -> Path:
    path = rig.folder / "sparse"
    with path.open("wb") as file:
        file.truncate(size)
    return path


def _planned(rig: Rig, run_id: str) -> list[int]:
    """The lengths of the blocks that the journal has."""
    with closing(Journal.open(rig.folder / "home" / "runs" / f"{run_id}.db", lock=False)) as journal:
        (row,) = journal.open_units(0, 1)
        return [stored.split.length or 0 for stored in journal.splits(row)]


@pytest.mark.parametrize("size", [TIB, 5 * TIB + 1], ids=["1 TiB", "5 TiB"])
def test_at_most_50_000_blocks(rig: Rig, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a large file are larger, and cover it exactly."""
    monkeypatch.setenv("CROSSDOCK_HOME", str(rig.folder / "home"))
    rig.proxy.fail("PUT comp=block", status(403, "AuthorizationFailure"), times=None)
    with pytest.raises(CrossdockError) as caught:
        rig.up(_sparse(rig, size), block_size="8MiB", memory="1GiB")
    assert caught.value.run_id
    planned = _planned(rig, caught.value.run_id)
    assert len(planned) <= 50_000
    assert sum(planned) == size
    assert max(planned) <= 4000 * MIB
    crossdock.api.forget(caught.value.run_id, sink_options=rig.secret)


def test_larger_than_a_blob_can_be(rig: Rig) -> None:
    def claim(exchange: Exchange) -> None:
        answer = exchange.forward()
        huge = str(50_000 * 4000 * MIB + 1)
        answer.headers = [(n, huge if n.lower() == "content-length" else v) for n, v in answer.headers]
        exchange.reply(answer)

    rig.put(b"x", "huge")
    rig.proxy.fail(lambda seen: seen.method == "HEAD" and seen.path.endswith("/huge"), claim, times=None)
    with pytest.raises(NotSupportedError, match="too large"):
        crossdock.copy(
            f"{rig.url}/huge", f"{rig.url}/x", source_options=rig.options, sink_options=rig.options
        )
    assert rig.names() == ["huge"]
