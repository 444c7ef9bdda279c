"""Arrow values as JSON can tell them; for a few rows that people or expressions look at."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_NO_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def plain(value: pa.Scalar) -> Any:
    """Numbers, texts, booleans and null as they are; lists, and objects for structs.

    What JSON has no value for is a text: NaN, decimals, dates and times (as ISO writes them), and bytes as
    hexadecimal digits. A map is a list of pairs.
    """
    import pyarrow as pa
    import pyarrow.types as t

    kind = value.type
    if not value.is_valid:
        return None
    if t.is_dictionary(kind) or isinstance(value, pa.ExtensionScalar):
        return plain(value.value)
    if t.is_nested(kind):
        return _nested(value, plain)
    if t.is_floating(kind):
        number = float(value.as_py())
        return number if number - number == 0 else str(number)
    if t.is_boolean(kind) or t.is_integer(kind):
        return value.as_py()
    found = value.as_py() if "binary" in str(kind) else None
    # Not as Python's dates: a moment may be beyond what they hold.
    return found.hex() if found is not None else value.cast(pa.string()).as_py()


def _nested(value: pa.Scalar, inner: Callable[[pa.Scalar], Any]) -> Any:
    import pyarrow.types as t

    if t.is_struct(value.type):
        return {each.name: inner(value[number]) for number, each in enumerate(value.type)}
    if t.is_map(value.type):
        return [[inner(pair[0]), inner(pair[1])] for pair in value.values]
    return [inner(each) for each in value.values]


def json_rows(batch: pa.RecordBatch | pa.Table) -> Iterator[dict[str, Any]]:
    """The rows as objects, with values as Newtonsoft's serializer writes those of .NET.

    Moments and dates are ISO texts that end in ``Z``, without zeros at the end of a fraction; bytes are
    base64. Decimals are numbers, or texts where a double would lose digits. The rest is as with ``plain``.
    Raises nothing: what has no form in JSON is text.
    """
    columns = [[json_value(value) for value in column] for column in batch.columns]
    for row in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, row, strict=True))


def json_value(value: pa.Scalar) -> Any:
    """One value as ``json_rows`` has it. Raises nothing."""
    import pyarrow as pa
    import pyarrow.types as t

    kind = value.type
    if not value.is_valid:
        return None
    if t.is_dictionary(kind) or isinstance(value, pa.ExtensionScalar):
        return json_value(value.value)
    if t.is_nested(kind):
        return _nested(value, json_value)
    told: dict[Callable[[pa.DataType], bool], Callable[[], Any]] = {
        t.is_timestamp: lambda: _moment(value.cast(pa.timestamp(kind.unit)).cast(pa.string()).as_py()),
        t.is_date: lambda: _moment(value.cast(pa.date32()).cast(pa.string()).as_py()),
        t.is_time: lambda: _short(value.cast(pa.string()).as_py()),
        t.is_decimal: lambda: _number(value.as_py()),
        t.is_floating: lambda: _NO_NUMBERS.get(str(value.as_py()), value.as_py()),
        _is_bytes: lambda: base64.b64encode(value.as_py()).decode(),
    }
    tell = next((tell for is_so, tell in told.items() if is_so(kind)), lambda: plain(value))
    return tell()


def _is_bytes(kind: pa.DataType) -> bool:
    return "binary" in str(kind)


def _moment(text: str) -> str:
    day, _, time = text.partition(" ")
    return f"{day}T{_short(time or '00:00:00')}Z"


def _short(time: str) -> str:
    return time.rstrip("0").rstrip(".") if "." in time else time


def _number(value: Decimal) -> int | float | str:
    if value == value.to_integral_value():
        return int(value)
    near = float(value)
    return near if Decimal(repr(near)) == value else str(value)
