"""Types of PostgreSQL as a sink: what Arrow types become, and which columns of a table can take them."""

# ruff: noqa: S608 - names and texts go through quote() and literal(); SQL has no parameters for names.

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from crossdock import ConfigError, DataError, SchemaMismatchError

from .postgres_database import Connection, quote
from .postgres_relation import Relation

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_COLUMNS = 1600
_INTS = {"smallint": 0, "integer": 1, "bigint": 2}
_TYPES = {"int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real",
          "float8": "double precision", "bool": "boolean", "timestamptz": "timestamptz"}  # fmt: skip
_MOST_DIGITS = 38
_MOMENTS = ("date", "time", "interval")
_TEXTS = ("text", "varchar", "bpchar")
_SYSTEM = ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid")
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")


def stored(column: pa.Field) -> tuple[str, pa.DataType]:
    """The SQL type for a column, and the Arrow type in which the driver is given its values.

    Raises SchemaMismatchError for one that PostgreSQL has no type for.
    """
    import pyarrow as pa
    import pyarrow.types as t

    kind = column.type
    if t.is_dictionary(kind):
        return stored(pa.field(column.name, kind.value_type))
    if t.is_list(kind) or t.is_large_list(kind):
        inner, wire = stored(pa.field(column.name, kind.value_type))
        if not inner.endswith("[]"):
            return f"{inner}[]", pa.list_(wire)
    simple: tuple[tuple[bool, str, pa.DataType], ...] = (
        (t.is_boolean(kind), "boolean", pa.bool_()),
        (kind in (pa.int8(), pa.int16(), pa.uint8()), "smallint", pa.int16()),
        (kind in (pa.int32(), pa.uint16()), "integer", pa.int32()),
        (kind in (pa.int64(), pa.uint32()), "bigint", pa.int64()),
        (kind == pa.uint64(), "numeric(20,0)", pa.decimal128(20, 0)),
        (t.is_float16(kind) or t.is_float32(kind), "real", pa.float32()),
        (t.is_float64(kind), "double precision", pa.float64()),
        (t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind), "text", pa.string()),
        (t.is_null(kind), "text", pa.string()),
        (t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind), "bytea", pa.binary()),
        (t.is_fixed_size_binary(kind), "bytea", pa.binary()),
        (t.is_date(kind), "date", pa.date32()),
        (t.is_time(kind), "time", pa.time64("us")),
    )
    for fits, sql, wire in simple:
        if fits:
            return sql, wire
    if t.is_decimal(kind) and kind.scale >= 0:
        if t.is_decimal256(kind) or t.is_decimal128(kind):
            return f"numeric({kind.precision},{kind.scale})", kind
        return f"numeric({kind.precision},{kind.scale})", pa.decimal128(kind.precision, kind.scale)
    if t.is_timestamp(kind):
        return ("timestamptz", pa.timestamp("us", "UTC")) if kind.tz else ("timestamp", pa.timestamp("us"))
    raise SchemaMismatchError(
        f"PostgreSQL has no type for the column {column.name!r}, which is {kind}; leave it out or convert it"
    )


def convert(values: pa.Array, name: str, wire: pa.DataType) -> pa.Array:
    """Values in the type in which they are given to the driver. Raises DataError where one would change."""
    import pyarrow as pa

    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if values.type == wire:
        return values
    try:
        return values.cast(wire)
    except pa.ArrowInvalid as error:
        raise DataError(f"the column {name} has a value that PostgreSQL cannot hold: {error}") from error


