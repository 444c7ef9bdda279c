"""Where call backs arrive: a small server for each address that the operator names, while one is awaited."""

from __future__ import annotations

import queue
import secrets
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from crossdock import ConfigError

_LONGEST_BODY = 4 << 20
_PATIENCE = 30
_MOST = 64
_lock = threading.Lock()
_running: dict[str, _Listener] = {}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One call back that is awaited. ``url`` is secret: whoever knows it may end the activity."""

    url: str = field(repr=False)
    body: queue.SimpleQueue[bytes] = field(default_factory=queue.SimpleQueue, repr=False)


@contextmanager
def awaited(where: Mapping[str, str]) -> Iterator[Waiting]:
    """A call back to a new path below ``address``; the settings are checked ones.

    Raises ConfigError where nobody can listen.
    """
    token = secrets.token_urlsafe(32)
    waiting = Waiting(f"{where['address'].rstrip('/')}/{token}")
    with _lock:
        listener = _running.get(where["listen"])
        if listener is None:
            listener = _running[where["listen"]] = _opened(where)
        listener.waiting[token] = waiting
    try:
        yield waiting
    finally:
        with _lock:
            del listener.waiting[token]
            last = not listener.waiting
            if last:
                del _running[where["listen"]]
        if last:
            listener.end()


class _Listener(ThreadingHTTPServer):
    """Shakes hands in the thread of the connection, so that nobody keeps the others waiting."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self.waiting: dict[str, Waiting] = {}
        self._tls, self._free = tls, threading.BoundedSemaphore(_MOST)
        super().__init__(address, _Handler)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.1,), name="call backs", daemon=True
        )
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            request.settimeout(_PATIENCE)
            if self._tls is not None:
                request = self._tls.wrap_socket(request, server_side=True)
        except OSError:
            self.shutdown_request(request)
        else:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that goes away, or that we do not understand, is no news."""

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join(_PATIENCE)


def _opened(where: Mapping[str, str]) -> _Listener:
    host, _, port = where["listen"].rpartition(":")
    tls = None
    try:
        if certificate := where.get("certificate"):
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate, where.get("key"))
        return _Listener((host.strip("[]"), int(port)), tls)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"nobody can listen for call backs on {where['listen']}: {error}") from error


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE

    def do_POST(self) -> None:
        token = urlsplit(self.path).path.rpartition("/")[2]
        with _lock:
            waiting = self.server.waiting.get(token)
        length = self.headers.get("Content-Length", "0")
        if waiting is None:
            self._say(404)
        elif not length.isdecimal() or int(length) > _LONGEST_BODY:
            self._say(413)
        else:
            body = self.rfile.read(int(length))
            self._say(200)
            waiting.body.put(body)

    def _say(self, status: int) -> None:
        # Nothing more is read of this connection: a body that is not wanted would follow.
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def version_string(self) -> str:
        return "crossdock"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Paths are secrets."""
