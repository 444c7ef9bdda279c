"""Reaching a server through an HTTP proxy (CONNECT), and which servers are reached directly."""

from __future__ import annotations

import base64
import os
import socket
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from crossdock import AuthError, ConfigError, NotFoundError, TransientError

_MOST = 64 << 10


@dataclass(frozen=True)
class Proxy:
    """A proxy's address; ``authorization`` is the value of a header, a secret."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)


def parse(url: str) -> Proxy:
    """``http://user:password@host:port``. Raises ConfigError without showing the password."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port or 80
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port:
        raise ConfigError("the proxy is not of the form http://host:port or http://user:password@host:port")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(parts.hostname, port, authorization)


def from_environment(scheme: str) -> str:
    """The proxy for a URL scheme by the usual variables, lower case first; empty for none."""
    for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"):
        if value := os.environ.get(name):
            return value
    return ""


def chosen(given: str | None, rules: str | None, scheme: str, host: str) -> str:
    """The proxy on the way to a host: the one given, else the environment's; empty for none."""
    if rules is None:
        rules = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    found = from_environment(scheme) if given is None else given
    return "" if not found or bypassed(host, rules) else found


def bypassed(host: str, rules: str) -> bool:
    """Whether ``no_proxy`` rules name the host: ``*``, a domain (dot or not), an address or a network."""
    host = host.lower().rstrip(".")
    for rule in rules.lower().replace(",", " ").split():
        name = rule.lstrip("*").lstrip(".")
        if name.count(":") == 1:  # with a port
            name = name.partition(":")[0]
        if rule == "*" or (name and (host == name or host.endswith(f".{name}"))) or _in_network(host, rule):
            return True
    return False


def _in_network(host: str, rule: str) -> bool:
    try:
        return ip_address(host) in ip_network(rule, strict=False)
    except ValueError:
        return False


def through(proxy: Proxy, host: str, port: int, timeout: float) -> socket.socket:
    """A socket that the proxy has connected to ``host``."""
    sock = _reached(proxy, timeout)
    try:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        head = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n"
        if proxy.authorization:
            head += f"Proxy-Authorization: {proxy.authorization}\r\n"
        sock.sendall((head + "\r\n").encode("latin-1"))
        _accepted(_head(sock), proxy)
    except BaseException:
        sock.close()
        raise
    return sock


def _reached(proxy: Proxy, timeout: float) -> socket.socket:
    where = f"the proxy {proxy.host}:{proxy.port}"
    try:
        return socket.create_connection((proxy.host, proxy.port), timeout)
    except socket.gaierror as error:
        if error.errno != socket.EAI_AGAIN:
            raise NotFoundError(f"{where} has no address; check its name", detail=str(error)) from error
        raise TransientError(f"{where} cannot be looked up now", detail=str(error)) from error
    except OSError as error:
        raise TransientError(f"{where} cannot be reached", detail=str(error)) from error


def _head(sock: socket.socket) -> bytes:
    """The proxy's answer, byte by byte: what follows belongs to the tunnel."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        data = sock.recv(1)
        if not data or len(head) > _MOST:
            raise TransientError("the proxy closed the connection")
        head += data
    return bytes(head)


def _accepted(head: bytes, proxy: Proxy) -> None:
    status = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)[1:2]
    where = f"the proxy {proxy.host}:{proxy.port}"
    if status == ["200"]:
        return
    if status == ["407"]:
        raise AuthError(f"{where} asks for a user and password; give them as http://user:password@host:port")
    if status and status[0][:1] == "5":
        raise TransientError(f"{where} cannot reach the server now (status {status[0]})")
    raise ConfigError(f"{where} refused to connect (status {status[0] if status else 'unknown'})")
