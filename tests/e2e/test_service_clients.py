"""A factory's whole life with the versions of the official client, over HTTPS with the service's own CA."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.node import node, register
from servers.service import ServiceProcess, service

SERVERS = Path(__file__).parents[1] / "servers"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with service(tmp_path_factory.mktemp("clients")) as found:
        yield found


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with version 9.3.0, to be the first on the path."""
    folder = tmp_path_factory.mktemp("older")
    install = ["install", "--quiet", "--no-deps", "--require-hashes", "--target", str(folder)]
    command = [sys.executable, "-m", "pip", *install, "-r", str(SERVERS / "older-client.txt")]
    subprocess.run(command, check=True, timeout=120)
    return folder


@pytest.mark.parametrize(("version", "kind"), [("10", "sync"), ("10", "aio"), ("9", "sync")])
def test_whole_life(
    request: pytest.FixtureRequest, server: ServiceProcess, tmp_path: Path, version: str, kind: str
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.bin").write_bytes(b"content")
    environment = os.environ | {"TOKEN": server.token}
    if version == "9":
        environment["PYTHONPATH"] = str(request.getfixturevalue("older"))
    else:
        environment.pop("PYTHONPATH", None)
    command = [
        sys.executable,
        str(SERVERS / "life.py"),
        kind,
        server.url,
        str(server.ca),
        f"{kind}-{version}",
    ]
    with subprocess.Popen(
        [*command, str(tmp_path)], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        register(tmp_path / "node", server, client.stdout.readline().strip(), "node")
        with node(tmp_path / "node"):
            client.stdin.write("go on\n")
            client.stdin.flush()
            said = client.stdout.readline()
    assert json.loads(said) == ["Succeeded", "Succeeded", 1, 7]
    assert (tmp_path / "sink" / "a.bin").read_bytes() == b"content"
    assert client.returncode == 0
