"""Dialects that Arrow has no options for: delimiters, quotes and row ends of any length, on either side.

Their text is rewritten, value by value, to or from the one dialect that Arrow is given then (``PLAIN``). That
takes a worker some ten times as long as Arrow's own dialects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from crossdock import DataError

from .arrow_io import EncodedSink

_CHUNK = 1 << 20
_LARGEST_ROW = 64 << 20
_BOM = b"\xef\xbb\xbf"
_LINE_ENDS = ("\r\n", "\n", "\r")


@dataclass(frozen=True)
class Syntax:
    """``rows`` are the ends of rows, the longest first; the first is written. An empty quote is none; without
    a delimiter a row is one value.
    """

    delimiter: str
    rows: tuple[str, ...] = _LINE_ENDS
    quote: str = '"'
    escape: str = ""
    quotes_only: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether Arrow reads it by itself."""
        marks = (self.delimiter, self.quote, self.escape)
        if not self.delimiter:
            return False
        single = all(len(each) <= 1 and each.isascii() and each not in "\r\n\0" for each in marks if each)
        return single and set(self.rows) <= set(_LINE_ENDS)

    @property
    def is_written_plain(self) -> bool:
        return self.is_plain and self.quote == '"' and self.rows[0] != "\r"

    @cached_property
    def value(self) -> re.Pattern[bytes]:
        """A value in quotes with what follows the closing one, or a plain one; and what ends it."""
        d, q, e = (re.escape(each.encode()) for each in (self.delimiter, self.quote, self.escape))
        rows = b"|".join(re.escape(each.encode()) for each in self.rows)
        ends = d + b"|" + rows if d else rows
        escaped = b"|" + e + (b"(?:" + e + b"|" + q + b")?+" if self.quotes_only else b"(?s:.)") if e else b""
        stop = b"|" + e if e else b""
        plain = b"(?:(?:(?!" + ends + stop + b")(?s:.))++" + escaped + b")*+"
        value = b"(" + plain + b")"
        if q:
            value = b"((?!" + q + b")" + plain + b")"
            inside = b"(?:(?:(?!" + q + stop + b")(?s:.))++|" + q + q + escaped + b")*+"
            value = q + b"(" + inside + b")" + q + b"(" + plain + b")|" + value
        else:
            value = b"(?!)()()|" + value
        return re.compile(b"(?:" + value + b")(" + ends + rb"|\Z)")

    @cached_property
    def _escapes(self) -> re.Pattern[bytes]:
        q, e = re.escape(self.quote.encode()), re.escape(self.escape.encode())
        after = b"(" + e + b"|" + q + b")" if self.quotes_only else b"((?s:.))"
        return re.compile(e + after)

    def content(self, text: bytes, quoted: bool) -> bytes:
        """What a value means."""
        if self.escape and self.escape.encode() in text:
            if quoted or not self.quotes_only:
                text = self._escapes.sub(lambda match: match[1], text)
        elif quoted:
            quote = self.quote.encode()
            text = text.replace(quote * 2, quote)
        return text

    def holds(self, content: bytes) -> bool:
        """Whether a value must be quoted to be read back."""
        marks = (self.delimiter, self.quote, *self.rows, *(_LINE_ENDS if self.rows[0] in _LINE_ENDS else ()))
        return any(each.encode() in content for each in marks if each)

    def written(self, content: bytes, quoted: bool) -> bytes:
        """A value's text. Raises DataError where there is no quote and it holds what ends a value."""
        if not quoted and not self.holds(content):
            return content
        if not self.quote:
            if self.holds(content):
                what = "a value holds a delimiter or the end of a row, which quoting=none cannot write"
                if not self.delimiter:
                    raise DataError(
                        "a value holds the end of a row, and without a delimiter nothing is quoted"
                    )
                raise DataError(what, hint="-k quoting=needed")
            return content
        quote, escape = self.quote.encode(), self.escape.encode()
        if not escape:
            content = content.replace(quote, quote * 2)
        elif self.quotes_only:
            run = b"((?:" + re.escape(escape) + b")+)(?=" + re.escape(quote) + rb"|\Z)"
            content = re.sub(run, rb"\1\1", content).replace(quote, escape + quote)
        else:
            content = content.replace(escape, escape * 2).replace(quote, escape + quote)
        return quote + content + quote


PLAIN = Syntax("\x1f", ("\n",))


class Translator:
    """Rewrites a text that comes in pieces from one syntax to another."""

    def __init__(self, given: Syntax, wanted: Syntax, name: str = "the text") -> None:
        self._given, self._wanted, self._name = given, wanted, name
        self._rest, self._begun = b"", False
        self._rows = frozenset(each.encode() for each in given.rows)
        self._delimiter, self._row = wanted.delimiter.encode(), wanted.rows[0].encode()

    def of(self, data: bytes, *, ended: bool = False) -> bytes:
        """What is whole of it by now."""
        text = self._rest + data
        if not self._begun and (len(text) >= len(_BOM) or ended):
            text, self._begun = text.removeprefix(_BOM), True
        out: list[bytes] = []
        given, wanted, at = self._given, self._wanted, 0
        while at < len(text):
            match = given.value.match(text, at)
            if match is None or (not ended and match.end() + len(self._longest) > len(text)):
                break
            quoted = match[1] is not None
            inner = match[1] if quoted else match[3]
            content = given.content(inner, quoted)
            if quoted and match[2]:
                content += match[2]
            out.append(wanted.written(content, quoted))
            end = match[4]
            if end:
                out.append(self._row if end in self._rows else self._delimiter)
            at = match.end()
        self._rest = text[at:]
        if self._rest and (ended or len(self._rest) > _LARGEST_ROW):
            raise DataError(f"{self._name}: a quote is not closed")
        return b"".join(out)

    @cached_property
    def _longest(self) -> bytes:
        return max((self._given.delimiter.encode(), *self._rows), key=len)


class TranslatedReader:
    """A stream of UTF-8 text in the dialect that Arrow is given."""

    closed = False

    def __init__(self, source: pa.NativeFile, syntax: Syntax, name: str) -> None:
        self._source, self._translator = source, Translator(syntax, PLAIN, name)
        self._ready, self._ended = memoryview(b""), False

    def read(self, size: int) -> bytes:
        while not self._ready and not self._ended:
            part = self._source.read(_CHUNK)
            self._ended = not part
            self._ready = memoryview(self._translator.of(bytes(part), ended=self._ended))
        found, self._ready = self._ready[:size], self._ready[size:]
        return bytes(found)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """The source belongs to the caller."""


class TranslatingSink:
    """A ByteSink of what Arrow writes, in front of one of another syntax."""

    def __init__(self, sink: EncodedSink, syntax: Syntax) -> None:
        self._sink, self._translator = sink, Translator(PLAIN, syntax)

    def write(self, data: bytes | memoryview | pa.Buffer, /) -> int:
        if text := self._translator.of(bytes(data)):
            self._sink.write(text)
        return len(data)

    def finish(self) -> None:
        if text := self._translator.of(b"", ended=True):
            self._sink.write(text)
        self._sink.finish()
