"""HTTP/1.1 for large bodies and many small requests: buffers are sent and filled where they lie.

``http.client`` costs 0.1 ms a request for parsing headers into a mail message, and the SDK's transports
copy each body once or twice. Here a body goes from the caller's buffer to the TLS layer and back.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from .proxy import Proxy, through

_HEAD = 64 << 10
# A small body travels in the same TLS record as the head.
_JOINED = 15 << 10
_SLOW = 1 << 10
# The time-out is for each call that sends: a whole block may take longer on a slow line.
_SENT = 1 << 20
_META = "x-ms-meta-"


class ProtocolError(Exception):
    """The server's answer is no HTTP, or it ended in the middle."""


class EarlyEnd(ProtocolError):
    """The connection closed before the first byte of an answer."""


@dataclass(frozen=True)
class Route:
    """How to reach a server. ``tls`` None: plain HTTP. Timeouts in seconds."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    proxy: Proxy | None = None
    connect_timeout: float = 20.0
    read_timeout: float = 60.0

    def connect(self) -> socket.socket:
        """A connected socket, TLS done."""
        if self.proxy is not None:
            sock = through(self.proxy, self.host, self.port, self.connect_timeout)
        else:
            sock = socket.create_connection((self.host, self.port), self.connect_timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_hostname=self.host)
            sock.settimeout(self.read_timeout)
        except BaseException:
            sock.close()
            raise
        return sock


class Reply:
    """The head of an answer: ``status`` and ``headers``, whose names are lower case but for what follows
    ``x-ms-meta-``.

    They are parsed when somebody asks for them: of most answers to a PUT, nobody does.
    """

    __slots__ = ("_headers", "_lines", "status")

    def __init__(self, status: int, headers: dict[str, str] | None = None, *, lines: bytes = b"") -> None:
        self.status, self._headers, self._lines = status, headers, lines

    @property
    def headers(self) -> dict[str, str]:
        if self._headers is None:
            self._headers = {}
            for line in self._lines.decode("latin-1").split("\r\n") if self._lines else ():
                name, _, value = line.partition(":")
                lower = name.lower()
                # The names of metadata are the user's own and keep their case.
                kept = _META + name[len(_META) :] if lower.startswith(_META) else lower
                self._headers[kept] = value.strip()
        return self._headers


class Connection:
    """One connection, one request at a time: ``send``, ``begin``, then read the body to its end."""

    def __init__(self, route: Route) -> None:
        self._sock = route.connect()
        self._slowest = route.read_timeout
        self._head = bytearray(_HEAD)
        self._view = memoryview(self._head)
        self._start = self._end = 0
        self._left: int | None = 0
        self._keep = True
        self.used = False

    def send(self, head: bytes, body: bytes | memoryview | None) -> None:
        """Send a request. A server that answers early and closes is not an error yet: see ``begin``."""
        try:
            if body is None or not len(body):
                self._sock.sendall(head)
            elif len(head) + len(body) <= _JOINED:
                self._sock.sendall(b"".join((head, body)))
            else:
                self._sock.sendall(head)
                view = memoryview(body)
                for at in range(0, len(view), _SENT):
                    self._sock.sendall(view[at : at + _SENT])
        except (ConnectionError, ssl.SSLError):
            self._keep = False

    def begin(self, *, bodyless: bool = False) -> Reply:
        """Read the head of the answer. ``bodyless``: the request was a HEAD."""
        while True:
            head = self._read_head()
            reply = self._parse(head)
            if reply.status >= 200:
                break
        self._frame(head, reply.status, bodyless)
        self.used = True
        return reply

    def _read_head(self) -> bytes:
        self._start = self._end = 0
        while True:
            try:
                got = self._sock.recv_into(self._view[self._end :])
            except (ConnectionError, ssl.SSLError) as error:
                if self._end or isinstance(error, TimeoutError):
                    raise
                raise EarlyEnd(str(error)) from error
            if not got:
                kind = ProtocolError if self._end else EarlyEnd
                raise kind("the connection closed before the answer")
            before, self._end = self._end, self._end + got
            at = self._head.find(b"\r\n\r\n", max(0, before - 3), self._end)
            if at >= 0:
                self._start = at + 4
                return bytes(self._view[:at])
            if self._end == _HEAD:
                raise ProtocolError("the head of the answer is too long")

    def _parse(self, head: bytes) -> Reply:
        status, _, lines = head.partition(b"\r\n")
        parts = status.split(b" ", 2)
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
            raise ProtocolError("the answer is not HTTP/1.1")
        return Reply(int(parts[1]), lines=lines)

    def _frame(self, head: bytes, status: int, bodyless: bool) -> None:
        """How long the body is: ``_left`` bytes, or None up to the close; chunks are joined here."""
        lower = head.lower()
        if _field(lower, b"\r\nconnection:") == b"close" or lower.startswith(b"http/1.0"):
            self._keep = False
        if bodyless or status in (204, 304):
            self._left = 0
        elif b"chunked" in (_field(lower, b"\r\ntransfer-encoding:") or b""):
            self._left = None
            self._unchunk()
        elif (length := _field(lower, b"\r\ncontent-length:")) is not None:
            if not length.isdigit():
                raise ProtocolError("the answer has no valid length")
            self._left = int(length)
        else:
            self._left, self._keep = None, False

    def read_into(self, buffer: memoryview) -> int:
        """Fill ``buffer``; returns less than its length only at the end of the body or of the connection."""
        want = len(buffer) if self._left is None else min(len(buffer), self._left)
        done = min(want, self._end - self._start)
        buffer[:done] = self._view[self._start : self._start + done]
        self._start += done
        recv, slow_since = self._sock.recv_into, 0.0
        # One call less for each 16 KiB, which is what a TLS record holds.
        read = self._sock.read if isinstance(self._sock, ssl.SSLSocket) else None
        while done < want:
            part = buffer[done:want]
            got = recv(part) if read is None else int(read(len(part), part))
            if not got:
                self._keep = False
                break
            done += got
            if got >= _SLOW:
                slow_since = 0.0
            elif done < want:
                # Single bytes keep a read timeout from ever firing.
                slow_since = slow_since or time.monotonic()
                if time.monotonic() - slow_since > self._slowest:
                    raise TimeoutError("the answer comes too slowly")
        if self._left is not None:
            self._left -= done
        return done

    def read(self) -> bytes:
        """The rest of the body. Raises ProtocolError where it ends early."""
        if self._left == 0:
            return b""
        if self._left is None:
            parts = []
            while data := self._take(64 << 10):
                parts.append(data)
            return b"".join(parts)
        data = self._take(self._left)
        if self._left:
            raise ProtocolError("the body ended early")
        return data

    def _take(self, count: int) -> bytes:
        buffer = bytearray(count)
        return bytes(memoryview(buffer)[: self.read_into(memoryview(buffer))])

    def _unchunk(self) -> None:
        """Read a chunked body whole: the service sends only listings and messages so."""
        body = bytearray()
        while size := _chunk_size(self._line()):
            body += self._exactly(size)
            self._line()
        while self._line():
            pass
        self._head, self._view = body, memoryview(body)
        self._start, self._end, self._left = 0, len(body), len(body)

    def _exactly(self, size: int) -> bytes:
        data = self._take(size)
        if len(data) < size:
            raise ProtocolError("the body ended early")
        return data

    def _line(self) -> bytes:
        line = bytearray()
        while not line.endswith(b"\r\n"):
            line += self._exactly(1)
            if len(line) > 8192:
                raise ProtocolError("a chunk has no valid length")
        return bytes(line[:-2])

    @property
    def reusable(self) -> bool:
        """Whether the answer was read whole and another request may follow."""
        return self._keep and self._left == 0

    def renew(self) -> None:
        """Make ready for the next request after a chunked body has taken the place of the head's buffer."""
        if len(self._head) != _HEAD:
            self._head = bytearray(_HEAD)
            self._view = memoryview(self._head)

    def close(self) -> None:
        self._sock.close()


