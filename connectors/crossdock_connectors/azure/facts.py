"""What the properties of a blob, a path or a container tell of it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from contextlib import suppress

from crossdock import Facts

from .blob_list import moment


def facts(headers: Mapping[str, str], size: int | None = None) -> Facts:
    modified, created = (
        moment(headers.get(name, "")) or None for name in ("last-modified", "x-ms-creation-time")
    )
    md5 = None
    with suppress(binascii.Error):
        md5 = base64.b64decode(headers.get("content-md5", "")) or None
    return Facts(size, modified, created, md5)
