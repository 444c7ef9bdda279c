"""Avro: object container files, read by several workers from sync marker to sync marker.

fastavro makes a Python object of each value: some 100,000 rows a second and core, where Parquet has millions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock import ConnectorSpec, CrossdockError, DataError

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation, FileFormat

    from .avro_config import AvroConfig


def _classify(error: BaseException) -> CrossdockError | None:
    if type(error).__module__.startswith("fastavro"):
        return DataError(f"this is no schema of Avro: {error}"[:300])
    return None


def _config() -> type[AvroConfig]:
    from .avro_config import AvroConfig  # imports pydantic

    return AvroConfig


def _open(config: Any) -> FileFormat:
    from .avro_format import AvroFormat  # imports fastavro

    return AvroFormat(config)


def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .avro_adf import from_adf

    return from_adf(end)


SPEC = ConnectorSpec(
    name="avro",
    summary="Apache Avro files, read in parallel by blocks and written in parts",
    kind="format",
    config=_config,
    extensions=(".avro",),
    adf_types=("Avro", "AvroSource", "AvroSink", "AvroFormat"),
    open_format=_open,
    from_adf=_from_adf,
    example="crossdock copy events.avro events.parquet",
    classify=_classify,
    requires=("fastavro",),
    extra="formats",
)
