"""The translator: which column of the source becomes which of the sink."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crossdock import AdfProperties

_TOP_PATH = re.compile(r"\$?\[\s*'([^'\]]+)'\s*\]|\$\.([\w-]+)|([\w-]+)")
_FORMATS = ("dateTimeFormat", "dateTimeOffsetFormat", "timeSpanFormat", "timeFormat", "dateFormat")


def column_map(translator: AdfProperties) -> dict[str, str] | None:
    """Source column to sink column; None where columns keep their names. What is not honoured is a remark."""
    kind = translator.text("type", "TabularTranslator")
    if kind.lower() != "tabulartranslator":
        translator.refuse("type", f"the translator {kind} is not supported")
        return None
    _conversion(translator)
    if translator.text("collectionReference"):
        translator.refuse("collectionReference", "lists within rows are not unfolded")
    if translator.flag("mapComplexValuesToString"):
        translator.refuse("mapComplexValuesToString", "nested values stay nested")
    mappings = translator.get("mappings")
    if isinstance(mappings, list) and mappings:
        return _mappings(translator, mappings)
    for name in ("columnMappings", "schemaMapping"):
        legacy = translator.get(name)
        if legacy:
            return _legacy(translator, name, legacy)
    return None


def _conversion(translator: AdfProperties) -> None:
    translator.ignore("typeConversion")
    settings = translator.inner("typeConversionSettings")
    settings.ignore("type")
    if settings.flag("allowDataTruncation"):
        settings.refuse("allowDataTruncation", "a value that does not fit is an error, never cut off", "note")
    if settings.flag("treatBooleanAsNumber"):
        settings.refuse("treatBooleanAsNumber", "true and false stay what they are")
    for name in _FORMATS:
        if settings.text(name):
            settings.refuse(name, "formats of dates and times are not supported in a mapping")
    if settings.text("culture", "en-us").lower() not in ("en-us", "en", ""):
        settings.refuse("culture", "numbers and dates are read as in en-us")


def _mappings(translator: AdfProperties, mappings: list[Any]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for index, each in enumerate(mappings):
        if not isinstance(each, Mapping):
            translator.refuse("mappings", f"mappings[{index}] must be an object", "error")
            return None
        one = AdfProperties(each)
        source, sink = (_column(translator, index, side, one.inner(side)) for side in ("source", "sink"))
        if not source or not sink:
            return None
        if source in found or sink in found.values():
            translator.refuse("mappings", f"mappings[{index}]: a column is mapped twice")
            return None
        found[source] = sink
    return found


def _column(translator: AdfProperties, index: int, side: str, column: AdfProperties) -> str:
    """The column's name; empty, with a remark, where it has none here."""
    where = f"mappings[{index}].{side}"
    for name in ("culture", "format"):
        if column.text(name):
            translator.refuse("mappings", f"{where}: {name} is not supported")
    if name := column.text("name"):
        return name
    if (ordinal := column.whole("ordinal")) is not None and side == "source":
        return f"Prop_{ordinal - 1}"  # what columns without a header are called
    path = _TOP_PATH.fullmatch(column.text("path"))
    if path:
        return path[1] or path[2] or path[3]
    what = "a path into nested values" if column.text("path") else "no name"
    translator.refuse("mappings", f"{where}: a column with {what} is not supported")
    return ""


def _legacy(translator: AdfProperties, name: str, given: Any) -> dict[str, str] | None:
    """``{"a": "b"}`` or ``a: b, c: d``."""
    if isinstance(given, str):
        pairs = [each.split(":") for each in given.split(",") if each.strip()]
        if any(len(pair) != 2 for pair in pairs):
            translator.refuse(name, "must be of the form a: b, c: d", "error")
            return None
        given = {pair[0].strip(): pair[1].strip() for pair in pairs}
    if not isinstance(given, Mapping) or not all(isinstance(each, str) for each in given.values()):
        translator.refuse(name, "must map names of columns to names", "error")
        return None
    names = {_plain(key): _plain(value) for key, value in given.items()}
    if "" in names or "" in names.values():
        translator.refuse(name, "paths into nested values are not supported")
        return None
    return names


def _plain(text: str) -> str:
    """A column's name, or the name in a path to a value at the top."""
    if not text.startswith("$"):
        return text
    path = _TOP_PATH.fullmatch(text)
    return (path[1] or path[2]) if path else ""
