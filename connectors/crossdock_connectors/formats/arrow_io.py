"""What the text formats share: Arrow streams over files and sinks, and cutting a file at its newlines.

Nothing is copied on the way, and an exception of a file or sink leaves Arrow as itself.
"""

from __future__ import annotations

import codecs
import gzip
import io
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate

import pyarrow as pa

from crossdock import ByteSink, DataError, ShortReadError

_PROBE = 64 << 10


def text_array(values: Sequence[str]) -> pa.StringArray:
    """As ``pa.array``, which imports pandas to see whether the values are a series."""
    data = [value.encode() for value in values]
    offsets = array("i", accumulate(map(len, data), initial=0))
    return pa.StringArray.from_buffers(len(data), pa.py_buffer(offsets), pa.py_buffer(b"".join(data)))


class RangeReader:
    """A byte range of ``file`` as the sequential stream that Arrow reads from, on a thread of its own.

    Takes over the position of ``file`` until ``close``, which waits for a read that is under way;
    afterwards the range is at its end. ``error`` is the exception that ``file`` raised, or ShortReadError
    where it ended before the range did, unless it is ``open_ended``.
    """

    closed = False

    def __init__(self, file: io.RawIOBase, start: int, end: int) -> None:
        self._file = file
        self._left = end - start
        self._open_ended = getattr(file, "open_ended", False)
        self._lock = threading.Lock()
        self.error: BaseException | None = None
        file.seek(start)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def read(self, size: int) -> pa.Buffer | bytes:
        """Up to ``size`` bytes in a buffer of Arrow's own allocator, which recycles it."""
        with self._lock:
            size = min(size, self._left)
            if size <= 0:
                return b""
            buffer = pa.allocate_buffer(size)
            try:
                count = self._file.readinto(memoryview(buffer).cast("B"))
                if not count and self._open_ended:
                    self._left = 0
                    return b""
                if not count:
                    raise ShortReadError(f"the file ended {self._left} bytes too early")
            except BaseException as error:
                self.error = error
                raise
            self._left -= count
            return buffer if count == size else buffer.slice(0, count)

    def close(self) -> None:
        with self._lock:
            self._left = 0


@contextmanager
def arrow_range(file: io.RawIOBase, start: int, end: int) -> Iterator[pa.NativeFile]:
    """The range as an Arrow stream. An exception of ``file`` leaves as itself, whatever Arrow made of it."""
    reader = RangeReader(file, start, end)
    try:
        yield pa.PythonFile(reader, mode="r")
    except Exception as error:
        if reader.error is not None and reader.error is not error:
            raise reader.error from None
        raise
    finally:
        reader.close()


class SinkFile:
    """A ByteSink as the file object that Arrow writes to. ``error`` is what the sink raised."""

    closed = False

    def __init__(self, sink: ByteSink) -> None:
        self._write: Callable[[pa.Buffer | bytes], int] = sink.write
        self.error: BaseException | None = None

    def writable(self) -> bool:
        return True

    def detach(self) -> None:
        """From now on, what is written goes nowhere."""
        self._write = len

    def write(self, data: pa.Buffer | bytes) -> int:
        try:
            return self._write(data)
        except BaseException as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The sink belongs to the caller."""


class EncodedSink:
    """A ByteSink of UTF-8 text in front of ``sink``: to another codec, then gzip, where asked for.

    The text comes in whole characters. ``finish`` writes what gzip holds back.
    """

    def __init__(self, sink: ByteSink, encoding: str, compress: bool, level: int = 6) -> None:
        self._sink = sink
        self._encoding = encoding
        # It writes the mark of UTF-16 once, not before each piece.
        self._encoder = codecs.getincrementalencoder(encoding)()
        self._gzip = (
            gzip.GzipFile(fileobj=_Appending(sink), mode="wb", compresslevel=level, mtime=0)
            if compress
            else None
        )

    def write(self, data: bytes | memoryview | pa.Buffer, /) -> int:
        if self._encoding != "utf-8":
            try:
                data = self._encoder.encode(codecs.decode(memoryview(data), "utf-8"))
            except UnicodeEncodeError as error:
                what = error.object[error.start : error.end]
                raise DataError(
                    f"{what!r} cannot be written in {self._encoding}", hint="-k encoding=utf-8"
                ) from error
        if self._gzip:
            return self._gzip.write(data)
        return self._sink.write(data)

    def finish(self) -> None:
        if self._encoding != "utf-8" and (last := self._encoder.encode("", True)):
            # Of encodings with a state: they end in the one in which others begin.
            (self._gzip or self._sink).write(last)
        if self._gzip:
            self._gzip.close()


class _Appending:
    """What GzipFile needs of a file: ``write`` and ``flush``."""

    def __init__(self, sink: ByteSink) -> None:
        self._sink = sink

    def write(self, data: bytes) -> int:
        return self._sink.write(data)

    def flush(self) -> None:
        """Nothing is held back."""


def cut_at_newlines(file: io.RawIOBase, end: int, targets: Sequence[int]) -> list[int]:
    """Starts of lines at or behind the targets, each once; ``end`` is that of the file."""
    found: list[int] = []
    for target in targets:
        if found and found[-1] >= target:
            continue
        boundary = _next_line(file, target - 1, end)
        if boundary < end:
            found.append(boundary)
    return found


def _next_line(file: io.RawIOBase, position: int, end: int) -> int:
    file.seek(position)
    while position < end and (data := file.read(min(_PROBE, end - position))):
        newline = data.find(b"\n")
        if newline >= 0:
            return position + newline + 1
        position += len(data)
    return end
