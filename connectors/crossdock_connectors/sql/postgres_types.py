"""Types of PostgreSQL as a source: what a column is read as, in which SQL, and what it becomes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from crossdock import ConfigError, DataError

from .postgres_database import literal, quote

if TYPE_CHECKING:
    import pyarrow as pa

Strange = Literal["error", "null"]

# As the driver gives them, unchanged.
_PLAIN = {
    "bool": "bool", "int2": "int16", "int4": "int32", "int8": "int64", "float4": "float32",
    "float8": "float64", "text": "string",
    "varchar": "string", "bpchar": "string", "name": "string", "bytea": "binary",
    "date": "date32", "time": "time", "timestamp": "timestamp", "timestamptz": "timestamptz",
}  # fmt: skip
_ELEMENTS = ("bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar")
_DECIMAL = re.compile(r"(?:decimal\()?(\d+),(-?\d+)\)?")
_WIDEST = 76
# Before 4714 BC there is nothing: infinity, and what does not fit 64 bits, wraps around to far below.
_FIRST_DAY, _FIRST_MICROSECOND = -2_440_589, -210_866_803_200_000_001
_LAST_TIME = 86_399_999_999
_NO_NUMBERS = ("nan", "inf", "-inf")


@dataclass(frozen=True, slots=True)
class Column:
    """A column and its code, what it is read as (``int64``, ``decimal(10,2)``, ``list(int2)``, ``text``).

    ``text`` is the server's text of a value; a type that Arrow lacks is read so, without loss.
    """

    name: str
    code: str

    @property
    def sql(self) -> str:
        """The expression in the list of a SELECT."""
        name = quote(self.name)
        if self.code == "text":
            return f"{name}::text AS {name}"
        if self.code == "oid":
            return f"{name}::bigint AS {name}"
        if self.code == "money":
            return f"{name}::numeric AS {name}"
        if self.code.startswith("list("):
            # The driver would flatten an array of arrays. The cast fails and quotes the text.
            kind = self.code[5:-1]
            told = literal(f"{self.name}: an array of arrays is not a list; dimensions: ")
            return (
                f"CASE WHEN coalesce(array_ndims({name}), 1) = 1 THEN {name} "
                f"ELSE ({told} || array_ndims({name}))::{kind}[] END AS {name}"
            )
        return name

    @property
    def type(self) -> pa.DataType:
        import pyarrow as pa

        if self.code.startswith("list("):
            return pa.list_(_arrow(_PLAIN[self.code[5:-1]]))
        if match := _DECIMAL.fullmatch(self.code):
            precision, scale = int(match[1]), int(match[2])
            return (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)
        return _arrow(self.code)


def _arrow(code: str) -> pa.DataType:
    import pyarrow as pa

    types: dict[str, Callable[[], pa.DataType]] = {
        "date32": pa.date32,
        "time": lambda: pa.time64("us"),
        "timestamp": lambda: pa.timestamp("us"),
        "timestamptz": lambda: pa.timestamp("us", "UTC"),
        "oid": pa.int64,
        "money": lambda: pa.decimal128(19, 2),
        "text": pa.string,
        "numeric": pa.string,
        "float": pa.float64,
        "bool": pa.bool_,
    }
    return types[code]() if code in types else getattr(pa, code)()


def code_of(kind: str, modifier: int, decimals: str) -> str:
    """The code of a column of the server's type ``kind``. ``decimals``: of numerics without a precision."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind == "numeric":
        return _numeric(modifier, decimals)
    if kind in ("oid", "money"):
        return kind
    if kind.startswith("_") and kind[1:] in _ELEMENTS:
        return f"list({kind[1:]})"
    return "text"


def _numeric(modifier: int, decimals: str) -> str:
    if modifier < 4:
        return {"text": "numeric", "float": "float"}.get(decimals) or _declared(decimals)
    packed = modifier - 4
    precision, scale = packed >> 16, ((packed & 0x7FF) ^ 1024) - 1024
    # numeric(3,-2) holds five digits before the point, numeric(2,4) four behind it.
    precision, scale = max(precision, scale, precision - scale), max(scale, 0)
    return f"decimal({precision},{scale})" if precision <= _WIDEST else "numeric"


def _declared(decimals: str) -> str:
    match = _DECIMAL.fullmatch(decimals)
    if match is None or not 1 <= int(match[1]) <= _WIDEST or not 0 <= int(match[2]) <= int(match[1]):
        raise ConfigError(f"decimals={decimals}: give text, float, or precision and scale as decimal(38,10)")
    return f"decimal({match[1]},{match[2]})"


def columns_of(described: pa.Schema, decimals: str) -> list[Column]:
    """The columns of a query that was described."""
    found = []
    for each in described:
        facts: Mapping[bytes, bytes] = each.metadata or {}
        modifier = int(facts.get(b"POSTGRESQL:typmod", b"-1"))
        found.append(
            Column(each.name, code_of(facts.get(b"POSTGRESQL:type", b"").decode(), modifier, decimals))
        )
    return found


def decode(values: pa.Array, column: Column, strange: Strange) -> pa.Array:
    """Values as the driver gives them, in the column's type.

    Raises DataError for what Arrow cannot hold (an infinite date, 24:00, NaN in a decimal), or makes it null.
    """
    import pyarrow as pa

    code = column.code
    if code in ("date32", "timestamp", "timestamptz", "time"):
        return _within(values, column, strange)
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if code.startswith("decimal") or code == "money":
        return _decimals(values, column, strange)
    if code == "float":
        return values.cast(pa.float64())
    return values


def _within(values: pa.Array, column: Column, strange: Strange) -> pa.Array:
    import pyarrow.compute as pc

    width, first = ("int32", _FIRST_DAY) if column.code == "date32" else ("int64", _FIRST_MICROSECOND)
    numbers = values.view(width)
    ends = pc.min_max(numbers).as_py()
    beyond = ends["max"] is not None and ends["max"] > _LAST_TIME if column.code == "time" else False
    if ends["min"] is None or (ends["min"] > first and not beyond):
        return values
    wrong = pc.greater(numbers, _LAST_TIME) if column.code == "time" else pc.less_equal(numbers, first)
    if strange == "error":
        what = "24:00:00" if column.code == "time" else "infinity, or a date beyond the year 294246"
        raise _strange(column, what)
    return _without(values, wrong)


def _decimals(values: pa.Array, column: Column, strange: Strange) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return values.cast(column.type)
    except pa.ArrowInvalid as error:
        wrong = pc.is_in(values, pa.array(_NO_NUMBERS, pa.string()))
        if not pc.any(wrong).as_py():
            raise DataError(
                f"the column {column.name} has a value that is not {column.type}: {error}"
            ) from None
    if strange == "error":
        raise _strange(column, "NaN or infinity")
    return _without(values, wrong).cast(column.type)


def _strange(column: Column, what: str) -> DataError:
    return DataError(
        f"the column {column.name} has a value that {column.type} cannot hold: {what}",
        hint="unrepresentable=null reads such values as null; a query can convert them",
    )


def _without(values: pa.Array, wrong: Any) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(wrong, pa.nulls(len(values), values.type), values)
