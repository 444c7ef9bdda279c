"""XML, for reading: an element that repeats is a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock import ConnectorSpec, CrossdockError, DataError

from .compressed import opened

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation, FileFormat

    from .xml_config import XmlConfig


def _classify(error: BaseException) -> CrossdockError | None:
    if type(error).__module__.startswith("lxml"):
        return DataError(f"the XML cannot be read: {error}"[:300])
    return None


def _config() -> type[XmlConfig]:
    from .xml_config import XmlConfig  # imports pydantic

    return XmlConfig


def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .xml_adf import from_adf

    return from_adf(end)


def _open(config: Any) -> FileFormat:
    from .xml_format import XmlFormat  # imports lxml

    return opened(config, XmlFormat, own=("auto", "none"))


SPEC = ConnectorSpec(
    name="xml",
    summary="XML, read only: an element that repeats is a row, its children and attributes are columns",
    kind="format",
    config=_config,
    extensions=(".xml", ".xml.gz"),
    adf_types=("Xml", "XmlSource"),
    open_format=_open,
    classify=_classify,
    from_adf=_from_adf,
    example="crossdock copy orders.xml orders.parquet -s row_path=/orders/order -s types=@id:int64",
    requires=("lxml",),
    extra="formats",
)
