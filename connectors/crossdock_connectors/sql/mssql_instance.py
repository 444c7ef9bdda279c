"""The port of a named instance of SQL Server, which the SQL Server Browser of its machine knows.

The protocol is [MC-SQLR]: a datagram with the instance's name, answered with one of names and values.
"""

from __future__ import annotations

import socket
import struct
from time import monotonic

from crossdock import ConfigError, UnreachableError

BROWSER = 1434
_ASK, _ANSWER = b"\x04", 5
_LONGEST = 32  # bytes of a name
_ENOUGH = 1024 + 3
_AGAIN = 1.0  # a datagram may be lost


def port_of(host: str, instance: str, timeout: float) -> int:
    """Raises UnreachableError where nothing answers, ConfigError where the instance has no TCP port."""
    name = instance.encode("ascii", "replace")
    if len(name) > _LONGEST or b"?" in name:
        raise ConfigError(f"{instance!r} is not the name of an instance of SQL Server")
    try:
        addresses = socket.getaddrinfo(host, BROWSER, type=socket.SOCK_DGRAM)
    except OSError:
        raise UnreachableError(f"the host {host!r} has no address") from None
    until = monotonic() + timeout
    while monotonic() < until:
        for family, kind, protocol, _, address in addresses:
            wait = min(_AGAIN, max(0.05, until - monotonic()))
            with socket.socket(family, kind, protocol) as asked:
                if answer := _asked(asked, address, name, wait):
                    return _port(answer, host, instance)
    raise UnreachableError(
        f"{host} does not tell the port of its instance {instance}: no SQL Server Browser answers at UDP "
        f"port {BROWSER}; start it there, or give the port instead of the instance"
    )


def _asked(asked: socket.socket, address: object, name: bytes, wait: float) -> bytes:
    """The answer; empty where none has come."""
    until = monotonic() + wait
    try:
        asked.connect(address)  # type: ignore[arg-type] # of its family, as found
        asked.send(_ASK + name + b"\0")
        while (left := until - monotonic()) > 0:
            asked.settimeout(left)
            found = asked.recv(_ENOUGH)
            if found[:1] == bytes([_ANSWER]) and len(found) >= 3:
                return found[3 : 3 + struct.unpack_from("<H", found, 1)[0]]
    except OSError:
        pass  # refused, or timed out
    return b""


def _port(answer: bytes, host: str, instance: str) -> int:
    words = answer.decode("ascii", "replace").split(";")
    values = {key.lower(): value for key, value in zip(words[::2], words[1::2], strict=False)}
    port = values.get("tcp", "")
    if not (port.isdigit() and 0 < int(port) < 65536):
        raise ConfigError(
            f"the instance {instance} at {host} has no TCP port; let SQL Server's configuration enable TCP/IP"
        )
    return int(port)
