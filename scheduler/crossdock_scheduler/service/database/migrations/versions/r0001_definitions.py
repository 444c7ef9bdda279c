"""Factories, what they hold, and tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "factories",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("subscription", sa.String(64), nullable=False),
        sa.Column("resource_group", sa.String(90), nullable=False),
        sa.Column("name_key", sa.String(63), nullable=False, unique=True),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("etag", sa.String(36), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "resources",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "factory_id", sa.Integer, sa.ForeignKey("factories.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("name_key", sa.String(260), nullable=False),
        sa.Column("name", sa.String(260), nullable=False),
        sa.Column("properties", sa.JSON, nullable=False),
        sa.Column("etag", sa.String(36), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("factory_id", "kind", "name_key", name="uq_resources_name"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(127), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("factory_id", sa.Integer, sa.ForeignKey("factories.id", ondelete="CASCADE"), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=True),
    )
