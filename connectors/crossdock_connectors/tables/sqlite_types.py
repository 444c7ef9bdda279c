"""Which Arrow type a column of an SQLite table has, and which column an Arrow type needs.

SQLite types values, not columns. A declared type stands for an Arrow type as follows; what the
table says is checked against the first thousand rows where SQLite itself has no such type:

    contains INT                         int64
    contains CHAR, CLOB, TEXT            string
    contains REAL, FLOA, DOUB            float64
    contains BLOB                        binary
    BOOLEAN                              bool, if the values are 0 and 1
    DATE                                 date32, if they are ISO dates
    DATETIME, TIMESTAMP, TIMESTAMP_NS    timestamp[us] ([ns]), if they are ISO date and time
    TIMESTAMPTZ, TIMESTAMPTZ_NS          timestamp[us, UTC] ([ns, UTC]), if they have a zone as well
    TIME, TIME_NS                        time64[us] ([ns]), if they are ISO times
    DECIMAL_TEXT(p,s)                    decimal128(p, s): digits kept as text
    DECIMAL, NUMERIC                     float64; int64 if no scale is declared and they are integers
    VOID                                 null, if there is nothing else
    anything else, or none               what the values are; string where there are none
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from crossdock import SchemaMismatchError

if TYPE_CHECKING:
    import pyarrow as pa

Storage = Literal["integer", "real", "text", "blob", "null"]
Affinity = Literal["INTEGER", "TEXT", "BLOB", "REAL", "NUMERIC"]
LARGEST_EXACT = 2**53

_CANDIDATES = {
    "DATE": ("date32", "timestamp[us]", "timestamp[us, UTC]"),
    "DATETIME": ("timestamp[us]", "timestamp[ns]", "timestamp[us, UTC]"),
    "TIMESTAMP": ("timestamp[us]", "timestamp[ns]", "timestamp[us, UTC]"),
    "TIMESTAMP_NS": ("timestamp[ns]",),
    "TIMESTAMPTZ": ("timestamp[us, UTC]",),
    "TIMESTAMP WITH TIME ZONE": ("timestamp[us, UTC]",),
    "TIMESTAMPTZ_NS": ("timestamp[ns, UTC]",),
    "TIME": ("time64[us]", "time64[ns]"),
    "TIME_NS": ("time64[ns]",),
}
_DECLARED = {
    "bool": "BOOLEAN",
    "int64": "INTEGER",
    "float64": "REAL",
    "string": "TEXT",
    "binary": "BLOB",
    "date32": "DATE",
    "timestamp[us]": "TIMESTAMP",
    "timestamp[ns]": "TIMESTAMP_NS",
    "timestamp[us, UTC]": "TIMESTAMPTZ",
    "timestamp[ns, UTC]": "TIMESTAMPTZ_NS",
    "time64[us]": "TIME",
    "time64[ns]": "TIME_NS",
    "null": "VOID",
}
_STORED: dict[str, Storage] = {
    "int64": "integer",
    "bool": "integer",
    "float64": "real",
    "binary": "blob",
    "null": "null",
}


@cache
def arrow_type(code: str) -> pa.DataType:
    """The Arrow type that a code stands for; codes are the names in ``_DECLARED`` and decimal(p,s)."""
    import pyarrow as pa

    if code.startswith("decimal"):
        precision, scale = map(int, re.findall(r"-?\d+", code))
        return pa.decimal128(precision, scale)
    if code.startswith("time"):
        name, unit, *zone = re.findall(r"\w+", code)
        return pa.timestamp(unit, *zone) if name == "timestamp" else pa.time64(unit)
    return {
        "bool": pa.bool_(), "int64": pa.int64(), "float64": pa.float64(), "string": pa.string(),
        "binary": pa.binary(), "date32": pa.date32(), "null": pa.null(),
    }[code]  # fmt: skip


def stored_as(code: str) -> Storage:
    """How SQLite stores the values of a column with this code."""
    return _STORED.get(code, "text")


def affinity(declared: str) -> Affinity:
    """SQLite's own rule (https://www.sqlite.org/datatype3.html, 3.1)."""
    name = declared.upper()
    if "INT" in name:
        return "INTEGER"
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in name or not name:
        return "BLOB"
    return "REAL" if any(part in name for part in ("REAL", "FLOA", "DOUB")) else "NUMERIC"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a column holds in the first rows: its storage classes (without null) and its values."""

    storages: Collection[Storage]
    values: Sequence[object]


def needs_sample(declared: str) -> bool:
    """Whether ``code_of`` wants to see values."""
    return affinity(declared) in ("NUMERIC", "BLOB") and "BLOB" not in declared.upper()


def code_of(declared: str, sample: Sample | None) -> str:
    """The code of a column by its declared type and, where ``needs_sample``, its first values."""
    base, *arguments = re.findall(r"[^(),]+", declared.upper().strip()) or [""]
    name, kind, seen = " ".join(base.split()), affinity(declared), sample or Sample((), ())
    if name == "DECIMAL_TEXT" and len(arguments) == 2:
        return f"decimal({arguments[0].strip()},{arguments[1].strip()})"
    if not needs_sample(declared):
        return {"INTEGER": "int64", "TEXT": "string", "REAL": "float64"}.get(kind, "binary")
    whole = len(arguments) < 2 or arguments[1].strip() == "0"
    return _code_by_sample(name, seen, set(seen.storages), whole)


def _code_by_sample(name: str, seen: Sample, storages: set[Storage], whole: bool) -> str:
    if name in ("BOOL", "BOOLEAN") and all(value in (0, 1) for value in seen.values):
        return "bool"
    if name == "VOID" and not storages:
        return "null"
    if name in _CANDIDATES and storages <= {"text"}:
        return next((c for c in _CANDIDATES[name] if _reads_as(seen.values, c)), "string")
    if storages <= {"integer", "real"} and (storages or name in ("DECIMAL", "NUMERIC")):
        exact = storages == {"integer"} and (whole or name not in ("DECIMAL", "NUMERIC"))
        return "int64" if exact else "float64"
    return "binary" if storages == {"blob"} else "string"


def _reads_as(values: Sequence[object], code: str) -> bool:
    import pyarrow as pa

    from .sqlite_values import parse

    try:
        parse(pa.array([str(value) for value in values], pa.string()), code)
    except pa.ArrowInvalid:
        return False
    return True


def code_for(field: pa.Field, decimals: Literal["refuse", "text", "real"]) -> str:
    """The code of the column that holds an Arrow type. Raises SchemaMismatchError where none does."""
    import pyarrow.types as pt

    kind = field.type.value_type if pt.is_dictionary(field.type) else field.type
    if pt.is_decimal(kind):
        return _decimal_code(field.name, kind, decimals)
    if pt.is_timestamp(kind):
        unit = "ns" if kind.unit == "ns" else "us"
        return f"timestamp[{unit}{', UTC' if kind.tz else ''}]"
    if pt.is_time(kind):
        return "time64[ns]" if kind.unit == "ns" else "time64[us]"
    tests = {
        "bool": pt.is_boolean, "int64": pt.is_integer, "float64": pt.is_floating, "date32": pt.is_date,
        "null": pt.is_null,
        "string": lambda t: pt.is_string(t) or pt.is_large_string(t) or pt.is_string_view(t),
        "binary": lambda t: pt.is_binary(t) or pt.is_large_binary(t) or pt.is_fixed_size_binary(t)
        or pt.is_binary_view(t),
    }  # fmt: skip
    for code, test in tests.items():
        if test(kind):
            return code
    raise SchemaMismatchError(
        f"column {field.name!r} is {field.type}, which SQLite cannot hold; leave it out or convert it first"
    )


def _decimal_code(name: str, kind: pa.DataType, decimals: str) -> str:
    if decimals == "real":
        return "float64"
    if decimals == "text" and kind.bit_width <= 128:
        return f"decimal({kind.precision},{kind.scale})"
    raise SchemaMismatchError(
        f"column {name!r} is {kind}, and SQLite has no decimals; choose decimals=text (exact, kept as "
        "text) or decimals=real (rounded to 15 digits)"
    )


def declared_for(code: str) -> str:
    """The declared type of the column that holds a code."""
    return _DECLARED.get(code) or "DECIMAL_TEXT" + code.removeprefix("decimal")