def check_names(names: Sequence[str]) -> None:
    """Raises SchemaMismatchError for columns that no table can have."""
    if not names or len(names) > _MOST_COLUMNS:
        raise SchemaMismatchError(f"a table has 1 to {_MOST_COLUMNS:,} columns, not {len(names):,}")
    for name in names:
        try:
            quote(name)
        except ConfigError as error:
            raise SchemaMismatchError(f"a column cannot be called so: {error.message}") from error
        if names.count(name) > 1:
            raise SchemaMismatchError(f"there are two columns {name!r}; rename one")
        if name in _SYSTEM:
            raise SchemaMismatchError(
                f"PostgreSQL has a column {name!r} of its own in each table; rename yours"
            )


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A column of an existing table. ``base``: its type's name below any domain; ``full``: as SQL.
    ``default`` is SQL, or empty."""

    name: str
    base: str
    full: str
    bare: str
    modifier: int
    required: bool
    generated: bool
    always: bool
    default: str = ""


def columns_of(connection: Connection, relation: Relation) -> list[TargetColumn]:
    """The columns of an existing table, in their order."""
    rows = connection.run(
        "SELECT a.attname::text, b.typname::text, format_type(a.atttypid, a.atttypmod), "
        "format_type(b.oid, -1), CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END, "
        "a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', a.attgenerated <> '', a.attidentity = 'a', "
        "coalesce(pg_get_expr(d.adbin, d.adrelid), '') FROM pg_attribute a "
        "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = '' "
        "JOIN pg_type t ON t.oid = a.atttypid "
        "JOIN pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid) "
        f"WHERE a.attrelid = {relation.oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    )
    return [TargetColumn(*row) for row in rows]


def assigned(
    table: str, names: Sequence[str], types: Sequence[str], target: Sequence[TargetColumn]
) -> list[str]:
    """For each of our columns the expression that its target column takes, without loss.

    Raises SchemaMismatchError: no such column, one that changes values, one that needs a value and has none.
    """
    known = {column.name: column for column in target}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"its columns: {', '.join(known)}"
            raise SchemaMismatchError(f"the table {table} has no column {name!r}", hint=hint)
    for column in target:
        if column.required and column.name not in names:
            raise SchemaMismatchError(
                f"the column {table}.{column.name} may not be null, and the source has none"
            )
    return [_assigned(table, quote(n), kind, known[n]) for n, kind in zip(names, types, strict=True)]


def check_loadable(names: Sequence[str], types: Sequence[str], target: Sequence[TargetColumn]) -> None:
    """Raises SchemaMismatchError where a column that could be assigned to cannot be loaded as it is."""
    known = {column.name: column for column in target}
    for name, ours in zip(names, types, strict=True):
        base = known[name].base
        kind = f"{_TYPES.get(base[1:], base[1:])}[]" if base.startswith("_") else _TYPES.get(base, base)
        same = (kind == "text" and ours == "text") or (kind in _TEXTS and ours == "text")
        if not (same or kind == ours or (kind == "numeric" and ours.startswith("numeric("))):
            raise SchemaMismatchError(
                f"the column {name} is {known[name].full}, and {ours} cannot be loaded into it as it is",
                hint="without delivery=at-least-once it is converted",
            )


def text_as(column: TargetColumn) -> pa.DataType | None:
    """What a text is read as on its way into the column: a number, else the text, which the server reads.

    ``null`` for moments, which are faster as what they are in the file, and the server reads their texts too.
    """
    import pyarrow as pa

    numbers = {"int2": pa.int16(), "int4": pa.int32(), "int8": pa.int64(), "float8": pa.float64()}
    if column.base == "bytea":
        return None
    if column.base.startswith(_MOMENTS):
        return pa.null()
    if column.base == "numeric" and column.modifier >= 4:
        precision, scale = (column.modifier - 4) >> 16, _scale(column.modifier)
        if 0 <= scale <= precision <= _MOST_DIGITS:
            return pa.decimal128(precision, scale)
    return numbers.get(column.base, pa.string())


def _assigned(table: str, name: str, ours: str, column: TargetColumn) -> str:
    found = None if column.generated else _expression(name, ours, column)
    if found is None:
        what = "computed by the database" if column.generated else column.full
        raise SchemaMismatchError(
            f"the column {table}.{column.name} is {what}, and values of {ours} would change in it; map the "
            "column to another one or convert it first"
        )
    return found


def _expression(name: str, ours: str, column: TargetColumn) -> str | None:  # noqa: PLR0911 - a table of cases
    """How our value becomes the column's; None where it could change on the way.

    Assigning refuses what is too long or too large by itself, and rounds digits: those are looked at here.
    """
    base = _TYPES.get(column.base, column.base)
    numeric = _NUMERIC.fullmatch(ours)
    if base in _TEXTS:
        return name if ours == "text" else None if ours == "bytea" else f"{name}::text"
    rounds = base in ("timestamp", "timestamptz", "time") and column.modifier in range(6)
    if rounds or base in ("name", "char"):  # these two cut off what is too long
        return None
    if base == "numeric" and (numeric or ours in _INTS):
        scale = int(numeric[2]) if numeric else 0
        return name if column.modifier < 4 or _scale(column.modifier) >= scale else None
    if base == ours:
        return name
    if base in _INTS and (ours in _INTS or (numeric and numeric[2] == "0")):
        return name
    exact = {("smallint", "real"), ("smallint", "double precision"), ("integer", "double precision"),
             ("real", "double precision"), ("date", "timestamp")}  # fmt: skip
    if (ours, base) in exact:
        return name
    if ours == "text" and base != "bytea":
        return _parsed(name, column)
    if ours.endswith("[]") and column.base.startswith("_"):
        return _array(name, ours.removesuffix("[]"), column)
    return None


def _parsed(name: str, column: TargetColumn) -> str | None:
    """A text as a value of the column: what is no such value is refused by the server."""
    if column.base == "numeric" and column.modifier >= 4:
        # The cast fails and quotes the text; assigning would round.
        rounded = f"round({name}::numeric, {_scale(column.modifier)})"
        return (
            f"CASE WHEN {name}::numeric IS NOT DISTINCT FROM {rounded} THEN {name}::numeric "
            f"ELSE ({name} || ' has more digits than the column')::numeric END"
        )
    if (
        column.base.startswith(("time", "interval", "_time", "_interval", "_numeric"))
        and column.modifier >= 0
    ):
        return None
    return f"{name}::{column.bare}"


def _array(name: str, ours: str, column: TargetColumn) -> str | None:
    inner = _TYPES.get(column.base[1:], column.base[1:])
    if inner == ours or (ours == "text" and inner in _TEXTS) or (ours in _INTS and inner in _INTS):
        return f"{name}::{column.bare}"
    return None


def _scale(modifier: int) -> int:
    return (((modifier - 4) & 0x7FF) ^ 1024) - 1024
