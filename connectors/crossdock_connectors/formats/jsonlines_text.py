"""The lines of a JSON lines file, how they become batches, and what is wrong with one that does not."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

import pyarrow as pa
import pyarrow.json as pajson

from crossdock import DataError

from .arrow_io import arrow_range
from .jsonlines_document import Form, as_lines, form_of
from .jsonlines_types import convert, readable

Range: TypeAlias = tuple[int, int | None]

CHUNK = 1 << 20
LARGEST_ROW = 64 << 20
_GROUP = 4096
_CHANGED = re.compile(r"Column\(/?(.*?)\) changed from (\w+) to (\w+)")
_VALUE = re.compile(r"Failed to convert JSON to (.*?), couldn't parse:\s?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class JsonFile:
    """An open file. Offsets count bytes of the decompressed file; ``size`` is that of the object."""

    file: io.RawIOBase
    path: str
    size: int
    gzip: bool
    encoding: str = "utf-8"
    form: Form = "lines"

    @property
    def sequential(self) -> bool:
        """Whether it can only be read from its start."""
        return self.gzip or self.encoding != "utf-8" or self.form != "lines"

    @property
    def unit(self) -> str:
        return "line" if self.form == "lines" else "object"


@contextmanager
def open_text(of: JsonFile, start: int = 0, end: int | None = None) -> Iterator[pa.NativeFile]:
    """The text of a range as UTF-8 with one object per line; a file that is something else is one range."""
    with _open_bytes(of, start, end) as stream, as_lines(stream, of.path, of.encoding, of.form) as lines:
        yield lines


def formed(of: JsonFile) -> JsonFile:
    """The file with its ``form``, found out from its start."""
    with _open_bytes(of) as stream, as_lines(stream, of.path, of.encoding, "lines") as text:
        return replace(of, form=form_of(text))


@contextmanager
def _open_bytes(of: JsonFile, start: int = 0, end: int | None = None) -> Iterator[pa.NativeFile]:
    """The bytes of a range; a compressed file is one range."""
    with arrow_range(of.file, start, of.size if end is None else min(end, of.size)) as stream:
        if not of.gzip:
            yield stream
            return
        try:
            yield pa.CompressedInputStream(stream, "gzip")
        except OSError as error:
            # What Arrow says about the stream has no error number; a store's error has one.
            if error.errno is not None:
                raise
            raise DataError(f"{of.path} is not a complete gzip file", detail=str(error)) from error


def read_up_to(stream: pa.NativeFile, size: int) -> bytes:
    """``size`` bytes; fewer only at the end."""
    parts = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class Shape:
    """The batches that are wanted: of ``schema``, other fields refused or ignored."""

    def __init__(self, schema: pa.Schema, ignore_unexpected: bool) -> None:
        self.schema = schema
        self.parse_options = pajson.ParseOptions(
            explicit_schema=pa.schema([(field.name, readable(field.type)) for field in schema]),
            unexpected_field_behavior="ignore" if ignore_unexpected else "error",
        )

    def shaped(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """What the parser made, as ``schema``.

        Raises ArrowInvalid for text that is no date or not UTF-8: the parser lets both pass.
        """
        batch.validate(full=True)
        if batch.schema.equals(self.schema):
            return batch
        columns = [convert(batch.column(field.name), field.type) for field in self.schema]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def fault(self, lines: bytes) -> str:
        """What Arrow says about the first bad one of some lines; nothing where they are fine."""
        try:
            for batch in parse(lines, self.parse_options).to_batches():
                self.shaped(batch)
        except pa.ArrowInvalid as error:
            return str(error)
        return ""


def parse(lines: bytes, options: pajson.ParseOptions) -> pa.Table:
    """All lines as one table."""
    return pajson.read_json(
        pa.BufferReader(lines),
        read_options=pajson.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=options,
    )


def numbered_lines(of: JsonFile, start: int) -> Iterator[tuple[int, bytes]]:
    """The lines from ``start`` that are not blank, with their numbers in the file, counted from 1.

    A line longer than LARGEST_ROW comes in part, as the last.
    """
    number, rest, before, ended = 1, b"", start, False
    with open_text(of) as stream:
        while before and (part := stream.read(min(CHUNK, before))):
            number += part.count(b"\n")
            before -= len(part)
        while not ended:
            part = stream.read(max(CHUNK, len(rest)))
            ended = not part
            lines = (rest + part).split(b"\n")
            rest = b"" if ended else lines.pop()
            for line in lines:
                if line.strip():
                    yield number, line
                number += 1
            if len(rest) > LARGEST_ROW:
                yield number, rest
                return


def read_failure(error: pa.ArrowInvalid, of: JsonFile, span: Range, done: int, shape: Shape) -> DataError:
    """The DataError for the first line behind ``done`` rows of the range that cannot be read."""
    said = str(error)
    lines = islice(numbered_lines(of, span[0]), done, None)
    while group := list(islice(lines, _GROUP)):
        if found := _first_bad(group, shape.fault):
            number, line, fault = found
            if len(line) > LARGEST_ROW:
                message = (
                    f"{of.path}, {of.unit} {number}: the {of.unit} is longer than {LARGEST_ROW >> 20} MiB"
                )
                return DataError(message, detail=said[:500])
            return _explain(f"{of.path}, {of.unit} {number}", fault, _unknown_field(line, shape.schema))
    return _explain(of.path, said)


def sample_failure(error: pa.ArrowInvalid, of: JsonFile, size: int) -> DataError:
    """The DataError for the line among the first ``size`` bytes that does not fit those before it."""
    lines: list[tuple[int, bytes]] = []
    for number, line in numbered_lines(of, 0):
        lines.append((number, line))
        size -= len(line) + 1
        if size <= 0:
            break
    if found := _first_bad(lines, _misfit):
        return _explain(f"{of.path}, {of.unit} {found[0]}", found[2])
    return _explain(of.path, str(error))


def _first_bad(
    lines: list[tuple[int, bytes]], fault: Callable[[bytes], str]
) -> tuple[int, bytes, str] | None:
    """The first line that cannot be read together with those before it, and what Arrow says."""
    said = fault(_joined(lines))
    if not said:
        return None
    # The lines up to ``low`` can be read together, those up to ``high`` cannot.
    low, high = 0, len(lines)
    while high - low > 1:
        middle = (low + high) // 2
        if found := fault(_joined(lines[:middle])):
            high, said = middle, found
        else:
            low = middle
    return *lines[low], said


def _joined(lines: list[tuple[int, bytes]]) -> bytes:
    return b"\n".join(line for _, line in lines)


def _misfit(lines: bytes) -> str:
    try:
        parse(lines, pajson.ParseOptions())
    except pa.ArrowInvalid as error:
        return str(error)
    return ""


def _unknown_field(line: bytes, schema: pa.Schema) -> str:
    try:
        found = json.loads(line)
    except ValueError:
        return ""
    return next((name for name in found if name not in schema.names), "") if isinstance(found, dict) else ""


def _explain(where: str, said: str, field: str = "") -> DataError:
    detail = said[:500]
    if "unexpected field" in said:
        which = f"the field {field!r}" if field else "a field of an object"
        hint = f"-s types={field or 'COL'}:string adds it, -s unexpected_fields=ignore leaves it out"
        message = f"{where}: {which} is not in the sample that columns are taken from"
        return DataError(message, hint=hint, detail=detail)
    if match := _CHANGED.search(said):
        column = f", column {match[1]!r}" if match[1] else ""
        return DataError(f"{where}{column}: {match[3]} where {match[2]} is expected", detail=detail)
    if match := _VALUE.search(said):
        hint = "-s types=COL:float64 or another type for that column"
        message = f"{where}: {match[2][:60]} is not a value of type {match[1]}"
        return DataError(message, hint=hint, detail=detail)
    if match := re.search(r"Failed to parse string: '(?:1970-01-01T)?(.*)' as a scalar of type (.*)", said):
        return DataError(f"{where}: {match[1][:60]!r} is not a value of type {match[2]}", detail=detail)
    if "UTF8" in said:
        return DataError(f"{where}: the text is not UTF-8", detail=detail)
    reason = re.sub(r"^JSON parse error: |\.? in row \d+$", "", said)
    return DataError(f"{where}: {reason[:200]}", detail=detail)
