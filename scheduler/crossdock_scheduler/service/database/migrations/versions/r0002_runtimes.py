"""Integration runtimes, nodes, and the queue of jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "runtimes",
        sa.Column(
            "resource_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("guid", sa.String(36), nullable=False, unique=True),
        sa.Column("key1", sa.Integer, nullable=False),
        sa.Column("key2", sa.Integer, nullable=False),
        sa.Column("auto_update", sa.Boolean, nullable=False),
        sa.Column("update_delay", sa.String(32), nullable=False),
        sa.Column("node_limit", sa.Integer, nullable=True),
        sa.Column("vault_version", sa.Integer, nullable=False),
        sa.Column("vault_key", sa.Text, nullable=True),
        sa.Column("noticed", sa.String(32), nullable=True),
        sa.Column("updating", sa.String(36), nullable=True),
        sa.Column("updating_until", sa.Float, nullable=True),
        sa.Column("update_asked", sa.Float, nullable=True),
    )
    op.create_table(
        "runtime_shares",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "runtime_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("factory_key", sa.String(63), nullable=False),
        sa.Column("name_key", sa.String(63), nullable=False),
        sa.Column("factory", sa.String(63), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("subscription", sa.String(64), nullable=False),
        sa.Column("location", sa.String(64), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("runtime_id", "factory_key", "name_key", name="uq_runtime_shares_name"),
    )
    op.create_table(
        "runtime_links",
        sa.Column(
            "resource_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column(
            "runtime_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), nullable=False
        ),
    )
    op.create_table(
        "nodes",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column(
            "runtime_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("name_key", sa.String(150), nullable=False),
        sa.Column("name", sa.String(150), nullable=False),
        sa.Column("machine", sa.String(260), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("signing_key", sa.Text, nullable=False),
        sa.Column("sealing_key", sa.Text, nullable=False),
        sa.Column("concurrent_jobs", sa.Integer, nullable=False),
        sa.Column("most_jobs", sa.Integer, nullable=False),
        sa.Column("alone", sa.Boolean, nullable=False),
        sa.Column("expires", sa.Integer, nullable=True),
        sa.Column("registered", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.Float, nullable=True),
        sa.Column("stopped_at", sa.Float, nullable=True),
        sa.Column("seen_at", sa.Float, nullable=True),
        sa.Column("said", sa.JSON, nullable=False),
        sa.Column("noticed", sa.String(32), nullable=True),
        sa.UniqueConstraint("runtime_id", "name_key", name="uq_nodes_name"),
    )
    op.create_table(
        "vault_shares",
        sa.Column("node_id", sa.String(36), sa.ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
    )
    op.create_table(
        "queues",
        sa.Column(
            "runtime_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("turn", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column(
            "runtime_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("lane", sa.String(260), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("turn", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("node_id", sa.String(36), nullable=True),
        sa.Column("lease_until", sa.Float, nullable=True),
        sa.Column("deadline", sa.Float, nullable=True),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("claimed", sa.Float, nullable=True),
        sa.Column("ended", sa.Float, nullable=True),
        sa.Column("work", sa.JSON, nullable=False),
        sa.Column("progress", sa.JSON, nullable=True),
        sa.Column("result", sa.JSON, nullable=True),
    )
    is_open = sa.text("ended IS NULL")
    op.create_index("ix_jobs_deadline", "jobs", ["deadline"], sqlite_where=is_open, postgresql_where=is_open)
    indexes: list[tuple[str, list[str | sa.TextClause], str]] = [
        ("next", ["runtime_id", sa.text("priority DESC"), "turn", "id"], "queued"),
        ("lane", ["runtime_id", "lane", "turn"], "queued"),
        ("lease", ["lease_until"], "claimed"),
        ("node", ["node_id"], "claimed"),
    ]
    for name, columns, state in indexes:
        where = sa.text(f"state = '{state}'")
        op.create_index(f"ix_jobs_{name}", "jobs", columns, sqlite_where=where, postgresql_where=where)
