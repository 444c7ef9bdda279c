"""The translator and the additional columns of a copy: the mapping that ``crossdock.copy`` takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from crossdock import AdfComputed, AdfProperties, ColumnMapping, ConversionSettings, MappedColumn

_NAME_OR_INDEX = re.compile(r"""\[\s*'((?:[^'\\]|\\.)*)'\s*\]|\[\s*"([^"]*)"\s*\]|\.?([^.\[\]'"$*]+)|(.)""")
_TYPES = {
    "boolean": "bool", "byte": "uint8", "sbyte": "int8", "int16": "int16", "int32": "int32", "int64": "int64",
    "uint16": "uint16", "uint32": "uint32", "uint64": "uint64", "single": "float32", "double": "float64",
    "decimal": "decimal", "datetime": "timestamp", "datetimeoffset": "timestamp(UTC)", "date": "date",
    "time": "time", "timespan": "time", "guid": "guid", "string": "string", "byte[]": "binary",
    "bytearray": "binary", "byte array": "binary",
    # What the designer writes for the newer connectors of databases: their own names.
    "bool": "bool", "bit": "bool", "tinyint": "uint8", "smallint": "int16", "int": "int32",
    "integer": "int32", "bigint": "int64", "long": "int64", "real": "float32", "float": "float64",
    "double precision": "float64",
    "numeric": "decimal", "money": "decimal(19,4)", "smallmoney": "decimal(10,4)",
    "char": "string", "varchar": "string", "nchar": "string", "nvarchar": "string", "text": "string",
    "ntext": "string", "xml": "string", "character": "string", "character varying": "string",
    "sysname": "string",
    "datetime2": "timestamp", "smalldatetime": "timestamp", "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamp(UTC)", "uniqueidentifier": "guid", "uuid": "guid",
    "binary": "binary", "varbinary": "binary", "image": "binary", "rowversion": "binary", "bytea": "binary",
}  # fmt: skip


def column_map(translator: AdfProperties) -> ColumnMapping | None:
    """None where columns stay as they are. What is not honoured is a remark."""
    kind = translator.text("type", "TabularTranslator")
    if kind.lower() != "tabulartranslator":
        translator.refuse("type", f"the translator {kind} is not supported")
        return None
    made = ColumnMapping(
        unfold=translator.text("collectionReference"),
        nested_as_text=bool(translator.flag("mapComplexValuesToString")),
        conversion=_conversion(translator),
    )
    found = _columns(translator)
    if found is None:
        return None
    made = replace(made, columns=tuple(found))
    return None if made == ColumnMapping(conversion=ConversionSettings(truncate=True)) else made


def _columns(translator: AdfProperties) -> list[MappedColumn] | None:
    """None where they are wrong, which is a remark."""
    mappings = translator.get("mappings")
    found: list[MappedColumn] | None = []
    if isinstance(mappings, list) and mappings:
        translator.ignore("columnMappings", "schemaMapping")
        found = _mappings(translator, mappings)
    else:
        for name in ("columnMappings", "schemaMapping"):
            if legacy := translator.get(name):
                found = _legacy(translator, name, legacy)
                break
    if found:
        names = [each.sink for each in found]
        if double := next((each for each in names if names.count(each) > 1), None):
            where = "mappings" if mappings else "columnMappings"
            translator.refuse(where, f"the sink column {'.'.join(double)!r} is mapped twice", "error")
            return None
    return found


def _conversion(translator: AdfProperties) -> ConversionSettings:
    enabled = translator.flag("typeConversion")
    settings = translator.inner("typeConversionSettings")
    settings.ignore("type")
    found = ConversionSettings(
        truncate=settings.flag("allowDataTruncation") is not False,
        boolean_as_number=bool(settings.flag("treatBooleanAsNumber")),
        date_time_format=settings.text("dateTimeFormat"),
        date_time_offset_format=settings.text("dateTimeOffsetFormat"),
        time_span_format=settings.text("timeSpanFormat"),
        time_format=settings.text("timeFormat"),
        date_format=settings.text("dateFormat"),
        culture=settings.text("culture"),
    )
    # Data Factory heeds the settings only where the conversion is on.
    return found if enabled else ConversionSettings(truncate=True)


