"""What cannot be asked for together with packing and unpacking."""

from __future__ import annotations

from ..errors import ConfigError
from ..files.settings import StoreReadSettings, StoreWriteSettings


def check_packing(
    source: StoreReadSettings | None, sink: StoreWriteSettings | None, *, tabular: bool
) -> None:
    """Raises ConfigError for settings that make no sense with each other or with that payload."""
    unpack = source.unpack if source else "none"
    pack = sink.pack if sink else "none"
    if tabular and (unpack, pack) != ("none", "none"):
        raise ConfigError(
            "unpack and pack are for binary copies; a format has its own option compression, and "
            "--source-format binary with --sink-format binary makes this one binary"
        )
    if (unpack, pack) != ("none", "none") and sink and sink.copy_behavior == "MergeFiles":
        raise ConfigError("copy_behavior=MergeFiles merges files as they are, without unpack and pack")
    if unpack != "none" and source and source.delete_files_after_completion:
        raise ConfigError("delete_files_after_completion does not go with unpack: many files come from one")
