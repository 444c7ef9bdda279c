"""Names of text encodings as options give them."""

from __future__ import annotations

import codecs
import re

from . import ebcdic  # noqa: F401 - registers more codecs

# Where .NET and Data Factory mean another one by a name than Python, or have a name of their own.
_NET = {
    "utf-8 without bom": "utf-8", "utf-16": "utf-16", "utf-16be": "utf-16-be", "utf-32be": "utf-32-be",
    "gb2312": "gbk", "shift-jis": "cp932", "shift_jis": "cp932", "ibm00858": "cp858", "windows-874": "cp874",
    "ks_c_5601-1987": "cp949",
}  # fmt: skip
_IBM = re.compile(r"(?:ibm|cp)0*(\d{2,4})")
_MARKS = {"utf-16": (codecs.BOM_UTF16_LE, "utf-16-le"), "utf-32": (codecs.BOM_UTF32_LE, "utf-32-le")}


def codec_name(value: str) -> str:
    """Python's name of an encoding; ValueError where there is none. A BOM is skipped in any UTF-8 file."""
    lower = value.strip().lower()
    ibm = _IBM.fullmatch(lower)
    for name in (_NET.get(lower), lower, ibm and f"cp{ibm[1]}", ibm and f"cp{ibm[1]:0>3}"):
        try:
            codec = codecs.lookup(name or "")
        except LookupError:
            continue
        return "utf-8" if codec.name == "utf-8-sig" else codec.name
    raise ValueError(f"{value!r} is not a known encoding")


def unmarked(encoding: str) -> tuple[bytes, str]:
    """What a text of that encoding begins with, and the encoding of what follows."""
    return _MARKS.get(encoding, (b"", encoding))
