"""Parquet as Data Factory defines it."""

from __future__ import annotations

from crossdock import AdfEnd, AdfTranslation

_CODECS = {"none": "none", "snappy": "snappy", "gzip": "gzip"}


def from_adf(end: AdfEnd) -> AdfTranslation:
    settings = end.activity.inner("formatSettings")
    settings.ignore("type")
    if not end.is_sink:
        # A file says itself how it is compressed.
        end.dataset.ignore("compressionCodec")
        return AdfTranslation()
    return AdfTranslation(options={"compression": end.dataset.choice("compressionCodec", _CODECS, "snappy")})
