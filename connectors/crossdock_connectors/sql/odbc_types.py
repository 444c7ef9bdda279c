"""Types of ODBC and of Arrow: what columns are fetched and read as, declared as, and what they can keep."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crossdock import ConfigError, DataError, SchemaMismatchError

from .odbc_catalog import Column
from .odbc_dialects import Known, Traits

if TYPE_CHECKING:
    import pyarrow as pa

_REAL = 7
_TEXTS = (1, 12, -1, -8, -9, -10)
_NUMERICS = (2, 3)
_INTEGERS = {5: 16, 4: 32, -5: 64}
GUID = -11
_ZONED = re.compile(r"zone|tz$|offset", re.IGNORECASE)
# The digits of a second that a moment of Arrow has.
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def fetched(found: pa.Schema, columns: Mapping[str, Column], decimals: str) -> tuple[pa.Schema, pa.Schema]:
    """The schema to fetch, and that of the batches, from what arrow-odbc makes of a query.

    Decimals are fetched as text: arrow-odbc cuts off digits, and takes NaN for 0. A FLOAT is double: its
    precision is counted in bits by some drivers and in digits by others.
    """
    import pyarrow as pa

    wire, final = [], []
    for field in found:
        kind, declared = field.type, columns.get(field.name)
        if pa.types.is_float32(kind) and (declared is None or declared.code != _REAL):
            kind = pa.float64()
        elif kind == pa.int8():
            kind = pa.int16()  # some databases count from 0 to 255
        if pa.types.is_decimal(kind):
            wire.append(pa.field(field.name, pa.string()))
            final.append(pa.field(field.name, pa.string() if decimals == "text" else kind))
        else:
            wire.append(pa.field(field.name, kind))
            final.append(pa.field(field.name, kind))
    return pa.schema(wire), pa.schema(final)


def cast(values: pa.Array, kind: pa.DataType, name: str) -> pa.Array:
    """Raises DataError for a value that would change."""
    import pyarrow as pa

    if values.type == kind:
        return values
    try:
        if pa.types.is_dictionary(kind):
            return values.cast(kind.value_type).dictionary_encode().cast(kind)
        return values.cast(kind)
    except pa.ArrowInvalid as error:
        hint = "-s decimals=text reads them as text" if pa.types.is_decimal(kind) else ""
        raise DataError(
            f"the column {name} has a value that {kind} cannot hold: {error}", hint=hint
        ) from error


def unbounded(columns: Sequence[Column], limits: tuple[int, int]) -> tuple[list[str], list[str]]:
    """The texts and the binaries of these columns whose values may be longer than the limits."""
    texts = [c.name for c in columns if c.code in _TEXTS and not 0 < c.size < limits[0]]
    binaries = [c.name for c in columns if c.code in (-2, -3, -4) and not 0 < c.size < limits[1]]
    return texts, binaries


def stored(column: pa.Field, traits: Traits) -> tuple[str, pa.DataType]:
    """The SQL type of a new column, and the Arrow type in which arrow-odbc is given its values.

    Raises SchemaMismatchError where the database has none without loss.
    """
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    form, wire = _form(kind)
    declared = traits.known.types.get(form) or traits.types.get(form)
    if not declared:
        raise SchemaMismatchError(
            f"{traits.dbms} has no type for the column {column.name!r} without loss, which is {column.type}",
            hint=_hint(kind),
        )
    if pa.types.is_decimal(kind):
        declared = declared.format(precision=kind.precision, scale=kind.scale)
    return declared, wire


def _hint(kind: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_timestamp(kind) and kind.tz:
        return "ODBC has no moments with a time zone; convert it to one without, or to text"
    return "convert the column, or leave it out"


def _form(kind: pa.DataType) -> tuple[str, pa.DataType]:
    """Arrow's kind, by the names of ``Traits.types``, and the type for arrow-odbc; an empty name: none."""
    import pyarrow as pa
    import pyarrow.types as t

    small, middle, large = ("int16", pa.int16()), ("int32", pa.int32()), ("int64", pa.int64())
    simple = {
        pa.int8(): small, pa.uint8(): small, pa.int16(): small, pa.uint16(): middle, pa.int32(): middle,
        pa.uint32(): large, pa.int64(): large, pa.uint64(): ("uint64", pa.decimal128(20, 0)),
        pa.float16(): ("float", pa.float32()), pa.float32(): ("float", pa.float32()),
        pa.float64(): ("double", pa.float64()), pa.bool_(): ("bool", pa.bool_()),
        pa.date32(): ("date", pa.date32()), pa.date64(): ("date", pa.date32()),
    }  # fmt: skip
    if kind in simple:
        return simple[kind]
    text = t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind) or t.is_null(kind)
    wide = t.is_decimal128(kind) or t.is_decimal256(kind)
    families: tuple[tuple[bool, str, pa.DataType], ...] = (
        (text, "string", pa.string()),
        (t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind), "binary", pa.binary()),
        (t.is_fixed_size_binary(kind) and not t.is_decimal(kind), "binary", pa.binary()),
        (t.is_timestamp(kind) and kind.tz is None, "timestamp", pa.timestamp("us")),
        (t.is_time(kind), "time", pa.time64("us")),
    )
    if wide and 0 <= kind.scale <= kind.precision <= 38:
        return "decimal", pa.decimal128(kind.precision, kind.scale)
    return next(((form, wire) for fits, form, wire in families if fits), ("", kind))


