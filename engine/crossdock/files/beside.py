"""Small files that a file of the same store names: a schema, say."""

from __future__ import annotations

import posixpath
import re

from ..errors import ConfigError
from ..spi.store import ObjectStore

LARGEST = 16 << 20
_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|/|\\")


def read_beside(store: ObjectStore, path: str) -> bytes:
    """The content of a file below the store's root.

    Raises NotFoundError, and ConfigError for one that is elsewhere or has more than 16 MiB.
    """
    found = posixpath.normpath(path)
    if _ELSEWHERE.match(path) or found.startswith(".."):
        raise ConfigError(f"{path} is not below the folder that is read")
    with store.open_read(found) as reader:
        if reader.info.size > LARGEST:
            raise ConfigError(f"{found} has more than {LARGEST >> 20} MiB")
        content = bytearray(reader.info.size)
        reader.read_into(0, memoryview(content))
    return bytes(content)
