"""Squid, a real HTTP proxy on loopback, which asks for a password or not."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .azurite import free_port

USER, PASSWORD = "carrier", "p@ss/word"
ASKING = """\
auth_param basic program {helper} {folder}/passwords
auth_param basic children 1
acl known proxy_auth REQUIRED
http_access allow known
"""
CONFIG = """\
{ports}
{access}
http_access deny all
cache deny all
pinger_enable off
pid_filename none
shutdown_lifetime 0 seconds
access_log stdio:{folder}/access.log
logfile_rotate 0
cache_log {folder}/cache.log
coredump_dir {folder}
"""


@dataclass
class Squid:
    """A Squid that can be stopped and started again on its port."""

    program: str
    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}"

    def tunnels(self, port: int) -> list[str]:
        """Lines of the log about tunnels to that port that have ended."""
        log = self.folder / "access.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if re.search(rf" CONNECT \S+:{port} ", line)]

    def start(self) -> None:
        command = [self.program, "--foreground", "-f", str(self.folder / "squid.conf")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            if self._process.poll() is not None:
                raise RuntimeError(f"Squid ended: {(self.folder / 'cache.log').read_text()}")
            with socket.socket() as sock:
                if not sock.connect_ex(("127.0.0.1", self.port)):
                    return
            time.sleep(0.05)
        raise RuntimeError("Squid does not answer")

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def installed() -> str | None:
    """Squid's program."""
    return shutil.which("squid", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def _helper() -> str:
    """The program that looks passwords up."""
    places = ("/usr/lib/squid", "/usr/lib64/squid", "/usr/libexec/squid", "/usr/local/libexec/squid")
    found = shutil.which("basic_ncsa_auth", path=":".join(places))
    if found is None:
        raise RuntimeError("Squid is here without basic_ncsa_auth")
    return found


@contextmanager
def squid(program: str, *, asks: bool = True, addresses: Sequence[str] = ("127.0.0.1",)) -> Iterator[Squid]:
    """Run it, with a password or without; ``addresses`` are all of this machine's.

    Started by root it becomes another user, to whom its folder has to be open.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        digest = hashlib.md5(PASSWORD.encode(), usedforsecurity=False).hexdigest()
        (folder / "passwords").write_text(f"{USER}:{digest}\n")
        found = Squid(program, folder, free_port())
        access = ASKING.format(folder=folder, helper=_helper()) if asks else "http_access allow localhost"
        ports = "\n".join(f"http_port {each}:{found.port}" for each in addresses)
        config = CONFIG.format(ports=ports, folder=folder, access=access)
        (folder / "squid.conf").write_text(config)
        try:
            found.start()
            yield found
        finally:
            found.stop()
