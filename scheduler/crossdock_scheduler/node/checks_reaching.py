"""The way from a node to an address, step by step: name, port, proxy, certificate, answer, clock.

A step that fails says what is to be done; the ones behind it are left out.
"""

from __future__ import annotations

import base64
import email.utils
import http.client
import socket
import ssl
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, suppress
from urllib.parse import unquote, urlsplit

from cryptography import x509

from crossdock import Check

from .proxy import Proxy

_TIMEOUT = 10.0
# The service takes tokens of a node whose clock differs by two minutes.
_MOST_SKEW, _NOTABLE_SKEW = 100.0, 10.0
_CA = "register with the file of its authority: crossdock node register --ca FILE"
Way = Generator[Check, None, socket.socket | None]


def service(url: str, ca: str, proxy: Proxy) -> Iterator[Check]:
    """Whether the service answers, by a certificate that the node trusts, and has the same time."""
    host = urlsplit(url).hostname or ""
    with ExitStack() as stack:
        if (sock := (yield from _way(url, proxy, stack))) is None:
            return
        try:
            context = ssl.create_default_context(cafile=ca or None)
        except OSError as error:
            yield Check(
                "certificate", "failed", f"the CA {ca} cannot be read: {error.strerror or error}", _CA
            )
            return
        try:
            secure = stack.enter_context(context.wrap_socket(sock, server_hostname=host))
        except (OSError, ValueError) as error:
            yield _untrusted(url, ca, proxy, error)
            return
        issuer = _issuer(secure.getpeercert(binary_form=True))
        yield Check("certificate", "ok", f"the certificate of {host} is issued by {issuer}")
        yield from _answer(url, secure)


def reachable(host: str, port: int, proxy: Proxy) -> Check:
    """Whether a port can be connected to. The port of HTTPS is reached through the proxy."""
    with ExitStack() as stack:
        way = _way(f"https://{host}:{port}", proxy if port == 443 else Proxy("none"), stack)
        last = list(way)[-1]
    return Check(f"{host}:{port}", last.state, last.message, last.advice)


