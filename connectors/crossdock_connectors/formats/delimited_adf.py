"""DelimitedText as Data Factory defines it, with Data Factory's defaults; TextFormat of its first model."""

from __future__ import annotations

import json

from crossdock import AdfEnd, AdfProperties, AdfTranslation

from .compressed import compression_of, within_archives

_DEFAULT_ESCAPE = "\\"
_NULLS = ("\\N", "NULL")


def from_adf(end: AdfEnd) -> AdfTranslation:
    end.activity.inner("formatSettings").ignore("type")
    if "format" in end.dataset:
        given = end.dataset.inner("format")
        compression = compression_of(end.dataset.inner("compression"), "type", "level")
        options = _old_dialect(end, given) | compression
    else:
        given = end.dataset
        options = _dialect(given) | compression_of(given, "compressionCodec", "compressionLevel")
    if encoding := given.text("encodingName"):
        options["encoding"] = encoding
    row = given.text("rowDelimiter")
    if row.strip("\r\n") or row == "\r":
        options["row_delimiter"] = row
    if given.get("rowDelimiter") == "":
        given.refuse("rowDelimiter", "a file that is one row is not supported")
    if end.is_sink:
        _write(end, given, options)
    else:
        _read(end, given, options)
    named: dict[str, str | int] = {}
    if not end.is_sink and options["header"] == "false":
        named = {name: place for place, name in enumerate(end.structure, 1)}
    return AdfTranslation(options=options, columns=named)


def _dialect(given: AdfProperties) -> dict[str, str]:
    quote = given.text("quoteChar", '"') if given.get("quoteChar") != "" else ""
    escape = given.text("escapeChar", _DEFAULT_ESCAPE)
    null = given.text("nullValue")
    return {
        "delimiter": given.text("columnDelimiter", ","),
        "quote": quote,
        # A quote that stands for itself is what crossdock does by default: it is written twice.
        "escape": "" if escape == quote or not quote else escape,
        "escapes": "quotes",
        "header": "true" if given.flag("firstRowAsHeader") else "false",
        "null_value": json.dumps([null]),
    }


def _old_dialect(end: AdfEnd, given: AdfProperties) -> dict[str, str]:
    """TextFormat: no quotes and no escapes unless they are named, and two words for null."""
    quote, escape = given.text("quoteChar"), given.text("escapeChar")
    header = given.flag("firstRowAsHeader")
    if end.is_sink and (added := end.activity.flag("blobWriterAddHeader")) is not None:
        header = added
    null = given.text("nullValue")
    nulls = [null] if null else list(_NULLS)
    as_null = given.flag("treatEmptyAsNull", True)
    if not end.is_sink and end.activity.flag("treatEmptyAsNull", as_null):
        nulls.append("")
    return {
        "delimiter": given.text("columnDelimiter", ","),
        "quote": quote,
        "escape": "" if escape == quote else escape,
        "escapes": "any",
        "header": "true" if header else "false",
        "null_value": json.dumps(nulls),
    }


def _read(end: AdfEnd, given: AdfProperties, options: dict[str, str]) -> None:
    # Values are texts in Data Factory, and the table that they go to says what they become. Here they become
    # what a table may take before they are sent, where the text survives it.
    options["infer"] = "true" if end.typed else "false"
    settings = end.activity.inner("formatSettings")
    for skipped in (
        settings.whole("skipLineCount"),
        end.activity.whole("skipHeaderLineCount"),
        given.whole("skipLineCount") if given is not end.dataset else None,
    ):
        if skipped is not None:
            options["skip_lines"] = str(skipped)
    within_archives(settings)


def _write(end: AdfEnd, given: AdfProperties, options: dict[str, str]) -> None:
    settings = end.activity.inner("formatSettings")
    # Of a dataset that is read too.
    given.ignore("skipLineCount", "treatEmptyAsNull")
    end.activity.ignore("blobWriterOverwriteFiles", "blobWriterDateTimeFormat", "blobWriterAddHeader")
    ending = given.text("rowDelimiter", "\r\n") or "\r\n"
    options["line_ending"] = "lf" if ending == "\n" else "crlf"
    options["quoting"] = "all" if settings.flag("quoteAllText") else "needed"
    if not options["quote"]:
        options |= {"quote": '"', "quoting": "none"}
