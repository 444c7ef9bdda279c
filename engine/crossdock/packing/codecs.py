"""Compressed streams, piece by piece: nothing is held but one piece.

``snappy`` is read with its own framing and with that of Hadoop's files, and written as Hadoop does; ``lz4``
is the frame format, read in Hadoop's framing too; ``deflate`` has no header.
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterator
from typing import Protocol

from ..errors import DataError
from ..spi.format import ByteSink

ARCHIVES = frozenset({"zipDeflate", "tar", "tarGZip"})
EXTENSIONS: dict[str, tuple[str, ...]] = {
    "gzip": (".gz", ".gzip"), "bzip2": (".bz2",), "deflate": (".deflate",), "zipDeflate": (".zip",),
    "tar": (".tar",), "tarGZip": (".tar.gz", ".tgz"), "snappy": (".snappy",), "lz4": (".lz4",),
}  # fmt: skip
PIECE = 1 << 20
_RAW = -15
_GZIP = 31
_LARGEST_BLOCK = 64 << 20
_BLOCK = 1 << 18
_SNAPPY_MAGIC = b"\xff\x06\x00\x00sNaPpY"
_LZ4_MAGIC = b"\x04\x22\x4d\x18"
# No honest file is larger and has a higher ratio; deflate reaches 1032.
_SUSPICIOUS = 1 << 30
_MOST_TIMES = 2000


def expand(chunks: Iterator[bytes], codec: str, name: str) -> Iterator[bytes]:
    """The decompressed pieces of a stream. Raises DataError where it is damaged, cut off or a bomb."""
    taken = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for chunk in chunks:
            taken += len(chunk)
            yield chunk

    given = 0
    try:
        for piece in _EXPANDERS[codec](counted()):
            given += len(piece)
            if given > _SUSPICIOUS and given > _MOST_TIMES * taken:
                raise DataError(f"{name} becomes more than {_MOST_TIMES} times as large when it is unpacked")
            yield piece
    except (zlib.error, OSError, EOFError, ValueError, IndexError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the store's
        raise DataError(f"{name} is not a complete {codec} file", detail=str(error)) from error


def _plain(chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield from chunks


def _inflated(chunks: Iterator[bytes], bits: int) -> Iterator[bytes]:
    """gzip files may follow each other, and zeros the last; behind a deflate stream there is nothing."""
    packer, begun = zlib.decompressobj(bits), False
    for chunk in chunks:
        data = chunk
        while data:
            if packer.eof:
                data = data.lstrip(b"\0")
                if bits == _RAW or not data:
                    break
                packer, begun = zlib.decompressobj(bits), False
            begun = True
            if piece := packer.decompress(data, PIECE):
                yield piece
            data = packer.unused_data if packer.eof else packer.unconsumed_tail
    if begun and not packer.eof:
        if rest := packer.flush():
            yield rest
        if not packer.eof:
            raise EOFError("it ends too early")


def _bunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    packer, begun = bz2.BZ2Decompressor(), False
    for chunk in chunks:
        data = chunk
        while data or (begun and not packer.eof and not packer.needs_input):
            if packer.eof:
                packer = bz2.BZ2Decompressor()
            begun = True
            if piece := packer.decompress(data, PIECE):
                yield piece
            data = packer.unused_data if packer.eof else b""
    if begun and not packer.eof:
        raise EOFError("it ends too early")


class _Bytes:
    """Exactly so many bytes at a time from chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def peek(self, size: int) -> bytes:
        """Up to ``size`` bytes, fewer only at the end."""
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        return self._rest[:size]

    def take(self, size: int) -> bytes:
        if size > _LARGEST_BLOCK:
            raise ValueError(f"a block of {size:,} bytes")
        found = self.peek(size)
        if len(found) < size:
            raise EOFError("it ends too early")
        self._rest = self._rest[size:]
        return found

    def read(self, size: int) -> bytes:
        found = self.peek(min(size, PIECE))
        self._rest = self._rest[len(found) :]
        return found


def _unsnapped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    data = _Bytes(chunks)
    if data.peek(len(_SNAPPY_MAGIC)) == _SNAPPY_MAGIC:
        yield from _snappy_frames(data)
    else:
        yield from _hadoop_blocks(data, "snappy")


