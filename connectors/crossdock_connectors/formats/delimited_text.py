"""How the text of a delimited file is laid out: dialect, decoding, rows and header."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.csv as pacsv

from crossdock import DataError

from .arrow_io import arrow_range
from .delimited_escape import EscapedReader, for_arrow
from .delimited_foreign import Syntax, TranslatedReader

CHUNK = 1 << 20
LARGEST_ROW = 64 << 20
"""A row longer than this is taken for a quote that is never closed."""
OTHER_ENCODING = "say which it is, for example -s encoding=cp1252"
UNCLOSED = "is a quote not closed? With -s quote= a quote is an ordinary character"

_LINE = re.compile(rb"[^\r\n]*+(?:\r\n|\r|\n|\Z)")


@dataclass(frozen=True)
class Dialect:
    """How one file is read: the options with everything that depended on its name resolved.

    ``encoding`` is a normalised codec name. Offsets into a file count bytes of the *decompressed* file;
    where the encoding does not keep ASCII bytes (``wide``) they count bytes of its UTF-8 form. ``lenient``:
    rows with too few or too many values are left out. ``foreign`` is the file's own syntax where Arrow has no
    options for it: offsets then count bytes of the text in the dialect that Arrow is given.
    """

    delimiter: str
    quote: str
    escape: str
    quotes_only: bool
    header: bool
    encoding: str
    nulls: tuple[str, ...]
    skip_lines: int
    gzip: bool
    lenient: bool = False
    foreign: Syntax | None = None
    row: re.Pattern[bytes] = field(init=False, repr=False, compare=False)
    closed_row: re.Pattern[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """``row`` also matches one whose last quote is never closed, as Arrow reads it."""
        syntax = (self.delimiter, self.quote, self.escape)
        object.__setattr__(self, "row", _row_pattern(syntax, rb"|\Z", self.quotes_only))
        object.__setattr__(self, "closed_row", _row_pattern(syntax, b"", self.quotes_only))

    @property
    def wide(self) -> bool:
        """Whether a newline byte may be part of another character (UTF-16, Shift-JIS, ...)."""
        return self.encoding != "utf-8" and not keeps_ascii(self.encoding)

    @property
    def byte_codec(self) -> str:
        """The codec of the bytes that offsets count."""
        return "utf-8" if self.wide or self.foreign else self.encoding

    def for_arrow(self, text: bytes) -> bytes:
        """UTF-8 text as Arrow's parser is to see it."""
        return for_arrow(text, self.escape, self.quote) if self.quotes_only else text

    def parse_options(self, columns: int) -> pacsv.ParseOptions:
        """Newlines in values are always allowed: it was measured to cost nothing.

        In a file of one column an empty line is a row whose value is null, else there are no such rows.
        """
        options = pacsv.ParseOptions(
            delimiter=self.delimiter,
            quote_char=self.quote or False,
            double_quote=bool(self.quote),
            escape_char=self.escape or False,
            newlines_in_values=True,
            ignore_empty_lines=columns != 1,
        )
        if self.lenient:
            options.invalid_row_handler = _left_out
        return options


def _left_out(row: pacsv.InvalidRow) -> str:
    return "skip"


