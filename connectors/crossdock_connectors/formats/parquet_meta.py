"""Footers of Parquet files: found, checked, parsed once and remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from crossdock import DataError

from .block_files import WatchedFile
from .parquet_footer import MAGIC, MAGIC_ENCRYPTED
from .parquet_scan import schema_depth
from .parquet_width import Leaf, leaves

if TYPE_CHECKING:
    import io

    from crossdock import ObjectInfo

_TAIL = 8  # the footer's length, then the magic
_FIRST_READ = 64 << 10
_MAX_FOOTER = 256 << 20
_MAX_DEPTH = 100  # as in pyarrow 26
_MAX_STRING = 100 << 20
_MAX_CONTAINER = 1_000_000
# What pyarrow raises for a damaged file (OSError: an error of its Parquet library).
# The others: a footer that our own reader found to be damaged.
_DAMAGE = (pa.ArrowException, OSError, ValueError, OverflowError, IndexError, KeyError, RecursionError)

_CACHE_FILES = 64
_CACHE_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Footer:
    """The parsed footer of one version of a file.

    For each row group: its ``rows``, about its ``sizes`` in bytes of the file, its encoded bytes before
    compression (``plain``). ``length`` is that of the footer itself. ``plain_strings`` are columns whose
    dictionaries have turned out to be of no use.
    """

    metadata: pq.FileMetaData
    schema: pa.Schema
    rows: Sequence[int]
    sizes: Sequence[int]
    plain: Sequence[int]
    leaves: Sequence[Leaf]
    length: int
    plain_strings: set[str] = field(default_factory=set)


class Footers:
    """A small cache by path, size and version, so that each piece does not parse the footer again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, str], Footer] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, file: io.RawIOBase, info: ObjectInfo) -> Footer:
        """The footer of ``file``; raises DataError where there is none that can be read."""
        key = (info.path, info.size, info.etag)
        with self._lock:
            if found := self._kept.get(key):
                self._kept.move_to_end(key)
                return found
        footer = _parse(file, info)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = footer
                self._bytes += footer.length
            while len(self._kept) > 1 and (len(self._kept) > _CACHE_FILES or self._bytes > _CACHE_BYTES):
                self._bytes -= self._kept.popitem(last=False)[1].length
        return footer


@contextmanager
def damage(info: ObjectInfo, file: WatchedFile | None = None) -> Iterator[None]:
    """Turn what pyarrow raises for a file that is not as Parquet should be into DataError.

    What ``file`` itself raised is raised again, as it was.
    """
    try:
        yield
    except Exception as error:
        if file is not None:
            file.reraise()
        if not isinstance(error, _DAMAGE):
            raise
        if "decrypt" in str(error).lower():
            raise _encrypted(info, str(error)) from error
        raise _damaged(info, f"{type(error).__name__}: {error}") from error


def _parse(file: io.RawIOBase, info: ObjectInfo) -> Footer:
    raw, size = _read_footer(file, info)
    limits = {
        "thrift_string_size_limit": min(len(raw), _MAX_STRING),
        "thrift_container_size_limit": min(len(raw), _MAX_CONTAINER),
    }
    # pyarrow parses a footer only at the end of a file, so it gets a file of nothing else.
    alone = b"".join((MAGIC, raw, len(raw).to_bytes(4, "little"), MAGIC))
    with damage(info):
        if schema_depth(raw, _MAX_DEPTH) > _MAX_DEPTH:
            raise _damaged(info, f"the schema is nested more than {_MAX_DEPTH} times")
        opened = pq.ParquetFile(pa.BufferReader(alone), **limits)
        metadata, schema = opened.metadata, opened.schema_arrow
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
        rows = [group.num_rows for group in groups]
        plain = [max(0, group.total_byte_size) for group in groups]
        found = leaves(metadata, raw)
    if sum(rows) != metadata.num_rows or min(rows, default=0) < 0:
        raise _damaged(info, f"{metadata.num_rows} rows in the file, {sum(rows)} in its row groups")
    # pyarrow does not tell the compressed size of a row group; all are taken to compress equally well.
    body, total = size - len(raw) - _TAIL, sum(plain) or 1
    sizes = [own * body // total for own in plain]
    return Footer(metadata, schema, rows, sizes, plain, found, len(raw))


def _read_footer(file: io.RawIOBase, info: ObjectInfo) -> tuple[bytes, int]:
    """The bytes of FileMetaData and the size of the file. One read where it is not long."""
    size = file.seek(0, 2)
    if size == 0:
        raise DataError(f"{info.path} is empty (0 bytes) and not a Parquet file; write or fetch it anew")
    tail = _read_at(file, max(0, size - _FIRST_READ), min(size, _FIRST_READ))
    if tail[-4:] == MAGIC_ENCRYPTED:
        raise _encrypted(info)
    if size < _TAIL + len(MAGIC) or tail[-4:] != MAGIC:
        raise DataError(
            f"{info.path} does not end as a Parquet file does: it is cut short or in another format; "
            "fetch it anew or choose another source format"
        )
    length = int.from_bytes(tail[-_TAIL:-4], "little")
    if not 0 < length <= min(size - _TAIL - len(MAGIC), _MAX_FOOTER):
        raise _damaged(info, f"a footer of {length} bytes in a file of {size}")
    if length + _TAIL > len(tail):
        return _read_at(file, size - _TAIL - length, length), size
    return tail[-_TAIL - length : -_TAIL], size


def _read_at(file: io.RawIOBase, offset: int, length: int) -> bytes:
    file.seek(offset)
    parts = []
    while length:
        data = file.read(length)
        if not data:
            break
        parts.append(data)
        length -= len(data)
    return b"".join(parts)


def _damaged(info: ObjectInfo, detail: str) -> DataError:
    return DataError(
        f"{info.path} cannot be read as Parquet, it is damaged or uses a feature that is not supported; "
        "write or fetch it anew",
        detail=detail,
    )


def _encrypted(info: ObjectInfo, detail: str = "") -> DataError:
    return DataError(f"{info.path} is encrypted, which is not supported; decrypt it first", detail=detail)
