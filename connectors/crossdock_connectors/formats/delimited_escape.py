"""Escape characters that stand before quotes only, as Data Factory has them; Arrow's parser drops any.

Of a run of them before a quote (when written: or at the end of a value) each pair is one, as a single one
escapes the quote; anywhere else they are ordinary characters: ``C:\\temp`` and ``\\N`` stay what they are.
"""

from __future__ import annotations

import re
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from crossdock import ByteSink, DataError

_HALF = 1 << 19
# Stands for a quote while Arrow writes, which would double it; no text has it by accident.
_MARK = "\x1a"


@lru_cache
def _ordinary(escape: str, quote: str) -> re.Pattern[bytes]:
    e, q = re.escape(escape.encode()), re.escape(quote.encode())
    return re.compile(e + b"++(?!" + q + b")")


def for_arrow(text: bytes, escape: str, quote: str) -> bytes:
    """The text with ordinary escape characters doubled, as Arrow reads them."""
    if escape.encode() not in text:
        return text
    return _ordinary(escape, quote).sub(lambda match: match[0] * 2, text)


class EscapedReader:
    """A stream of UTF-8 text in front of Arrow's parser, as ``for_arrow`` has it."""

    closed = False

    def __init__(self, source: pa.NativeFile, escape: str, quote: str) -> None:
        self._source, self._escape, self._quote = source, escape, quote
        self._ready, self._rest, self._ended = memoryview(b""), b"", False

    def read(self, size: int) -> bytes:
        while not self._ready and not self._ended:
            part = self._source.read(_HALF)
            self._ended = not part
            text = self._rest + part
            # What follows the last run may be a quote.
            end = len(text) if self._ended else len(text.rstrip(self._escape.encode()))
            self._rest = text[end:]
            self._ready = memoryview(for_arrow(text[:end], self._escape, self._quote))
        found, self._ready = self._ready[:size], self._ready[size:]
        return bytes(found)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """The source belongs to the caller."""


def before_writing(batch: pa.RecordBatch, escape: str, *, quotes_only: bool) -> pa.RecordBatch:
    """The batch with its texts escaped, and a mark where a quote is. Raises DataError for a text with it."""
    return pa.RecordBatch.from_arrays(
        [_escaped(column, escape, quotes_only) for column in batch.columns], schema=batch.schema
    )


def _escaped(column: pa.Array, escape: str, quotes_only: bool) -> pa.Array:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    if pc.any(pc.match_substring(column, _MARK)).as_py():
        raise DataError("a value holds the control character U+001A, which text with escapes cannot have")
    if pc.any(pc.match_substring(column, escape)).as_py():
        if quotes_only:
            run = "(" + re.escape(escape) + '+)("|$)'
            column = pc.replace_substring_regex(column, run, r"\1\1\2")
        else:
            column = pc.replace_substring(column, escape, escape * 2)
    return pc.replace_substring(column, '"', _MARK)


class EscapingSink:
    """A ByteSink that writes an escaped quote for each mark."""

    def __init__(self, sink: ByteSink, escape: str) -> None:
        self._sink, self._quote = sink, f'{escape}"'.encode()

    def write(self, data: bytes | memoryview | pa.Buffer, /) -> int:
        self._sink.write(bytes(data).replace(_MARK.encode(), self._quote))
        return len(data)


def escaped_name(name: str, escape: str, *, quotes_only: bool) -> str:
    """A column's name as it stands between quotes."""
    if quotes_only:
        name = re.sub("(" + re.escape(escape) + '+)("|$)', r"\1\1\2", name)
    else:
        name = name.replace(escape, escape * 2)
    return name.replace('"', f'{escape}"')
