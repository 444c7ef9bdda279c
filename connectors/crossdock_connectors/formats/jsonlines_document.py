"""JSON that is not one object per line, as lines: an array, objects side by side or over several lines.

A sequential pass that looks at brackets and quotes only; what is wrong inside an object the parser says.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from crossdock import DataError

Form = Literal["lines", "array", "objects"]

_CHUNK = 1 << 20
_PROBE = 64 << 10
_BLANK = b" \t\r\n\xef\xbb\xbf"
_GOES_ON = (b"{", b"[", b",", b":")
_PAIR = re.compile(rb"\\.", re.DOTALL)


def form_of(stream: Any) -> Form:
    """What the start of a text looks like. The first line of pretty-printed JSON ends where it must go on."""
    data = stream.read(_PROBE).lstrip(_BLANK)
    if data.startswith(b"["):
        return "array"
    first, newline, _ = data.partition(b"\n")
    if newline and first.rstrip().endswith(_GOES_ON):
        return "objects"
    lines = Lines("objects")
    return "objects" if len(lines.of(first).split(b"\n")) > 2 else "lines"


class Lines:
    """Makes lines of a document, piece by piece. ``ended``: nothing is open."""

    def __init__(self, form: Form) -> None:
        self._base = 1 if form == "array" else 0
        self._depth = 0
        self._quoted = False
        self._held = b""
        self._closed = False

    @property
    def ended(self) -> bool:
        return self._depth == 0 and not self._quoted and (self._closed or not self._base)

    def of(self, data: bytes) -> bytes:
        data = self._held + data
        odd = (len(data) - len(data.rstrip(b"\\"))) % 2
        data, self._held = data[: len(data) - odd], data[len(data) - odd :]
        # What a backslash stands before is no bracket and no quote.
        plain = _PAIR.sub(b"  ", data) if b"\\" in data else data
        marks = np.frombuffer(plain, np.uint8)
        quotes = np.cumsum(marks == ord('"')) + self._quoted
        outside = quotes % 2 == 0
        opens = outside & ((marks == ord("{")) | (marks == ord("[")))
        closes = outside & ((marks == ord("}")) | (marks == ord("]")))
        depth = self._depth + np.cumsum(opens.astype(np.int32) - closes)
        out = np.frombuffer(data, np.uint8).copy()
        out[outside & ((marks == 10) | (marks == 13))] = 32
        if len(marks):
            self._depth, self._quoted = int(depth[-1]), bool(quotes[-1] % 2)
        if self._base:
            return self._elements(out, depth, outside, opens, closes)
        ends = np.flatnonzero(closes & (depth == 0))
        return np.insert(out, ends + 1, 10).tobytes()

    def _elements(self, out: Any, depth: Any, outside: Any, opens: Any, closes: Any) -> bytes:
        """Commas between the elements become newlines, the brackets around them blanks."""
        last = closes & (depth == 0)
        out[opens & (depth == 1)] = 32
        out[outside & (depth == 1) & (out == ord(","))] = 10
        self._closed = self._closed or bool(last.any())
        out[last] = 10
        return bytes(out)


class _Stream:
    """The lines of a text as a file that Arrow reads."""

    closed = False

    def __init__(self, source: Any, path: str, encoding: str, form: Form) -> None:
        self._source = source
        self._path = path
        self._encoding = encoding
        self._decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()
        self._lines = None if form == "lines" else Lines(form)
        self._ready = b""
        self._ended = False
        self.error: BaseException | None = None

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """The text belongs to the caller."""

    def read(self, size: int) -> bytes:
        try:
            while not self._ready and not self._ended:
                self._more()
        except BaseException as error:
            self.error = error
            raise
        found, self._ready = self._ready[:size], self._ready[size:]
        return found

    def _more(self) -> None:
        data = self._source.read(_CHUNK)
        self._ended = not data
        if self._decoder is not None:
            try:
                data = self._decoder.decode(data, self._ended).encode()
            except UnicodeError as error:
                raise DataError(f"{self._path}: the text is not {self._encoding}") from error
        if self._lines is not None:
            data = self._lines.of(data)
            if self._ended and not self._lines.ended:
                raise DataError(f"{self._path} is cut short: an object or the array around it is not closed")
        self._ready = data


@contextmanager
def as_lines(source: Any, path: str, encoding: str, form: Form) -> Iterator[Any]:
    """``source`` as UTF-8 with one object per line."""
    if form == "lines" and encoding == "utf-8":
        yield source
        return
    stream = _Stream(source, path, encoding, form)
    try:
        yield pa.PythonFile(stream, mode="r")
    except Exception:
        if stream.error is not None:
            raise stream.error from None
        raise
