"""A server that says exactly what a test tells it to, byte by byte, over TLS or without."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Step = bytes | Callable[[socket.socket], None]


@dataclass
class Scripted:
    """``port`` to connect to; ``requests`` holds what came in, one head each; ``connections`` counts."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


def _serve(
    listener: socket.socket, answers: Iterator[Step | None], seen: Scripted, tls: ssl.SSLContext | None
) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        seen.connections += 1
        plain.settimeout(20)
        with (
            suppress(OSError, StopIteration),
            plain,
            tls.wrap_socket(plain, server_side=True) if tls else plain as sock,
        ):
            _talk(sock, answers, seen)


def _talk(sock: socket.socket, answers: Iterator[Step | None], seen: Scripted) -> None:
    while head := _request(sock):
        seen.requests.append(head)
        answer = next(answers)
        if answer is None:  # close without an answer
            return
        if callable(answer):
            answer(sock)
            return
        sock.sendall(answer)


def _request(sock: socket.socket) -> bytes:
    """A request's head; its body is read and dropped."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    left = length - len(body)
    while left > 0:
        more = sock.recv(min(65536, left))
        if not more:
            return b""
        left -= len(more)
    return head


@contextmanager
def scripted(answers: Sequence[Step | None], tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """Answer one request after the other. None closes; a function gets the socket, which closes after it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen = Scripted(listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, iter(answers), seen, tls), daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)