def _snappy_frames(data: _Bytes) -> Iterator[bytes]:
    while head := data.peek(4):
        kind, size = head[0], int.from_bytes(head[1:], "little")
        body = data.take(4 + size)[4:]
        if kind == 0:
            yield _decoded(body[4:], _snappy_size(body[4:]), "snappy")
        elif kind == 1:
            yield body[4:]
        elif 2 <= kind < 0x80:
            raise ValueError(f"a chunk of the unknown kind {kind}")


def _snappy_size(data: bytes) -> int:
    size = 0
    for shift in range(0, 35, 7):
        byte = data[shift // 7]
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            return size
    raise ValueError("a length of more than 32 bits")


def _hadoop_blocks(data: _Bytes, codec: str) -> Iterator[bytes]:
    """A length, and chunks with their own until that many bytes are there."""
    while data.peek(1):
        left = int.from_bytes(data.take(4), "big")
        while left:
            packed = data.take(int.from_bytes(data.take(4), "big"))
            piece = _decoded(packed, _snappy_size(packed) if codec == "snappy" else left, codec)
            if not piece or len(piece) > left:
                raise ValueError("a block is not as long as it says")
            left -= len(piece)
            yield piece


def _decoded(data: bytes, size: int, codec: str) -> bytes:
    import pyarrow as pa

    if size > _LARGEST_BLOCK:
        raise ValueError(f"a block of {size:,} bytes")
    found: bytes = pa.decompress(data, size, codec, asbytes=True)
    return found


def _unlz4(chunks: Iterator[bytes]) -> Iterator[bytes]:
    import pyarrow as pa

    data = _Bytes(chunks)
    if data.peek(4) != _LZ4_MAGIC:
        yield from _hadoop_blocks(data, "lz4_raw")
        return
    while data.peek(1):
        with pa.CompressedInputStream(pa.PythonFile(_Readable(data), mode="r"), "lz4") as stream:
            while piece := stream.read(PIECE):
                yield piece


class _Readable:
    """What Arrow reads from."""

    closed = False

    def __init__(self, data: _Bytes) -> None:
        self.read = data.read

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """The chunks belong to the caller."""


_EXPANDERS = {
    "none": _plain,
    "gzip": lambda chunks: _inflated(chunks, _GZIP),
    "deflate": lambda chunks: _inflated(chunks, _RAW),
    "bzip2": _bunzipped,
    "snappy": _unsnapped,
    "lz4": _unlz4,
}


class _Compressor(Protocol):
    def compress(self, data: bytes | memoryview, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Blocks:
    """Packs each block alone."""

    def __init__(self, codec: str) -> None:
        self._codec = codec

    def compress(self, data: bytes | memoryview, /) -> bytes:
        import pyarrow as pa

        out = []
        for start in range(0, len(data), _BLOCK):
            block = bytes(data[start : start + _BLOCK])
            packed: bytes = pa.compress(block, self._codec, asbytes=True)
            if self._codec == "snappy":
                out += [len(block).to_bytes(4, "big"), len(packed).to_bytes(4, "big")]
            out.append(packed)
        return b"".join(out)

    def flush(self) -> bytes:
        return b""


def compressor(codec: str, level: str = "Optimal") -> _Compressor:
    """Of all but archives. What it makes can follow each other in one file, but for ``deflate``."""
    fast = level == "Fastest"
    if codec == "bzip2":
        return bz2.BZ2Compressor(1 if fast else 9)
    if codec in ("snappy", "lz4"):
        return _Blocks(codec)
    return zlib.compressobj(1 if fast else 6, wbits=_GZIP if codec == "gzip" else _RAW)


class PackedSink:
    """A ByteSink that compresses into another one; ``finish`` writes what is held back."""

    def __init__(self, sink: ByteSink, codec: str, level: str = "Optimal") -> None:
        self._sink, self._packer = sink, compressor(codec, level)

    def write(self, data: object, /) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        if packed := self._packer.compress(view):
            self._sink.write(packed)
        return len(view)

    def finish(self) -> None:
        if packed := self._packer.flush():
            self._sink.write(packed)
