"""Options of SQLite."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from crossdock import ConnectorConfig


class SqliteConfig(ConnectorConfig):
    """Options of SQLite tables."""

    query: str = Field(default="", description="Source: a SELECT to read instead of a table")
    partition: str = Field(
        default="rowid",
        description="Source: the indexed integer column whose ranges are read in parallel; none: one piece",
    )
    decimals: Literal["refuse", "text", "real"] = Field(
        default="refuse",
        description="Sink: SQLite has no decimals; keep their digits as text, round them, or refuse them",
    )
    nan: Literal["error", "null"] = Field(
        default="error", description="Sink: SQLite has no NaN; refuse it or store null"
    )
    journal_mode: Literal["", "delete", "truncate", "persist", "wal"] = Field(
        default="",
        description="Sink: set SQLite's journal mode; default: as the database is (a new one: delete)",
    )
    synchronous: Literal["off", "normal", "full"] = Field(
        default="full",
        description="Sink: what is forced to disk, for power failures; a kill loses nothing either way",
    )
    busy_timeout: float = Field(
        default=600.0, gt=0, le=86400, description="Seconds to wait while somebody else writes"
    )
