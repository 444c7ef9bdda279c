"""Avro's types as Arrow's, and values as fastavro gives them as columns."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from crossdock import SchemaMismatchError

Avro = Any
_SIMPLE = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}
_LOGICAL: dict[tuple[str, str | None], pa.DataType] = {
    ("int", "date"): pa.date32(),
    ("int", "time-millis"): pa.time32("ms"),
    ("long", "time-micros"): pa.time64("us"),
    **{
        ("long", f"{local}timestamp-{name}"): pa.timestamp(unit, zone)
        for local, zone in (("", "UTC"), ("local-", None))
        for name, unit in (("millis", "ms"), ("micros", "us"), ("nanos", "ns"))
    },
}
LOGICAL_KEYS = frozenset(("logicalType", "precision", "scale"))
_MAX_DEPTH = 60


@dataclass(frozen=True, slots=True)
class Column:
    """The Arrow ``type`` of a column, and how a list of decoded values becomes an array of it."""

    type: pa.DataType
    array: Callable[[Sequence[Any]], pa.Array]
    empty: bool = False
    """Whether a value takes no bytes: a count of such values says nothing about memory."""


class Types:
    """Finds the columns of a schema that fastavro has parsed: named types are known by their full names."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._open: list[str] = []
        self._named: dict[str, Column] = {}

    def columns(self, schema: Avro) -> dict[str, Column]:
        """The columns of a record; SchemaMismatchError for a type that cannot be one."""
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise SchemaMismatchError(f"{self._path} has no records with columns, but single values")
        self._open.append(schema["name"])
        return {field["name"]: self.of(field["type"], field["name"]) for field in schema["fields"]}

    def of(self, schema: Avro, where: str) -> Column:
        if isinstance(schema, str):
            if schema in _SIMPLE:
                return _plain(_SIMPLE[schema], empty=schema == "null")
            if schema in self._open:
                raise self._refused(where, f"a recursive type ({schema})")
            return self._named[schema]
        if isinstance(schema, list):
            return self._union(schema, where)
        kind = schema["type"]
        if not isinstance(kind, str):
            return self.of(kind, where)
        name = schema.get("name")
        if name:
            self._open.append(name)
        if len(self._open) + where.count(".") > _MAX_DEPTH:
            raise self._refused(where, "nested too deeply")
        column = self._made(kind, schema, where)
        if name:
            self._open.pop()
            self._named[name] = column
        return column

    def _union(self, branches: list[Avro], where: str) -> Column:
        some = [branch for branch in branches if branch != "null"]
        if len(some) > 1:
            words = " and ".join(each if isinstance(each, str) else each["type"] for each in some)
            raise self._refused(where, f"a union of {words}")
        column = self.of(some[0] if some else "null", where)
        return Column(column.type, column.array)

    def _made(self, kind: str, schema: Mapping[str, Any], where: str) -> Column:  # noqa: PLR0911 - as above
        logical = schema.get("logicalType")
        if logical == "decimal":
            return self._decimal(schema, where)
        if moment := _LOGICAL.get((kind, logical)):
            return _plain(moment)
        if kind in ("fixed", "string") and logical == "uuid":
            return _plain(pa.string()) if kind == "string" else Column(pa.string(), _uuids)
        if kind == "enum":
            return _plain(pa.string())
        if kind == "fixed":
            return _plain(pa.binary(schema["size"]), empty=not schema["size"])
        if kind == "array":
            return self._list(schema["items"], where)
        if kind == "map":
            return self._map(schema["values"], where)
        if kind == "record":
            return self._struct(schema, where)
        return _plain(_SIMPLE[kind], empty=kind == "null")

    def _decimal(self, schema: Mapping[str, Any], where: str) -> Column:
        precision, scale = schema.get("precision"), schema.get("scale", 0)
        if not (isinstance(precision, int) and isinstance(scale, int) and 0 <= scale <= precision <= 76):
            raise self._refused(where, f"a decimal of {precision} digits")
        kind = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
        return Column(kind, lambda values: _decimals(values, kind))

    def _list(self, items: Avro, where: str) -> Column:
        item = self._sized(items, f"{where}.items")

        def array(values: Sequence[Any]) -> pa.Array:
            flat = item.array([each for value in values if value is not None for each in value])
            return pa.ListArray.from_arrays(_offsets(values), flat)

        return Column(pa.list_(item.type), array)

    def _map(self, items: Avro, where: str) -> Column:
        item = self.of(items, f"{where}.values")

        def array(values: Sequence[Any]) -> pa.Array:
            some = [value for value in values if value is not None]
            keys = pa.array([key for value in some for key in value], pa.string())
            flat = item.array([each for value in some for each in value.values()])
            return pa.MapArray.from_arrays(_offsets(values), keys, flat)

        return Column(pa.map_(pa.string(), item.type), array)

    def _struct(self, schema: Mapping[str, Any], where: str) -> Column:
        fields = {each["name"]: self.of(each["type"], f"{where}.{each['name']}") for each in schema["fields"]}
        if not fields:
            raise self._refused(where, "a record without fields")
        kind = pa.struct([(name, field.type) for name, field in fields.items()])

        def array(values: Sequence[Any]) -> pa.Array:
            columns = [
                field.array([None if value is None else value[name] for value in values])
                for name, field in fields.items()
            ]
            missing = pa.array([value is None for value in values], pa.bool_())
            return pa.StructArray.from_arrays(columns, fields=list(kind), mask=missing)

        return Column(kind, array, all(field.empty for field in fields.values()))

    def _sized(self, items: Avro, where: str) -> Column:
        item = self.of(items, where)
        if item.empty:
            raise self._refused(where, "an array of values that take no room")
        return item

    def _refused(self, where: str, what: str) -> SchemaMismatchError:
        return SchemaMismatchError(f"{self._path}, column {where!r}: {what} cannot be a column")


def _plain(kind: pa.DataType, empty: bool = False) -> Column:
    if pa.types.is_temporal(kind):
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        return Column(kind, lambda values: pa.array(values, width).view(kind))
    return Column(kind, lambda values: pa.array(values, kind), empty)


def _offsets(values: Sequence[Any]) -> pa.Array:
    """Where each list begins; a null offset makes a null."""
    offsets: list[int | None] = []
    position = 0
    for value in values:
        offsets.append(None if value is None else position)
        position += 0 if value is None else len(value)
    return pa.array([*offsets, position], pa.int32())


def _decimals(values: Sequence[bytes | None], kind: pa.DataType) -> pa.Array:
    """Two's complement, big-endian and as short as it may be, as Arrow's little-endian words."""
    width = kind.byte_width
    zero = bytes(width)
    words = (
        zero if v is None else int.from_bytes(v, "big", signed=True).to_bytes(width, "little", signed=True)
        for v in values
    )
    data = pa.py_buffer(b"".join(words))
    valid = pa.array([value is not None for value in values], pa.bool_())
    made = pa.Array.from_buffers(kind, len(values), [valid.buffers()[1], data])
    made.validate(full=True)
    return made


def _uuids(values: Sequence[bytes | None]) -> pa.Array:
    return pa.array([value and str(uuid.UUID(bytes=value)) for value in values], pa.string())


def without_logical(schema: Avro) -> Avro:
    """The schema as its values are stored: whole numbers and bytes are faster than Python's dates."""
    if isinstance(schema, list):
        return [without_logical(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key not in LOGICAL_KEYS}
    for key in ("type", "items", "values"):
        if key in kept:
            kept[key] = without_logical(kept[key])
    if "fields" in kept:
        kept["fields"] = [{**field, "type": without_logical(field["type"])} for field in kept["fields"]]
    return kept
