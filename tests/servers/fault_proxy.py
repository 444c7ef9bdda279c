"""A TLS-terminating proxy between a client and a real HTTP server that goes wrong at chosen requests.

A request is chosen by a text, ``"PUT comp=block"`` (method, then parts of the query; ``!comp`` for one that
is absent), or by a function of ``Seen``, and by its count among those:
``proxy.fail("GET", truncated(10), nth=3)``. What can go wrong is in ``network_faults``; what went by is in
``proxy.requests``.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from .azurite import certificates

LONGEST = 60.0


@dataclass
class Seen:
    """One request. ``sent``: bytes of its body; ``status`` and ``got``: the server's answer, if it was asked.

    ``fault``: what was done to it, empty for nothing. ``at``: when it came (``monotonic``).
    """

    number: int
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    sent: int = 0
    status: int | None = None
    got: int = 0
    fault: str = ""
    at: float = field(default_factory=time.monotonic)


Match = str | Callable[[Seen], bool]


@dataclass
class Answer:
    """The server's answer; ``body`` is whole."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def head(self) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        return f"HTTP/1.1 {self.status} {self.reason}\r\n{lines}\r\n".encode("latin-1")


class Exchange:
    """One request on its way. A fault says what becomes of it; ``keep`` False ends the connection."""

    def __init__(
        self, client: ssl.SSLSocket, seen: Seen, target: str, body: bytes, upstream: Upstream
    ) -> None:
        self.client, self.seen, self.body = client, seen, body
        self._target, self._upstream = target, upstream
        self.keep = True

    @property
    def closing(self) -> threading.Event:
        return self._upstream.closing

    def forward(self) -> Answer:
        """Let the server have the request."""
        answer = self._upstream.ask(self.seen.method, self._target, self.seen.headers, self.body)
        self.seen.status, self.seen.got = answer.status, len(answer.body)
        return answer

    def reply(self, answer: Answer) -> None:
        self.client.sendall(answer.head() + answer.body)

    def reset(self) -> None:
        """End the connection with RST."""
        self.keep = False
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.client.close()

    def close(self, notify: bool = False) -> None:
        """End the connection with FIN; ``notify``: after TLS's own good-bye."""
        self.keep = False
        if notify:
            with suppress(OSError):
                self.client.settimeout(2)
                self.client.unwrap()
        with suppress(OSError):
            self.client.shutdown(socket.SHUT_RDWR)
        self.client.close()


Fault = Callable[[Exchange], None]


class Upstream:
    """The connection to the real server that belongs to one connection of a client."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext, closing: threading.Event) -> None:
        self._connection = http.client.HTTPSConnection(host, port, timeout=LONGEST, context=tls)
        self.closing = closing

    def ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        try:
            return self._ask(method, target, headers, body)
        except (ConnectionError, ssl.SSLError):
            # Azurite ends idle connections after 5 seconds.
            self._connection.close()
            return self._ask(method, target, headers, body)

    def _ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        self._connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            self._connection.putheader(name, value)
        self._connection.endheaders(body or None)
        got = self._connection.getresponse()
        data = got.read()
        dropped = ("transfer-encoding", "connection", "keep-alive")
        kept = [(name, value) for name, value in got.getheaders() if name.lower() not in dropped]
        if method != "HEAD" and got.status != 204:
            kept = [(name, value) for name, value in kept if name.lower() != "content-length"]
            kept.append(("Content-Length", str(len(data))))
        return Answer(got.status, got.reason, kept, data)

    def close(self) -> None:
        self._connection.close()


@dataclass
class _Rule:
    match: Callable[[Seen], bool]
    fault: Fault
    nth: int
    times: int | None
    met: int = 0

    def applies(self, seen: Seen) -> bool:
        if not self.match(seen):
            return False
        self.met += 1
        return self.met >= self.nth and (self.times is None or self.met < self.nth + self.times)


@dataclass
class FaultProxy:
    """``url`` to use in place of the server's; ``ca``: the file of the CA to trust."""

    url: str
    ca: Path
    requests: list[Seen] = field(default_factory=list)
    connections: int = 0
    _rules: list[_Rule] = field(default_factory=list)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, match: Match, fault: Fault, nth: int = 1, times: int | None = 1) -> None:
        """Do that to the ``nth`` such request from now on and the following ones; ``times`` None: to all."""
        with self._mutex:
            self._rules.append(_Rule(matcher(match), fault, nth, times))

    def heal(self) -> None:
        """From now on, all goes well."""
        with self._mutex:
            self._rules.clear()

    def forget(self) -> None:
        """Begin to record anew."""
        with self._mutex:
            self.requests.clear()

    def all(self, match: Match = "") -> list[Seen]:
        """Such requests so far, in the order in which they came."""
        chosen = matcher(match)
        with self._mutex:
            return [seen for seen in self.requests if chosen(seen)]

    def count(self, match: Match = "") -> int:
        return len(self.all(match))

    def _note(self, seen: Seen) -> Fault | None:
        with self._mutex:
            seen.number = len(self.requests) + 1
            self.requests.append(seen)
            # Every rule counts, also when an earlier one applies.
            due = [rule.fault for rule in self._rules if rule.applies(seen)]
        return due[0] if due else None


