"""The service as a process: its state folder, its certificate, its first token, and uvicorn."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
import uvicorn
from sqlalchemy.exc import OperationalError

from crossdock import ConfigError, UnreachableError

from .. import telemetry
from .app import create_app
from .audit import Chain, Entry
from .auth import tokens
from .auth.access import Access, Limits
from .auth.issuing import Signer
from .auth.oidc import Issuer
from .auth.roles import Role
from .context import Service
from .database import Database
from .database.migrate import migrate
from .definitions.secrets import Keeper
from .operations.draining import DrainingServer
from .operations.notifying import Notifier
from .runtimes.keys import KeyMaker, derived, kept_secret
from .runtimes.nodes import LEASE
from .runtimes.sharing import MOST
from .tls import certificates
from .triggers.misfires import Misfires
from .whole_answers import WholeAnswers

_DRAIN = 30
# Seconds for which the last traces may hold up the end.
_FLUSH = 3.0


@dataclass(frozen=True, slots=True)
class Settings:
    """``folder`` is the state folder. Without a database's address it is SQLite's in that folder, without
    certificate and key they are of an own CA. Port 0 is any free one. ``endpoint`` is how nodes reach the
    service, host and port, where that is not how it listens.
    ``secret_file`` has the service's secret where that is not in the state folder. For ``drain_delay``
    seconds the service goes on after it was told to stop. ``most_links`` is how many linked runtimes one
    may have; ``misfires``: what becomes of missed ticks. Tokens of ``issuer`` are taken besides own ones.
    ``notify`` is the file of those who are told of states. A job goes to another node when its own has been
    silent for ``lease`` seconds."""

    folder: Path
    host: str = "localhost"
    port: int = 8443
    database: str | None = field(default=None, repr=False)
    certificate: Path | None = None
    key: Path | None = None
    endpoint: str = ""
    secret_file: Path | None = None
    drain_delay: float = 0.0
    most_links: int = MOST
    misfires: Misfires = field(default_factory=Misfires)
    issuer: Issuer | None = None
    limits: Limits = field(default_factory=Limits)
    notify: Path | None = None
    lease: float = LEASE


def run(settings: Settings, ready: Callable[[str, str | None], None]) -> None:
    """Serve until SIGTERM or SIGINT. ``ready`` is told the address, and the first owner's token if it is new.

    Raises ConfigError for what is wrong in the settings.
    """
    telemetry.start("crossdock-service")
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    notifier = Notifier.of(settings.notify) if settings.notify else Notifier()
    database = _database(settings)
    try:
        _migrated(database)
        database.tell_time()
        certificate, key = _certificate(settings)
        listening = _listen(settings)
        endpoint = f"{settings.host}:{listening.getsockname()[1]}"
        secret = kept_secret(settings.folder, settings.secret_file)
        keys = KeyMaker(secret, settings.endpoint or endpoint)
        access = Access(Signer(derived(secret, "tokens")), settings.issuer, settings.limits)
        audit = Chain.of(secret)
        service = Service(
            database, keys, Keeper.of(secret), access, audit, settings.most_links, settings.lease,
            misfires=settings.misfires, notifier=notifier,
        )  # fmt: skip
        config = uvicorn.Config(
            create_app(service), ssl_certfile=certificate,
            ssl_keyfile=key, log_config=None, access_log=False, server_header=False,
            date_header=False, http=WholeAnswers, timeout_graceful_shutdown=_DRAIN,
        )  # fmt: skip
        DrainingServer(
            config, service, settings.drain_delay,
            lambda: ready(f"https://{endpoint}", _first_owner(database, audit)),
        ).run(sockets=[listening])  # fmt: skip
    finally:
        database.close()
        telemetry.finish(_FLUSH)


def _migrated(database: Database) -> None:
    try:
        migrate(database)
    except OperationalError as error:
        why = str(error.orig).strip().splitlines()[0]
        raise UnreachableError(f"the database cannot be used now: {why}") from error


def _first_owner(database: Database, audit: Chain) -> str | None:
    """The token of the first owner, where there is none yet."""
    with database.write() as connection:
        if not database.is_sqlite:
            # Replicas may be started at once: one of them makes it.
            connection.execute(sa.text("LOCK TABLE tokens IN SHARE ROW EXCLUSIVE MODE"))
        if tokens.any_owner(connection):
            return None
        made, plain = tokens.create(connection, "administrator", Role.OWNER)
        host = socket.gethostname()
        target = "crossdock service start"
        audit.append(connection, Entry(host, "", host, "", "CREATE", target, detail=made.as_json()))
        return plain.get_secret_value()


def _database(settings: Settings) -> Database:
    if settings.database is None:
        # The file has hashes of tokens and sealed secrets; nobody else has to read it.
        os.close(os.open(settings.folder / Database.FILE, os.O_RDWR | os.O_CREAT, 0o600))
        return Database.embedded(settings.folder)
    return Database(settings.database)


def _certificate(settings: Settings) -> tuple[Path, Path]:
    if (settings.certificate is None) != (settings.key is None):
        raise ConfigError("--cert and --key belong together; give both, or none for an own CA")
    if settings.certificate is not None and settings.key is not None:
        for path in (settings.certificate, settings.key):
            if not path.is_file():
                raise ConfigError(f"there is no file {path}")
        return settings.certificate, settings.key
    names = dict.fromkeys((settings.host, "localhost", "127.0.0.1", "::1", socket.gethostname()))
    everywhere = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
    return certificates(settings.folder / "tls", [each for each in names if each not in everywhere])


def _listen(settings: Settings) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ConfigError(f"--host {settings.host}: {error.strerror}") from error
    # Only where the protocol is said asyncio has answers sent at once: else each waits 40 ms for the client
    # to acknowledge its headers.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"{settings.host}:{settings.port} cannot be listened on: {error.strerror}"
        ) from error
    listening.listen(1024)
    return listening
