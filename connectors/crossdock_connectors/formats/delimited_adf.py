"""DelimitedText as Data Factory defines it, with Data Factory's defaults."""

from __future__ import annotations

from crossdock import AdfEnd, AdfTranslation

_DEFAULT_ESCAPE = "\\"
_CODECS = {"none": "none", "gzip": "gzip"}


def from_adf(end: AdfEnd) -> AdfTranslation:
    dataset, settings = end.dataset, end.activity.inner("formatSettings")
    settings.ignore("type")
    quote = dataset.text("quoteChar", '"') if dataset.get("quoteChar") != "" else ""
    escape = dataset.text("escapeChar", _DEFAULT_ESCAPE)
    options = {
        "delimiter": dataset.text("columnDelimiter", ",") or ",",
        "quote": quote,
        # A quote that stands for itself is what crossdock does by default: it is written twice.
        "escape": "" if escape == quote or not quote else escape,
        "escapes": "quotes",
        "header": "true" if dataset.flag("firstRowAsHeader") else "false",
        "null_value": dataset.text("nullValue"),
    }
    if encoding := dataset.text("encodingName"):
        options["encoding"] = encoding
    options["compression"] = dataset.choice("compressionCodec", _CODECS, "none")
    if dataset.get("columnDelimiter") == "":
        dataset.refuse("columnDelimiter", "lines that are one column each are not supported")
    if "compressionLevel" in dataset:
        dataset.refuse(
            "compressionLevel", "the level is the usual one; the file's content is the same", "note"
        )
    if "|" in options["null_value"]:
        dataset.refuse("nullValue", "a text with | in it cannot stand for null")
    if end.is_sink:
        _write(end, options)
    else:
        _read(end, options)
    return AdfTranslation(options=options)


def _read(end: AdfEnd, options: dict[str, str]) -> None:
    # Values are texts in Data Factory, and the table that they go to says what they become. Here they become
    # what a table may take before they are sent, where the text survives it.
    options["infer"] = "true" if end.typed else "false"
    settings = end.activity.inner("formatSettings")
    if (skipped := settings.whole("skipLineCount")) is not None:
        options["skip_lines"] = str(skipped)
    if end.dataset.text("rowDelimiter", "\n") not in ("\n", "\r\n", "\r"):
        end.dataset.refuse("rowDelimiter", "rows end with a line feed, a carriage return or both")
    if settings.inner("compressionProperties"):
        settings.refuse("compressionProperties", "files within an archive are not supported")


def _write(end: AdfEnd, options: dict[str, str]) -> None:
    settings = end.activity.inner("formatSettings")
    ending = end.dataset.text("rowDelimiter", "\r\n") or "\r\n"
    options["line_ending"] = "lf" if ending == "\n" else "crlf"
    if ending not in ("\n", "\r\n"):
        end.dataset.refuse("rowDelimiter", "rows can end with a line feed, with or without a carriage return")
    options["quoting"] = "all" if settings.flag("quoteAllText") else "needed"
    if not options["quote"]:
        options |= {"quote": '"', "quoting": "none"}
    elif options["quote"] != '"':
        end.dataset.refuse("quoteChar", 'text is written with the quote ", no other character')
    extension = settings.text("fileExtension")
    if extension not in ("", ".csv") and not end.dataset.inner("location").text("fileName"):
        settings.refuse("fileExtension", "files that get their names from the source end with .csv", "note")
