"""The format of JSON lines: how files are cut, read and written."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crossdock import (
    ByteSink,
    FileFormat,
    FormatWriter,
    InternalError,
    ObjectInfo,
    Piece,
    PlanHint,
    json_lines,
)

from .arrow_io import EncodedSink, cut_at_newlines
from .column_types import parse_types, refuse_repeated
from .compressed import GZIP_LEVELS
from .jsonlines_document import Form
from .jsonlines_read import BLOCK, infer_schema, read_batches
from .jsonlines_text import JsonFile, formed
from .jsonlines_types import check_type

if TYPE_CHECKING:
    from .jsonlines_config import JsonLinesConfig

_TOKEN_VERSION = 2
_READ_MEMORY = 16 * BLOCK
_ROWS_AT_ONCE = 8192
_BYTES_AT_ONCE = 8 << 20


class JsonLinesFormat(FileFormat):
    """JSON lines. A newline always ends a row, so a file is cut without looking through it."""

    def __init__(self, config: JsonLinesConfig, path: str = "") -> None:
        self._config = config
        self._path = path
        self._types = parse_types(config.types)
        # Text of some encodings begins with a mark, which may stand at the start of the file only.
        self.joinable = config.file_pattern == "setOfObjects" and config.encoding == "utf-8"
        self._uncut: list[tuple[str, str]] = []

    def for_path(self, path: str) -> JsonLinesFormat:
        """The same options for writing ``path``, whose extension decides what they leave open."""
        return JsonLinesFormat(self._config, path)

    def schema(self, file: io.RawIOBase, info: ObjectInfo) -> pa.Schema:
        return infer_schema(formed(self._file(file, info)), self._types, self._config.sample_bytes)

    def plan(
        self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target_bytes: int
    ) -> Iterator[Piece]:
        size = info.size
        step = max(target_bytes, hint.min_split_bytes, math.ceil(size / (hint.max_splits or size or 1)), 1)
        count = math.ceil(size / step)
        bounds = [0]
        of = formed(self._file(file, info))
        if count > 1 and of.sequential:
            why = "compressed" if of.gzip else f"of the encoding {of.encoding}"
            self._uncut.append((info.path, why if of.form == "lines" else "not one object per line"))
        elif count > 1:
            bounds += cut_at_newlines(file, size, [size * i // count for i in range(1, count)])
        for begin, end in zip(bounds, [*bounds[1:], None], strict=True):
            yield Piece(
                _token(begin, end, of.form), max((size if end is None else end) - begin, 1), _READ_MEMORY
            )

    @contextmanager
    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        start, end, form = _range(token)
        ignore = self._config.unexpected_fields == "ignore"
        batches = read_batches(replace(self._file(file, info), form=form), (start, end), schema, ignore)
        try:
            yield batches
        finally:
            batches.close()

    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        level = GZIP_LEVELS[self._config.compression_level]
        sink = EncodedSink(out, self._config.encoding, self._zipped(self._path), level)
        lines = self._config.file_pattern == "setOfObjects"
        kind = JsonLinesWriter if lines else JsonArrayWriter
        return kind(sink, self._config.non_finite)

    def check(self, schema: pa.Schema) -> None:
        refuse_repeated(schema)
        for field in schema:
            check_type(field.type, field.name)

    def notes(self) -> Sequence[str]:
        if not self._uncut:
            return []
        more = f" (and {len(self._uncut) - 1} more files)" if len(self._uncut) > 1 else ""
        path, why = self._uncut[0]
        return [f"{path}{more} was read by one worker because it is {why}"]

    def _zipped(self, path: str) -> bool:
        wanted = self._config.compression
        return wanted == "gzip" or (wanted == "auto" and path.lower().endswith(".gz"))

    def _file(self, file: io.RawIOBase, info: ObjectInfo) -> JsonFile:
        return JsonFile(file, info.path, info.size, self._zipped(info.path), self._config.encoding)


class JsonLinesWriter(FormatWriter):
    """One part: a line per row, nulls written as null."""

    def __init__(self, out: EncodedSink, non_finite: str) -> None:
        self._out = out
        self._non_finite = non_finite

    def write(self, batch: pa.RecordBatch) -> None:
        width = max(batch.nbytes // max(batch.num_rows, 1), 1)
        rows = max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // width))
        for start in range(0, batch.num_rows, rows):
            self._put(json_lines(batch.slice(start, rows), self._non_finite))

    def _put(self, lines: pa.Buffer) -> None:
        self._out.write(lines)

    def finish(self) -> bytes:
        self._out.finish()
        return b""


class JsonArrayWriter(JsonLinesWriter):
    """A whole file: one array, a line per row."""

    def __init__(self, out: EncodedSink, non_finite: str) -> None:
        super().__init__(out, non_finite)
        self._before = b"[\n"

    def _put(self, lines: pa.Buffer) -> None:
        rows = memoryview(lines)[:-1].tobytes()  # a newline inside of a text is written as \\n
        self._out.write(self._before + rows.replace(b"\n", b",\n"))
        self._before = b",\n"

    def finish(self) -> bytes:
        self._out.write(b"[]\n" if self._before == b"[\n" else b"\n]\n")
        return super().finish()


def _token(start: int, end: int | None, form: Form) -> bytes:
    return json.dumps({"v": _TOKEN_VERSION, "start": start, "end": end, "form": form}).encode()


def _range(token: bytes) -> tuple[int, int | None, Form]:
    fields: dict[str, Any] = json.loads(token)
    if fields.get("v") != _TOKEN_VERSION:
        raise InternalError(f"a plan of version {fields.get('v')} for JSON lines; this is {_TOKEN_VERSION}")
    return fields["start"], fields["end"], fields["form"]
