"""Servers that speak no TLS later than 1.1: none of our clients says anything to them (S08)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest
from servers.azurite import KEY
from servers.old_tls import OldTls, old_tls
from tests.servers.tds import PASSWORD, tds_server
from web_calls import Caller

import crossdock
from crossdock import CrossdockError
from crossdock_scheduler.client.api import connected
from crossdock_scheduler.client.contexts import Context
from crossdock_scheduler.node.registration import register


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OldTls]:
    with old_tls(tmp_path) as found:
        try:
            spoken = found.spoken_to()
        except ssl.SSLError as error:
            pytest.skip(f"this OpenSSL speaks no TLS 1.1: {error}")
        # It is one that works, and what is sent to it is heard.
        assert (spoken, found.heard) == ("TLSv1.1", [("TLSv1.1", b"hello")])
        monkeypatch.setenv("SSL_CERT_FILE", str(found.ca))
        yield found


def node(server: OldTls, folder: Path) -> None:
    key = f"IR@11111111-2222-3333-4444-555555555555@f@ServiceEndpoint=localhost:{server.port}@{'A' * 43}="
    anyio.run(register, folder, key, "a", str(server.ca))


def client(server: OldTls, _: Path) -> None:
    with connected(Context("c", f"https://localhost:{server.port}", "secret", str(server.ca))) as api:
        api.get("/x")


def activity(server: OldTls, folder: Path) -> None:
    Caller(folder)(f"https://localhost:{server.port}/")


def azure(server: OldTls, folder: Path) -> None:
    endpoint = f"https://localhost:{server.port}/devstoreaccount1"
    crossdock.copy("az://abc/x", folder / "x", source_options={"endpoint": endpoint, "account_key": KEY})


@pytest.mark.parametrize("ask", [node, client, activity, azure])
def test_nothing_is_said(server: OldTls, tmp_path: Path, ask: Callable[[OldTls, Path], None]) -> None:
    with pytest.raises(CrossdockError, match=r"TLS 1\.2"):
        ask(server, tmp_path / "state")
    # One more came, and was not tried again; nobody but the one that takes any version was heard.
    assert (server.met, len(server.heard)) == (2, 1)


def test_nothing_is_said_to_a_sql_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSSQL_PASSWORD", PASSWORD)
    with tds_server(tmp_path, newest="TLSv1_1") as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
        with pytest.raises(CrossdockError, match="SSL routines") as caught:
            crossdock.test_connection(server.url())
    assert PASSWORD not in f"{caught.value} {caught.value.detail}"
