"""Json as Data Factory defines it."""

from __future__ import annotations

from crossdock import AdfEnd, AdfTranslation

from .compressed import compression_of, within_archives

_PATTERNS = {name: name for name in ("setOfObjects", "arrayOfObjects")}


def from_adf(end: AdfEnd) -> AdfTranslation:
    settings, compression = end.activity.inner("formatSettings"), end.dataset.inner("compression")
    settings.ignore("type", "quoteAllText")  # the designer copies it from text, where it means something
    options = compression_of(compression, "type", "level")
    within_archives(settings)
    given = end.dataset.inner("format") if "format" in end.dataset else end.dataset
    encoding = given.text("encodingName") or "utf-8"
    if encoding.lower() != "us-ascii":
        options["encoding"] = encoding
    if end.is_sink:
        where = settings if given is end.dataset else given
        options["file_pattern"] = where.choice("filePattern", _PATTERNS, "setOfObjects")
        given.ignore("nestingSeparator", "jsonNodeReference", "jsonPathDefinition")
    else:
        settings.ignore("filePattern")
        given.ignore("filePattern", "nestingSeparator")
        for name in ("jsonNodeReference", "jsonPathDefinition"):
            if given.get(name):
                given.refuse(name, "paths into nested values are not supported in a format")
    return AdfTranslation(options=options)
