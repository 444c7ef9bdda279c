"""The data of the data-driven checks (``types.toml``, ``names.toml``), and what counts as lossless."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class TypeCase:
    """Values of one type. ``core`` types may not be refused."""

    name: str
    type: pa.DataType
    values: tuple[Any, ...]
    core: bool = False

    def table(self) -> pa.Table:
        """An ``id`` that orders the rows and the values, one of them null."""
        values = pa.array([*self.values, None], self.type)
        return pa.table({"id": pa.array(range(len(values)), pa.int64()), "value": values})


_HERE = Path(__file__).parent


def _type(said: dict[str, Any]) -> pa.DataType:  # noqa: PLR0911 - a case each
    match said:
        case {"precision": precision, "scale": scale}:
            return pa.decimal128(precision, scale)
        case {"width": width}:
            return pa.binary(width)
        case {"items": items}:
            return pa.list_(pa.type_for_alias(items))
        case {"fields": members}:
            return pa.struct([(name, pa.type_for_alias(kind)) for name, kind in members.items()])
        case {"index": index, "type": name}:
            return pa.dictionary(pa.type_for_alias(index), pa.type_for_alias(name))
        case {"zone": zone, "type": name}:
            return pa.timestamp(pa.type_for_alias(name).unit, zone)
    return pa.type_for_alias(said["type"])


def _given(said: dict[str, Any]) -> list[Any]:
    values = list(said.get("values", ()))
    values += map(Decimal, said.get("decimals", ()))
    values += map(bytes.fromhex, said.get("hex", ()))
    values += json.loads(said.get("json", "[]"))
    values += ["x" * said["long"]] if "long" in said else []
    return values + [None] * said.get("nulls", 0)


def _case(said: dict[str, Any]) -> TypeCase:
    return TypeCase(said["name"], _type(said), tuple(_given(said)), said.get("core", False))


def _texts(said: dict[str, Any]) -> dict[str, str]:
    return {
        key: text if isinstance(text, str) else text["repeat"] * text["times"] for key, text in said.items()
    }


TYPE_CASES = tuple(map(_case, tomllib.loads((_HERE / "types.toml").read_text(encoding="utf-8"))["type"]))
TYPE_NAMES = [case.name for case in TYPE_CASES]
_NAMES = tomllib.loads((_HERE / "names.toml").read_text(encoding="utf-8"))
COLUMN_NAMES, TABLE_NAMES = _texts(_NAMES["columns"]), _texts(_NAMES["tables"])
GOOD_PATHS, HOSTILE_PATHS = _texts(_NAMES["paths"]), _texts(_NAMES["hostile_paths"])


def lossless(written: pa.ChunkedArray, read: pa.ChunkedArray) -> str:
    """Compare what came back with what was written; returns the difference in words, "" for none.

    The type may be another one as long as a safe cast gives the same values: a database without
    dates may keep them as text.
    """
    try:
        found = _values(_converted(read, written.type))
    except (pa.ArrowException, ValueError) as error:
        return f"{written.type} came back as {read.type}, which does not convert back: {error}"
    wanted = _values(written)
    wrong = [(w, f) for w, f in zip(wanted, found, strict=False) if w != f]
    if wrong:
        return f"{written.type} came back as {read.type}: {wrong[0][0]!s:.200} became {wrong[0][1]!s:.200}"
    return "" if len(wanted) == len(found) else f"{len(wanted)} values became {len(found)}"


def _converted(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A safe cast, with the two that Arrow lacks: text to a time of day, anything null to null."""
    if pa.types.is_time(kind) and pa.types.is_string(column.type):
        times = [text and dt.time.fromisoformat(text) for text in column.to_pylist()]
        return pa.chunked_array([pa.array(times, kind)])
    if pa.types.is_null(kind) and column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column))])
    return column.cast(kind)


def _values(column: pa.ChunkedArray) -> list[str]:
    """Values that compare as they should: NaN equals NaN, -0.0 is not 0.0, nanoseconds count."""
    kind = column.type
    if pa.types.is_temporal(kind):
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        column = column.cast(width)
    return [repr(value) for value in column.to_pylist()]
