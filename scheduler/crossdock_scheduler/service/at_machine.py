"""The service's state for whoever may read it where it is kept, whether the service runs or not."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from crossdock import ConfigError, UnreachableError

from .audit import Chain, Entry
from .database import Database
from .database.migrate import is_migrated
from .runtimes.keys import SECRET_FILE, kept_secret


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service's state is: a folder, and outside of it perhaps its database and its secret."""

    folder: Path
    url: str | None = field(default=None, repr=False)
    secret_file: Path | None = None


@contextmanager
def opened(place: Place) -> Iterator[tuple[Database, Chain]]:
    """The database of a service that was started before, and its audit log.

    Raises ConfigError where there is none, or another release's.
    """
    missing = not place.secret_file and not (place.folder / SECRET_FILE).is_file()
    if missing or not (place.url or (place.folder / Database.FILE).is_file()):
        raise ConfigError(f"there is no service in {place.folder}; start it there once, or give its --state")
    chain = Chain.of(kept_secret(place.folder, place.secret_file))
    database = Database(place.url) if place.url else Database.embedded(place.folder)
    try:
        with database.read() as connection:
            if not is_migrated(connection):
                raise ConfigError(
                    "the database has another release's tables; start this release's service first"
                )
        yield database, chain
    except OperationalError as error:
        why = str(error.orig).strip().splitlines()[0]
        raise UnreachableError(f"the database cannot be used now: {why}") from error
    finally:
        database.close()


@contextmanager
def changing(place: Place, action: str, target: str) -> Iterator[tuple[sa.Connection, Entry]]:
    """A transaction, with its entry in the audit log. Raises as ``opened`` does."""
    with opened(place) as (database, chain), database.write() as connection:
        host = socket.gethostname()
        entry = Entry(f"{getpass.getuser()} on {host}", "command line", host, str(uuid4()), action, target)
        yield connection, entry
        chain.append(connection, entry)
