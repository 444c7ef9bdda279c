"""Moving bytes of open files at given offsets: loops over short reads and writes, and portable stand-ins."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable

_WINDOW = 256 << 10
# Of a larger write the kernel's page cache takes larger pages, whose memory a virtual machine may have to
# fetch from its host first: 4 GiB in pieces of 8 MiB took one and a half times as long.
_PIECE = 128 << 10
_WORTH_RESERVING = 32 << 20
_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE
_CANNOT_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY)
_seek = threading.Lock()
BINARY = getattr(os, "O_BINARY", 0)


def read_at(fd: int, buffer: memoryview, offset: int) -> int:
    """Fill ``buffer`` from ``offset``; returns the count, less than its length only at the file's end."""
    done = 0
    while done < len(buffer):
        got = _read_once(fd, buffer[done:], offset + done)
        if not got:
            break
        done += got
    return done


def _read_once(fd: int, buffer: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(fd, [buffer], offset)
    with _seek:
        os.lseek(fd, offset, os.SEEK_SET)
        data = os.read(fd, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def write_at(fd: int, data: memoryview, offset: int) -> None:
    """Write all of ``data`` at ``offset``."""
    done = 0
    while done < len(data):
        done += _write_once(fd, data[done : done + _PIECE], offset + done)


def _write_once(fd: int, data: memoryview, offset: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(fd, data, offset)
    with _seek:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)


def copy_range(source: int, offset: int, target: int, at: int, length: int) -> int:
    """Copy ``length`` bytes between open files, in the kernel where it can; returns the count.

    Less than ``length`` only where the source ends.
    """
    done = 0
    if hasattr(os, "copy_file_range"):
        try:
            while done < length:
                got = os.copy_file_range(source, target, length - done, offset + done, at + done)
                if not got:
                    break
                done += got
        except OSError as error:
            if error.errno not in _CANNOT_COPY:
                raise
    # Also where the kernel said "end" too soon, as some network file systems do.
    return done + copy_through(source, offset + done, target, at + done, length - done)


def copy_through(
    source: int,
    offset: int,
    target: int,
    at: int,
    length: int,
    *,
    seen: Callable[[memoryview], object] = len,
) -> int:
    """As ``copy_range``, through this process; ``seen`` gets what was read, in order.

    In pieces that stay in the processor's cache this takes no longer than in the kernel.
    """
    if not length:
        return 0
    buffer, done = memoryview(bytearray(min(_WINDOW, length))), 0
    while done < length:
        got = read_at(source, buffer[: length - done], offset + done)
        if not got:
            break
        seen(buffer[:got])
        write_at(target, buffer[:got], at + done)
        done += got
    return done


def reserve(fd: int, size: int) -> None:
    """Set aside the blocks of a large file that is about to be written, where the file system can do that.

    Writing then costs a quarter less. Nothing of it can be seen but the space that is taken, and nothing is
    said where it fails: a disk that is too full says so when it is written to.
    """
    if size < _WORTH_RESERVING or sys.platform != "linux":
        return
    # Not os.posix_fallocate: where the file system cannot do it, that writes into each block.
    import ctypes

    libc = ctypes.CDLL(None)
    fallocate = getattr(libc, "fallocate64", None) or libc.fallocate
    fallocate(fd, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size))


def sync_folder(path: str) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
