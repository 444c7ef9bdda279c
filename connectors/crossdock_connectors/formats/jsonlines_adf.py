"""Json as Data Factory defines it, as far as it is one object per line."""

from __future__ import annotations

from crossdock import AdfEnd, AdfTranslation

_CODECS = {"none": "none", "gzip": "gzip"}


def from_adf(end: AdfEnd) -> AdfTranslation:
    settings, compression = end.activity.inner("formatSettings"), end.dataset.inner("compression")
    settings.ignore("type", "quoteAllText")  # the designer copies it from text, where it means something
    compression.ignore("level")
    options = {"compression": compression.choice("type", _CODECS, "none")}
    if end.dataset.text("encodingName", "utf-8").lower() not in ("utf-8", "us-ascii"):
        end.dataset.refuse("encodingName", "files of JSON are UTF-8")
    if end.is_sink:
        settings.choice("filePattern", {"setOfObjects": "lines"})
    else:
        settings.ignore("filePattern")
    return AdfTranslation(options=options)
