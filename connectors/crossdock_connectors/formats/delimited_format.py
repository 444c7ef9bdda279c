"""The format of delimited text: how files are cut, read and written."""

from __future__ import annotations

import gzip
import io
import json
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
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
    RowSkips,
    SchemaMismatchError,
)

from .arrow_io import EncodedSink, cut_at_newlines
from .codec_names import unmarked
from .column_types import apply_types, parse_types
from .compressed import GZIP_LEVELS
from .delimited_cut import Scanner
from .delimited_foreign import PLAIN, Syntax, TranslatingSink, Translator
from .delimited_infer import infer_schema
from .delimited_nulls import Marked, NullNotes
from .delimited_read import BLOCK, SMALL_BLOCK, line_of, read_batches
from .delimited_skip import read_fitting
from .delimited_text import DelimitedFile, Dialect, Layout, find_layout, keeps_ascii
from .delimited_write import DelimitedWriter, Style, check_columns, header_line

if TYPE_CHECKING:
    from .delimited_config import DelimitedConfig

_BY_EXTENSION = {".tsv": "\t", ".psv": "|"}
_TOKEN_VERSION = 1
_READ_MEMORY = 16 * BLOCK


class DelimitedFormat(FileFormat):
    """Delimited text. Types come from a sample, so that every piece of a file has the same schema."""

    joinable = True
    typed = False

    def __init__(self, config: DelimitedConfig, path: str = "") -> None:
        self._config = config
        self._path = path
        self._types = parse_types(config.types)
        self._uncut: dict[str, list[str]] = {}
        self._nulls = NullNotes()

    def for_path(self, path: str) -> DelimitedFormat:
        """The same options for writing ``path``, whose extension decides what they leave open."""
        return DelimitedFormat(self._config, path)

    def schema(self, file: io.RawIOBase, info: ObjectInfo) -> pa.Schema:
        of = self._file(file, info)
        layout = find_layout(of)
        if self._config.infer:
            schema, marked = infer_schema(of, layout, self._config.sample_bytes)
            self._note_nulls(of, layout, [each for each in marked if each.column not in self._types])
        else:
            schema = pa.schema([(name, pa.string()) for name in layout.names])
        given = {name.lower(): kind for name, kind in self.wanted.items()} | dict(self.wanted)
        wanted = {name: kind for name in layout.names if (kind := given.get(name) or given.get(name.lower()))}
        return apply_types(schema, wanted | self._types, info.path)

    def _note_nulls(self, of: DelimitedFile, layout: Layout, marked: Sequence[Marked]) -> None:
        if marked:
            line = 0
            if marked[0].row >= 0 and not self._nulls.knows(marked):
                line = line_of(of, layout.data_start, layout.names, marked[0].row)
            self._nulls.add(of.path, line, marked)

    def plan(
        self, file: io.RawIOBase, info: ObjectInfo, hint: PlanHint, target_bytes: int
    ) -> Iterator[Piece]:
        of = self._file(file, info)
        layout = find_layout(of)
        start, names = layout.data_start, _digest(layout.names)
        if hint.first_rows is not None:
            yield Piece(_token(start, None, names, SMALL_BLOCK), max(info.size, 1), _READ_MEMORY)
            return
        bounds = [start, *self._boundaries(of, start, hint, target_bytes)]
        if len(bounds) == 1:
            yield Piece(_token(start, None, names), max(info.size, 1), _READ_MEMORY)
            return
        for begin, end in pairwise([*bounds, info.size]):
            yield Piece(_token(begin, end, names), end - begin, _READ_MEMORY)

    def _boundaries(self, of: DelimitedFile, start: int, hint: PlanHint, target_bytes: int) -> Sequence[int]:
        """Where the pieces behind the first start; none where the file stays in one piece."""
        size = of.size - start
        step = max(target_bytes, hint.min_split_bytes, math.ceil(size / (hint.max_splits or size or 1)), 1)
        count = math.ceil(size / step)
        if count <= 1:
            return ()
        any_newline = not of.dialect.quote or self._config.multiline == "false"
        if hint.parallel == 1 and not any_newline:
            return ()
        reason = self._why_whole(of.dialect, any_newline or hint.cheap_scan)
        if reason:
            return self._whole(of, reason)
        targets = [start + size * i // count for i in range(1, count)]
        if any_newline:
            found = cut_at_newlines(of.file, of.size, targets)
        else:
            scanner = Scanner(of.dialect.delimiter, of.dialect.quote)
            scanner.scan(of.file, start, of.size, targets)
            if scanner.stray is not None:
                return self._whole(of, "it has a quote in a value that does not start with one")
            found = scanner.boundaries
        return found or self._whole(of, "no newline in it is known to end a row")

    def _why_whole(self, dialect: Dialect, can_look: bool) -> str:
        if dialect.gzip:
            return "it is compressed"
        if not keeps_ascii(dialect.encoding):
            return f"rows cannot be found from the middle of a file in {dialect.encoding}"
        if dialect.foreign:
            return "rows cannot be found from the middle of a file with such delimiters or quotes"
        if dialect.escape:
            return "rows cannot be found from the middle of a file with escaped characters"
        if can_look:
            return ""
        return (
            "its values may hold newlines and looking through it would be a second transfer; "
            "-s multiline=false lets it be split"
        )

    def _whole(self, of: DelimitedFile, reason: str) -> Sequence[int]:
        self._uncut.setdefault(reason, []).append(of.path)
        return ()

    @contextmanager
    def read(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        start, end, block = _checked_range(token, info, schema)
        with closing(read_batches(self._file(file, info), start, end, schema, block)) as batches:
            yield batches

    @contextmanager
    def read_skipping(
        self, file: io.RawIOBase, info: ObjectInfo, token: bytes, schema: pa.Schema, skips: RowSkips
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        start, end, _ = _checked_range(token, info, schema)
        with closing(read_fitting(self._file(file, info), start, end, schema, skips)) as batches:
            yield batches

    def writer(self, out: ByteSink, schema: pa.Schema) -> FormatWriter:
        dialect = self._dialect(self._path, writing=True)
        level = GZIP_LEVELS[self._config.compression_level]
        encoded = EncodedSink(out, unmarked(dialect.encoding)[1], dialect.gzip, level)
        sink = TranslatingSink(encoded, dialect.foreign) if dialect.foreign else encoded
        return DelimitedWriter(sink, schema, self._style(dialect))

    def check(self, schema: pa.Schema) -> None:
        if self._config.delimiter == "" and len(schema) > 1:
            raise SchemaMismatchError(
                f"{len(schema)} columns cannot be written without a delimiter between them; map one of them"
            )
        check_columns(schema, self._style(self._dialect(self._path, writing=True)))

    def head(self, schema: pa.Schema) -> bytes:
        dialect = self._dialect(self._path, writing=True)
        mark, encoding = unmarked(dialect.encoding)
        head = mark
        if dialect.header:
            line = header_line(schema.names, self._style(dialect))
            if dialect.foreign:
                text = Translator(PLAIN, dialect.foreign).of(line.encode(), ended=True)
                line = text.decode()
            head += line.encode(encoding)
        if not head:
            return b""
        # gzip members behind each other are one gzip file.
        return gzip.compress(head, mtime=0) if dialect.gzip else head

    def notes(self) -> Sequence[str]:
        uncut = [_note(reason, list(paths)) for reason, paths in list(self._uncut.items())]
        return [*uncut, *self._nulls]

    def _style(self, dialect: Dialect) -> Style:
        eol = "\r\n" if self._config.line_ending == "crlf" and not dialect.foreign else "\n"
        return Style(
            dialect.delimiter,
            eol,
            dialect.nulls[0],
            self._config.quoting,
            dialect.escape,
            dialect.quotes_only,
        )

    def _file(self, file: io.RawIOBase, info: ObjectInfo) -> DelimitedFile:
        return DelimitedFile(file, self._dialect(info.path), info.path, info.size)

    def _syntax(self, delimiter: str) -> Syntax:
        """The file's own."""
        config = self._config
        ending = "\r\n" if config.line_ending == "crlf" else "\n"
        others = tuple(each for each in ("\r\n", "\n", "\r") if each != ending)
        rows = (config.row_delimiter,) if config.row_delimiter.strip("\r\n") else (ending, *others)
        if config.row_delimiter == "\r":
            rows = ("\r", "\r\n", "\n")
        both = bool(config.escape and config.quote) and config.escapes == "quotes"
        if not delimiter:
            return Syntax("", rows, "")  # a line is taken as it is
        quote = config.quote if config.quoting != "none" else ""
        return Syntax(delimiter, rows, quote, config.escape, both)

    def _dialect(self, path: str, *, writing: bool = False) -> Dialect:
        config = self._config
        lower = path.lower()
        zipped = lower.endswith(".gz")
        extension = lower.removesuffix(".gz")[-4:]
        default = _BY_EXTENSION.get(extension, ",")
        syntax = self._syntax(default if config.delimiter is None else config.delimiter)
        if not writing and config.quoting == "none" and syntax.delimiter:
            syntax = replace(syntax, quote=config.quote)
        plain = syntax.is_plain
        if writing:
            # With quoting=none no quote is written, so that none needs to be this one.
            plain = syntax.is_written_plain if syntax.quote else syntax.is_plain and syntax.rows[0] != "\r"
        used = syntax if plain else PLAIN
        return Dialect(
            delimiter=used.delimiter,
            quote=config.quote if plain else used.quote,
            escape=used.escape,
            quotes_only=used.quotes_only,
            foreign=None if plain else syntax,
            header=config.header,
            encoding=config.encoding,
            nulls=_nulls(config.null_value),
            skip_lines=config.skip_lines,
            gzip=config.compression == "gzip" or (config.compression == "auto" and zipped),
            lenient=self.skips_rows,
        )


def _nulls(text: str) -> tuple[str, ...]:
    """The texts for null: a JSON list of them, or with | between them."""
    if text.startswith("["):
        with suppress(ValueError):
            found = json.loads(text)
            if found and all(isinstance(each, str) for each in found):
                return tuple(found)
    return tuple(text.split("|"))


def _note(reason: str, paths: list[str]) -> str:
    more = f" (and {len(paths) - 1} more files)" if len(paths) > 1 else ""
    return f"{paths[0]}{more} was read by one worker because {reason}"


def _digest(names: Sequence[str]) -> int:
    return zlib.crc32("\0".join(names).encode())


def _token(start: int, end: int | None, names: int, block: int = BLOCK) -> bytes:
    fields = {"v": _TOKEN_VERSION, "start": start, "end": end, "names": names}
    return json.dumps(fields if block == BLOCK else fields | {"block": block}).encode()


def _checked_range(token: bytes, info: ObjectInfo, schema: pa.Schema) -> tuple[int, int | None, int]:
    start, end, names, block = _range(token)
    if names != _digest(schema.names):
        # Values are found by their place: a file with its columns in another order would be read wrongly.
        raise SchemaMismatchError(
            f"{info.path} does not have the columns {', '.join(schema.names)} in this order"
        )
    return start, end, block


def _range(token: bytes) -> tuple[int, int | None, int, int]:
    fields: dict[str, Any] = json.loads(token)
    if fields.get("v") != _TOKEN_VERSION:
        raise InternalError(
            f"a plan of version {fields.get('v')} for delimited text; this is {_TOKEN_VERSION}"
        )
    return fields["start"], fields["end"], fields["names"], fields.get("block", BLOCK)