@dataclass(frozen=True, slots=True)
class DelimitedFile:
    """An open file and how it is read. ``path`` and ``size`` (in bytes) are those of the object."""

    file: io.RawIOBase
    dialect: Dialect
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The column names and where the data starts."""

    names: list[str]
    data_start: int


def keeps_ascii(encoding: str) -> bool:
    """Whether every byte below 128 is that ASCII character and nothing else."""
    return encoding in ("utf-8", "ascii") or encoding.startswith(("iso8859", "cp125", "koi8"))


def _row_pattern(syntax: tuple[str, str, str], unclosed: bytes, quotes_only: bool) -> re.Pattern[bytes]:
    # The same rules as Arrow's parser: a quote counts only where a value starts; what follows the
    # closing quote belongs to the value as it is. Possessive, so that no input makes it backtrack.
    d, q, e = (re.escape(c.encode()) if c else b"" for c in syntax)
    escaped = b"|" + e + (b"(?:" + e + b"|" + q + b")?+" if quotes_only else b"(?s:.)") if e else b""
    plain = b"(?:[^" + d + b"\r\n" + e + b"]++" + escaped + b")*+"
    value = plain
    if q:
        value = b"(?:" + q + b"(?:[^" + q + e + b"]++|" + q + q + escaped + b")*+(?:" + q + plain
        value += unclosed + b")|" + plain + b")"
    return re.compile(value + b"(?:" + d + value + rb")*+(?:\r\n|\r|\n|\Z)")


@contextmanager
def open_bytes(of: DelimitedFile, start: int = 0, end: int | None = None) -> Iterator[pa.NativeFile]:
    """The bytes that offsets count, from ``start``."""
    dialect = of.dialect
    if not (dialect.gzip or dialect.wide or dialect.foreign):
        with arrow_range(of.file, start, of.size if end is None else end) as stream:
            yield stream
        return
    with arrow_range(of.file, 0, of.size) as stream, _decoding(of):
        text = pa.CompressedInputStream(stream, "gzip") if dialect.gzip else stream
        if dialect.wide or (dialect.foreign and dialect.encoding not in ("utf-8", "ascii")):
            text = pa.transcoding_input_stream(text, dialect.encoding, "utf-8")
        if dialect.foreign:
            text = pa.PythonFile(TranslatedReader(text, dialect.foreign, of.path), mode="r")
        while start and (skipped := text.read(min(start, CHUNK))):
            start -= len(skipped)
        yield text


@contextmanager
def open_utf8(of: DelimitedFile, start: int, end: int | None) -> Iterator[pa.NativeFile]:
    """The text of a range as UTF-8, for Arrow's parser."""
    codec = of.dialect.byte_codec
    with open_bytes(of, start, end) as stream, _decoding(of):
        text = stream if codec in ("utf-8", "ascii") else pa.transcoding_input_stream(stream, codec, "utf-8")
        if of.dialect.quotes_only:
            text = pa.PythonFile(EscapedReader(text, of.dialect.escape, of.dialect.quote), mode="r")
        yield text


@contextmanager
def _decoding(of: DelimitedFile) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        message = f"{of.path} is not {of.dialect.encoding}: {error.reason}"
        raise DataError(message, hint=OTHER_ENCODING, detail=str(error)) from error
    except OSError as error:
        # What Arrow says about the stream has no error number; a store's error has one.
        if error.errno is not None or not of.dialect.gzip:
            raise
        raise DataError(f"{of.path} is not a complete gzip file", detail=str(error)) from error


def read_start(of: DelimitedFile, size: int, start: int = 0) -> bytes:
    """Up to ``size`` bytes from ``start``; fewer only at the end."""
    parts: list[bytes] = []
    with open_bytes(of, start, min(start + size, of.size)) as stream:
        while size > 0 and (part := stream.read(size)):
            parts.append(part)
            size -= len(part)
    return b"".join(parts)


def find_layout(of: DelimitedFile) -> Layout:
    """Read the header. Raises DataError for an empty file and for two columns of one name."""
    size = 64 << 10
    while True:
        head = read_start(of, size)
        try:
            found = _layout_of(head, len(head) < size, of.dialect)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{of.path}: the first row is not {of.dialect.encoding}", hint=OTHER_ENCODING
            ) from error
        if found is not None:
            break
        if size > LARGEST_ROW:
            raise DataError(f"{of.path}: the first row is longer than {LARGEST_ROW >> 20} MiB", hint=UNCLOSED)
        size *= 4
    if not found.names:
        raise DataError(f"{of.path} is empty: it has no {'header line' if of.dialect.header else 'row'}")
    name, times = Counter(found.names).most_common(1)[0]
    if times > 1:
        raise DataError(f"{of.path} has {times} columns called {name!r}; their names must differ")
    return found


