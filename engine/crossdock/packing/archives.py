"""Files within archives: what there is, each as a file, and archives that are written.

Names that lead out of a folder, links and devices are refused, and so is what the archive hides: files over
each other, encrypted ones, two of one name.
"""

from __future__ import annotations

import io
import posixpath
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import DataError
from .codecs import EXTENSIONS, expand
from .packed_file import PackedFile, chunks_of

_LOCAL_HEADER = 30
_METHODS = {zipfile.ZIP_STORED: "none", zipfile.ZIP_DEFLATED: "deflate", zipfile.ZIP_BZIP2: "bzip2"}
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, struct.error, EOFError, ValueError, NotImplementedError)
_LONGEST_HEADER = 1 << 20
_HEADERS = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip
_LARGE = 1 << 30
_MOST_TIMES = 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive, or in a compressed file, which is one of unknown ``size``.

    ``at``: of its data in the (decompressed) tar, or of its header in the zip. ``packed`` bytes there are
    compressed by ``method``; ``check`` is the checksum of its content.
    """

    name: str
    size: int | None = None
    at: int = 0
    packed: int = 0
    method: str = "none"
    check: int | None = None


def entries(file: io.RawIOBase, size: int, codec: str, path: str) -> list[Entry]:
    """The files of an archive in its order; of a compressed file that one. Raises DataError."""
    if codec not in _LISTS:
        return [Entry(unpacked_name(path, codec))]
    try:
        found = _LISTS[codec](file, size, path)
    except _DAMAGE as error:
        raise DataError(f"{path} is not a complete {codec} file", detail=str(error)[:300]) from error
    names: set[str] = set()
    for each in found:
        _refuse_name(each.name, path)
        if each.name in names:
            raise DataError(f"{path} holds {each.name!r} twice")
        names.add(each.name)
    total = sum(each.size or 0 for each in found)
    if codec != "tarGZip" and total > _LARGE and total > _MOST_TIMES * size:
        raise DataError(f"{path} becomes more than {_MOST_TIMES} times as large when it is unpacked")
    return found


def unpacked_name(path: str, codec: str) -> str:
    """The name of the only file in a compressed one."""
    name = posixpath.basename(path)
    for ending in EXTENSIONS.get(codec, ()):
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name


def open_entry(file: io.RawIOBase, size: int, codec: str, entry: Entry, path: str) -> PackedFile:
    """The content of an entry, from ``file``, which nobody else may use."""
    name = f"{entry.name} in {path}"
    if codec == "zipDeflate":
        return PackedFile(lambda: _zipped(file, entry, path), name, entry.size)
    if codec in ("tar", "tarGZip"):
        whole = file if codec == "tar" else unpacked_stream(file, size, path)
        return PackedFile(lambda: chunks_of(whole, entry.at, entry.size), name, entry.size)
    return PackedFile(lambda: expand(chunks_of(file, 0, size), codec, path), path)


def unpacked_stream(file: io.RawIOBase, size: int, path: str) -> PackedFile:
    """The tar in a compressed one."""
    return PackedFile(lambda: expand(chunks_of(file, 0, size), "gzip", path), path)


def _refuse_name(name: str, path: str) -> None:
    parts = name.split("/")
    absolute = name.startswith("/") or (len(parts[0]) > 1 and parts[0][1] == ":")
    if absolute or "\\" in name or "\0" in name or {"..", ".", ""} & set(parts):
        raise DataError(f"{path} holds {name!r}, whose name leads out of the folder that it is unpacked to")


def _zip_entries(file: io.RawIOBase, size: int, path: str) -> list[Entry]:
    with zipfile.ZipFile(io.BufferedReader(_Borrowed(file))) as packed:
        infos = [info for info in packed.infolist() if not info.is_dir()]
    found = []
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise DataError(f"{path} holds {info.filename!r}, which is a link or no file")
        if info.flag_bits & 1:
            raise DataError(f"{path} holds {info.filename!r}, which is encrypted")
        method = _METHODS.get(info.compress_type)
        if method is None:
            raise DataError(f"{path} holds {info.filename!r}, compressed in a way that is not supported")
        check, packed_size = info.CRC, info.compress_size
        name = info.orig_filename
        found.append(Entry(name, info.file_size, info.header_offset, packed_size, method, check))
    end = 0
    for each in sorted(found, key=lambda each: each.at):
        if each.at < end or each.at + _LOCAL_HEADER + each.packed > size:
            raise DataError(f"{path} holds {each.name!r} over another file")
        end = each.at + _LOCAL_HEADER + each.packed
    return found


def _zipped(file: io.RawIOBase, entry: Entry, path: str) -> Iterator[bytes]:
    file.seek(entry.at)
    head = file.read(_LOCAL_HEADER) or b""
    if len(head) < _LOCAL_HEADER or head[:4] != b"PK\x03\x04":
        raise DataError(f"{path} is not a complete zipDeflate file")
    start = entry.at + _LOCAL_HEADER + sum(struct.unpack("<HH", head[26:30]))
    crc = size = 0
    for piece in expand(chunks_of(file, start, entry.packed), entry.method, f"{entry.name} in {path}"):
        crc, size = zlib.crc32(piece, crc), size + len(piece)
        yield piece
    if (crc, size) != (entry.check, entry.size):
        raise DataError(f"{entry.name} in {path} is damaged: its checksum or size is another")


class _Header(tarfile.TarInfo):
    """Long names and the like are read into memory, so that there is a limit to them."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > _LONGEST_HEADER:
            raise tarfile.ReadError("a header of more than a megabyte")
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]


def _tar_entries(file: io.RawIOBase, size: int, path: str) -> list[Entry]:
    return _members(file, path)


def _tar_gzip_entries(file: io.RawIOBase, size: int, path: str) -> list[Entry]:
    return _members(unpacked_stream(file, size, path), path)


def _members(stream: io.RawIOBase, path: str) -> list[Entry]:
    found = []
    stream.seek(0)
    with tarfile.open(fileobj=_Borrowed(stream), mode="r|", tarinfo=_Header) as packed:
        for member in packed:
            packed.members = []  # type: ignore[attr-defined] # else it keeps all of them
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise DataError(f"{path} holds {member.name!r}, which is a link or no file")
            found.append(Entry(member.name.removeprefix("./"), member.size, member.offset_data))
    return found


_LISTS = {"zipDeflate": _zip_entries, "tar": _tar_entries, "tarGZip": _tar_gzip_entries}


class _Borrowed(io.RawIOBase):
    """A file that is not closed with who reads it."""

    def __init__(self, file: io.RawIOBase) -> None:
        super().__init__()
        self._file = file
        self.seek, self.tell = file.seek, file.tell  # type: ignore[method-assign]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        return self._file.readinto(buffer) or 0  # type: ignore[arg-type]
