"""Avro: object container files, read by several workers from sync marker to sync marker.

fastavro makes a Python object of each value: some 100,000 rows a second and core, where Parquet has millions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from crossdock import Capabilities, ConnectorConfig, ConnectorSpec, CrossdockError, DataError

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation, FileFormat

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class AvroConfig(ConnectorConfig):
    """Options of the format ``avro``."""

    compression: Literal["none", "deflate", "snappy", "zstandard"] = Field(
        "deflate", description="codec of the blocks that are written"
    )
    record_name: str = Field("row", description="name of the record that is written")
    record_namespace: str = Field("", description="namespace of the record that is written")

    @field_validator("record_name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("must be letters, digits and _, and begin with no digit")
        return value

    @field_validator("record_namespace")
    @classmethod
    def _namespace(cls, value: str) -> str:
        if value and not all(_NAME.fullmatch(part) for part in value.split(".")):
            raise ValueError("must be names of letters, digits and _, separated by dots")
        return value


def _classify(error: BaseException) -> CrossdockError | None:
    if type(error).__module__.startswith("fastavro"):
        return DataError(f"this is no schema of Avro: {error}"[:300])
    return None


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
    config=AvroConfig,
    extensions=(".avro",),
    adf_types=("Avro", "AvroSource", "AvroSink", "AvroFormat"),
    capabilities=Capabilities(gil_bound=True),
    open_format=_open,
    from_adf=_from_adf,
    example="crossdock copy events.avro events.parquet",
    classify=_classify,
    requires=("fastavro",),
    extra="formats",
)
