"""Brings a database to this release's tables; never back."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from crossdock import ConfigError

from .engine import Database

_FOLDER = Path(__file__).with_name("migrations")


def is_migrated(connection: sa.Connection) -> bool:
    """Whether the tables are this release's."""
    return MigrationContext.configure(connection).get_current_revision() == _head()


@cache
def _head() -> str | None:
    return ScriptDirectory(str(_FOLDER)).get_current_head()


def migrate(database: Database) -> None:
    """Run the migrations that are missing, in one transaction.

    Several replicas may start at once. Raises ConfigError where a newer release has changed the tables.
    """
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    script = ScriptDirectory.from_config(config)
    with database.write() as connection:
        if not database.is_sqlite:
            # Any number of our own: replicas migrate one after the other.
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(6271983)"))
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in {each.revision for each in script.walk_revisions()}:
            raise ConfigError(
                f"the database was changed by a newer release (its revision is {current}, this release knows "
                f"up to {script.get_current_head()}); run that release, or restore a backup made before it"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