def matcher(match: Match) -> Callable[[Seen], bool]:
    """``"PUT comp=block !timeout"`` as a function; the empty text matches all."""
    if callable(match):
        return match
    method, *parts = match.split() or [""]

    def chosen(seen: Seen) -> bool:
        return method in ("", seen.method) and all(_has(seen.query, part) for part in parts)

    return chosen


def _has(query: dict[str, str], part: str) -> bool:
    name, equals, value = part.removeprefix("!").partition("=")
    there = name in query and (not equals or query[name] == value)
    return there != part.startswith("!")


def _head(client: ssl.SSLSocket) -> tuple[Seen, str, bytearray] | None:
    """The next request, its target as it came and the beginning of its body; None at the connection's end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(1 << 16)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in lines)
    size = next((int(value) for name, value in headers.items() if name.lower() == "content-length"), 0)
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    seen = Seen(0, method, unquote(parts.path), query, headers, size)
    return seen, target, bytearray(body)


def _rest(client: ssl.SSLSocket, body: bytearray, size: int) -> bytes:
    while len(body) < size:
        more = client.recv(min(1 << 18, size - len(body)))
        if not more:
            raise ConnectionError("the client went away")
        body += more
    return bytes(body)


class _Listener:
    def __init__(
        self, proxy: FaultProxy, sock: socket.socket, tls: ssl.SSLContext, ca: Path, to: str
    ) -> None:
        self._proxy, self._sock, self._tls = proxy, sock, tls
        parts = urlsplit(to)
        self._to = (str(parts.hostname), int(parts.port or 443), ssl.create_default_context(cafile=str(ca)))
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._live: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                plain, _ = self._sock.accept()
            except OSError:
                return
            self._proxy.connections += 1
            thread = threading.Thread(target=self._serve, args=(plain,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        upstream = Upstream(*self._to, self._closing)
        try:
            plain.settimeout(LONGEST)
            client = self._tls.wrap_socket(plain, server_side=True)
        except OSError:
            plain.close()
            return
        self._live.add(client)
        try:
            while (
                not self._closing.is_set()
                and (found := _head(client))
                and self._answer(client, upstream, *found)
            ):
                pass
        except (OSError, http.client.HTTPException):
            pass
        finally:
            self._live.discard(client)
            client.close()
            upstream.close()

    def _answer(
        self, client: ssl.SSLSocket, upstream: Upstream, seen: Seen, target: str, body: bytearray
    ) -> bool:
        fault = self._proxy._note(seen)
        whole = _rest(client, body, min(seen.sent, getattr(fault, "reads", seen.sent)))
        exchange = Exchange(client, seen, target, whole, upstream)
        if fault is None:
            exchange.reply(exchange.forward())
        else:
            seen.fault = getattr(fault, "__qualname__", "fault").partition(".")[0]
            fault(exchange)
        return exchange.keep

    def close(self) -> None:
        self._closing.set()
        for sock in (self._sock, *tuple(self._live)):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in (self._thread, *self._threads):
            thread.join(10)


@contextmanager
def fault_proxy(to: str, ca: Path, folder: Path) -> Iterator[FaultProxy]:
    """A proxy in front of the server at ``to``, whose CA is ``ca``; its certificate goes to ``folder``."""
    certificate, key, own = certificates(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as sock:
        url = f"https://127.0.0.1:{sock.getsockname()[1]}{urlsplit(to).path}"
        proxy = FaultProxy(url, own)
        listener = _Listener(proxy, sock, tls, ca, to)
        try:
            yield proxy
        finally:
            listener.close()
