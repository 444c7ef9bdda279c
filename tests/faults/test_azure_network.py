"""Copies over a network that fails: what arrives is what was sent, or the copy says so (F04-F06)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pyarrow as pa
import pytest
from azure_rig import BLOCK, BLOCKS, SIZE, Rig
from pyarrow import csv
from pyarrow import parquet as pq
from servers.fault_proxy import Fault
from servers.network_faults import (
    answer_stalled,
    closed,
    corrupted,
    cut_off,
    dripping,
    reply_lost,
    reset,
    stalled,
    status,
    torn,
    truncated,
)

import crossdock
from crossdock import ThrottledError, TransientError

PASSING = {
    "500": status(500, "InternalError"),
    "502": status(502),
    "503": status(503, "ServerBusy"),
    "429": status(429),
    "408": status(408),
    "operation timed out": status(500, "OperationTimedOut"),
    "reset": reset,
    "reply lost": reply_lost,
    "closed": closed,
    "stalled": stalled,
    "answer stalled": answer_stalled,
}
WAITING = {
    "503": status(503, "ServerBusy", Retry_After="1"),
    "429": status(429, Retry_After="1"),
    "in milliseconds": status(500, x_ms_retry_after_ms="1000"),
}
BROKEN_BODY = {
    "nothing": truncated(0),
    "half": truncated(BLOCK // 2),
    "half, without close_notify": truncated(BLOCK // 2, notify=False),
    "all but one byte": truncated(BLOCK - 1),
    "torn": torn(BLOCK // 2),
    "dripping": dripping,
}
UPLOAD = ["GET comp=list", "HEAD", "GET comp=blocklist", "PUT comp=block", "PUT comp=blocklist"]
SHORT = {"read_timeout": "0.7"}


@contextmanager
def within(seconds: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds, "it took too long"


class TestUpload:
    @pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
    def test_each_request_fails_once(self, rig: Rig, fault: Fault) -> None:
        path = rig.file()
        for request in UPLOAD:
            rig.proxy.fail(request, fault)
        with within(30):
            rig.up(path, options=SHORT, verify=True)
        assert rig.read() == path.read_bytes()
        assert len([seen for seen in rig.proxy.requests if seen.fault]) == len(UPLOAD)

    @pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
    def test_a_file_of_one_request(self, rig: Rig, fault: Fault) -> None:
        path = rig.file(5_000)
        rig.proxy.fail("PUT !comp", fault, times=2)
        with within(15):
            rig.up(path, options=SHORT)
        assert rig.read() == path.read_bytes()

    @pytest.mark.parametrize("fault", WAITING.values(), ids=WAITING)
    def test_the_service_says_how_long_to_wait(self, rig: Rig, fault: Fault) -> None:
        path = rig.file()
        rig.proxy.fail("PUT comp=block", fault, nth=2)
        rig.up(path)
        assert rig.read() == path.read_bytes()
        _, refused, next_one, *_ = rig.proxy.all("PUT comp=block")
        assert 1 <= next_one.at - refused.at < 2

    def test_in_the_middle_of_a_block(self, rig: Rig) -> None:
        path = rig.file()
        rig.proxy.fail("PUT comp=block", cut_off(BLOCK // 2), nth=2, times=2)
        rig.up(path)
        assert rig.read() == path.read_bytes()

    def test_a_byte_that_arrives_wrong(self, rig: Rig) -> None:
        """The service compares the checksum, and the block is sent again."""
        path = rig.file()
        rig.proxy.fail("PUT comp=block", corrupted(12345), nth=3)
        rig.up(path)
        assert rig.read() == path.read_bytes()
        assert [seen.fault for seen in rig.proxy.all("PUT comp=block")].count("corrupted") == 1

    def test_a_byte_of_a_small_file(self, rig: Rig) -> None:
        path = rig.file(3_000)
        rig.proxy.fail("PUT !comp", corrupted(1234), times=1)
        rig.up(path)
        assert rig.read() == path.read_bytes()


class TestDownload:
    @pytest.mark.parametrize("fault", (PASSING | BROKEN_BODY).values(), ids=PASSING | BROKEN_BODY)
    def test_each_request_fails_once(self, rig: Rig, fault: Fault) -> None:
        data = rig.put(rig.file().read_bytes())
        rig.proxy.fail("HEAD", fault if fault in PASSING.values() else reset)
        rig.proxy.fail("GET !comp", fault, nth=2)
        with within(20):
            rig.down(rig.folder / "back", options=SHORT, verify=True)
        assert (rig.folder / "back").read_bytes() == data
        assert len([seen for seen in rig.proxy.requests if seen.fault]) == 2

    def test_a_retry_after_half_a_body(self, rig: Rig) -> None:
        """What came before the tear is not written twice (F05)."""
        data = rig.put(rig.file().read_bytes())
        for nth, fault in enumerate((torn(BLOCK // 2), status(502), truncated(7)), 3):
            rig.proxy.fail("GET !comp", fault, nth=nth)
        rig.down(rig.folder / "back")
        assert (rig.folder / "back").read_bytes() == data

    @pytest.mark.parametrize("fault", BROKEN_BODY.values(), ids=BROKEN_BODY)
    def test_a_short_body_is_never_success(self, rig: Rig, fault: Fault) -> None:
        """F04: every answer ends early; the copy fails, shows nothing, and ends well when resumed."""
        data = rig.put(rig.file().read_bytes())
        rig.proxy.fail("GET !comp", fault, nth=3, times=None)
        with within(20), pytest.raises(TransientError) as caught:
            rig.down(rig.folder / "back", options=SHORT)
        assert not (rig.folder / "back").exists()
        assert caught.value.resumable
        assert caught.value.run_id
        rig.proxy.heal()
        rig.proxy.forget()
        crossdock.resume(caught.value.run_id, source_options=rig.secret)
        assert (rig.folder / "back").read_bytes() == data
        assert rig.proxy.count("GET !comp") == BLOCKS - 2, "what was read before is not read again"


class TestListing:
    @pytest.mark.parametrize(
        "fault",
        [status(500), status(429), reset, stalled, *BROKEN_BODY.values()],
        ids=lambda f: f.__qualname__,
    )
    def test_each_listing_fails_once(self, rig: Rig, fault: Fault) -> None:
        """Nothing is missing and nothing comes twice."""
        given = {f"d/{n}": rig.put(b"%d" % n, f"d/{n}") for n in range(12)}
        rig.proxy.fail("GET comp=list", fault)
        rig.proxy.fail("GET comp=list", fault, nth=4)
        with within(20):
            result = rig.down(rig.folder / "back", "d/", options=SHORT)
        assert {f"d/{p.name}": p.read_bytes() for p in (rig.folder / "back").iterdir()} == given
        assert result.files_written == len(given)


def _unreliable(rig: Rig, seed: int) -> None:
    """One request in eight goes wrong in some way."""
    random = Random(seed)
    passing = [fault for name, fault in PASSING.items() if "stalled" not in name]
    faults = [*passing, cut_off(3_000), torn(3_000), truncated(5)]
    for fault in faults:
        rig.proxy.fail(lambda seen: random.random() < 1 / 8 / len(faults), fault, times=None)


@pytest.mark.parametrize("seed", range(3))
def test_files_at_any_time(rig: Rig, seed: int) -> None:
    _unreliable(rig, seed)
    paths = [rig.file(seed=seed, name=f"d/{n}", size=n * n * 300) for n in range(12)]
    given = {path.name: path.read_bytes() for path in paths}
    with within(60):
        rig.up(rig.folder / "d", "d/", parallel_copies=4, verify=True)
        rig.down(rig.folder / "back", "d/", parallel_copies=4, verify=True)
    assert {name: rig.read(f"d/{name}") for name in given} == given
    assert rig.names() == sorted(f"d/{name}" for name in given)
    assert {path.name: path.read_bytes() for path in (rig.folder / "back").iterdir()} == given
    assert any(seen.fault for seen in rig.proxy.requests)


@pytest.mark.parametrize("seed", range(3))
def test_rows_at_any_time(rig: Rig, seed: int) -> None:
    """Rows are neither lost nor doubled, in blocks that several attempts have written."""
    _unreliable(rig, seed)
    # A split that fails begins anew: with many blocks it would rarely end well here.
    size = {"block_size": 200_000, "parallel_copies": 4}
    given = pa.table({"id": range(60_000), "word": [f"word {n * 7919 % 10007}" for n in range(60_000)]})
    csv.write_csv(given, rig.folder / "t.csv")
    with within(60):
        rig.up(rig.folder / "t.csv", "t.parquet", verify=True, **size)
        rig.down(rig.folder / "back.csv", "t.parquet", **size)
    found = pq.read_table(pa.BufferReader(rig.read("t.parquet")))
    for there in (found, csv.read_csv(rig.folder / "back.csv")):
        assert there.sort_by("id").to_pydict() == given.to_pydict()
    assert any(seen.fault for seen in rig.proxy.requests)


class TestForGood:
    """A service that does not recover: the copy ends by itself, shows nothing and can be resumed."""

    @pytest.mark.parametrize("fault", [status(500), reset, stalled], ids=["500", "reset", "stalled"])
    def test_while_blocks_are_sent(self, rig: Rig, fault: Fault) -> None:
        path = rig.file()
        rig.proxy.fail("PUT comp=block", fault, nth=3, times=None)
        with within(30), pytest.raises(TransientError) as caught:
            rig.up(path, options=SHORT)
        assert not rig.blob().exists()
        assert caught.value.run_id
        rig.proxy.heal()
        rig.proxy.forget()
        crossdock.resume(caught.value.run_id, sink_options=rig.secret)
        assert rig.read() == path.read_bytes()
        assert rig.proxy.count("PUT comp=block") == BLOCKS - 2

    def test_throttled_for_good(self, rig: Rig) -> None:
        path = rig.file(3_000)
        rig.proxy.fail("PUT !comp", status(503, "ServerBusy", x_ms_retry_after_ms="5"), times=None)
        with within(20), pytest.raises(ThrottledError):
            rig.up(path)
        assert rig.names() == []

    def test_before_anything_was_begun(self, rig: Rig) -> None:
        """No journal is kept of a run that never knew what to do."""
        rig.proxy.fail("", status(500), times=None)
        with within(10), pytest.raises(TransientError):
            rig.up(rig.file(SIZE))
        rig.proxy.heal()
        assert rig.names() == []
        assert crossdock.api.runs() == []
