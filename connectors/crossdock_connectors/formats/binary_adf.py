"""Binary as Data Factory defines it: bytes as they are, where nothing is unpacked."""

from __future__ import annotations

from crossdock import AdfEnd, AdfTranslation


def from_adf(end: AdfEnd) -> AdfTranslation:
    end.activity.inner("formatSettings").ignore("type")
    compression = end.dataset.inner("compression")
    if compression.text("type", "none").lower() != "none":
        compression.refuse("type", "files are copied as they are; unpacking is not supported")
    compression.ignore("level")
    return AdfTranslation()
