"""ADLS Gen2 behind a network that fails, with processes that are killed and writers that meet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from fault_bench import wait_for
from servers.dfs import Lake
from servers.dfs_wire import KEY
from servers.fault_proxy import Exchange, FaultProxy, Seen, fault_proxy
from servers.lake_rig import LakeRig, lake_rig
from servers.network_faults import answer_stalled, reply_lost, reset, stalled

import crossdock
from crossdock import retry

MIB = 1 << 20
BLOCKS = 12
SIZE = BLOCKS * MIB - 77


@dataclass
class Away:
    """A file system behind a fault proxy; ``lake`` looks at it directly."""

    lake: LakeRig
    proxy: FaultProxy
    folder: Path
    through: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.options = self.lake.options | {
            "endpoint": self.proxy.url, "ca_bundle": str(self.proxy.ca), "upload_through": self.through,
            "connect_timeout": "5", "read_timeout": "5",
        }  # fmt: skip

    @property
    def data(self) -> str:
        """The requests that carry blocks."""
        return "PUT comp=block" if self.through == "blob" else "PATCH action=append"

    @property
    def seals(self) -> str:
        return "PUT comp=blocklist" if self.through == "blob" else "PATCH action=flush"

    def file(self, size: int = SIZE, seed: int = 1) -> Path:
        path = self.folder / f"x{seed}"
        path.write_bytes(Random(seed).randbytes(size))
        return path

    def up(self, path: Path, **given: object) -> crossdock.CopyResult:
        asked = {"block_size": MIB, "parallel_copies": 2} | given
        return crossdock.copy(path, f"{self.lake.url}/dir/x", sink_options=self.options, **asked)  # type: ignore[arg-type]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        left_out = ("CROSSDOCK_", "AZURE_", "HTTPS_PROXY", "https_proxy", "SSL_CERT")
        given = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "crossdock", *arguments],
            env=given | {"CROSSDOCK_HOME": str(self.folder / "home"), "THE_KEY": KEY},
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    def start_up(self, path: Path) -> subprocess.Popen[str]:
        given = self.options | {"account_key": "env:THE_KEY"}
        options = [part for name, value in given.items() for part in ("-k", f"{name}={value}")]
        size = ("--block-size", "1MiB", "--parallel-copies", "2")
        return self.start("copy", str(path), f"{self.lake.url}/dir/x", *options, *size, "--run-id", "r")

    def kill(self, process: subprocess.Popen[str]) -> None:
        process.kill()
        process.communicate(timeout=10)
        assert process.returncode == -9

    def resume(self) -> dict[str, object]:
        self.proxy.heal()
        self.proxy.forget()
        process = self.start("runs", "resume", "r", "-k", "account_key=env:THE_KEY", "--output", "json")
        out, err = process.communicate(timeout=90)
        assert process.returncode == 0, err
        found = json.loads(out)
        assert isinstance(found, dict)
        return found

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=10)


@pytest.fixture(params=["blob", "dfs"])
def away(
    request: pytest.FixtureRequest, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Away]:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.1)
    (tmp_path / "tls").mkdir()
    with lake_rig(lake) as rig, fault_proxy(lake.url, lake.ca, tmp_path / "tls") as proxy:
        away = Away(rig, proxy, tmp_path, request.param)
        yield away
        away.end()


def _is_rename(seen: Seen) -> bool:
    return "x-ms-rename-source" in {name.lower() for name in seen.headers}


class TestKilled:
    def test_only_missing_blocks_are_sent(self, away: Away) -> None:
        path = away.file()
        away.proxy.fail(away.data, stalled, nth=6, times=None)
        process = away.start_up(path)
        wait_for(lambda: away.proxy.count(away.data) == 7)
        away.kill(process)
        assert away.lake.client.get_file_client("dir/x").exists() is False
        away.resume()
        assert away.lake.files() == {"dir/x": path.read_bytes()}
        assert away.proxy.count(away.data) == BLOCKS - 5
        assert away.lake.staged() == []

    def test_between_the_staged_file_and_the_rename(self, away: Away) -> None:
        path = away.file()
        away.proxy.fail(_is_rename, stalled)
        process = away.start_up(path)
        wait_for(lambda: away.proxy.count(_is_rename) == 1)
        away.kill(process)
        away.resume()
        assert away.lake.files() == {"dir/x": path.read_bytes()}
        assert away.proxy.count(away.data) == 0
        assert away.lake.staged() == []

    def test_between_the_rename_and_hearing_of_it(self, away: Away) -> None:
        """The resumed run finds its own commit."""
        path = away.file()
        away.proxy.fail(_is_rename, answer_stalled)
        process = away.start_up(path)
        wait_for(lambda: away.lake.client.get_file_client("dir/x").exists())
        away.kill(process)
        version = away.lake.client.get_file_client("dir/x").get_file_properties().etag
        away.resume()
        assert away.lake.client.get_file_client("dir/x").get_file_properties().etag == version
        assert away.proxy.count(away.data) == 0
        assert away.lake.files() == {"dir/x": path.read_bytes()}
        assert away.lake.staged() == []

    def test_somebody_replaces_the_file_meanwhile(self, away: Away) -> None:
        path = away.file()
        away.proxy.fail(away.data, stalled, nth=6, times=None)
        process = away.start_up(path)
        wait_for(lambda: away.proxy.count(away.data) == 7)
        away.kill(process)
        away.lake.put("dir/x")
        away.proxy.heal()
        again = away.start("runs", "resume", "r", "-k", "account_key=env:THE_KEY")
        _, err = again.communicate(timeout=60)
        assert again.returncode == 2, err
        assert "exists already" in " ".join(err.split())
        assert away.lake.files() == {"dir/x": b"theirs"}
        assert away.lake.staged() == []


class TestNetwork:
    @pytest.mark.parametrize("fault", [reset, reply_lost])
    @pytest.mark.parametrize("which", ["data", "seals", "rename"])
    def test_one_request_goes_wrong(self, away: Away, fault: object, which: str) -> None:
        match = {"data": away.data, "seals": away.seals, "rename": _is_rename}[which]
        path = away.file(3 * MIB)
        away.proxy.fail(match, fault, nth=1)  # type: ignore[arg-type]
        away.up(path, verify=True)
        assert [seen.fault for seen in away.proxy.all(match)].count("") < away.proxy.count(match)
        assert away.lake.files() == {"dir/x": path.read_bytes()}
        assert away.lake.staged() == []

    @pytest.mark.parametrize("which", ["data", "rename"])
    def test_a_small_file(self, away: Away, which: str) -> None:
        """The answer to a write is lost; the second try finds the first one's file."""
        path = away.file(1000)
        match = "PUT !comp"
        if away.through == "dfs":
            match = away.data if which == "data" else _is_rename  # type: ignore[assignment]
        away.proxy.fail(match, reply_lost, nth=1)
        away.up(path)
        assert away.lake.files() == {"dir/x": path.read_bytes()}
        assert away.lake.staged() == []

    def test_for_good(self, away: Away) -> None:
        """What cannot be finished is not seen, and goes with the run."""
        away.proxy.fail(away.seals, reset, times=None)
        with pytest.raises(crossdock.TransientError):
            away.up(away.file(3 * MIB), run_id="r")
        assert [name for name in away.lake.files() if ".crossdock-" not in name] == []
        away.proxy.heal()
        crossdock.resume("r", sink_options={"account_key": KEY})
        assert list(away.lake.files()) == ["dir/x"]
        assert away.lake.staged() == []


class TestTwoWriters:
    @pytest.mark.parametrize("mode", ["error", "overwrite"])
    def test_both_are_complete_before_either_commits(self, away: Away, mode: str) -> None:
        """One is refused. Overwriting, it stages its file again and replaces the other's, whole."""
        paths = [away.file(SIZE, seed) for seed in (1, 2)]
        gate, ended = threading.Barrier(2, timeout=60), ["", ""]

        def meet(exchange: Exchange) -> None:
            gate.wait()
            exchange.reply(exchange.forward())

        def write(number: int) -> None:
            try:
                away.up(paths[number], mode=mode)
                ended[number] = "done"
            except crossdock.CrossdockError as error:
                ended[number] = error.code

        away.proxy.fail(_is_rename, meet, times=2)
        threads = [threading.Thread(target=write, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
        whole = [path.read_bytes() for path in paths]
        assert list(away.lake.files()) == ["dir/x"]
        if mode == "error":
            assert sorted(ended) == ["AlreadyExists", "done"]
            assert away.lake.read("dir/x") == whole[ended.index("done")]
        else:
            assert ended == ["done", "done"]
            assert away.lake.read("dir/x") in whole
            assert away.proxy.count(_is_rename) == 3
        assert away.lake.staged() == []
