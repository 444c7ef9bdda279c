"""ORC: read by stripes, in small batches; written by pyarrow as one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from crossdock import ConnectorConfig, ConnectorSpec

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation, FileFormat


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


def _open(config: Any) -> FileFormat:
    from .orc_format import OrcFormat  # imports pyarrow.orc

    return OrcFormat(config)


def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .orc_adf import from_adf

    return from_adf(end)


SPEC = ConnectorSpec(
    name="orc",
    summary="Apache ORC files, read in parallel by stripes",
    kind="format",
    config=OrcConfig,
    extensions=(".orc",),
    adf_types=("Orc", "OrcSource", "OrcSink", "OrcFormat"),
    open_format=_open,
    from_adf=_from_adf,
    example="crossdock copy 'data/*.csv' flights.orc -k compression=zstd",
)