def convert(values: pa.Array, name: str, wire: pa.DataType, only_ascii: bool = False) -> pa.Array:
    """Values as arrow-odbc is given them. Raises DataError for one that would change."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    try:
        found = values if values.type == wire else values.cast(wire)
    except pa.ArrowInvalid as error:
        raise DataError(f"the column {name} has a value that would change in {wire}: {error}") from error
    if pa.types.is_string(wire) and pc.any(pc.match_substring(found, "\0"), min_count=0).as_py():
        # Drivers take it for the end of the text.
        raise DataError(f"the column {name} has a text with a NUL character, which ODBC would cut off")
    if only_ascii and not pc.all(pc.string_is_ascii(found), min_count=0).as_py():
        raise DataError(
            f"the column {name} has characters beyond ASCII, which its column in the table may change",
            hint="declare that with a type for all characters, as nvarchar is",
        )
    return found


def check_names(names: Sequence[str], traits: Traits) -> None:
    """Raises SchemaMismatchError for columns that no table can have."""
    if not names:
        raise SchemaMismatchError("a table has at least one column")
    seen: dict[str, str] = {}
    for name in names:
        try:
            traits.quote(name)
        except ConfigError as error:
            raise SchemaMismatchError(f"a column cannot be called so: {error.message}") from error
        other = seen.get(name.lower())
        if other == name:
            raise SchemaMismatchError(f"there are two columns {name!r}; rename one")
        seen[name.lower()] = name


def only_ascii(column: Column, known: Known) -> bool:
    """Whether a column keeps texts of ASCII, and perhaps no others."""
    return _base(column) in known.ascii


def _base(column: Column) -> str:
    """The name of its type; SQL Server's drivers tell there too that it counts."""
    return column.type.lower().removesuffix(" identity").removesuffix("()")


def text_as(column: Column) -> pa.DataType | None:
    """What a text is read as on its way into a column; None where there is no such thing."""
    import pyarrow as pa

    integers = {5: pa.int16(), 4: pa.int32(), -5: pa.int64()}
    if column.code in _NUMERICS and 0 <= column.digits <= column.size <= 38 and column.size:
        return pa.decimal128(column.size, column.digits)
    if column.code in (93, 11):
        return None if _ZONED.search(column.type) else pa.timestamp("us")
    if column.code in (*_TEXTS, GUID):
        return pa.string()
    others = {6: pa.float64(), 8: pa.float64(), _REAL: pa.float32(), 91: pa.date32(), 9: pa.date32(),
              -7: pa.bool_(), 92: pa.time64("us"), 10: pa.time64("us"), -154: pa.time64("us")}  # fmt: skip
    return (integers | others).get(column.code)


def keeps(kind: pa.DataType, column: Column, known: Known) -> bool:  # noqa: PLR0911 - a table of cases
    """Whether values of a kind stay what they are in a column; those that do not fit in are refused by it."""
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_dictionary(kind):
        kind = kind.value_type
    form, wire = _form(kind)
    if known.faithful and _base(column) not in known.faithful:
        return False
    if column.code in _TEXTS:
        return form == "string"
    if column.code == GUID:
        return form == "string" and not t.is_null(kind)
    if column.code in _NUMERICS and (t.is_decimal(wire) or t.is_integer(wire)):
        scale = wire.scale if t.is_decimal(wire) else 0
        return column.digits >= scale
    if column.code in _INTEGERS:
        return bool(t.is_integer(wire)) and wire.bit_width <= _INTEGERS[column.code]
    if column.code in (6, 8):
        return form in ("float", "double") and column.size > 9
    if column.code in (93, 11) and t.is_timestamp(kind):
        exact = column.digits >= min(_DIGITS[kind.unit], 6) and not _ZONED.search(column.type)
        return form == "timestamp" and exact
    if column.code in (92, 10, -154) and t.is_time(kind):
        return column.digits >= min(_DIGITS[kind.unit], 6)
    fixed = {-7: "bool", 7: "float", 91: "date", 9: "date", -3: "binary", -4: "binary"}
    if column.code == -2 and t.is_fixed_size_binary(kind) and not t.is_decimal(kind):
        return bool(column.size == kind.byte_width)
    return bool(form) and fixed.get(column.code) == form and wire != pa.null()
