"""Names of text encodings as options give them."""

from __future__ import annotations

import codecs


def codec_name(value: str) -> str:
    """Python's name of an encoding; ValueError where there is none. A BOM is skipped in any UTF-8 file."""
    try:
        codec = codecs.lookup(value)
    except LookupError:
        raise ValueError(f"{value!r} is not a known encoding") from None
    return "utf-8" if codec.name == "utf-8-sig" else codec.name
