"""The container of an Avro file: a header, then blocks that each end with the header's sync marker.

Decompressing is done here, with a limit, and by libraries that are there anyway. Layout:
https://avro.apache.org/docs/1.12.0/specification/#object-container-files
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from crossdock import DataError, ShortReadError

from .block_files import read_varint, varint

MAGIC = b"Obj\x01"
SYNC = 16
LARGEST = 256 << 20
_PROBE = 64 << 10
_MAX_HEADER = 16 << 20
_NUMBER = 10
_XZ_MEMORY = 256 << 20
_DEFLATED = ("deflate", "bzip2", "xz")
CODECS = ("null", "snappy", "zstandard", *_DEFLATED)


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the first block, which begins at ``start``."""

    schema: Any
    codec: str
    sync: bytes
    start: int


def read_header(file: io.RawIOBase, path: str) -> Header:
    """The header of a file; DataError where there is none."""
    size = _PROBE
    while True:
        file.seek(0)
        data = read_up_to(file, size)
        if not data.startswith(MAGIC):
            raise DataError(f"{path} is not an Avro file; choose another source format")
        try:
            return _parsed(data, path)
        except IndexError as error:
            if len(data) < size or size >= _MAX_HEADER:
                raise DataError(f"{path} is cut short in its header, or damaged") from error
            size *= 8
        except (ValueError, KeyError, RecursionError) as error:
            raise DataError(f"{path} has a header that is damaged", detail=str(error)[:200]) from error


def _parsed(data: bytes, path: str) -> Header:
    known: dict[str, bytes] = {}
    position = len(MAGIC)
    while True:
        count, position = _long(data, position)
        if not count:
            break
        if count < 0:
            count, (_, position) = -count, _long(data, position)
        for _ in range(count):
            key, position = _bytes(data, position)
            known[key.decode()], position = _bytes(data, position)
    if position + SYNC > len(data):
        raise IndexError("no sync marker")
    codec = known.get("avro.codec", b"null").decode()
    if codec not in CODECS:
        raise DataError(f"{path} has the codec {codec!r}, which is not one of {', '.join(CODECS)}")
    schema = json.loads(known["avro.schema"])
    return Header(schema, codec, data[position : position + SYNC], position + SYNC)


def _long(data: bytes, position: int) -> tuple[int, int]:
    value, position = read_varint(data, position)
    return (value >> 1) ^ -(value & 1), position


def _bytes(data: bytes, position: int) -> tuple[bytes, int]:
    length, position = _long(data, position)
    if length < 0 or position + length > len(data):
        raise IndexError("beyond the end")
    return data[position : position + length], position + length


def header_bytes(schema: str, codec: str, sync: bytes) -> bytes:
    """A header as it is written."""
    known = {"avro.schema": schema, "avro.codec": codec}
    entries = b"".join(_text(key) + _text(value) for key, value in known.items())
    return MAGIC + _signed(len(known)) + entries + b"\0" + sync


def _text(value: str) -> bytes:
    data = value.encode()
    return _signed(len(data)) + data


def _signed(value: int) -> bytes:
    return varint(value << 1)


def block_bytes(rows: int, data: bytes, codec: str, sync: bytes) -> list[bytes]:
    """A block as it is written, in parts."""
    packed = _packed(data, codec)
    return [_signed(rows) + _signed(len(packed)), packed, sync]


def _packed(data: bytes, codec: str) -> bytes:
    if codec == "deflate":
        packer = zlib.compressobj(wbits=-15)
        return packer.compress(data) + packer.flush()
    if codec == "snappy":
        packed: bytes = pa.compress(data, "snappy", asbytes=True)
        return packed + zlib.crc32(data).to_bytes(4, "big")
    if codec in ("bzip2", "xz"):
        return bz2.compress(data) if codec == "bzip2" else lzma.compress(data, preset=1)
    return pa.compress(data, "zstd", asbytes=True) if codec == "zstandard" else data


def cut_at_syncs(file: io.RawIOBase, header: Header, end: int, targets: Sequence[int]) -> list[int]:
    """Starts of blocks at or behind the targets, each once."""
    found: list[int] = []
    for target in targets:
        if (found and found[-1] >= target) or target <= header.start:
            continue
        start = _next_block(file, target - SYNC, end, header.sync)
        if start < end:
            found.append(start)
    return found


def _next_block(file: io.RawIOBase, position: int, end: int, sync: bytes) -> int:
    file.seek(position)
    rest = b""
    while position < end and (data := file.read(min(_PROBE, end - position))):
        at = (rest + data).find(sync)
        if at >= 0:
            return position - len(rest) + at + SYNC
        position += len(data)
        rest = (rest + data)[1 - SYNC :]
    return end


def blocks(
    file: io.RawIOBase, header: Header, span: tuple[int, int], path: str
) -> Iterator[tuple[int, int, bytes]]:
    """Offset, number of rows and bytes of each block of a range, which begins and ends with a block."""
    position, end = span
    file.seek(position)
    stream = io.BufferedReader(file, 1 << 20)
    try:
        while position < end:
            where = f"{path}, block at byte {position}"
            rows, first = _read_long(stream, end - position, where)
            length, second = _read_long(stream, end - position - first, where)
            left = end - position - first - second - SYNC
            if rows < 0 or not 0 <= length <= min(LARGEST, left):
                raise DataError(f"{where}: the block is cut short or damaged")
            packed = read_up_to(stream, length + SYNC)
            if len(packed) < length + SYNC:
                raise ShortReadError(f"{where}: the file ended too early")
            if packed[length:] != header.sync:
                raise DataError(f"{where}: the block is cut short or damaged")
            yield position, rows, _unpacked(packed[:length], header.codec, where)
            position += first + second + length + SYNC
    finally:
        stream.detach()


def _read_long(file: Any, left: int, where: str) -> tuple[int, int]:
    """A number and how many bytes it takes; -1 where it is none."""
    data = b""
    while len(data) < min(_NUMBER, left):
        byte = file.read(1)
        if not byte:
            raise ShortReadError(f"{where}: the file ended too early")
        data += byte
        if byte[0] < 0x80:
            break
    try:
        return _long(data, 0)
    except IndexError:
        return -1, len(data)


def _unpacked(data: bytes, codec: str, where: str) -> bytes:
    try:
        found = _decoded(data, codec)
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        EOFError,
        IndexError,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        raise DataError(f"{where}: the block is no {codec}", detail=str(error)[:200]) from error
    if len(found) > LARGEST:
        raise DataError(f"{where}: the block is larger than {LARGEST >> 20} MiB")
    return found


def _decoded(data: bytes, codec: str) -> bytes:
    if codec == "snappy":
        size, _ = read_varint(data, 0)
        found: bytes = pa.decompress(data[:-4], min(size, LARGEST + 1), "snappy", asbytes=True)
        if zlib.crc32(found).to_bytes(4, "big") != data[-4:]:
            raise ValueError("its checksum is another")
        return found
    if codec == "zstandard":
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            return read_up_to(stream, LARGEST + 1)
    if codec == "deflate":
        return zlib.decompressobj(-15).decompress(data, LARGEST + 1)
    if codec == "bzip2":
        return bz2.BZ2Decompressor().decompress(data, LARGEST + 1)
    if codec == "xz":
        return lzma.LZMADecompressor(memlimit=_XZ_MEMORY).decompress(data, LARGEST + 1)
    return data


def read_up_to(file: Any, size: int) -> bytes:
    """``size`` bytes; fewer only at the end."""
    parts = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
