"""ORC: read by stripes, in small batches; written by pyarrow as one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock import ConnectorSpec

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation, FileFormat

    from .orc_config import OrcConfig


def _config() -> type[OrcConfig]:
    from .orc_config import OrcConfig  # imports pydantic

    return OrcConfig


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
    config=_config,
    extensions=(".orc",),
    adf_types=("Orc", "OrcSource", "OrcSink", "OrcFormat"),
    open_format=_open,
    from_adf=_from_adf,
    example="crossdock copy 'data/*.csv' flights.orc -k compression=zstd",
)
