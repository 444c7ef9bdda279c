"""Options of Avro."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from crossdock import ConnectorConfig

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class AvroConfig(ConnectorConfig):
    """Options of the format ``avro``."""

    compression: Literal["none", "deflate", "snappy", "bzip2", "xz", "zstandard"] = Field(
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
