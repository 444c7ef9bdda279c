"""What the file system knows of a file or a folder, and when it was made."""

from __future__ import annotations

import ctypes
import os
import struct
from functools import cache
from typing import Any

from crossdock import Facts

# <linux/stat.h>: the flag of the time of birth, and its place in struct statx.
_BIRTH = 0x800
_MASK, _TIME = struct.Struct("=I"), struct.Struct("=qI")
_TIME_AT = 80
_HERE = -100


def facts_of(path: str, found: os.stat_result, *, file: bool) -> Facts:
    return Facts(found.st_size if file else None, found.st_mtime, _created(path, found))


def _created(path: str, found: os.stat_result) -> float | None:
    """None where the file system does not keep it."""
    known: float | None = getattr(found, "st_birthtime", None)
    call = None if known is not None else _statx()
    if call is None:
        return known
    answer = ctypes.create_string_buffer(256)
    if call(_HERE, os.fsencode(path), 0, _BIRTH, answer) or not _MASK.unpack_from(answer)[0] & _BIRTH:
        return None
    seconds, nanoseconds = _TIME.unpack_from(answer, _TIME_AT)
    return float(seconds + nanoseconds / 1e9)


@cache
def _statx() -> Any:
    """The system's call, of Linux only; Python's ``os.stat`` leaves out what it says of the birth."""
    try:
        return ctypes.CDLL(None).statx
    except (OSError, AttributeError, TypeError):
        return None
