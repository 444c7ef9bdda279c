"""Parquet as Data Factory defines it."""

from __future__ import annotations

from crossdock import AdfEnd, AdfTranslation

_CODECS = {name: name for name in ("none", "snappy", "gzip", "zstd", "lz4")}


def from_adf(end: AdfEnd) -> AdfTranslation:
    settings = end.activity.inner("formatSettings")
    settings.ignore("type")
    if not end.is_sink:
        # A file says itself how it is compressed; none is in an archive.
        settings.ignore("compressionProperties")
        end.dataset.ignore("compressionCodec", "compression")
        return AdfTranslation()
    return AdfTranslation(options={"compression": end.dataset.choice("compressionCodec", _CODECS, "snappy")})
