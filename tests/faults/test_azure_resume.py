"""Killed with SIGKILL while one large blob is copied: resumed, only what is missing is sent or read."""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random

import pytest
from azure_cli import Cli
from azure_rig import Rig
from fault_bench import wait_for
from servers.fault_proxy import FaultProxy, Seen
from servers.network_faults import answer_stalled, stalled

MIB = 1 << 20
BLOCKS = 12
SIZE = BLOCKS * MIB - 77
BLOCK, LIST, RANGE = "PUT comp=block", "PUT comp=blocklist", "GET !comp"


def _up(cli: Cli, path: Path, parallel: int) -> subprocess.Popen[str]:
    size = ("--block-size", "1MiB", "--parallel-copies", str(parallel))
    return cli.start("copy", path, f"{cli.rig.url}/x", *cli.options("-k"), *size, "--run-id", "r")


def _down(cli: Cli, path: Path, parallel: int) -> subprocess.Popen[str]:
    size = ("--block-size", "1MiB", "--parallel-copies", str(parallel))
    return cli.start("copy", f"{cli.rig.url}/x", path, *cli.options("-s"), *size, "--run-id", "r")


def _answered(proxy: FaultProxy, match: str) -> list[Seen]:
    """Requests that went well, whether or not the client heard of it."""
    return [seen for seen in proxy.all(match) if seen.status in (200, 201, 206) and not seen.fault]


def _ranges(seen: list[Seen]) -> list[str]:
    headers = [{name.lower(): value for name, value in one.headers.items()} for one in seen]
    return [one.get("x-ms-range") or one["range"] for one in headers]


@pytest.mark.parametrize("parallel", [1, 4])
def test_only_missing_blocks_are_sent(rig: Rig, cli: Cli, parallel: int) -> None:
    path = rig.file(SIZE)
    rig.proxy.fail(BLOCK, stalled, nth=6, times=None)
    process = _up(cli, path, parallel)
    wait_for(lambda: rig.proxy.count(BLOCK) == 5 + parallel)
    cli.kill(process)
    assert not rig.blob().exists()
    rig.proxy.heal()
    rig.proxy.forget()
    ended = cli.resume("r", "-k", "account_key=env:THE_KEY")
    assert ended.code == 0, ended.err
    assert rig.read() == path.read_bytes()
    assert rig.proxy.count(BLOCK) == BLOCKS - 5


@pytest.mark.parametrize("parallel", [1, 4])
def test_only_missing_ranges_are_read(rig: Rig, cli: Cli, parallel: int) -> None:
    data = rig.put(rig.file(SIZE).read_bytes())
    back = rig.folder / "out" / "back"
    rig.proxy.fail(RANGE, stalled, nth=6, times=None)
    process = _down(cli, back, parallel)
    wait_for(lambda: rig.proxy.count(RANGE) == 5 + parallel)
    read = _ranges(_answered(rig.proxy, RANGE))
    cli.kill(process)
    assert not back.exists()
    rig.proxy.heal()
    rig.proxy.forget()
    ended = cli.resume("r", "-s", "account_key=env:THE_KEY")
    assert ended.code == 0, ended.err
    assert back.read_bytes() == data
    assert [p.name for p in back.parent.iterdir()] == ["back"]
    again = _ranges(rig.proxy.all(RANGE))
    assert len(again) == BLOCKS - 5
    assert not set(again) & set(read)


def test_killed_between_the_commit_and_hearing_of_it(rig: Rig, cli: Cli) -> None:
    """The resumed run finds its own commit: nothing is sent twice."""
    path = rig.file(SIZE)
    rig.proxy.fail(LIST, answer_stalled)
    process = _up(cli, path, 4)
    wait_for(lambda: any(seen.status for seen in rig.proxy.all(LIST)))
    cli.kill(process)
    version = rig.blob().get_blob_properties().etag
    rig.proxy.forget()
    ended = cli.resume("r", "-k", "account_key=env:THE_KEY")
    assert ended.code == 0, ended.err
    assert rig.read() == path.read_bytes()
    assert rig.blob().get_blob_properties().etag == version, "it was written once"
    assert rig.proxy.count(BLOCK) == 0


@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again(rig: Rig, cli: Cli, seed: int) -> None:
    """At most the blocks in flight are sent twice, however often the process dies."""
    random, parallel, kills = Random(seed), 3, 2
    path, sent = rig.file(SIZE), 0
    process = _up(cli, path, parallel)
    for _ in range(kills):
        goal = random.randint(1, 3)
        wait_for(lambda p=process, g=goal: rig.proxy.count(BLOCK) >= g or p.poll() is not None)  # type: ignore[misc]
        if process.poll() is None:
            cli.kill(process)
        sent += rig.proxy.count(BLOCK)
        rig.proxy.forget()
        process = cli.start("runs", "resume", "r", "-k", "account_key=env:THE_KEY")
    _, errors = process.communicate(timeout=60)
    sent += rig.proxy.count(BLOCK)
    assert process.returncode == 0 or "has succeeded" in errors, errors
    assert rig.read() == path.read_bytes()
    assert BLOCKS <= sent <= BLOCKS + kills * parallel


def test_foreign_blocks_while_nobody_was_at_work(rig: Rig, cli: Cli) -> None:
    path = rig.file(SIZE)
    rig.proxy.fail(BLOCK, stalled, nth=6, times=None)
    process = _up(cli, path, 1)
    wait_for(lambda: rig.proxy.count(BLOCK) == 6)
    cli.kill(process)
    for number in range(3):
        rig.blob().stage_block(f"{number:024}", b"THEIRS")
    rig.proxy.heal()
    rig.proxy.forget()
    assert cli.resume("r", "-k", "account_key=env:THE_KEY").code == 0
    assert rig.read() == path.read_bytes()
    assert rig.proxy.count(BLOCK) == BLOCKS - 5
    assert rig.blob().get_block_list("uncommitted")[1] == []


def test_blocks_that_are_gone_are_sent_again(rig: Rig, cli: Cli) -> None:
    """Somebody committed blocks of their own meanwhile, which drops all others."""
    path = rig.file(SIZE)
    rig.proxy.fail(BLOCK, stalled, nth=6, times=None)
    process = _up(cli, path, 1)
    wait_for(lambda: rig.proxy.count(BLOCK) == 6)
    cli.kill(process)
    rig.blob().commit_block_list([])
    rig.blob().delete_blob()
    rig.proxy.heal()
    rig.proxy.forget()
    ended = cli.resume("r", "-k", "account_key=env:THE_KEY")
    assert ended.code == 0, ended.err
    assert rig.read() == path.read_bytes()
    assert rig.proxy.count(BLOCK) > BLOCKS
