"""The tables. Names of Data Factory's objects have no case: ``*_key`` columns hold them in lower case."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

factories = sa.Table(
    "factories",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("subscription", sa.String(64), nullable=False),
    sa.Column("resource_group", sa.String(90), nullable=False),
    sa.Column("name_key", sa.String(63), nullable=False, unique=True),
    sa.Column("name", sa.String(63), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("etag", sa.String(36), nullable=False),
    sa.Column("created", sa.DateTime(timezone=True), nullable=False),
)

# Linked services, datasets, pipelines, ...: everything that a factory holds and people define.
resources = sa.Table(
    "resources",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("factory_id", sa.Integer, sa.ForeignKey("factories.id", ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("name_key", sa.String(260), nullable=False),
    sa.Column("name", sa.String(260), nullable=False),
    sa.Column("properties", sa.JSON, nullable=False),
    sa.Column("etag", sa.String(36), nullable=False),
    sa.Column("created", sa.DateTime(timezone=True), nullable=False),
    sa.Column("changed", sa.DateTime(timezone=True), nullable=False),
    sa.UniqueConstraint("factory_id", "kind", "name_key", name="uq_resources_name"),
)

# Bearer tokens of our own, of which only the hash is kept. Without a factory they hold for all.
tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(127), nullable=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("factory_id", sa.Integer, sa.ForeignKey("factories.id", ondelete="CASCADE"), nullable=True),
    sa.Column("created", sa.DateTime(timezone=True), nullable=False),
    sa.Column("expires", sa.DateTime(timezone=True), nullable=True),
)
