"""Runs of pipelines and their activities."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "pipeline_runs",
        sa.Column("run_id", sa.String(36), primary_key=True),
        sa.Column(
            "factory_id", sa.Integer, sa.ForeignKey("factories.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("group_id", sa.String(36), nullable=False),
        sa.Column("pipeline", sa.String(260), nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.Column("definitions", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("secrets", sa.Text, nullable=True),
        sa.Column("request_id", sa.String(64), nullable=True),
        sa.Column("detached", sa.Boolean, nullable=False),
        sa.Column("superseded_by", sa.String(36), nullable=True),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("ended", sa.Float, nullable=True),
        sa.Column("updated", sa.Float, nullable=False),
        sa.Column("driver", sa.String(36), nullable=True),
        sa.Column("driven_until", sa.Float, nullable=True),
        sa.UniqueConstraint("factory_id", "request_id", name="uq_pipeline_runs_request"),
    )
    op.create_table(
        "activity_runs",
        sa.Column(
            "pipeline_run_id",
            sa.String(36),
            sa.ForeignKey("pipeline_runs.run_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("record", sa.JSON, nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("ended", sa.Float, nullable=True),
        sa.Column("updated", sa.Float, nullable=False),
    )
    op.create_table(
        "variables",
        sa.Column(
            "pipeline_run_id",
            sa.String(36),
            sa.ForeignKey("pipeline_runs.run_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("name", sa.String(260), primary_key=True),
        sa.Column("value", sa.JSON, nullable=True),
        sa.Column("whole", sa.Boolean, nullable=False),
    )
    op.create_index("ix_pipeline_runs_updated", "pipeline_runs", ["factory_id", "updated"])
    op.create_index("ix_pipeline_runs_group", "pipeline_runs", ["group_id"])
    is_open = sa.text("ended IS NULL")
    op.create_index(
        "ix_pipeline_runs_open",
        "pipeline_runs",
        ["driven_until"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