def _mappings(translator: AdfProperties, mappings: list[Any]) -> list[MappedColumn] | None:
    found: list[tuple[int, MappedColumn]] = []
    for index, each in enumerate(mappings):
        if not isinstance(each, Mapping):
            translator.refuse("mappings", f"mappings[{index}] must be an object", "error")
            return None
        one = AdfProperties(each, f"{translator.where('mappings')}[{index}]")
        source, sink = one.inner("source"), one.inner("sink")
        column = _source(source)
        names = _sink(sink)
        if column is None or not names:
            side = "source" if column is None else "sink"
            translator.refuse("mappings", f"mappings[{index}].{side}: a column with no name", "error")
            return None
        for end in (source, sink):
            for kind in filter(None, (_unknown(end),)):
                what = (
                    f"mappings[{index}]: the type {kind} is not known; the column keeps the type that it has"
                )
                translator.refuse("mappings", what, "note")
        found.append((sink.whole("ordinal") or 0, _typed(replace(column, sink=names), source, sink)))
    # A sink without names has its columns by their places.
    found.sort(key=lambda pair: pair[0])
    return [column for _, column in found]


def _source(column: AdfProperties) -> MappedColumn | None:
    if path := column.text("path"):
        return MappedColumn((), path=path)
    # What columns without a header have are places.
    if (ordinal := column.whole("ordinal")) and not column.text("name"):
        return MappedColumn((), ordinal=ordinal)
    name = column.text("name")
    return MappedColumn((), source=name) if name else None


def _sink(column: AdfProperties) -> tuple[str, ...]:
    """Its names, from the outside in."""
    if name := column.text("name"):
        return (name,)
    if path := column.text("path"):
        return tuple(_steps(path))
    ordinal = column.whole("ordinal")
    return (f"Prop_{ordinal - 1}",) if ordinal else ()


def _steps(path: str) -> Iterator[str]:
    for found in _NAME_OR_INDEX.finditer(path.strip().removeprefix("$")):
        if name := found[1] or found[2] or found[3]:
            yield name.strip()


def _type(column: AdfProperties) -> str:
    """The name that its type has here; of what is not known none."""
    named = column.text("type").lower().removeprefix("system.")
    precision, scale = column.whole("precision"), column.whole("scale")
    if _TYPES.get(named) == "decimal" and precision:
        return f"decimal({min(precision, 38)},{min(scale or 0, precision, 38)})"
    return _TYPES.get(named, "")


def _unknown(column: AdfProperties) -> str:
    named = column.text("type")
    known = isinstance(named, AdfComputed) or named.lower().removeprefix("system.") in (
        *_TYPES,
        "",
        "object",
        "array",
    )
    return "" if known else named


def _typed(made: MappedColumn, source: AdfProperties, sink: AdfProperties) -> MappedColumn:
    given, wanted = _type(source), _type(sink)
    formats = source.text("format"), sink.text("format")
    cultures = source.text("culture"), sink.text("culture")
    if given and wanted and formats[0] and given != "string":
        # A text that is a date is read as one first.
        return replace(
            made, read_type=given, read_format=formats[0], read_culture=cultures[0],
            type=wanted, format=formats[1], culture=cultures[1],
        )  # fmt: skip
    kind = wanted or (given if formats[0] or cultures[0] else "")
    return replace(made, type=kind, format=formats[1] or formats[0], culture=cultures[1] or cultures[0])


def _legacy(translator: AdfProperties, name: str, given: Any) -> list[MappedColumn] | None:
    """``{"a": "b"}`` or ``a: b, c: d``; keys and values of ``schemaMapping`` may be paths."""
    if isinstance(given, str):
        pairs = [each.split(":") for each in given.split(",") if each.strip()]
        if any(len(pair) != 2 for pair in pairs):
            translator.refuse(name, "must be of the form a: b, c: d", "error")
            return None
        given = {pair[0].strip(): pair[1].strip() for pair in pairs}
    if not isinstance(given, Mapping) or not all(isinstance(each, str) for each in given.values()):
        translator.refuse(name, "must map names of columns to names", "error")
        return None
    unfolds = bool(translator.text("collectionReference"))
    found = []
    for key, value in given.items():
        is_path = key.startswith("$") or (unfolds and name == "schemaMapping")
        sink = tuple(_steps(value)) if value.startswith("$") else (value,)
        found.append(MappedColumn(sink, path=key) if is_path else MappedColumn(sink, source=key))
    return found


def added_columns(source: AdfProperties) -> dict[str, str]:
    """The columns that a source gets behind its own, by name."""
    given = source.get("additionalColumns")
    if given is None or isinstance(given, AdfComputed) or given in ([], {}):
        return {}
    listed = (
        [{"name": name, "value": value} for name, value in given.items()]
        if isinstance(given, Mapping)
        else given
    )
    found: dict[str, str] = {}
    for index, each in enumerate(listed if isinstance(listed, list) else [None]):
        one = AdfProperties(each if isinstance(each, Mapping) else {})
        name, value = one.text("name"), one.text("value")
        if not name or name in found or not isinstance(one.get("value"), str | int | float | None):
            what = f"additionalColumns[{index}] needs a name of its own and a text as its value"
            source.refuse("additionalColumns", what, "error")
            continue
        found[name] = value
    return found
