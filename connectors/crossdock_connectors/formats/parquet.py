"""Parquet: several workers write one file at once, and files are read by row groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock import Capabilities, ConnectorSpec

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation, FileFormat

    from .parquet_config import ParquetConfig


def _config() -> type[ParquetConfig]:
    from .parquet_config import ParquetConfig  # imports pydantic

    return ParquetConfig


def _open(config: Any) -> FileFormat:
    from .parquet_format import ParquetFormat  # imports pyarrow.parquet

    return ParquetFormat(config)


def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .parquet_adf import from_adf

    return from_adf(end)


SPEC = ConnectorSpec(
    name="parquet",
    summary="Apache Parquet files, read and written in parallel by row groups",
    kind="format",
    config=_config,
    extensions=(".parquet", ".pq"),
    adf_types=("Parquet", "ParquetSource", "ParquetSink", "ParquetFormat"),
    capabilities=Capabilities(stages=True),
    open_format=_open,
    from_adf=_from_adf,
    example="crossdock copy 'data/*.csv' flights.parquet -k compression=zstd",
)
