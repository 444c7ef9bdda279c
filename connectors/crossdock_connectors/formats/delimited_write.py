"""Writing delimited text, column-wise, by Arrow's CSV writer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from crossdock import DataError, FormatWriter, NotSupportedError, SchemaMismatchError

from .arrow_io import EncodedSink, SinkFile
from .column_types import refuse_repeated
from .delimited_escape import EscapingSink, before_writing, escaped_name
from .delimited_foreign import TranslatingSink

if TYPE_CHECKING:
    from .delimited_config import Quoting

_ROWS_AT_ONCE = 8192
"""1 to 2 MiB of usual rows per write: fastest of 1,024 to 65,536."""
_STYLES = {"needed": "needed", "all": "all_valid", "none": "none"}


@dataclass(frozen=True, slots=True)
class Style:
    """How a file is written; ``null`` is the text of a null."""

    delimiter: str
    eol: str
    null: str
    quoting: Quoting
    escape: str = ""
    quotes_only: bool = False


def check_columns(schema: pa.Schema, style: Style) -> None:
    """Raise SchemaMismatchError for the first column that cannot be written, by its name or its type."""
    refuse_repeated(schema)
    if (style.eol != "\n" or style.null) and not hasattr(pacsv.WriteOptions, "eol"):
        raise NotSupportedError("line_ending=crlf and null_value need a newer pyarrow to be written")
    for field in schema:
        _quoted(field.name, style)
        if not _has_text(field.type):
            raise SchemaMismatchError(
                f"column {field.name!r}: delimited text cannot hold values of type {field.type}; "
                "leave the column out or choose a format that can (Parquet)"
            )


def _has_text(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        return _has_text(kind.value_type)
    if types.is_duration(kind) or types.is_interval(kind):
        return False
    return bool(
        types.is_primitive(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
    )


def _options(style: Style) -> pacsv.WriteOptions:
    # Older pyarrow knows these two defaults only, and no option for them.
    more = {"eol": style.eol} if style.eol != "\n" else {}
    more |= {"null_string": style.null} if style.null else {}
    return pacsv.WriteOptions(
        include_header=False,
        batch_size=_ROWS_AT_ONCE,
        delimiter=style.delimiter,
        quoting_style=_STYLES[style.quoting],
        **more,
    )


def header_line(names: list[str], style: Style) -> str:
    return style.delimiter.join(_quoted(name, style) for name in names) + style.eol


def _quoted(name: str, style: Style) -> str:
    special = not name or any(c in name for c in (style.delimiter, '"', "\r", "\n"))
    if style.quoting == "none" and special:
        raise SchemaMismatchError(f"the column name {name!r} cannot be written with quoting=none")
    if style.escape:
        special = special or style.escape in name
        inside = escaped_name(name, style.escape, quotes_only=style.quotes_only)
    else:
        inside = name.replace('"', '""')
    return f'"{inside}"' if special or style.quoting == "all" else name


class DelimitedWriter(FormatWriter):
    """One part: rows without a header."""

    def __init__(self, out: EncodedSink | TranslatingSink, schema: pa.Schema, style: Style) -> None:
        self._out = out
        self._file = SinkFile(EscapingSink(out, style.escape) if style.escape else out)
        self._style = style
        self._quoting = style.quoting
        self._schema = pa.schema([field.with_type(_plain(field.type)) for field in schema])
        self._writer = pacsv.CSVWriter(
            pa.PythonFile(self._file, mode="w"),
            self._schema,
            write_options=_options(style),
        )

    def write(self, batch: pa.RecordBatch) -> None:
        if batch.schema != self._schema:
            columns = [pc.cast(c, f.type) for c, f in zip(batch.columns, self._schema, strict=True)]
            batch = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        if self._style.escape:
            batch = before_writing(batch, self._style.escape, quotes_only=self._style.quotes_only)
        try:
            self._writer.write_batch(batch)
        except Exception as error:
            if self._file.error is not None:
                raise self._file.error from None
            if isinstance(error, pa.ArrowInvalid) and self._quoting == "none":
                message = "a value holds a delimiter, quote or line end, which quoting=none cannot write"
                raise DataError(message, hint="-k quoting=needed", detail=str(error)) from error
            raise

    def finish(self) -> bytes:
        self._writer.close()
        self._out.finish()
        return b""


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    return pa.string() if pa.types.is_string_view(kind) else kind
