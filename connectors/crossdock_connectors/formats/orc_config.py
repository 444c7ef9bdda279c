"""Options of ORC."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from crossdock import ConnectorConfig


class OrcConfig(ConnectorConfig):
    """Options of the format ``orc``."""

    compression: Literal["none", "zlib", "snappy", "zstd", "lz4"] = Field(
        "snappy", description="codec of the stripes that are written"
    )
    stripe_bytes: int = Field(
        64 << 20, ge=64 << 10, le=256 << 20, description="size of a stripe of a file that is written"
    )
    columns: list[str] | None = Field(
        None, min_length=1, description="columns to read, in this order; all of them if not given"
    )

    @model_validator(mode="after")
    def _columns_once(self) -> OrcConfig:
        if self.columns is not None and len(set(self.columns)) < len(self.columns):
            raise ValueError("columns names a column twice")
        return self
