"""JSON: one object per line, or an array of objects, or objects one after the other.

Text stays text: dates and times are read as such only where ``types`` says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock import ConnectorSpec

from .compressed import opened

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation, FileFormat

    from .jsonlines_config import JsonLinesConfig


def _config() -> type[JsonLinesConfig]:
    from .jsonlines_config import JsonLinesConfig  # imports pydantic

    return JsonLinesConfig


def _open(config: Any) -> FileFormat:
    from .jsonlines_format import JsonLinesFormat  # imports pyarrow.json

    return opened(config, JsonLinesFormat, own=("auto", "none", "gzip"))


def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .jsonlines_adf import from_adf

    return from_adf(end)


SPEC = ConnectorSpec(
    name="jsonlines",
    summary="JSON: an object per line, an array of objects, or objects one after the other",
    kind="format",
    config=_config,
    extensions=(".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz"),
    adf_types=("Json", "JsonSource", "JsonSink", "JsonFormat"),
    open_format=_open,
    from_adf=_from_adf,
    example="crossdock copy events.jsonl events.parquet -s 'types=at:timestamp,price:decimal(10,2)'",
)
