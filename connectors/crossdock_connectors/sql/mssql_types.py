"""Types of SQL Server and of Arrow: what a column is read as, and what a new column is declared as.

Lossless both ways, unless a line says otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossdock import NotSupportedError, SchemaMismatchError

if TYPE_CHECKING:
    import pyarrow as pa

_DECLARED = re.compile(r"(\w+)(?:\((\w+)(?:,\s*(\d+))?\))?")
# What can be cut into ranges: a whole number, or a moment.
WHOLE = frozenset(("tinyint", "smallint", "int", "bigint"))
MOMENTS = frozenset(("date", "smalldatetime", "datetime", "datetime2", "datetimeoffset"))
_BELOW_MICROSECONDS = "CAST(DATEPART(nanosecond, {}) % 1000 AS smallint)"
# Bytes of a value, for the size of a batch; others are 4 to 16 bytes.
_WIDE = 4096


@dataclass(frozen=True, slots=True)
class Type:
    """A declared type: ``decimal(18,4)``. ``length`` is -1 for max."""

    name: str
    length: int = 0
    precision: int = 0
    scale: int = 0

    @classmethod
    def parse(cls, text: str) -> Type:
        """What ``system_type_name`` says."""
        found = _DECLARED.match(text)
        if not found:
            return cls(text)
        name, first, second = found[1].lower(), found[2], found[3]
        if name in ("decimal", "numeric"):
            return cls("decimal", precision=int(first or 18), scale=int(second or 0))
        if name in ("time", "datetime2", "datetimeoffset"):
            return cls(name, scale=int(first) if first else 7)
        if name in ("float", "real", "vector"):
            return cls(name)
        return cls(name, length=-1 if first == "max" else int(first or 0))

    @classmethod
    def listed(cls, name: str, length: int, precision: int, scale: int) -> Type:
        """What ``sys.columns`` says; ``length`` is in bytes."""
        if name in ("decimal", "numeric"):
            return cls("decimal", precision=precision, scale=scale)
        if name in ("time", "datetime2", "datetimeoffset"):
            return cls(name, scale=scale)
        if "char" not in name and "binary" not in name:
            return cls(name)
        return cls(name, length=length // 2 if name.startswith("n") and length > 0 else length)

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.name in ("time", "datetime2", "datetimeoffset"):
            return f"{self.name}({self.scale})"
        if self.length:
            return f"{self.name}({'max' if self.length < 0 else self.length})"
        return self.name

    @property
    def unpadded(self) -> Type:
        """The type that keeps all values as they were written: no padding, no normal form."""
        if self.name in ("char", "nchar"):
            return Type(self.name.replace("char", "varchar"), length=self.length)
        others = {"uniqueidentifier": ("varchar", 36), "xml": ("nvarchar", -1), "ntext": ("nvarchar", -1),
                  "text": ("varchar", -1), "image": ("varbinary", -1)}  # fmt: skip
        name, length = others.get(self.name, (self.name, self.length))
        return Type(name, length, self.precision, self.scale)

    @property
    def width(self) -> int:
        """About how many bytes of memory a value takes."""
        if self.length > 0:
            return self.length * (3 if self.name.startswith("n") else 1)
        if self.length < 0 or self.name in ("xml", "text", "ntext", "image", "json"):
            return _WIDE
        return 16


@dataclass(frozen=True, slots=True)
class Reading:
    """How a column is read. ``expression`` has ``{}`` for the quoted name; empty: the column as it is.

    ``remainder``: an expression for the nanoseconds that the driver cuts off, which are put back.
    """

    type: pa.DataType
    expression: str = ""
    remainder: str = ""


def reading(
    name: str, kind: Type, datetime2: Literal["ns", "us"], datetimeoffset: Literal["refuse", "utc", "text"]
) -> Reading:
    """Raises NotSupportedError for a type, or SchemaMismatchError for a loss that was not asked for."""
    import pyarrow as pa

    simple = {
        "bit": pa.bool_(), "tinyint": pa.uint8(), "smallint": pa.int16(), "int": pa.int32(),
        "bigint": pa.int64(), "real": pa.float32(), "float": pa.float64(), "date": pa.date32(),
        "time": pa.time64("ns"),
        "money": pa.decimal128(19, 4), "smallmoney": pa.decimal128(10, 4),
        "datetime": pa.timestamp("us"), "smalldatetime": pa.timestamp("us"),
        **dict.fromkeys(("char", "varchar", "nchar", "nvarchar", "text", "ntext", "xml", "uniqueidentifier"),
                        pa.large_string()),
        **dict.fromkeys(("binary", "varbinary", "image", "timestamp", "rowversion"), pa.large_binary()),
    }  # fmt: skip
    if kind.name in simple:
        return Reading(simple[kind.name])
    if kind.name == "decimal":
        return Reading(pa.decimal128(kind.precision, kind.scale))
    zone = "UTC" if kind.name == "datetimeoffset" else None
    if kind.name == "datetimeoffset" and datetimeoffset == "refuse":
        raise SchemaMismatchError(
            f"column {name!r} is {kind}, and Arrow has no offset per value",
            hint="-s datetimeoffset=utc reads moments, datetimeoffset=text keeps the offsets",
        )
    if kind.name == "datetimeoffset" and datetimeoffset == "text":
        return Reading(pa.large_string(), "CONVERT(varchar(34), {}, 121)")
    if kind.name in ("datetime2", "datetimeoffset"):
        if kind.scale <= 6 or datetime2 == "us":
            return Reading(pa.timestamp("us", zone))
        return Reading(pa.timestamp("ns", zone), remainder=_BELOW_MICROSECONDS)
    raise NotSupportedError(
        f"column {name!r} is {kind}, which cannot be read; convert it in a query, CAST(... AS nvarchar(max))"
    )


def declaration(column: pa.Field) -> str:
    """The type of a new column. Raises SchemaMismatchError for what SQL Server has no type for.

    Moments and times of nanoseconds are kept in whole ticks of 100; finer ones are refused as they come.
    """
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    fixed = {
        pa.bool_(): "bit", pa.uint8(): "tinyint", pa.int8(): "smallint", pa.int16(): "smallint",
        pa.uint16(): "int", pa.int32(): "int", pa.uint32(): "bigint", pa.int64(): "bigint",
        pa.uint64(): "decimal(20,0)",
        pa.float32(): "real", pa.float64(): "float", pa.date32(): "date",
        pa.string(): "nvarchar(max)", pa.large_string(): "nvarchar(max)", pa.string_view(): "nvarchar(max)",
        pa.binary(): "varbinary(max)", pa.large_binary(): "varbinary(max)",
    }  # fmt: skip
    if kind in fixed:
        return fixed[kind]
    if pa.types.is_decimal128(kind) and 0 <= kind.scale <= kind.precision:
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_fixed_size_binary(kind) and not pa.types.is_decimal(kind) and 0 < kind.byte_width <= 8000:
        return f"binary({kind.byte_width})"
    if pa.types.is_timestamp(kind):
        digits = {"s": 0, "ms": 3, "us": 6, "ns": 7}[kind.unit]
        return f"datetimeoffset({digits})" if kind.tz else f"datetime2({digits})"
    if pa.types.is_time(kind):
        return f"time({ {'s': 0, 'ms': 3, 'us': 6, 'ns': 7}[kind.unit] })"
    raise SchemaMismatchError(
        f"column {column.name!r} is {kind}, which SQL Server has no type for without loss; convert it first"
    )
