"""Json as Data Factory defines it."""

from __future__ import annotations

from crossdock import AdfEnd, AdfProperties, AdfTranslation

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
    # JsonFormat, of the first model, has levels in names; Json has paths in the translator.
    nesting = "" if given is end.dataset else given.text("nestingSeparator", ".")
    if end.is_sink:
        where = settings if given is end.dataset else given
        options["file_pattern"] = where.choice("filePattern", _PATTERNS, "setOfObjects")
        given.ignore("jsonNodeReference", "jsonPathDefinition")
        return AdfTranslation(options=options, nesting=nesting)
    settings.ignore("filePattern")
    given.ignore("filePattern")
    return AdfTranslation(
        options=options, columns=_columns(given), unfold=given.text("jsonNodeReference"), nesting=nesting
    )


def _columns(given: AdfProperties) -> dict[str, str | int]:
    paths = given.inner("jsonPathDefinition")
    found: dict[str, str | int] = {}
    for name in paths:
        if path := paths.text(name).strip():
            found[name] = path
    return found
