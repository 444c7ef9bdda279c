"""Requests to Azure against a server that misbehaves to order: short, slow, broken and odd answers."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from pydantic import SecretStr
from servers.azurite import certificates
from servers.scripted import Scripted, Step, scripted

from crossdock import (
    AccessDeniedError,
    AuthError,
    Block,
    ConfigError,
    InternalError,
    Location,
    ObjectInfo,
    ShortReadError,
    SourceChangedError,
    ThrottledError,
    TransientError,
    UploadRequest,
)
from crossdock_connectors.azure.address import place
from crossdock_connectors.azure.auth import with_credential
from crossdock_connectors.azure.blob import SPEC
from crossdock_connectors.azure.blob_store import BlobStore
from crossdock_connectors.azure.blob_upload import Upload
from crossdock_connectors.azure.config import BlobConfig
from crossdock_connectors.azure.wire import Wire

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


class _Issuer:
    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("a token", int(time.time()) + 3600)


def _takes_slowly(listener: socket.socket, size: int) -> float:
    """The seconds that a request of so many bytes took: its first part is read piece by piece."""
    began, got = time.monotonic(), 0
    sock, _ = listener.accept()
    with sock:
        sock.settimeout(10)
        while got < size:
            if got < 100 * 65536:
                time.sleep(0.02)
            data = sock.recv(65536)
            if not data:
                break
            got += len(data)
        sock.sendall(_ok(b"", "201 Created"))
    return time.monotonic() - began


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

    def test_a_slow_line_with_small_pieces(self) -> None:
        """Small pieces far apart, among larger ones, are no stall."""
        data = bytes(300_000)

        def steady(sock: socket.socket) -> None:
            sock.sendall(_ok(b"", "200 OK", length=len(data)) + data[:100])
            for at in range(100, len(data), 50_000):
                time.sleep(0.15)
                sock.sendall(data[at : at + 49_900])
                time.sleep(0.05)
                sock.sendall(data[at + 49_900 : at + 50_000])

        info = ObjectInfo("x", len(data), "0x1")
        with _talking([steady], read_timeout=0.6) as (store, _), store.open_read("x", info) as reader:
            assert reader.read_into(0, memoryview(bytearray(len(data)))) == len(data)


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
        properties = b"<Properties><Content-Length>1</Content-Length><Etag>1</Etag></Properties>"
        blob = b"<Blob><Name>a</Name>" + properties + b"</Blob>"
        xml = b"<R><Blobs>" + blob + b"</Blobs><NextMarker/></R>"
        parts = [xml[i : i + 7] for i in range(0, len(xml), 7)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
        with _talking([answer, answer]) as (store, server):
            for _ in range(2):
                assert [info.path for page in store.list() for info in page] == ["a"]
            assert server.connections == 1

    @pytest.mark.parametrize("length", [b"zz", b"-5"])
    def test_a_chunk_without_a_length(self, length: bytes) -> None:
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + length + b"\r\n"
        with _talking([answer]) as (store, _), pytest.raises(TransientError):
            list(store.list())

    def test_a_connection_is_given_back_once(self, tmp_path: Path) -> None:
        """Two requests at once on one connection would get each other's answers."""
        answer = _ok(b"", "401 Unauthorized", WWW_Authenticate="Basic")
        certificate, key, ca = certificates(tmp_path)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        with scripted([answer, _ok(b"0123456789")], tls) as server:
            config = BlobConfig(
                endpoint=f"https://127.0.0.1:{server.port}/acc", ca_bundle=str(ca), proxy=SecretStr("")
            )
            where = place(config, Location.parse("az://landing"))
            wire = Wire(where.service, with_credential(_Issuer()), config)
            with closing(BlobStore(wire, where)) as store:
                with pytest.raises(AuthError, match="sign-in"):
                    _read(store)
                assert len(wire._pool._idle) == 1
                assert _read(store) == b"0123456789"

    def test_a_slow_line_takes_a_block_all_the_same(self) -> None:
        """The time-out is for a server that takes nothing, not for a whole block."""
        size = 16 << 20

        block = Block(0, 1, 0, 0, size)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            with ThreadPoolExecutor() as pool:
                taking = pool.submit(_takes_slowly, listener, size)
                endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}/acc"
                with _talking([], endpoint=endpoint, read_timeout=1) as (store, _):
                    upload = Upload.new("x", UploadRequest("run", True), "").encode()
                    store.write_block(upload, block, memoryview(bytearray(size)))
                assert taking.result() > 2

    def test_a_refusal_that_is_no_conflict(self) -> None:
        """Nobody changed the blob: it must not be said, nor be tried again."""
        protected = _ok(b"", "409 Conflict", x_ms_error_code="BlobImmutableDueToPolicy")
        with _talking([protected]) as (store, server):
            upload = store.open_upload("x", UploadRequest("run", True, 4))
            with pytest.raises(AccessDeniedError, match="immutability"):
                store.put_whole(upload, memoryview(b"data"))
            assert len(server.requests) == 1

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
