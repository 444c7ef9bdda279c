"""Types and values of TDS: TYPE_INFO and what follows it, in both directions (MS-TDS 2.2.5.4, 2.2.5.5).

A value is kept as SQLite keeps it: int, float, bytes, or text (decimals in digits, dates and times in ISO form
with as many digits as the type has, uniqueidentifiers in capitals).
"""

# ruff: noqa: E501, PLR0911 - a return for each kind of type.

from __future__ import annotations

import re
import struct
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

Value = int | float | bytes | str | None
COLLATION = bytes.fromhex("0904d00034")
COLLATION_NAME = "SQL_Latin1_General_CP1_CI_AS"
_DAY_ONE = date(1, 1, 1).toordinal()
_EPOCH = datetime(1900, 1, 1)
MAX = -1

_INTEGERS = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}
_FLOATS = {"real": 4, "float": 8}
_MONEY = {"smallmoney": 4, "money": 8}
_TEXTS = {"char": 0xAF, "varchar": 0xA7, "nchar": 0xEF, "nvarchar": 0xE7}
_BINARIES = {"binary": 0xAD, "varbinary": 0xA5}
_SCALED = {"time": 0x29, "datetime2": 0x2A, "datetimeoffset": 0x2B}
# In bytes of sys.columns.max_length.
_SIZES = {**_INTEGERS, **_FLOATS, **_MONEY, "bit": 1, "uniqueidentifier": 16, "date": 3, "datetime": 8,
          "smalldatetime": 4, "timestamp": 8}  # fmt: skip


