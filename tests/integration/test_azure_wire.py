"""Requests to Azure against a server that misbehaves to order: short, slow, broken and odd answers."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pytest
from servers.scripted import Scripted, Step, scripted

from crossdock import (
    AuthError,
    ConfigError,
    InternalError,
    Location,
    ObjectInfo,
    ShortReadError,
    SourceChangedError,
    ThrottledError,
    TransientError,
)
from crossdock_connectors.azure.blob import SPEC
from crossdock_connectors.azure.blob_store import BlobStore

INFO = ObjectInfo("x", 10, "0x1")
SAS = "sv=2021-12-02&sig=SECRETSIGNATURE"


def _ok(body: bytes, status: str = "206 Partial Content", length: int | None = None, **headers: str) -> bytes:
    named = {"ETag": '"0x1"', "Content-Range": "bytes 0-9/10"} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{lines}\r\n".encode() + body


@contextmanager
def _talking(answers: Sequence[Step | None], **options: Any) -> Iterator[tuple[BlobStore, Scripted]]:
    with scripted(answers) as server:
        given = {"endpoint": f"http://127.0.0.1:{server.port}/acc", "sas_token": SAS, "allow_http": True}
        assert SPEC.open_store is not None
        config = SPEC.config.model_validate(given | {"proxy": "", "checksum": "md5"} | options)
        store = SPEC.open_store(config, Location.parse("az://landing"))
        assert isinstance(store, BlobStore)
        with closing(store):
            yield store, server


def _read(store: BlobStore) -> bytes:
    buffer = bytearray(10)
    with store.open_read("x", INFO) as reader:
        reader.read_into(0, memoryview(buffer))
    return bytes(buffer)


class TestReading:
    def test_a_range(self) -> None:
        with _talking([_ok(b"0123456789")]) as (store, server):
            assert _read(store) == b"0123456789"
        head = server.requests[0].decode().lower()
        assert head.startswith("get /acc/landing/x?sv=2021-12-02&sig=secretsignature http/1.1")
        assert "x-ms-range: bytes=0-9" in head
        assert 'if-match: "0x1"' in head

    def test_a_body_that_ends_early(self) -> None:
        with (
            _talking([lambda sock: sock.sendall(_ok(b"01234", length=10))]) as (store, _),
            pytest.raises(ShortReadError, match="5 of 10"),
        ):
            _read(store)

    def test_a_shorter_answer_than_asked_for(self) -> None:
        with _talking([_ok(b"01234")]) as (store, _), pytest.raises((ShortReadError, InternalError)):
            _read(store)

    def test_another_range(self) -> None:
        with (
            _talking([_ok(b"0123456789", Content_Range="bytes 5-14/20")]) as (store, _),
            pytest.raises(InternalError, match="another range"),
        ):
            _read(store)

    def test_another_version(self) -> None:
        with _talking([_ok(b"0123456789", ETag='"0x2"')]) as (store, _), pytest.raises(SourceChangedError):
            _read(store)

    def test_more_than_asked_for(self) -> None:
        with _talking([_ok(b"0123456789ABC"), _ok(b"0123456789")]) as (store, server):
            with pytest.raises(InternalError, match="more than"):
                _read(store)
            assert _read(store) == b"0123456789"
            assert server.connections == 2, "the rest of an answer was taken for the next one"

    def test_412_is_another_version(self) -> None:
        changed = _ok(b"", "412 Precondition Failed", x_ms_error_code="ConditionNotMet")
        with (
            _talking([changed, _ok(b"", "200 OK")]) as (store, _),
            pytest.raises(SourceChangedError),
        ):
            _read(store)

    def test_a_stalled_answer(self) -> None:
        def stall(sock: socket.socket) -> None:
            sock.sendall(_ok(b"01", length=10))
            time.sleep(2)

        with _talking([stall], read_timeout=0.3) as (store, _):
            start = time.monotonic()
            with pytest.raises(TransientError):
                _read(store)
            assert time.monotonic() - start < 1.5

    def test_an_answer_by_single_bytes(self) -> None:
        def drip(sock: socket.socket) -> None:
            sock.sendall(_ok(b"", length=10))
            for _ in range(10):
                time.sleep(0.2)
                sock.sendall(b"x")

        with _talking([drip], read_timeout=0.5) as (store, _), pytest.raises(TransientError):
            _read(store)


class TestConnections:
    def test_kept_alive(self) -> None:
        with _talking([_ok(b"0123456789")] * 3) as (store, server):
            assert [_read(store) for _ in range(3)] == [b"0123456789"] * 3
            assert server.connections == 1

    def test_an_idle_connection_that_was_closed(self) -> None:
        """Not an error and not a retry of the engine: it is opened again."""

        def last(sock: socket.socket) -> None:
            sock.sendall(_ok(b"0123456789"))

        with _talking([last, _ok(b"9876543210")]) as (store, server):
            assert _read(store) == b"0123456789"
            assert _read(store) == b"9876543210"
            assert server.connections == 2

    def test_closed_without_an_answer(self) -> None:
        with _talking([None]) as (store, _), pytest.raises(TransientError):
            _read(store)

    def test_no_http(self) -> None:
        with _talking([b"SSH-2.0-OpenSSH_9.2\r\n\r\n"]) as (store, _), pytest.raises(TransientError):
            _read(store)

    def test_nobody_listens(self) -> None:
        with _talking([]) as (store, _):
            pass
        with pytest.raises(TransientError, match=r"connection to 127\.0\.0\.1"):
            _read(store)

    def test_throttled(self) -> None:
        answer = _ok(b"", "503 Busy", x_ms_error_code="ServerBusy", Retry_After="3")
        with _talking([answer]) as (store, _), pytest.raises(ThrottledError) as caught:
            _read(store)
        assert caught.value.retry_after == 3

    def test_chunked_listings(self) -> None:
        blob = b"<Blob><Name>a</Name><Properties><Etag>1</Etag></Properties></Blob>"
        xml = b"<R><Blobs>" + blob + b"</Blobs><NextMarker/></R>"
        parts = [xml[i : i + 7] for i in range(0, len(xml), 7)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
        with _talking([answer, answer]) as (store, server):
            for _ in range(2):
                assert [info.path for page in store.list() for info in page] == ["a"]
            assert server.connections == 1

    def test_no_secret_in_errors(self) -> None:
        body = f"<Error><Code>AuthenticationFailed</Code><Message>{SAS}</Message></Error>".encode()
        with _talking([_ok(body, "403 Forbidden")]) as (store, _), pytest.raises(AuthError) as caught:
            _read(store)
        assert "SECRET" not in f"{caught.value!r} {caught.value} {caught.value.detail}"


class TestProxy:
    def test_through_a_proxy_with_a_password(self) -> None:
        def tunnel(sock: socket.socket) -> None:
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            sock.recv(65536)
            sock.sendall(_ok(b"0123456789"))

        with scripted([tunnel]) as server:
            proxy = f"http://user:p%40ss@127.0.0.1:{server.port}"
            with _talking([], endpoint="http://storage.invalid:81/acc", proxy=proxy) as (store, _):
                assert _read(store) == b"0123456789"
        head = server.requests[0].decode()
        assert head.startswith("CONNECT storage.invalid:81 HTTP/1.1\r\n")
        assert "Proxy-Authorization: Basic dXNlcjpwQHNz" in head

    def test_a_proxy_that_refuses(self) -> None:
        answers: list[Step | None] = [b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"]
        with scripted(answers) as server:
            proxy = f"http://user:SECRET@127.0.0.1:{server.port}"
            refused = pytest.raises(AuthError, match="asks for a user")
            with (
                _talking([], endpoint="http://storage.invalid/acc", proxy=proxy) as (store, _),
                refused as caught,
            ):
                _read(store)
        assert "SECRET" not in str(caught.value) + caught.value.detail

    def test_bypassed(self) -> None:
        with _talking([_ok(b"0123456789")], proxy="http://proxy.invalid:1", no_proxy="127.0.0.0/8") as (
            store,
            _,
        ):
            assert _read(store) == b"0123456789"

    def test_a_proxy_that_is_none(self) -> None:
        with pytest.raises(ConfigError, match="the proxy is not"), _talking([], proxy="socks5://h:1"):
            pass
