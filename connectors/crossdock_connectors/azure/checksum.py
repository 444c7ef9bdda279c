"""Transactional checksums: the service refuses a body that does not arrive as it was sent.

Azure's CRC-64 is the one that NVMe uses (reflected polynomial 0x9A6C9329AC4BC9B5); ``awscrt`` computes
it with the processor's carry-less multiplication: 0.02 CPU seconds per GiB. MD5 takes 1.4, the SDK's
``azure-storage-extensions`` 0.6 and a copy of the data.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import cache

Headers = dict[str, str]


def md5(data: memoryview | bytes) -> Headers:
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    return {"Content-MD5": base64.b64encode(digest).decode()}


@cache
def checksum() -> Callable[[memoryview | bytes], Headers]:
    """What makes the headers for a body: CRC-64 where ``awscrt`` is installed, else MD5."""
    try:
        from awscrt.checksums import crc64nvme
    except ImportError:
        return md5

    def crc64(data: memoryview | bytes) -> Headers:
        value = int(crc64nvme(data))
        return {"x-ms-content-crc64": base64.b64encode(value.to_bytes(8, "little")).decode()}

    return crc64
