"""Options of JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .compressed_config import CompressedConfig
from .text_options import ColumnTypes, Encoding


class JsonLinesConfig(CompressedConfig):
    """Options of JSON, for reading and writing."""

    types: ColumnTypes = Field(
        "",
        description="types that are not inferred, as a:date,b:decimal(10,2), and columns not in the sample",
    )
    unexpected_fields: Literal["error", "ignore"] = Field(
        "error", description="what to do about a field that the sample does not have"
    )
    sample_bytes: int = Field(
        1 << 20, ge=1024, description="bytes at the start of a file from which types are inferred"
    )
    non_finite: Literal["error", "null"] = Field(
        "error", description="what to write for NaN and the infinities, which JSON does not have"
    )

    file_pattern: Literal["setOfObjects", "arrayOfObjects"] = Field(
        "setOfObjects",
        description="what is written: an object per line, or one array; when reading, the file tells",
    )
    encoding: Encoding = Field("utf-8", description="name of the text encoding")
