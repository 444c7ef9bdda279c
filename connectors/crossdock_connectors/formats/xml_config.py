"""Options of XML."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field, field_validator

from .codec_names import codec_name
from .compressed_config import CompressedConfig
from .text_options import ColumnTypes


class XmlConfig(CompressedConfig):
    """Options of XML files."""

    row_path: str = Field(
        "",
        description="path of the element that is a row, as /orders/order; by default the root's first child",
    )
    namespaces: bool = Field(
        False, description="whether names keep their namespaces, as {uri}name; else they are local names"
    )
    namespace_prefixes: str = Field(
        default="", description="with namespaces: prefixes for their URIs, as JSON: names become prefix:name"
    )
    own_prefixes: bool = Field(
        default=False, description="with namespaces: other names have the prefixes that the file gives them"
    )
    validation_mode: Literal["none", "xsd", "dtd"] = Field(
        default="none",
        description="whether files must be as the schema or the DTD says that they name, which is a file in "
        "the folder that is read, or below it",
    )
    infer: bool = Field(
        default=False, description="whether to infer integers, numbers and booleans from a sample; else text"
    )
    encoding: str = Field(
        default="", description="name of the text encoding, whatever the file says; by default what it says"
    )
    attribute_prefix: str = Field("@", description="what stands before the names of attributes")
    text_column: str = Field("_text", description="name for the text of an element that has attributes")
    null_value: str = Field("", description="text that stands for null")
    sample_bytes: int = Field(
        1 << 20, ge=1024, description="bytes at the start of a file whose rows name the columns"
    )
    types: ColumnTypes = Field(
        "", description="types other than text, as a:int64,b.c:date, and columns not in the sample"
    )

    @field_validator("encoding")
    @classmethod
    def _codec(cls, value: str) -> str:
        return codec_name(value) if value else ""

    @field_validator("namespace_prefixes")
    @classmethod
    def _prefixes(cls, value: str) -> str:
        prefixes(value)
        return value


def prefixes(text: str) -> dict[str, str]:
    """Prefixes by URI."""
    found = json.loads(text) if text else {}
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise ValueError("must be a JSON object of prefixes by URI")
    return found
