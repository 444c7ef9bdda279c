"""A server that takes only so many requests at once: the copy goes on with fewer workers, and says so."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from observing import Record, left_behind

import crossdock


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big.bin"
    path.write_bytes(Random(1).randbytes(3_000_000))
    return path


def test_fewer_workers_while_the_server_is_busy(big: Path, tmp_path: Path, sink_record: Record) -> None:
    options = sink_record.options | {"at_once": "4", "lasts": "0.02", "retry_after": "0"}
    result = crossdock.copy(
        big, f"limited://{tmp_path}/out/big.bin", sink_options=options, block_size=10_000, parallel_copies=32
    )
    assert (tmp_path / "out" / "big.bin").read_bytes() == big.read_bytes()
    assert left_behind(tmp_path) == []
    refused = sink_record.count("refused")
    assert refused > 0
    assert result.throttled == result.retries == refused
    assert 0 < result.throttled_seconds <= result.seconds["throttle"] + 0.01
    assert result.output()["crossdock"]["throttledSeconds"] == result.throttled_seconds
    assert result.output()["executionDetails"][0]["sink"]["throttlingErrors"] == refused
    assert any("throttled" in note for note in result.notes)
    # Workers that each only wait and try again are refused about 200 times here, these about 35 times.
    assert refused < 110


def test_more_again_afterwards(big: Path, tmp_path: Path, sink_record: Record) -> None:
    """Of the last blocks, as many are under way at once as before."""
    options = sink_record.options | {"at_once": "2", "calm_after": "12", "lasts": "0.01"}
    crossdock.copy(
        big, f"limited://{tmp_path}/big.copy", sink_options=options, block_size=10_000, parallel_copies=8
    )
    assert (tmp_path / "big.copy").read_bytes() == big.read_bytes()
    taken = [event["at_once"] for event in sink_record.events("taken")]
    assert len(taken) == 301
    assert max(taken[-50:]) >= 7


@pytest.mark.parametrize("parallel", [1, 8])
def test_many_small_files(tmp_path: Path, sink_record: Record, parallel: int) -> None:
    """Beginning an object may be refused too."""
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    for n in range(60):
        (source / f"f{n}").write_bytes(bytes([n]) * n)
    result = crossdock.copy(
        source,
        f"limited://{out}",
        sink_options=sink_record.options | {"at_once": "1", "retry_after": "0.005"},
        parallel_copies=parallel,
    )
    assert {p.name: p.read_bytes() for p in out.iterdir()} == {f"f{n}": bytes([n]) * n for n in range(60)}
    assert result.throttled == sink_record.count("refused")
    assert (result.throttled > 0) == (parallel > 1)


def test_at_the_source(big: Path, tmp_path: Path, source_record: Record) -> None:
    result = crossdock.copy(
        f"limited://{big}",
        tmp_path / "copy.bin",
        source_options=source_record.options | {"at_once": "2"},
        sink_options={},
        block_size=20_000,
        parallel_copies=8,
        verify=True,
    )
    assert (tmp_path / "copy.bin").read_bytes() == big.read_bytes()
    assert result.throttled == source_record.count("refused")


def test_nothing_is_said_where_nobody_throttles(big: Path, tmp_path: Path, sink_record: Record) -> None:
    options = sink_record.options | {"at_once": "100", "lasts": "0"}
    result = crossdock.copy(
        big, f"limited://{tmp_path}/copy.bin", sink_options=options, block_size=30_000, parallel_copies=8
    )
    assert (result.throttled, result.retries, result.notes) == (0, 0, [])
    assert result.seconds["throttle"] == 0


def test_one_that_never_gives_way_ends_the_run(
    big: Path, tmp_path: Path, sink_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossdock.retry.FIRST_WAIT", 0.0001)
    with pytest.raises(crossdock.ThrottledError) as caught:
        crossdock.copy(
            big,
            f"limited://{tmp_path}/copy.bin",
            sink_options=sink_record.options | {"at_once": "0", "retry_after": "0"},
        )
    assert caught.value.resumable is False or caught.value.run_id
    assert not (tmp_path / "copy.bin").exists()


def test_only_waiting_for_a_throttling_server_is_counted_as_such(tmp_path: Path, big: Path) -> None:
    """Our own limit of bandwidth is none of it."""
    result = crossdock.copy(big, tmp_path / "copy.bin", block_size=100_000, bandwidth="10MB/s")
    assert result.seconds["throttle"] > 0
    assert (result.throttled, result.throttled_seconds) == (0, 0.0)
