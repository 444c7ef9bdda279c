"""Options of Parquet."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from crossdock import ConnectorConfig

_LEVELS = {"gzip": (1, 9), "zstd": (-7, 22), "lz4": (1, 12)}


class ParquetConfig(ConnectorConfig):
    """Options of the format ``parquet``."""

    compression: Literal["none", "snappy", "gzip", "zstd", "lz4"] = Field(
        "snappy", description="Codec of the pages that are written: none, snappy, gzip, zstd or lz4"
    )
    compression_level: int | None = Field(
        None, description="Level of gzip (1-9), zstd (-7-22) or lz4 (1-12); the codec's default if not given"
    )
    row_group_rows: int = Field(
        122_880, ge=1, le=64 << 20, description="Most rows in one row group of a file that is written"
    )
    page_checksum: bool = Field(
        False,
        description="Write a CRC-32 for each page (2 % slower); checksums are always verified on reading",
    )
    columns: list[str] | None = Field(
        None, min_length=1, description="Columns to read, in this order; all of them if not given"
    )

    @model_validator(mode="after")
    def _level_fits(self) -> ParquetConfig:
        if self.compression_level is not None:
            low, high = _LEVELS.get(self.compression, (1, 0))
            if low > high:
                raise ValueError(f"the codec {self.compression} has no compression_level")
            if not low <= self.compression_level <= high:
                raise ValueError(f"compression_level of {self.compression} is {low} to {high}")
        return self

    @model_validator(mode="after")
    def _columns_once(self) -> ParquetConfig:
        if self.columns is not None and len(set(self.columns)) < len(self.columns):
            raise ValueError("columns names a column twice")
        return self
