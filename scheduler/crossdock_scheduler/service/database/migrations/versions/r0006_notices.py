"""Changes of states that are to be told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("said", sa.JSON, nullable=False),
        sa.Column("held_until", sa.Float, nullable=False),
    )
