"""Json as Data Factory defines it."""

from __future__ import annotations

from crossdock import AdfEnd, AdfTranslation

_CODECS = {"none": "none", "gzip": "gzip"}


def from_adf(end: AdfEnd) -> AdfTranslation:
    settings, compression = end.activity.inner("formatSettings"), end.dataset.inner("compression")
    settings.ignore("type", "quoteAllText")  # the designer copies it from text, where it means something
    compression.ignore("level")
    options = {"compression": compression.choice("type", _CODECS, "none")}
    encoding = end.dataset.text("encodingName", "utf-8")
    if encoding.lower() != "us-ascii":
        options["encoding"] = encoding
    if end.is_sink:
        options["file_pattern"] = settings.choice(
            "filePattern", {name: name for name in ("setOfObjects", "arrayOfObjects")}, "setOfObjects"
        )
    else:
        settings.ignore("filePattern")
    return AdfTranslation(options=options)
