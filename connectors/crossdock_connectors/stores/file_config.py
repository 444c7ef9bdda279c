"""Options of local files."""

from __future__ import annotations

from pydantic import Field

from crossdock import ConnectorConfig


class FileConfig(ConnectorConfig):
    """Options of the local file store."""

    sync: bool = Field(
        default=False,
        description="Force data and names to disk before a block or a commit counts, so that a resumed run "
        "survives a power failure too; a killed process loses nothing without it",
    )
