"""Commits whose reply is lost, several writers of one blob, and blocks of somebody else (F07-F09)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from azure_rig import BLOCK, BLOCKS, Rig
from fault_bench import wait_for
from servers.fault_proxy import Fault
from servers.network_faults import answer_stalled, closed, held, meanwhile, reply_lost, status

import crossdock
from crossdock import AlreadyExistsError, CrossdockError, NotSupportedError

SHORT = {"read_timeout": "0.7"}
LOST = {"reset": reply_lost, "closed": closed, "stalled": answer_stalled}
COMMITS = {"blocks": ("PUT comp=blocklist", BLOCK * BLOCKS), "whole": ("PUT !comp", 5_000)}


def _blocks(rig: Rig) -> tuple[int, int]:
    """How many blocks the blob has, committed and uncommitted."""
    committed, uncommitted = rig.blob().get_block_list("all")
    return len(committed), len(uncommitted)


class TestReplyLost:
    """The service has done what was asked, and nobody heard of it (F07)."""

    @pytest.mark.parametrize("mode", ["error", "overwrite"])
    @pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
    @pytest.mark.parametrize(("request_", "size"), COMMITS.values(), ids=COMMITS)
    def test_of_a_commit(self, rig: Rig, request_: str, size: int, fault: Fault, mode: str) -> None:
        path = rig.file(size)
        if mode == "overwrite":
            rig.put(b"old")
        rig.proxy.fail(request_, fault)
        rig.up(path, mode=mode, options=SHORT)
        assert rig.read() == path.read_bytes()
        assert rig.proxy.all(request_)[0].status == 201, "the first one was done"

    @pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
    def test_of_every_block(self, rig: Rig, fault: Fault) -> None:
        path = rig.file()
        for nth in range(1, 2 * BLOCKS, 2):
            rig.proxy.fail("PUT comp=block", fault, nth=nth)
        rig.up(path, options=SHORT)
        assert rig.read() == path.read_bytes()
        assert _blocks(rig) == (BLOCKS, 0)

    def test_of_a_commit_that_somebody_changed_since(self, rig: Rig) -> None:
        """What came after our commit stays."""

        def lost(exchange: Any) -> None:
            exchange.forward()
            rig.put(b"theirs")
            exchange.reset()

        rig.proxy.fail("PUT comp=blocklist", lost)
        with pytest.raises(AlreadyExistsError):
            rig.up(rig.file())
        assert rig.read() == b"theirs"


class TestLateRequests:
    """A request that everybody had given up reaches the service after all."""

    def _late(self, rig: Rig, match: str, given: dict[str, Any]) -> tuple[Path, threading.Event]:
        path, until = rig.file(), threading.Event()
        rig.proxy.fail(match, held(until), nth=2 if match.endswith("=block") else 1)
        rig.up(path, options=SHORT, **given)
        return path, until

    def _arrives(self, rig: Rig, until: threading.Event) -> int:
        late = next(seen for seen in rig.proxy.requests if seen.fault)
        assert late.status is None
        until.set()
        wait_for(lambda: late.status is not None)
        assert late.status is not None
        return late.status

    @pytest.mark.parametrize("mode", ["error", "overwrite"])
    def test_a_block(self, rig: Rig, mode: str) -> None:
        path, until = self._late(rig, "PUT comp=block", {"mode": mode})
        self._arrives(rig, until)
        assert rig.read() == path.read_bytes()

    @pytest.mark.parametrize("mode", ["error", "overwrite"])
    def test_a_commit(self, rig: Rig, mode: str) -> None:
        """It does not undo what somebody has written since."""
        _, until = self._late(rig, "PUT comp=blocklist", {"mode": mode})
        rig.put(b"theirs")
        assert self._arrives(rig, until) in (400, 409, 412)
        assert rig.read() == b"theirs"


class TestTwoWriters:
    """F08: what is there in the end is what one of them wrote, and who says so did."""

    def _both(self, calls: list[Callable[[], Any]]) -> list[Future[Any]]:
        with ThreadPoolExecutor(2) as pool:
            return [pool.submit(call) for call in calls]

    def test_one_commits_while_the_other_is_about_to(self, rig: Rig) -> None:
        mine, theirs = rig.file(seed=1), rig.file(name="y", seed=2)
        rig.proxy.fail("PUT comp=blocklist", meanwhile(lambda: rig.up(theirs)))
        with pytest.raises(AlreadyExistsError) as caught:
            rig.up(mine)
        assert caught.value.exit_code == 2
        assert rig.read() == theirs.read_bytes()

    def test_overwriting_one_after_the_other(self, rig: Rig) -> None:
        """Who comes second begins again and replaces the whole blob."""
        mine, theirs = rig.file(seed=1), rig.file(name="y", seed=2)
        rig.put(b"old")
        rig.proxy.fail("PUT comp=blocklist", meanwhile(lambda: rig.up(theirs, mode="overwrite")))
        rig.up(mine, mode="overwrite")
        assert rig.read() == mine.read_bytes()

    def test_overwriting_again_and_again(self, rig: Rig) -> None:
        """Who is overtaken twice gives up."""
        mine, theirs = rig.file(seed=1), rig.file(name="y", seed=2)
        rig.put(b"old")

        def overtake() -> None:
            rig.put(theirs.read_bytes())

        rig.proxy.fail("PUT comp=blocklist", meanwhile(overtake), times=None)
        with pytest.raises(CrossdockError, match="changed by somebody else"):
            rig.up(mine, mode="overwrite")
        assert rig.read() == theirs.read_bytes()

    @pytest.mark.parametrize("mode", ["error", "overwrite"])
    def test_at_once(self, rig: Rig, mode: str) -> None:
        for turn in range(4):
            paths = [rig.file(name=f"{turn}-{n}", seed=10 * turn + n) for n in range(2)]
            name = f"x{turn}"
            if mode == "overwrite":
                rig.put(b"old", name)
            ended = self._both([partial(rig.up, p, name, mode=mode, parallel_copies=3) for p in paths])
            won = [p for p, end in zip(paths, ended, strict=True) if end.exception() is None]
            assert all(isinstance(end.exception(), CrossdockError | None) for end in ended)
            assert won, [end.exception() for end in ended]
            if mode == "error":
                assert len(won) == 1
            assert rig.read(name) in [p.read_bytes() for p in won]

    def test_blocks_that_arrive_in_another_order(self, rig: Rig) -> None:
        path, until = rig.file(), threading.Event()
        rig.proxy.fail("PUT comp=block", held(until))
        rig.proxy.fail("PUT comp=block", meanwhile(until.set), nth=BLOCKS)
        rig.up(path, parallel_copies=2)
        assert rig.read() == path.read_bytes()
        assert rig.proxy.all("PUT comp=block")[0].fault == "held"


class TestForeignBlocks:
    """Uncommitted blocks of somebody else are never part of what is committed (F09)."""

    def _stage(self, rig: Rig, number: int = 0, width: int = 24) -> None:
        rig.blob().stage_block(f"{number:0{width}}", b"THEIRS" * 100)  # the SDK encodes the name

    def test_staged_in_the_middle(self, rig: Rig) -> None:
        path = rig.file()
        for nth in range(1, BLOCKS + 1):
            rig.proxy.fail("PUT comp=block", meanwhile(partial(self._stage, rig, nth)), nth=nth)
        rig.proxy.fail("PUT comp=blocklist", meanwhile(lambda: self._stage(rig, 99)))
        rig.up(path, parallel_copies=2)
        assert rig.read() == path.read_bytes()
        assert _blocks(rig) == (BLOCKS, 0)

    def test_staged_before_a_run_that_is_resumed(self, rig: Rig) -> None:
        path = rig.file()
        self._stage(rig, 1, 16)
        rig.proxy.fail("PUT comp=block", status(403, "AuthorizationFailure"), nth=4)
        with pytest.raises(CrossdockError) as caught:
            rig.up(path)
        self._stage(rig, 2, 16)
        assert caught.value.run_id
        crossdock.resume(caught.value.run_id, sink_options=rig.secret)
        assert rig.read() == path.read_bytes()
        assert _blocks(rig) == (BLOCKS, 0)

    def test_those_of_an_earlier_run_with_other_blocks(self, rig: Rig) -> None:
        """The size of blocks has changed between the runs."""
        path = rig.file()
        rig.proxy.fail("PUT comp=block", status(403, "AuthorizationFailure"), nth=4)
        with pytest.raises(CrossdockError):
            rig.up(path)
        assert _blocks(rig) == (0, 3)
        rig.up(path, block_size=7_000)
        assert rig.read() == path.read_bytes()
        assert _blocks(rig) == (-(-path.stat().st_size // 7_000), 0)

    def test_with_names_of_another_length_in_the_middle(self, rig: Rig) -> None:
        """The service then takes no block of ours: we say so, and leave theirs alone."""
        rig.proxy.fail("PUT comp=block", meanwhile(lambda: self._stage(rig, 1, 10)))
        with pytest.raises(NotSupportedError, match="unfinished upload of another program"):
            rig.up(rig.file())
        assert _blocks(rig) == (0, 1)

    def test_committed_in_the_middle(self, rig: Rig) -> None:
        """They finish what they began: their blob stays, our blocks are gone with it."""

        def finish() -> None:
            self._stage(rig, 1)
            rig.put(b"theirs")

        rig.proxy.fail("PUT comp=block", meanwhile(finish), nth=3)
        with pytest.raises(AlreadyExistsError):
            rig.up(rig.file())
        assert rig.read() == b"theirs"