def _field(head: bytes, name: bytes) -> bytes | None:
    """The value of a header in a head of lower case; the last one where it comes twice."""
    at = head.rfind(name)
    if at < 0:
        return None
    at += len(name)
    end = head.find(b"\r\n", at)
    return head[at : end if end >= 0 else len(head)].strip()


def _chunk_size(line: bytes) -> int:
    try:
        size = int(line.partition(b";")[0], 16)
    except ValueError:
        size = -1
    if size < 0:
        raise ProtocolError("a chunk has no valid length")
    return size


@dataclass
class Pool:
    """Idle connections to one server; the one used last is taken first. Safe from any thread."""

    route: Route
    _idle: deque[Connection] = field(default_factory=deque)
    _closed: bool = False

    def take(self, *, fresh: bool = False) -> Connection:
        if not fresh:
            try:
                return self._idle.pop()
            except IndexError:
                pass
        return Connection(self.route)

    def give(self, connection: Connection) -> None:
        """Take back a connection, whatever state it is in."""
        if connection.reusable and not self._closed:
            connection.renew()
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close idle connections; those in use close when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


def request_head(method: str, target: str, host: str, headers: Mapping[str, str]) -> bytes:
    """The head of a request. Raises ValueError where a value would break out of its line."""
    text = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n"
    text += "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if text.count("\n") != len(headers) + 2 or text.count("\r") != len(headers) + 2:
        raise ValueError("a header holds a line end")
    return (text + "\r\n").encode("latin-1")
