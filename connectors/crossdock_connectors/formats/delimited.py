"""DelimitedText: CSV, TSV and their relatives.

A null is an empty value without quotes (or what ``null_value`` says); an empty value in quotes is an
empty text. In a file of one column an empty line is therefore a row; in other files it is skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock import ConnectorSpec

from .compressed import opened

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation, FileFormat

    from .delimited_config import DelimitedConfig


def _config() -> type[DelimitedConfig]:
    from .delimited_config import DelimitedConfig  # imports pydantic

    return DelimitedConfig


def _open(config: Any) -> FileFormat:
    from .delimited_format import DelimitedFormat  # imports pyarrow.csv

    return opened(config, DelimitedFormat, own=("auto", "none", "gzip"))


def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .delimited_adf import from_adf

    return from_adf(end)


SPEC = ConnectorSpec(
    name="delimited",
    summary="Delimited text: CSV, TSV and their relatives, large files read by several workers",
    kind="format",
    config=_config,
    extensions=(".csv", ".tsv", ".psv", ".txt", ".csv.gz", ".tsv.gz"),
    adf_types=("DelimitedText", "DelimitedTextSource", "DelimitedTextSink", "TextFormat"),
    open_format=_open,
    from_adf=_from_adf,
    example="crossdock copy orders.csv orders.parquet -s 'types=id:int64,total:decimal(10,2)'",
)
