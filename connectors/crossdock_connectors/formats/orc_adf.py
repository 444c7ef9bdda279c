"""Orc as Data Factory defines it."""

from __future__ import annotations

from crossdock import AdfEnd, AdfTranslation

_CODECS = {name: name for name in ("none", "zlib", "snappy", "zstd", "lz4")}


def from_adf(end: AdfEnd) -> AdfTranslation:
    end.activity.inner("formatSettings").ignore("type")
    if not end.is_sink:
        # A file says itself how it is compressed.
        end.dataset.ignore("orcCompressionCodec", "compression")
        return AdfTranslation()
    return AdfTranslation(
        options={"compression": end.dataset.choice("orcCompressionCodec", _CODECS, "snappy")}
    )
