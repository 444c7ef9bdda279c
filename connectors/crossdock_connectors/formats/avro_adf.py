"""Avro as Data Factory defines it."""

from __future__ import annotations

from crossdock import AdfEnd, AdfTranslation

_CODECS = {name: name for name in ("none", "deflate", "snappy", "bzip2", "xz", "zstandard")}


def from_adf(end: AdfEnd) -> AdfTranslation:
    dataset, settings = end.dataset, end.activity.inner("formatSettings")
    settings.ignore("type")
    if not end.is_sink:
        # A file says itself how it is compressed.
        dataset.ignore("avroCompressionCodec", "avroCompressionLevel", "compression")
        return AdfTranslation()
    options = {"compression": dataset.choice("avroCompressionCodec", _CODECS, "none")}
    if "avroCompressionLevel" in dataset:
        dataset.refuse("avroCompressionLevel", "the level is the usual one; the content is the same", "note")
    for name, option in (("recordName", "record_name"), ("recordNamespace", "record_namespace")):
        if value := settings.text(name):
            options[option] = value
    return AdfTranslation(options=options)
