"""What can go wrong with one request that passes the fault proxy."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from .fault_proxy import LONGEST, Answer, Exchange, Fault


def reset(exchange: Exchange) -> None:
    """RST; the server never sees the request."""
    exchange.reset()


def reply_lost(exchange: Exchange) -> None:
    """The server does what was asked; its answer never arrives."""
    exchange.forward()
    exchange.reset()


def closed(exchange: Exchange) -> None:
    """The server does what was asked; the connection ends properly without an answer."""
    exchange.forward()
    exchange.close(notify=True)


def cut_off(keep: int) -> Fault:
    """RST after so many bytes of the request's body."""

    def fault(exchange: Exchange) -> None:
        exchange.reset()

    fault.reads = keep  # type: ignore[attr-defined]
    return fault


def answer_stalled(exchange: Exchange) -> None:
    """The server does what was asked; its answer does not come and the connection does not end."""
    exchange.forward()
    stalled(exchange)


def stalled(exchange: Exchange) -> None:
    """No answer, no end."""
    exchange.closing.wait(LONGEST)
    exchange.close()


def dripping(exchange: Exchange) -> None:
    """A few bytes of the answer's body a second: no pause is long enough for a timeout."""
    answer = exchange.forward()
    exchange.client.sendall(answer.head())
    for at in range(len(answer.body)):
        exchange.client.sendall(answer.body[at : at + 1])
        if exchange.closing.wait(0.2):
            break
    exchange.close()


def truncated(keep: int, *, notify: bool = True) -> Fault:
    """The first bytes of the body, then the end of the connection with or without close_notify."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.client.sendall(answer.head() + answer.body[:keep])
        exchange.close(notify)

    return fault


def torn(keep: int) -> Fault:
    """The first bytes of the body, then RST."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.client.sendall(answer.head() + answer.body[:keep])
        exchange.reset()

    return fault


def status(code: int, error: str = "", message: str = "", **headers: str) -> Fault:
    """An answer of that status; the server never sees the request. ``Retry_After="1"`` adds that header."""

    def fault(exchange: Exchange) -> None:
        exchange.reply(refusal(code, error, message, exchange.seen.method == "HEAD", **headers))

    return fault


def refusal(code: int, error: str = "", message: str = "", bodyless: bool = False, **headers: str) -> Answer:
    """What the Blob service says when it refuses."""
    body = f"<?xml version='1.0'?><Error><Code>{error}</Code><Message>{message}</Message></Error>".encode()
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    if error:
        named.append(("x-ms-error-code", error))
    named += [("Content-Type", "application/xml"), ("Content-Length", "0" if bodyless else str(len(body)))]
    return Answer(code, "Refused", named, b"" if bodyless else body)


def corrupted(at: int) -> Fault:
    """One bit of the request's body arrives wrong. Azurite's refusal is put into the words of Azure."""

    def fault(exchange: Exchange) -> None:
        damaged = bytearray(exchange.body)
        damaged[at] ^= 1
        exchange.body = bytes(damaged)
        answer = exchange.forward()
        refused = answer.status == 400 and b"MD5" in answer.body
        exchange.reply(refusal(400, "Md5Mismatch") if refused else answer)

    return fault


def meanwhile(do: Callable[[], object], *, after: bool = False) -> Fault:
    """Something happens before (or ``after``) the server has the request; then all goes well."""

    def fault(exchange: Exchange) -> None:
        if after:
            answer = exchange.forward()
            do()
        else:
            do()
            answer = exchange.forward()
        exchange.reply(answer)

    return fault


def held(until: threading.Event) -> Fault:
    """The server gets the request only when the event is set, even if the client has gone by then."""

    def fault(exchange: Exchange) -> None:
        until.wait(LONGEST)
        answer = exchange.forward()
        with suppress(OSError):
            exchange.reply(answer)

    return fault
