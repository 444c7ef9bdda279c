"""Archives of one file, written as its bytes come."""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
import zipfile
from typing import IO, Any, Protocol

from ..spi.format import ByteSink
from .codecs import ARCHIVES, PackedSink

_SPOOLED = 16 << 20
_OLDEST = (1980, 1, 1, 0, 0, 0)


class Packer(Protocol):
    """Where the bytes of one file go. ``finish`` ends the archive, ``abort`` lets go of it."""

    def write(self, data: Any, /) -> int: ...
    def finish(self) -> None: ...
    def abort(self) -> None: ...


def packer(sink: ByteSink, codec: str, level: str, name: str) -> Packer:
    """Compresses into ``sink``; an archive gets one file of that name."""
    if codec == "zipDeflate":
        return _Zip(sink, level, name)
    return _Tar(sink, level, name, codec == "tarGZip") if codec in ARCHIVES else _Stream(sink, codec, level)


class _Stream(PackedSink):
    def abort(self) -> None:
        """Nothing is held that needs to be let go of."""


class _Zip:
    def __init__(self, sink: ByteSink, level: str, name: str) -> None:
        self._zip = zipfile.ZipFile(_Appending(sink), "w")
        info = zipfile.ZipInfo(name, _OLDEST)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        info._compresslevel = 1 if level == "Fastest" else 6  # type: ignore[attr-defined]
        self._file = self._zip.open(info, "w", force_zip64=True)

    def write(self, data: Any, /) -> int:
        return self._file.write(data)

    def finish(self) -> None:
        self._file.close()
        self._zip.close()

    def abort(self) -> None:
        """What was written is thrown away by who gave the sink."""


class _Tar:
    """A tar says how long a file is before it: what is large waits in a temporary file."""

    def __init__(self, sink: ByteSink, level: str, name: str, compressed: bool) -> None:
        self._sink: Any = PackedSink(sink, "gzip", level) if compressed else sink
        self._compressed = compressed
        self._info = tarfile.TarInfo(name)
        self._waiting: IO[bytes] = tempfile.SpooledTemporaryFile(_SPOOLED)  # noqa: SIM115 - closed by abort

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        self._waiting.write(view)
        return len(view)

    def finish(self) -> None:
        self._info.size = self._waiting.tell()
        self._waiting.seek(0)
        self._sink.write(self._info.tobuf(tarfile.PAX_FORMAT))
        shutil.copyfileobj(self._waiting, _Appending(self._sink), 1 << 20)
        rest = -self._info.size % tarfile.BLOCKSIZE
        self._sink.write(bytes(rest + 2 * tarfile.BLOCKSIZE))
        if self._compressed:
            self._sink.finish()
        self.abort()

    def abort(self) -> None:
        self._waiting.close()


class _Appending(io.RawIOBase):
    """A ByteSink as a file that can only be written."""

    def __init__(self, sink: ByteSink) -> None:
        super().__init__()
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return self._sink.write(data)
