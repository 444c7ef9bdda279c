"""What the formats share whose files may be compressed as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from crossdock import AdfProperties, FileFormat

    from .compressed_config import CompressedConfig

Config = TypeVar("Config", bound="CompressedConfig")
GZIP_LEVELS = {"Optimal": 6, "Fastest": 1}
# Data Factory's names; what it cannot read or write itself is here too.
CODECS = {
    name: name
    for name in ("none", "gzip", "bzip2", "deflate", "zipDeflate", "tar", "tarGZip", "snappy", "lz4")
}
LEVELS = {"Optimal": "Optimal", "Fastest": "Fastest"}
_PRESERVE = ("preserveZipFileNameAsFolder", "preserveCompressionFileNameAsFolder")


def opened(config: Config, make: Callable[[Config], FileFormat], *, own: tuple[str, ...]) -> FileFormat:
    """The format, which reads and writes the compressions ``own`` itself."""
    if config.compression in own:
        return make(config)
    from crossdock import packed_format

    inner = make(config.model_copy(update={"compression": "none"}))
    return packed_format(inner, config.compression, config.compression_level)


def compression_of(compression: AdfProperties, kind: str, level: str) -> dict[str, str]:
    """The options for the keys that Data Factory has for it, of these names."""
    options = {"compression": compression.choice(kind, CODECS, "none")}
    if chosen := compression.choice(level, LEVELS):
        options["compression_level"] = chosen
    return options


def within_archives(settings: AdfProperties) -> None:
    """``compressionProperties`` say in which folder the files of an archive are; rows come from all."""
    settings.inner("compressionProperties").ignore("type", *_PRESERVE)
