"""Alembic's entry: migrations run on the connection, and in the transaction, of ``migrate``."""

from alembic import context

from crossdock_scheduler.service.database.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
