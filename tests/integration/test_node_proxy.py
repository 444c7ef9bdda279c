"""A node behind a real proxy (Squid): its service, its jobs, and where the password is not."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from one_job import outcome
from servers import squid as squids
from servers.service import ServiceProcess
from servers.squid import PASSWORD, USER, Squid
from servers.web_endpoint import Answer, Endpoint, web_endpoint
from test_service_runs import GROUP, factory_of
from typer.testing import CliRunner

from crossdock import ConfigError, UnreachableError
from crossdock_scheduler.commands.node import node
from crossdock_scheduler.node.client import Client, connected
from crossdock_scheduler.node.identity import Identity, forget
from crossdock_scheduler.node.proxy import Proxy, proxy_of, set_proxy, watched
from crossdock_scheduler.node.registration import register
from crossdock_scheduler.node.relay import Relay
from crossdock_scheduler.node.vault import Vault
from crossdock_scheduler.wire import node as wire

one_service = pytest.mark.parametrize("control_plane", ["sqlite"], indirect=True)


@contextmanager
def running(*, asks: bool, addresses: Sequence[str] = ("127.0.0.1",)) -> Iterator[Squid]:
    program = squids.installed()
    if program is None:
        pytest.skip("Squid is not installed")
    with squids.squid(program, asks=asks, addresses=addresses) as found:
        yield found


@pytest.fixture
def squid() -> Iterator[Squid]:
    with running(asks=True) as found:
        yield found


def through(squid: Squid, user: str = USER, password: str = PASSWORD) -> Proxy:
    return Proxy("custom", "127.0.0.1", squid.port, user, password)


def key_of(control_plane: ServiceProcess) -> str:
    with control_plane.sdk() as sdk:
        factory = factory_of(sdk)
        here = {"properties": {"type": "SelfHosted"}}
        sdk.integration_runtimes.create_or_update(GROUP, factory, "here", here)
        found: str = sdk.integration_runtimes.list_auth_keys(GROUP, factory, "here").auth_key1
        return found


def registered(folder: Path, control_plane: ServiceProcess) -> Identity:
    return anyio.run(register, folder, key_of(control_plane), "behind", str(control_plane.ca))


@one_service
@pytest.mark.parametrize("asks", [True, False], ids=["password", "open"])
def test_a_node_registers_and_beats_through_it(
    control_plane: ServiceProcess, tmp_path: Path, *, asks: bool
) -> None:
    port = int(urlsplit(control_plane.url).port or 0)
    with running(asks=asks) as squid:
        set_proxy(tmp_path, through(squid) if asks else through(squid, "", ""))
        known = registered(tmp_path, control_plane)

        async def work() -> None:
            proxy = watched(tmp_path)
            async with connected(known.url, known.ca, proxy) as http:
                client = Client(http, known)
                await client.heartbeat(wire.Heartbeat(version="1"))
                relay = Relay(client, Vault.of(tmp_path, known.guid), dict, proxy, lambda: None)
                async with relay._connected() as socket:
                    await (await socket.ping())

        anyio.run(work)
        squid.stop()  # tunnels are logged when they end
        lines = squid.tunnels(port)
    assert len(lines) == 3  # registering, beating, and the relay's WebSocket
    assert all(f" {USER if asks else '-'} " in line for line in lines)


@one_service
def test_a_wrong_password_is_said(control_plane: ServiceProcess, tmp_path: Path, squid: Squid) -> None:
    set_proxy(tmp_path, through(squid, USER, "WRONG-PASSWORD"))
    with pytest.raises(UnreachableError, match=r"^Failed to register .* 407 Proxy Auth") as caught:
        registered(tmp_path, control_plane)
    assert "WRONG-PASSWORD" not in f"{caught.value} {caught.value.detail}"


@one_service
def test_a_change_holds_at_once_and_breaks_nothing(
    control_plane: ServiceProcess, tmp_path: Path, squid: Squid
) -> None:
    """A claim waits behind the proxy while that is taken away: it is answered; the next request is direct."""
    port = int(urlsplit(control_plane.url).port or 0)
    set_proxy(tmp_path, through(squid))
    known = registered(tmp_path, control_plane)
    claimed: list[Any] = []

    async def work() -> None:
        async with (
            connected(known.url, known.ca, watched(tmp_path)) as http,
            anyio.create_task_group() as group,
        ):
            client = Client(http, known)

            async def claim() -> None:
                claimed.append(await client.claim(1, 1.5))

            group.start_soon(claim)
            await anyio.wait_all_tasks_blocked()
            set_proxy(tmp_path, Proxy("none"))
            await client.heartbeat(wire.Heartbeat(version="1"))
            (tmp_path / "proxy.json").write_text("damaged")
            await client.heartbeat(wire.Heartbeat(version="1"))

    anyio.run(work)
    squid.stop()
    assert [each.jobs for each in claimed] == [[]]
    assert len(squid.tunnels(port)) == 2  # registering, and the claim


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    with web_endpoint(tmp_path) as found:
        monkeypatch.setenv("SSL_CERT_FILE", str(found.ca))
        yield found


def called(url: str, proxy: Proxy, **policy: Any) -> wire.Finish:
    return outcome("WebActivity", {"url": url, "method": "GET"}, proxy, **policy)


def test_jobs_go_through_it_and_nobody_sees_the_password(endpoint: Endpoint, squid: Squid) -> None:
    seen: list[bytes] = []
    asked = threading.Event()

    def look() -> None:
        assert asked.wait(30)
        for each in Path("/proc").iterdir():
            if each.name.isdigit() and each.name != str(os.getpid()):
                for name in ("cmdline", "environ"):
                    try:
                        seen.append((each / name).read_bytes())
                    except OSError:
                        continue

    def slowly(_: Any) -> Answer:
        asked.set()
        time.sleep(0.5)
        return Answer(200, "there")

    endpoint.answers["/x"] = slowly
    looking = threading.Thread(target=look)
    looking.start()
    found = called(f"{endpoint.url}/x", through(squid))
    asked.set()
    looking.join()
    squid.stop()
    assert found.outcome == "succeeded", found
    assert len(squid.tunnels(int(urlsplit(endpoint.url).port or 0))) == 1
    assert any(b"crossdock_scheduler.node.worker" in each for each in seen)
    assert not [each for each in seen if PASSWORD.encode() in each or b"p%40ss" in each]


def test_a_proxy_of_the_environment_is_not_asked_with_none(
    endpoint: Endpoint, squid: Squid, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.answers["/x"] = Answer(200, "there")
    monkeypatch.setenv("HTTPS_PROXY", squid.url)
    port = int(urlsplit(endpoint.url).port or 0)
    assert called(f"{endpoint.url}/x", Proxy("none")).outcome == "succeeded"
    past = Proxy("custom", "127.0.0.1", squid.port, bypass=("127.0.0.1",))
    assert called(f"{endpoint.url}/x", past).outcome == "succeeded"
    squid.stop()
    assert squid.tunnels(port) == []
    squid.start()
    assert called(f"{endpoint.url}/x", Proxy()).outcome == "succeeded"
    squid.stop()
    assert len(squid.tunnels(port)) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux holds jobs")
def test_a_proxy_on_a_private_address_is_asked_where_those_are_forbidden(endpoint: Endpoint) -> None:
    """127.0.0.1 is an exception here, 127.0.0.3 is none; the proxy is at both."""
    endpoint.answers["/x"] = Answer(200, "there")
    with running(asks=True, addresses=("127.0.0.1", "127.0.0.3")) as squid:
        proxy = replace(through(squid), host="127.0.0.3")
        there = {"private": False, "networks": ["127.0.0.1/32"]}
        assert called(f"{endpoint.url}/x", proxy, **there).outcome == "succeeded"
        found = called(f"http://127.0.0.3:{squid.port}/", Proxy("none"), **there)
        assert "127.0.0.3 is a private one, which is forbidden" in found.result["error"]["message"]
        found = called(f"{endpoint.url}/x", proxy, private=False)
        assert "127.0.0.1 is a private one, which is forbidden" in found.result["error"]["message"]
        squid.stop()
        assert len(squid.tunnels(int(urlsplit(endpoint.url).port or 0))) == 1


def test_it_is_shown_changed_and_kept_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = ["--state", str(tmp_path / "node"), "--output", "json"]

    def said(*options: str) -> dict[str, Any]:
        done = CliRunner().invoke(node, ["proxy", *options, *at])
        assert done.exit_code == 0, done.output
        assert PASSWORD not in done.output
        found: dict[str, Any] = json.loads(done.output)
        return found

    def refused(*options: str) -> None:
        done = CliRunner().invoke(node, ["proxy", *options, *at])
        assert isinstance(done.exception, ConfigError), done.output

    assert said() == {"mode": "system"}
    assert not (tmp_path / "node").exists()
    monkeypatch.setenv("CROSSDOCK_PROXY_PASSWORD", PASSWORD)
    shown = {
        "mode": "custom", "host": "proxy.example", "port": 3128, "user": USER, "password": True,
        "bypass": [".internal", "localhost"],
    }  # fmt: skip
    assert said("proxy.example:3128", "--user", USER, "--bypass", ".internal, localhost") == shown
    assert said() == shown
    kept = proxy_of(tmp_path / "node")
    assert (kept.user, kept.password) == (USER, PASSWORD)
    assert kept.to("https://far.example/") == f"http://{USER}:p%40ss%2Fword@proxy.example:3128"
    assert kept.to("https://a.internal/") == ""
    for each in (tmp_path / "node").iterdir():
        assert USER.encode() not in each.read_bytes()
        assert each.stat().st_mode & 0o077 == 0
    assert said("--bypass", "x")["bypass"] == ["x"]
    for options in (
        ["nowhere"], [f"http://{USER}:secret@h:1"], ["h:99999"], ["https://h:1"], ["h:1/path"],
        ["none", "--user", "u"], ["system", "--bypass", "x"], ["h:1", "--password-file", "/nowhere"],
    ):  # fmt: skip
        refused(*options)
    assert said()["bypass"] == ["x"]
    assert said("none") == {"mode": "none"}
    refused("--bypass", "x")
    forget(tmp_path / "node")
    assert proxy_of(tmp_path / "node") == Proxy()