class TdsError(Exception):
    """What the client sent is not TDS as it is written down."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A declared type. ``length`` in characters or bytes, -1 for max."""

    name: str
    length: int = 0
    precision: int = 0
    scale: int = 0

    @classmethod
    def parse(cls, text: str) -> Kind:
        found = re.fullmatch(r"\s*\[?(\w+)\]?\s*(?:\(\s*(\w+)\s*(?:,\s*(\d+)\s*)?\))?.*", text, re.DOTALL)
        if not found:
            raise TdsError(f"{text!r} is no type")
        name, first, second = found[1].lower(), found[2], found[3]
        name = {"integer": "int", "numeric": "decimal", "rowversion": "timestamp"}.get(name, name)
        if name in _TEXTS or name in _BINARIES:
            return cls(name, MAX if (first or "").lower() == "max" else int(first or 1))
        if name == "decimal":
            return cls(name, precision=int(first or 18), scale=int(second or 0))
        if name in _SCALED:
            return cls(name, scale=int(first) if first else 7)
        if name in _SIZES or name in ("xml", "sql_variant"):
            return cls(name)
        raise TdsError(f"the type {text!r} is not known here")

    def __str__(self) -> str:
        if self.name in _TEXTS or self.name in _BINARIES:
            return f"{self.name}({'max' if self.length == MAX else self.length})"
        if self.name == "decimal":
            return f"decimal({self.precision},{self.scale})"
        return f"{self.name}({self.scale})" if self.name in _SCALED else self.name

    @property
    def max_length(self) -> int:
        """As ``sys.columns`` has it."""
        if self.name in ("nchar", "nvarchar") and self.length != MAX:
            return self.length * 2
        if self.name in _TEXTS or self.name in _BINARIES:
            return self.length
        if self.name == "decimal":
            return _decimal_size(self.precision)
        return _SIZES.get(self.name, -1)

    @property
    def affinity(self) -> str:
        """The column type for SQLite, which keeps the declared type in its name."""
        quoted = f'"{self}"'
        if self.name == "decimal" or self.name in _MONEY:
            return f'"{self} as text" COLLATE tsql_decimal'
        if self.name == "datetimeoffset":
            return f"{quoted} COLLATE tsql_offset"
        return f"{quoted} COLLATE NOCASE" if self.name in _TEXTS else quoted

    # TYPE_INFO

    def info(self) -> bytes:
        if self.name in _INTEGERS:
            return bytes((0x26, _INTEGERS[self.name]))
        if self.name == "bit":
            return b"\x68\x01"
        if self.name in _FLOATS:
            return bytes((0x6D, _FLOATS[self.name]))
        if self.name in _MONEY:
            return bytes((0x6E, _MONEY[self.name]))
        if self.name == "decimal":
            return bytes((0x6A, _decimal_size(self.precision), self.precision, self.scale))
        if self.name in ("datetime", "smalldatetime"):
            return bytes((0x6F, _SIZES[self.name]))
        if self.name == "date":
            return b"\x28"
        if self.name in _SCALED:
            return bytes((_SCALED[self.name], self.scale))
        if self.name == "uniqueidentifier":
            return b"\x24\x10"
        if self.name == "timestamp":
            return b"\xad\x08\x00"
        if self.name == "xml":
            return b"\xf1\x00"
        size = 0xFFFF if self.length == MAX else self.max_length
        if self.name in _BINARIES:
            return struct.pack("<BH", _BINARIES[self.name], size)
        return struct.pack("<BH", _TEXTS[self.name], size) + COLLATION

    # values

    def encode(self, value: Value) -> bytes:
        if self.length == MAX or self.name == "xml":
            return _plp(None if value is None else self._bytes(value))
        wide = self.name in _TEXTS or self.name in _BINARIES or self.name == "timestamp"
        if value is None:
            return b"\xff\xff" if wide else b"\x00"
        raw = self._bytes(value)
        return (struct.pack("<H", len(raw)) if wide else bytes((len(raw),))) + raw

    def _bytes(self, value: Any) -> bytes:
        name = self.name
        if name in _INTEGERS:
            return int(value).to_bytes(_INTEGERS[name], "little", signed=name != "tinyint")
        if name == "bit":
            return bytes((1 if value else 0,))
        if name in _FLOATS:
            return struct.pack("<f" if name == "real" else "<d", value)
        if name in _MONEY:
            number = int(_scaled(value, 4))
            if name == "smallmoney":
                return struct.pack("<i", number)
            return struct.pack("<iI", number >> 32, number & 0xFFFFFFFF)
        if name == "decimal":
            number = _scaled(value, self.scale)
            return bytes((number >= 0,)) + abs(number).to_bytes(_decimal_size(self.precision) - 1, "little")
        if name == "uniqueidentifier":
            return uuid.UUID(value).bytes_le
        if name in ("nchar", "nvarchar", "xml"):
            return str(value).encode("utf-16-le")
        if name in ("char", "varchar"):
            return str(value).encode("cp1252", "replace")
        if name in _BINARIES or name == "timestamp":
            return bytes(value)
        return self._moment(value)

    def _moment(self, value: str) -> bytes:
        if self.name == "date":
            return _days(value)
        if self.name == "time":
            return self._ticks(value)
        if self.name == "datetime2":
            return self._ticks(value[11:]) + _days(value)
        if self.name == "datetimeoffset":
            local, _, offset = value.rpartition(" ")
            minutes = int(offset[:3]) * 60 + int(offset[0] + offset[4:])
            ticks = _ticks_of(local[11:], 7) - minutes * 600_000_000
            days, ticks = divmod(ticks, 864_000_000_000)
            day = (date.fromisoformat(local[:10]).toordinal() - _DAY_ONE + days).to_bytes(3, "little")
            return self._packed(ticks // 10 ** (7 - self.scale)) + day + struct.pack("<h", minutes)
        at = datetime.fromisoformat(value) - _EPOCH
        if self.name == "smalldatetime":
            return struct.pack("<HH", at.days, at.seconds // 60)
        return struct.pack("<iI", at.days, round((at.seconds + at.microseconds / 1e6) * 300))

    def _ticks(self, text: str) -> bytes:
        return self._packed(_ticks_of(text, self.scale))

    def _packed(self, ticks: int) -> bytes:
        return ticks.to_bytes(3 if self.scale <= 2 else 4 if self.scale <= 4 else 5, "little")

    def decode(self, raw: bytes) -> Value:
        name = self.name
        if name in _INTEGERS or name == "bit":
            return int.from_bytes(raw, "little", signed=name not in ("tinyint", "bit"))
        if name in _FLOATS:
            return float(struct.unpack("<f" if len(raw) == 4 else "<d", raw)[0])
        if name in _MONEY:
            high, low = struct.unpack("<iI", raw) if len(raw) == 8 else (None, struct.unpack("<i", raw)[0])
            return _digits(low if high is None else (high << 32) + low, 4)
        if name == "decimal":
            number = int.from_bytes(raw[1:], "little")
            return _digits(number if raw[0] else -number, self.scale)
        if name == "uniqueidentifier":
            return str(uuid.UUID(bytes_le=raw)).upper()
        if name in ("nchar", "nvarchar", "xml"):
            text = raw.decode("utf-16-le")
            return text.removeprefix("\ufeff") if name == "xml" else text
        if name in ("char", "varchar"):
            return raw.decode("cp1252")
        if name in _BINARIES or name == "timestamp":
            return raw
        return self._moment_of(raw)

    def _moment_of(self, raw: bytes) -> str:
        if self.name == "date":
            return _day(raw)
        if self.name == "time":
            return _time(int.from_bytes(raw, "little"), self.scale)
        if self.name == "datetime2":
            return f"{_day(raw[-3:])} {_time(int.from_bytes(raw[:-3], 'little'), self.scale)}"
        if self.name == "datetimeoffset":
            minutes = struct.unpack("<h", raw[-2:])[0]
            ticks = int.from_bytes(raw[:-5], "little") * 10 ** (7 - self.scale) + minutes * 600_000_000
            days, ticks = divmod(ticks, 864_000_000_000)
            day = date.fromordinal(int.from_bytes(raw[-5:-2], "little") + _DAY_ONE + days).isoformat()
            offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
            return f"{day} {_time(ticks // 10 ** (7 - self.scale), self.scale)} {offset}"
        days, rest = struct.unpack("<HH" if len(raw) == 4 else "<iI", raw)
        at = timedelta(minutes=rest) if len(raw) == 4 else timedelta(milliseconds=round(rest * 10 / 3))
        return (_EPOCH + timedelta(days) + at).isoformat(" ", "milliseconds")


def _decimal_size(precision: int) -> int:
    return 5 if precision <= 9 else 9 if precision <= 19 else 13 if precision <= 28 else 17


def _scaled(text: str, scale: int) -> int:
    """The digits of a decimal as one number; Python's own context would round at 28."""
    return int(Decimal(text).scaleb(scale, Context(prec=80)).to_integral_value(context=Context(prec=80)))


def _digits(number: int, scale: int) -> str:
    text = str(abs(number)).rjust(scale + 1, "0")
    text = f"{text[:-scale]}.{text[-scale:]}" if scale else text
    return f"-{text}" if number < 0 else text


def _days(text: str) -> bytes:
    return (date.fromisoformat(text[:10]).toordinal() - _DAY_ONE).to_bytes(3, "little")


def _day(raw: bytes) -> str:
    return date.fromordinal(int.from_bytes(raw, "little") + _DAY_ONE).isoformat()


def _ticks_of(text: str, scale: int) -> int:
    clock, _, fraction = text.partition(".")
    hours, minutes, seconds = (clock + ":00:00").split(":")[:3]
    whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * 10**scale + int((fraction + "0" * 7)[:scale] or 0)


def _time(ticks: int, scale: int) -> str:
    seconds, fraction = divmod(ticks, 10**scale)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{clock}.{fraction:0{scale}d}" if scale else clock


def _plp(raw: bytes | None) -> bytes:
    if raw is None:
        return b"\xff" * 8
    chunk = struct.pack("<I", len(raw)) + raw if raw else b""
    return struct.pack("<Q", len(raw)) + chunk + bytes(4)


def cast(value: Value, kind: Kind) -> Value:
    """A value as the type keeps it; what is more precise than that is cut off."""
    if value is None:
        return None
    name = kind.name
    if name in _INTEGERS or name == "bit":
        return int(value)
    if name in _FLOATS:
        return float(value)
    if name == "decimal" or name in _MONEY:
        scale = 4 if name in _MONEY else kind.scale
        return _digits(_scaled(str(value), scale), scale)
    if name in _TEXTS or name in ("xml", "uniqueidentifier"):
        text = str(value).upper() if name == "uniqueidentifier" else str(value)
        if name in ("char", "varchar"):
            text = text.encode("cp1252", "replace").decode("cp1252")
        return text.ljust(kind.length) if name in ("char", "nchar") else text
    if name == "varbinary" and kind.length == MAX and isinstance(value, str):
        return value.encode("utf-16-le")
    if name in _BINARIES or name == "timestamp":
        return bytes(value) if isinstance(value, bytes) else str(value).encode()
    return _cast_moment(str(value).replace("T", " "), kind)


def _cast_moment(text: str, kind: Kind) -> str:
    day, _, rest = text.partition(" ")
    if ":" in day:
        day, rest = "1900-01-01", text
    if kind.name == "date":
        return day
    if kind.name in ("datetime", "smalldatetime"):
        return datetime.fromisoformat(f"{day} {rest[:12] or '00:00:00'}").isoformat(" ", "milliseconds")
    zone = re.search(r"\s*(Z|[+-]\d\d:\d\d)$", rest)
    offset = zone[1].replace("Z", "+00:00") if zone else "+00:00"
    clock = _time(_ticks_of(rest[: zone.start()] if zone else rest or "0:0:0", kind.scale), kind.scale)
    if kind.name == "time":
        return clock
    return f"{day} {clock}" + (f" {offset}" if kind.name == "datetimeoffset" else "")


class Reader:
    """Reads along a buffer."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def take(self, size: int) -> bytes:
        found = self.data[self.at : self.at + size]
        if len(found) < size:
            raise TdsError("the message ends in the middle of a token")
        self.at += size
        return found

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def text(self, size: int) -> str:
        return self.take(size * 2).decode("utf-16-le")

    def kind(self) -> tuple[Kind, str]:
        """A TYPE_INFO: the type, and how its values are told (``fixed``, ``byte``, ``short``, ``plp``)."""
        code = self.number(1)
        fixed = {0x30: "tinyint", 0x32: "bit", 0x34: "smallint", 0x38: "int", 0x7F: "bigint", 0x3B: "real",
                 0x3E: "float", 0x3C: "money", 0x7A: "smallmoney", 0x3D: "datetime",
                 0x3A: "smalldatetime"}  # fmt: skip
        if code in fixed:
            return Kind(fixed[code]), "fixed"
        if code in (0x26, 0x68, 0x6D, 0x6E, 0x6F, 0x24):
            size = self.number(1)
            names = {0x26: {1: "tinyint", 2: "smallint", 4: "int", 8: "bigint"}, 0x68: {1: "bit"},
                     0x6D: {4: "real", 8: "float"}, 0x6E: {4: "smallmoney", 8: "money"},
                     0x6F: {4: "smalldatetime", 8: "datetime"}, 0x24: {16: "uniqueidentifier"}}  # fmt: skip
            return Kind(names[code][size]), "byte"
        if code in (0x6A, 0x6C):
            self.take(1)
            return Kind("decimal", precision=self.number(1), scale=self.number(1)), "byte"
        if code == 0x28:
            return Kind("date"), "byte"
        if code in _SCALED.values():
            name = next(name for name, value in _SCALED.items() if value == code)
            return Kind(name, scale=self.number(1)), "byte"
        if code == 0xF1:
            if self.number(1):
                raise TdsError("xml with a schema is not known here")
            return Kind("xml"), "plp"
        for name, value in (*_TEXTS.items(), *_BINARIES.items()):
            if value == code:
                size = self.number(2)
                if name in _TEXTS:
                    self.take(5)
                length = size // 2 if name.startswith("n") else size
                return Kind(name, MAX if size == 0xFFFF else length), "plp" if size == 0xFFFF else "short"
        raise TdsError(f"the type 0x{code:02x} is not known here")

    def value(self, kind: Kind, told: str) -> Value:
        if told == "fixed":
            return kind.decode(self.take(_SIZES[kind.name]))
        if told == "byte":
            size = self.number(1)
            return kind.decode(self.take(size)) if size else None
        if told == "short":
            size = self.number(2)
            return None if size == 0xFFFF else kind.decode(self.take(size))
        if self.number(8) == 0xFFFFFFFFFFFFFFFF:
            return None
        raw = b""
        while size := self.number(4):
            raw += self.take(size)
        return kind.decode(raw)
