"""Triggers and their runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "triggers",
        sa.Column(
            "resource_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("guid", sa.String(36), nullable=False, unique=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("next_at", sa.Float, nullable=True),
        sa.Column("wake_at", sa.Float, nullable=True),
    )
    op.create_table(
        "trigger_runs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column(
            "factory_id", sa.Integer, sa.ForeignKey("factories.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("trigger_guid", sa.String(36), nullable=False),
        sa.Column("name", sa.String(260), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("tick", sa.Float, nullable=False),
        sa.Column("tick_end", sa.Float, nullable=True),
        sa.Column("again", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("due", sa.Float, nullable=True),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("pipelines", sa.JSON, nullable=False),
        sa.Column("pipeline_run_id", sa.String(36), nullable=True),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("ended", sa.Float, nullable=True),
        sa.Column("updated", sa.Float, nullable=False),
        sa.UniqueConstraint("trigger_guid", "tick", "again", name="uq_trigger_runs_tick"),
    )
    op.create_index("ix_triggers_wake_at", "triggers", ["wake_at"])
    op.create_index("ix_trigger_runs_updated", "trigger_runs", ["factory_id", "updated"])
    is_open = sa.text("ended IS NULL")
    op.create_index(
        "ix_trigger_runs_open",
        "trigger_runs",
        ["trigger_guid", "tick"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
