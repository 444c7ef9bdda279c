"""XML, for reading: an element that repeats is a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from crossdock import ConnectorConfig, ConnectorSpec, CrossdockError, DataError

if TYPE_CHECKING:
    from crossdock import FileFormat


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


def _classify(error: BaseException) -> CrossdockError | None:
    if type(error).__module__.startswith("lxml"):
        return DataError(f"the XML cannot be read: {error}"[:300])
    return None


def _open(config: Any) -> FileFormat:
    from .xml_format import XmlFormat  # imports lxml

    return XmlFormat(config)


SPEC = ConnectorSpec(
    name="xml",
    summary="XML, read only: an element that repeats is a row, its children and attributes are columns",
    kind="format",
    config=XmlConfig,
    extensions=(".xml", ".xml.gz"),
    adf_types=("Xml", "XmlSource"),
    open_format=_open,
    classify=_classify,
    example="crossdock copy orders.xml orders.parquet -s row_path=/orders/order -s types=@id:int64",
    requires=("lxml",),
    extra="formats",
)
