"""The control plane as a process of its own, over HTTPS on a free loopback port."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

SUBSCRIPTION = "00000000-0000-0000-0000-00000000000a"
_WAIT = 60.0
# Nodes that tests play do not beat by themselves.
_LEASE = "30"
PROGRAM = ("-m", "crossdock")


@dataclass
class ServiceProcess:
    """A running service. ``token`` is its first owner's, ``ca`` the file by which clients trust it;
    ``database`` the address that it was given."""

    url: str
    token: str
    ca: Path
    process: subprocess.Popen[str]
    errors: Path
    database: str = ""

    def client(self, token: str | None = None) -> httpx.Client:
        """Speaks plain HTTP to the API, as whoever has the token."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.Client(base_url=self.url, verify=self.tls(), headers=headers, timeout=30)

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca)

    def sdk(self, token: str | None = None, subscription: str = SUBSCRIPTION) -> Any:
        """The official client."""
        from azure.mgmt.datafactory import DataFactoryManagementClient

        return DataFactoryManagementClient(
            Token(token or self.token), subscription, base_url=self.url, connection_verify=str(self.ca),
            logging_enable=False,
        )  # fmt: skip

    def asked(self, path: str, body: bytes) -> ssl.SSLSocket:
        """A POST on a connection of its own: whoever closes that waits for no answer."""
        head = [
            f"POST {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {self.token}",
            "Content-Type: application/json", f"Content-Length: {len(body)}", "", "",
        ]  # fmt: skip
        plain = socket.create_connection(("localhost", httpx.URL(self.url).port or 443))
        found = self.tls().wrap_socket(plain, server_hostname="localhost")
        found.sendall("\r\n".join(head).encode() + body)
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(_WAIT)


@dataclass(frozen=True)
class Token:
    """A credential for Microsoft's clients that always has the same token."""

    token: str

    def get_token(self, *_: str, **__: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(self.token, 2**31)


@contextmanager
def service(
    home: Path, *options: str, token: str = "", program: Sequence[str] = PROGRAM
) -> Iterator[ServiceProcess]:
    """Started on ``home``, which may have the state of an earlier one: then its token must be given."""
    found = start(home, *options, token=token, program=program)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.terminate()
            found.process.wait(_WAIT)
        if found.process.stdout is not None:
            found.process.stdout.close()


@contextmanager
def replica(
    first: ServiceProcess, home: Path, *options: str, program: Sequence[str] = PROGRAM
) -> Iterator[ServiceProcess]:
    """Another one on the database of the first, which clients trust as they do that."""
    shared = first.ca.parent
    given = ["--database", first.database, "--secret-file", str(shared.parent / "service.key")]
    given += ["--cert", str(shared / "server.pem"), "--key", str(shared / "server-key.pem")]
    with service(home, *given, *options, token=first.token, program=program) as found:
        found.ca = first.ca
        yield found


def start(home: Path, *options: str, token: str = "", program: Sequence[str] = PROGRAM) -> ServiceProcess:
    errors = home / "service.log"
    before = errors.stat().st_size if errors.exists() else 0
    with errors.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *program, "service", "start", "--port", "0", "--lease", _LEASE, *options],
            env=os.environ | {"CROSSDOCK_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    begun = time.monotonic()
    while True:
        text = errors.read_bytes()[before:].decode()
        if found := re.search(r"serving at (https://\S+),", text):
            break
        if process.poll() is not None or time.monotonic() - begun > _WAIT:
            process.kill()
            raise RuntimeError(f"the service did not start: {text}")
        time.sleep(0.05)
    assert process.stdout is not None
    known = token or process.stdout.readline().strip()
    database = options[options.index("--database") + 1] if "--database" in options else ""
    return ServiceProcess(found[1], known, home / "service" / "tls" / "ca.pem", process, errors, database)