def _layout_of(head: bytes, whole: bool, dialect: Dialect) -> Layout | None:
    """The layout, with no names where there is no row at all; None where more must be read."""
    position = 3 if head.startswith(b"\xef\xbb\xbf") and dialect.byte_codec == "utf-8" else 0
    for _ in range(dialect.skip_lines):
        line = _LINE.match(head, position)
        position = line.end() if line else len(head)
    for start, end in _spans(head, position, whole, dialect):
        row = head[start:end]
        if row.strip(b"\r\n"):
            values = row_values(row, dialect, "strict")
            if dialect.header:
                return Layout(values, end)
            names = [f"Prop_{i}" for i in range(len(values))]
            return Layout(names, position if len(names) == 1 else start)
    return Layout([], len(head)) if whole else None


def _spans(data: bytes, position: int, whole: bool, dialect: Dialect) -> Iterator[tuple[int, int]]:
    """Start and end of each row; a last row that may go on behind ``data`` only where that is ``whole``."""
    size = len(data)
    while position < size:
        match = dialect.row.match(data, position)
        end = match.end() if match else size
        # A row that ends in "\r" at the very end may still get its "\n".
        if not whole and (end == size):
            return
        yield position, end
        position = end


def whole_rows(data: bytes, dialect: Dialect) -> int:
    """Where the last row of ``data`` starts that may go on behind it."""
    end = 0
    for _, end in _spans(data, 0, False, dialect):  # noqa: B007 - only the last is wanted
        pass
    return end


def row_values(row: bytes, dialect: Dialect, errors: str = "replace") -> list[str]:
    """The values of one row as text; ``errors`` is for bytes that are not in the file's encoding."""
    text = dialect.for_arrow(row.decode(dialect.byte_codec, errors).encode())
    if not text.endswith((b"\n", b"\r")):
        text += b"\n"
    most = text.count(dialect.delimiter.encode()) + 1
    table = pacsv.read_csv(
        pa.BufferReader(text),
        read_options=pacsv.ReadOptions(
            use_threads=False, autogenerate_column_names=True, block_size=len(text) + 1
        ),
        parse_options=dialect.parse_options(0),
        convert_options=pacsv.ConvertOptions(column_types={f"f{i}": pa.string() for i in range(most)}),
    )
    return [column[0].as_py() for column in table.columns]


def numbered_rows(
    of: DelimitedFile, start: int, columns: int, end: int | None = None
) -> Iterator[tuple[int, bytes]]:
    """Each row from ``start`` with the number of its first line in the file, counted from 1.

    Slow: for error messages. Rows are counted as Arrow counts them. A row longer than LARGEST_ROW
    comes in part, as the last.
    """
    line = 1 + _lines_before(of, start)
    rest, left = b"", _length(start, end)
    with open_bytes(of, start, end) as stream:
        while True:
            part = stream.read(min(max(4 * CHUNK, len(rest)), left))
            left -= len(part)
            data, done = rest + part, 0
            for begin, done in _spans(data, 0, not part, of.dialect):
                row = data[begin:done]
                if columns == 1 or row.strip(b"\r\n"):
                    yield line, row
                line += _lines(row)
            rest = data[done:]
            if len(rest) > LARGEST_ROW:
                yield line, rest
            if not part or len(rest) > LARGEST_ROW:
                return


def _length(start: int, end: int | None) -> int:
    return 1 << 62 if end is None else end - start


def unclosed_line(of: DelimitedFile, start: int, end: int | None, columns: int) -> int | None:
    """The line of the last row of the range where a quote that opens in it is never closed, else None."""
    quote = of.dialect.quote.encode()
    count, left = 0, _length(start, end)
    with open_bytes(of, start, end) as stream:
        while left > 0 and (part := stream.read(min(CHUNK, left))):
            count += part.count(quote)
            left -= len(part)
    if not count & 1 and not of.dialect.escape:
        return None
    *_, (line, row) = numbered_rows(of, start, columns, end)
    return line if of.dialect.closed_row.fullmatch(row) is None else None


def _lines(data: bytes) -> int:
    return data.count(b"\n") or data.count(b"\r")


def _lines_before(of: DelimitedFile, end: int) -> int:
    lines = 0
    with open_bytes(of, 0, end) as stream:
        while end > 0 and (part := stream.read(min(CHUNK, end))):
            lines += _lines(part)
            end -= len(part)
    return lines
