"""Azurite over HTTPS with a test CA, installed by npm into a cache and run on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

VERSION = "3.35.0"
ACCOUNT = "devstoreaccount1"
# Azurite's well-known key, the same everywhere.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Azurite:
    """A running Azurite. ``ca``: the file of the CA that signed its certificate."""

    port: int
    ca: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/{ACCOUNT}"


def installed() -> Path:
    """Azurite's program, installed on first use."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "crossdock-tests" / f"azurite-{VERSION}"
    program = folder / "node_modules" / ".bin" / "azurite-blob"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        npm = shutil.which("npm", path=_environment()["PATH"])
        if npm is None:
            raise RuntimeError("the tests against Azurite need npm; pip install --group test brings one")
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"azurite@{VERSION}"]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=600, env=_environment()
        )
        if not program.exists():
            raise RuntimeError(f"npm could not install Azurite: {done.stdout}{done.stderr}")
    return program


def _environment() -> dict[str, str]:
    """With this environment's own Node.js (a wheel) behind the machine's."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    return os.environ | {"PATH": path}


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A server's certificate and key for loopback, and the CA that signed it."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost", f"{ACCOUNT}.blob.core.windows.net")
    certificate, key, ca = folder / "server.pem", folder / "server.key", folder / "ca.pem"
    certificate.write_bytes(b"".join(pem.bytes() for pem in server.cert_chain_pems))
    server.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(ca)
    return certificate, key, ca


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def azurite(folder: Path) -> Iterator[Azurite]:
    """Run Azurite with its data below ``folder``; stopped at the end."""
    certificate, key, ca = certificates(folder)
    port = free_port()
    command = [
        str(installed()), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--cert", str(certificate),
        "--key", str(key), "--oauth", "basic", "--skipApiVersionCheck", "--disableTelemetry", "--silent",
        "--location", str(folder / "data"),
    ]  # fmt: skip
    child = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    )
    try:
        _wait(child, port, ca)
        yield Azurite(port, ca)
    finally:
        # The whole group: the wheel's Node.js is a child of a program that does not pass signals on.
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(20)


def _wait(child: subprocess.Popen[bytes], port: int, ca: Path) -> None:
    """Until it answers anything at all."""
    context = ssl.create_default_context(cafile=str(ca))
    for _ in range(300):
        if child.poll() is not None:
            raise RuntimeError(f"Azurite ended with {child.returncode}")
        try:
            urllib.request.urlopen(f"https://127.0.0.1:{port}/", context=context, timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("Azurite does not answer")
