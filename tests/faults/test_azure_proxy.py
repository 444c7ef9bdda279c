"""Azure by way of a real HTTP proxy that asks for a password, and past it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure_cli import Cli
from azure_rig import BLOCKS, Rig
from servers import squid as squids
from servers.azurite import ACCOUNT, free_port
from servers.entra import issuer
from servers.network_faults import meanwhile
from servers.squid import Squid

import crossdock
from crossdock import AuthError, NotFoundError, TransientError

BLOCK = "PUT comp=block"


@pytest.fixture
def squid() -> Iterator[Squid]:
    program = squids.installed()
    if program is None:
        pytest.skip("Squid is not installed")
    with squids.squid(program) as found:
        yield found


def _port(url: str) -> int:
    return int(urlsplit(url).port or 0)


def test_with_a_password(rig: Rig, squid: Squid) -> None:
    path = rig.file()
    rig.up(path, options={"proxy": squid.url}, parallel_copies=3)
    assert rig.read() == path.read_bytes()
    rig.down(rig.folder / "back", options={"proxy": squid.url})
    assert (rig.folder / "back").read_bytes() == path.read_bytes()
    squid.stop()  # tunnels are logged when they end
    assert len(squid.tunnels(_port(rig.proxy.url))) == rig.proxy.connections > 0
    assert all(squids.USER in line for line in squid.tunnels(_port(rig.proxy.url)))


@pytest.mark.parametrize("url", ["http://{}", "http://carrier:WRONG-PASSWORD@{}"], ids=["none", "wrong"])
def test_without_the_right_password(rig: Rig, squid: Squid, url: str) -> None:
    with pytest.raises(AuthError, match="asks for a user and password") as caught:
        rig.up(rig.file(), options={"proxy": url.format(f"127.0.0.1:{squid.port}")})
    assert "WRONG-PASSWORD" not in f"{caught.value} {caught.value.detail}"
    assert rig.proxy.count() == 0


@pytest.mark.parametrize("rules", ["127.0.0.1", "example.com,127.0.0.0/8", "*"])
def test_past_it(rig: Rig, squid: Squid, rules: str) -> None:
    path = rig.file()
    rig.up(path, options={"proxy": squid.url, "no_proxy": rules})
    assert rig.read() == path.read_bytes()
    squid.stop()
    assert squid.tunnels(_port(rig.proxy.url)) == []


@pytest.mark.parametrize("past", [False, True])
def test_from_the_environment(rig: Rig, cli: Cli, squid: Squid, past: bool) -> None:
    path = rig.file()
    cli.environment |= {"HTTPS_PROXY": squid.url} | ({"NO_PROXY": "127.0.0.1"} if past else {})
    ended = cli.run("copy", path, f"{rig.url}/x", *cli.options("-k", proxy=None))
    assert ended.code == 0, ended
    assert rig.read() == path.read_bytes()
    squid.stop()
    assert bool(squid.tunnels(_port(rig.proxy.url))) != past


def test_signing_in_goes_through_it_too(
    rig: Rig, squid: Squid, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "entra").mkdir()
    with issuer(tmp_path / "entra") as entra:
        both = tmp_path / "both.pem"
        both.write_bytes(rig.proxy.ca.read_bytes() + entra.ca.read_bytes())
        for name, value in entra.principal.items():
            monkeypatch.setenv(name, value)
        del rig.options["account_key"]
        path = rig.file()
        given = {"proxy": squid.url, "ca_bundle": str(both), "auth": "entra", "account": ACCOUNT}
        rig.up(path, options=given)
        assert rig.read() == path.read_bytes()
        squid.stop()
        assert squid.tunnels(_port(entra.authority))


def test_it_ends_in_the_middle(rig: Rig, squid: Squid) -> None:
    """The copy stops, and goes on when the proxy is back."""
    path, ended = rig.file(), threading.Event()

    def end() -> None:
        squid.stop()
        ended.set()

    rig.proxy.fail(BLOCK, meanwhile(end, after=True), nth=3)
    with pytest.raises(TransientError, match=f"the proxy 127.0.0.1:{squid.port} cannot be reached") as caught:
        rig.up(path, options={"proxy": squid.url})
    assert caught.value.run_id
    assert ended.wait(20)
    squid.start()
    rig.proxy.forget()
    crossdock.resume(caught.value.run_id, sink_options=rig.secret | {"proxy": squid.url})
    assert rig.read() == path.read_bytes()
    assert BLOCKS - 3 <= rig.proxy.count(BLOCK) <= BLOCKS - 2


def test_nobody_is_there(rig: Rig) -> None:
    """What is named is the proxy and not the account."""
    port = free_port()
    with pytest.raises(TransientError, match=f"the proxy 127.0.0.1:{port} cannot be reached"):
        rig.up(rig.file(), options={"proxy": f"http://127.0.0.1:{port}"})
    with pytest.raises((NotFoundError, TransientError), match=r"proxy\.invalid"):
        rig.up(rig.file(), options={"proxy": "http://proxy.invalid:8080"})