def _way(url: str, proxy: Proxy, stack: ExitStack) -> Way:
    """The connected socket, None where there is none."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    through = urlsplit(proxy.to(url))
    next_host, next_port = (through.hostname or host), (through.port or 80) if through.hostname else port
    if not (yield from _resolved(next_host, next_port)):
        return None
    try:
        direct = stack.enter_context(socket.create_connection((next_host, next_port), _TIMEOUT))
    except OSError as error:
        yield _unconnected(next_host, next_port, error, is_proxy=bool(through.hostname))
        return None
    yield Check("port", "ok", f"{next_host}:{next_port} can be connected to")
    if not through.hostname:
        return direct
    tunnel = http.client.HTTPConnection(next_host, next_port, timeout=_TIMEOUT)
    login = unquote(through.netloc.rpartition("@")[0])
    headers = {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    tunnel.set_tunnel(host, port, headers)
    try:
        tunnel.connect()
    except OSError as error:
        yield _no_tunnel(next_host, next_port, host, port, error)
        return None
    yield Check("proxy", "ok", f"the proxy {next_host}:{next_port} leads to {host}:{port}")
    sock: socket.socket = tunnel.sock
    return stack.enter_context(sock)


def _resolved(host: str, port: int) -> Generator[Check, None, bool]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", "") or str(error)
        advice = (
            f"check the name and the name servers of this machine (/etc/resolv.conf): {host} has to be known"
        )
        yield Check("name", "failed", f"{host} has no address: {why}", advice)
        return False
    yield Check("name", "ok", f"{host} is {', '.join(dict.fromkeys(str(each[4][0]) for each in found))}")
    return True


def _unconnected(host: str, port: int, error: OSError, *, is_proxy: bool) -> Check:
    if isinstance(error, ConnectionRefusedError):
        why, advice = "refuses connections", f"check that it runs, and on port {port}"
    else:
        silent = isinstance(error, TimeoutError)
        why = "does not answer" if silent else f"cannot be connected to: {error.strerror or error}"
        advice = f"have the firewall let this machine out to {host}, TCP port {port}"
    if is_proxy:
        advice += "; the proxy is changed with: crossdock node proxy"
    return Check("proxy" if is_proxy else "port", "failed", f"{host}:{port} {why}", advice)


def _no_tunnel(proxy: str, proxy_port: int, host: str, port: int, error: OSError) -> Check:
    said = str(error)
    if "407" in said:
        advice = "give it the right user and password: crossdock node proxy HOST:PORT --user NAME"
    elif "403" in said:
        advice = f"have the proxy allow CONNECT to {host}:{port}"
    else:
        advice = f"have the proxy reach {host}:{port}, or pass it by: crossdock node proxy --bypass {host}"
    return Check(
        "proxy", "failed", f"the proxy {proxy}:{proxy_port} does not lead to {host}:{port}: {said}", advice
    )


def _untrusted(url: str, ca: str, proxy: Proxy, error: Exception) -> Check:
    host = urlsplit(url).hostname or ""
    if not isinstance(error, ssl.SSLCertVerificationError):
        advice = "something in between ends TLS, or the address is no HTTPS service"
        return Check("certificate", "failed", f"no encrypted connection to {host}: {error}", advice)
    message = f"the certificate of {host} is issued by {_issuer(_shown(url, proxy))}: {error.verify_message}"
    if "expired" in error.verify_message or "not yet valid" in error.verify_message:
        return Check("certificate", "failed", message, "renew it, or set the clock of this machine")
    whose = f"the CA that the node was registered with ({ca})" if ca else "the CAs of this system"
    advice = f"it is not of {whose}. If something inspects TLS here, have it leave out {host}; else {_CA}"
    return Check("certificate", "failed", message, advice)


def _shown(url: str, proxy: Proxy) -> bytes | None:
    """The certificate that is shown, whoever it is of; nothing is sent."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with ExitStack() as stack, suppress(OSError, ValueError):
        way = _way(url, proxy, stack)
        while True:
            try:
                next(way)
            except StopIteration as end:
                if end.value is None:
                    return None
                secure = stack.enter_context(
                    context.wrap_socket(end.value, server_hostname=urlsplit(url).hostname)
                )
                return secure.getpeercert(binary_form=True)
    return None


def _issuer(certificate: bytes | None) -> str:
    if certificate is None:
        return "somebody unknown"
    return x509.load_der_x509_certificate(certificate).issuer.rfc4514_string() or "nobody"


def _answer(url: str, secure: ssl.SSLSocket) -> Iterator[Check]:
    parts = urlsplit(url)
    asked = http.client.HTTPConnection(parts.hostname or "", parts.port or 443, timeout=_TIMEOUT)
    asked.sock = secure
    try:
        asked.request("GET", "/healthz")
        reply = asked.getresponse()
        reply.read(1 << 16)
    except (OSError, http.client.HTTPException) as error:
        yield Check(
            "service", "failed", f"{url} does not answer: {error}", "look into the log of the service"
        )
        return
    if reply.status != 200:
        message = f"{url} answers with {reply.status}, so it is no service of crossdock, or not well"
        yield Check(
            "service", "failed", message, "check the address in the auth key, and the log of the service"
        )
        return
    yield Check("service", "ok", f"{url} answers")
    yield _clock(reply.getheader("Date"))


def _clock(date: str | None) -> Check:
    try:
        ahead = time.time() - email.utils.parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return Check("clock", "warning", "the service does not say what time it is")
    message = f"the clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the service's"
    if abs(ahead) <= _NOTABLE_SKEW:
        return Check("clock", "ok", message)
    advice = "set the clocks by NTP (timedatectl set-ntp true): the service refuses tokens of another time"
    return Check("clock", "failed" if abs(ahead) > _MOST_SKEW else "warning", message, advice)
