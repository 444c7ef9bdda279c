"""A server that speaks no TLS later than 1.1."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from .forwarding import listening


def until(side: int, newest: ssl.TLSVersion) -> ssl.SSLContext:
    """Speaks no later version; before 1.2 also what OpenSSL itself refuses by default."""
    found = ssl.SSLContext(side)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if newest < ssl.TLSVersion.TLSv1_2:
            found.minimum_version = ssl.TLSVersion.TLSv1
            found.set_ciphers("ALL:@SECLEVEL=0")
        found.maximum_version = newest
    return found


@dataclass
class OldTls:
    """``ca``: who signed its certificate. ``heard``: what came after a handshake that came to its end."""

    ca: Path
    port: int = 0
    met: int = 0
    heard: list[tuple[str | None, bytes]] = field(default_factory=list)

    def spoken_to(self) -> str | None:
        """By a client that takes any version: that which was agreed upon."""
        context = until(ssl.PROTOCOL_TLS_CLIENT, ssl.TLSVersion.TLSv1_1)
        context.load_verify_locations(self.ca)
        with (
            socket.create_connection(("127.0.0.1", self.port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            spoken = tls.version()
            tls.sendall(b"hello")
            tls.recv(1)
        return spoken


@contextmanager
def old_tls(folder: Path) -> Iterator[OldTls]:
    authority = trustme.CA()
    context = until(ssl.PROTOCOL_TLS_SERVER, ssl.TLSVersion.TLSv1_1)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    found = OldTls(folder / "old-ca.pem")
    authority.cert_pem.write_to_path(str(found.ca))

    def serve(client: socket.socket) -> None:
        found.met += 1
        with suppress(OSError), client, context.wrap_socket(client, server_side=True) as tls:
            found.heard.append((tls.version(), tls.recv(1000)))

    with listening(serve) as found.port:
        yield found
