"""Binary as Data Factory defines it: bytes as they are, or unpacked and packed."""

from __future__ import annotations

from crossdock import AdfEnd, AdfTranslation

from .compressed import CODECS, LEVELS

_PRESERVE = ("preserveZipFileNameAsFolder", "preserveCompressionFileNameAsFolder")


def from_adf(end: AdfEnd) -> AdfTranslation:
    """The options are settings of the store."""
    settings, compression = end.activity.inner("formatSettings"), end.dataset.inner("compression")
    settings.ignore("type")
    codec = compression.choice("type", CODECS, "none")
    level = compression.choice("level", LEVELS, "Optimal")
    properties = settings.inner("compressionProperties")
    properties.ignore("type", *_PRESERVE)
    if codec == "none":
        return AdfTranslation()
    if end.is_sink:
        return AdfTranslation(options={"pack": codec, "pack_level": level})
    kept = next((flag for name in _PRESERVE if (flag := properties.flag(name)) is not None), True)
    return AdfTranslation(options={"unpack": codec, "archive_folder": "true" if kept else "false"})
