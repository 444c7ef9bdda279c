"""A named instance of SQL Server is found by the SQL Server Browser of its machine."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from tests.servers.sql_server import SqlServer

from crossdock import ConfigError, CrossdockError, Location, UnreachableError
from crossdock_connectors.sql import mssql_instance
from crossdock_connectors.sql.mssql_config import MssqlConfig
from crossdock_connectors.sql.mssql_connection import Server


@pytest.fixture
def server(sql_server: SqlServer) -> SqlServer:
    if sql_server.fake is None:
        pytest.skip("the browser of a live server has its own port")
    return sql_server


@contextmanager
def browser(monkeypatch: pytest.MonkeyPatch, answer: Callable[[bytes], list[bytes]]) -> Iterator[list[bytes]]:
    """What it was asked; ``answer`` says which datagrams follow on one."""
    asked: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        monkeypatch.setattr(mssql_instance, "BROWSER", listening.getsockname()[1])

        def serve() -> None:
            while True:
                question, caller = listening.recvfrom(100)
                if question == b"end":
                    return
                asked.append(question)
                for each in answer(question):
                    listening.sendto(each, caller)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
                ending.sendto(b"end", listening.getsockname())
            thread.join(10)


def told(text: str) -> bytes:
    return b"\x05" + struct.pack("<H", len(text)) + text.encode()


def opened(server: SqlServer, instance: str, seconds: int = 5) -> Server:
    parts = urlsplit(server.address)
    address = f"mssql://{parts.username}@{parts.hostname}{parts.path}"
    config = MssqlConfig(**{**server.options, "instance": instance, "connect_timeout": seconds})
    return Server.of(config, Location.parse(address))


def test_the_browser_tells_the_port(server: SqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost datagram is sent again, and what is no answer is passed over."""
    port = urlsplit(server.address).port
    answer = told(f"ServerName;H;InstanceName;TWO;IsClustered;No;Version;16.0.1000.6;tcp;{port};;")
    lost = iter([[], [b"\x05", answer]])
    monkeypatch.setattr(mssql_instance, "_AGAIN", 0.2)
    with browser(monkeypatch, lambda _: next(lost)) as asked:
        found = opened(server, "TWO")
    with found.connect() as connection:
        assert connection.run("SELECT 1 AS n") == [(1,)]
    assert asked == [b"\x04TWO\0"] * 2


@pytest.mark.parametrize(
    ("answers", "error", "says"),
    [
        ([], UnreachableError, " does not tell the port of its instance TWO"),
        ([told("ServerName;H;InstanceName;TWO;np;\\\\H\\pipe\\sql;;")], ConfigError, "has no TCP port"),
    ],
)
def test_an_instance_that_cannot_be_reached_is_one_sentence(
    server: SqlServer,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[bytes],
    error: type[CrossdockError],
    says: str,
) -> None:
    with browser(monkeypatch, lambda _: answers), pytest.raises(error, match=says):
        opened(server, "TWO", 1)


def test_a_name_that_is_none_is_refused(server: SqlServer) -> None:
    with pytest.raises(ConfigError, match="is not the name of an instance"):
        opened(server, "x" * 33)
