"""Arrow columns as JSON text, without a Python object per value."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .conversion.binary_text import bytes_to_text
from .conversion.spans import span_to_text
from .errors import DataError, SchemaMismatchError

_SHORT = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}


def json_text(column: pa.Array) -> pa.StringArray:
    """JSON of each value; a null stays one. NaN and the infinities are null, bytes are base64."""
    text, quoted = _value(column, "", "null")
    return pc.binary_join_element_wise(pa.scalar('"'), text, pa.scalar('"'), "") if quoted else text


def is_list(kind: pa.DataType) -> bool:
    """Whether values of that type are lists, of whichever layout. Raises nothing."""
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def list_offsets(column: pa.Array) -> pa.Array:
    """Where the items of each list start in ``column.flatten()``; a null has none.

    For a column of n lists n + 1 int32, the last of them how many items there are. Raises nothing.
    """
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(column) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.array(offsets)


def json_lines(batch: pa.RecordBatch, non_finite: str) -> pa.Buffer:
    """One JSON object and a newline per row, as UTF-8.

    ``non_finite``: ``null`` writes NaN and the infinities as null, else they raise DataError.
    """
    text = _object(batch.columns, batch.schema.names, [""] * batch.num_columns, non_finite, "}\n")
    offsets = np.frombuffer(text.buffers()[1], np.int32)[text.offset : text.offset + len(text) + 1]
    return text.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0]))


def _object(
    columns: list[pa.Array], names: list[str], paths: list[str], non_finite: str, end: str
) -> pa.StringArray:
    """``{"name":value,...}`` of each row, followed by ``end``. ``paths`` stand before the names in errors."""
    parts: list[pa.Array | pa.Scalar] = []
    literal = "{"
    for position, (name, path, column) in enumerate(zip(names, paths, columns, strict=True)):
        text, quoted = _value(column, path + name, non_finite)
        literal += ("," if position else "") + json.dumps(name, ensure_ascii=False) + ":"
        if quoted and not text.null_count:
            # The quotes go into the constant text between the columns: one pass less.
            parts += [pa.scalar(literal + '"'), text]
            literal = '"'
        else:
            parts += [pa.scalar(literal), _filled(text, quoted)]
            literal = ""
    parts.append(pa.scalar(literal + end))
    if len(parts) == 1:
        raise SchemaMismatchError("JSON lines need at least one column")
    return pc.binary_join_element_wise(*parts, "")


def _filled(text: pa.Array, quoted: bool) -> pa.Array:
    if quoted:
        text = pc.binary_join_element_wise(pa.scalar('"'), text, pa.scalar('"'), "")
    return pc.fill_null(text, "null") if text.null_count else text


def _value(column: pa.Array, path: str, non_finite: str) -> tuple[pa.Array, bool]:
    """JSON of each value and whether it still needs quotes around; a null stays one."""
    kind, types = column.type, pa.types
    if types.is_dictionary(kind):
        return _value(pc.cast(column, kind.value_type), path, non_finite)
    if types.is_struct(kind):
        names = [field.name for field in kind]
        text = _object(column.flatten(), names, [path + "."] * len(names), non_finite, "}")
        return _with_nulls(text, column), False
    if types.is_map(kind):
        return _array(_pairs(column), path, non_finite), False
    if is_list(kind):
        return _array(column, path, non_finite), False
    if _is_bare(kind):
        numbers = types.is_floating(kind)
        return _float(column, path, non_finite) if numbers else pc.cast(column, pa.string()), False
    return _quotable(column), True


def _quotable(column: pa.Array) -> pa.Array:
    """What stands between quotes for texts, moments, spans of time and bytes."""
    kind, types = column.type, pa.types
    if types.is_duration(kind):
        return span_to_text(column, "c")
    if _is_moment(kind):
        # "2024-01-31 10:00:00" as ISO 8601 has it; other moments have no space.
        return pc.replace_substring(pc.cast(column, pa.string()), " ", "T", max_replacements=1)
    return bytes_to_text(column) if _is_bytes(kind) else _escaped(pc.cast(column, pa.string()))


def _array(column: pa.Array, path: str, non_finite: str) -> pa.StringArray:
    values = _filled(*_value(column.flatten(), path, non_finite))
    joined = pc.binary_join(pa.ListArray.from_arrays(list_offsets(column), values), ",")
    text = pc.binary_join_element_wise(pa.scalar("["), joined, pa.scalar("]"), "")
    return _with_nulls(text, column)


def _with_nulls(text: pa.Array, column: pa.Array) -> pa.Array:
    return pc.if_else(column.is_valid(), text, None) if column.null_count else text


def _finite(column: pa.Array, path: str, non_finite: str) -> pa.Array:
    if pa.types.is_float16(column.type):
        column = pc.cast(column, pa.float32())
    finite = pc.is_finite(column)
    if pc.all(finite).as_py() is not False:
        return column
    if non_finite != "null":
        raise DataError(
            f"column {path!r} holds NaN or an infinity, which JSON has no number for",
            hint="-k non_finite=null writes null",
        )
    return pc.if_else(finite, column, None)


def _float(column: pa.Array, path: str, non_finite: str) -> pa.StringArray:
    """Numbers with a point or an exponent: Arrow writes 1.0 as ``1``, which readers take for an integer."""
    column = _finite(column, path, non_finite)
    text = pc.cast(column, pa.string())
    if not pc.any(pc.equal(column, pc.trunc(column))).as_py():
        return text
    whole = pc.match_substring_regex(text, "^-?[0-9]+$")
    return pc.binary_join_element_wise(text, pc.if_else(whole, ".0", ""), "")


def _escaped(text: pa.StringArray) -> pa.StringArray:
    """Backslash, quote and control characters escaped; only those that occur cost a pass."""
    found = _special(text)
    # The backslash first: the others' replacements contain it.
    for code in sorted(found, key=lambda code: code != ord("\\")):
        replacement = "\\" + chr(code) if code >= 32 else _SHORT.get(code, f"\\u{code:04x}")
        text = pc.replace_substring(text, chr(code), replacement)
    return text


def _special(text: pa.StringArray) -> list[int]:
    _, offsets, data = text.buffers()
    if data is None or not len(text):
        return []
    ends = np.frombuffer(offsets, np.int32)
    used = np.frombuffer(data, np.uint8)[ends[text.offset] : ends[text.offset + len(text)]]
    found = [code for code in (ord('"'), ord("\\")) if (used == code).any()]
    controls = used[used < 32]
    return found + [int(code) for code in np.unique(controls)] if len(controls) else found


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _pairs(column: pa.MapArray) -> pa.ListArray:
    """A map as a list of objects with a key and a value."""
    items = pa.StructArray.from_arrays([column.keys, column.items], ["key", "value"])
    return pa.ListArray.from_arrays(
        column.offsets, items, mask=column.is_null() if column.null_count else None
    )


def _is_moment(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_date(kind) or types.is_time(kind) or types.is_timestamp(kind))


def _is_bare(kind: pa.DataType) -> bool:
    """Whether the text of a value is its JSON."""
    types = pa.types
    return bool(
        types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )
