"""Arrow values as JSON can tell them; for a few rows that people look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


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
        return _nested(value)
    if t.is_floating(kind):
        number = float(value.as_py())
        return number if number - number == 0 else str(number)
    if t.is_boolean(kind) or t.is_integer(kind):
        return value.as_py()
    found = value.as_py() if "binary" in str(kind) else None
    # Not as Python's dates: a moment may be beyond what they hold.
    return found.hex() if found is not None else value.cast(pa.string()).as_py()


def _nested(value: pa.Scalar) -> Any:
    import pyarrow.types as t

    if t.is_struct(value.type):
        return {each.name: plain(value[number]) for number, each in enumerate(value.type)}
    if t.is_map(value.type):
        return [[plain(pair[0]), plain(pair[1])] for pair in value.values]
    return [plain(each) for each in value.values]
