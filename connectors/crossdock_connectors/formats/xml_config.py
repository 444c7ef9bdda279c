"""Options of XML."""

from __future__ import annotations

from pydantic import Field, field_validator

from crossdock import ConnectorConfig


class XmlConfig(ConnectorConfig):
    """Options of XML files."""

    row_path: str = Field(
        "",
        description="path of the element that is a row, as /orders/order; by default the root's first child",
    )
    namespaces: bool = Field(
        False, description="whether names keep their namespaces, as {uri}name; else they are local names"
    )
    attribute_prefix: str = Field("@", description="what stands before the names of attributes")
    text_column: str = Field("_text", description="name for the text of an element that has attributes")
    null_value: str = Field("", description="text that stands for null")
    sample_bytes: int = Field(
        1 << 20, ge=1024, description="bytes at the start of a file whose rows name the columns"
    )
    types: str = Field(
        "", description="types other than text, as a:int64,b.c:date, and columns not in the sample"
    )

    @field_validator("types")
    @classmethod
    def _types(cls, value: str) -> str:
        from .column_types import parse_types  # imports pyarrow

        parse_types(value)
        return value
