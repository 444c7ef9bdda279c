"""Options of formats whose files may be compressed as a whole."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from crossdock import ConnectorConfig

Compression = Literal[
    "auto", "none", "gzip", "bzip2", "deflate", "zipDeflate", "tar", "tarGZip", "snappy", "lz4"
]


class CompressedConfig(ConnectorConfig):
    """How files are compressed."""

    compression: Compression = Field(
        default="auto",
        description="auto: gzip by the extension .gz. All files of an archive (zipDeflate, tar, tarGZip) are "
        "read; one that is written has one file",
    )
    compression_level: Literal["Optimal", "Fastest"] = Field(
        default="Optimal", description="smaller files or less work, when writing"
    )
