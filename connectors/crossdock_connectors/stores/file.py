"""Local files: a folder is the store, the files below it are its objects."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

from crossdock import Capabilities, ConfigError, ConnectorSpec, Location, WriteMode

from .file_errors import classify

if TYPE_CHECKING:
    from crossdock import AdfEnd, AdfTranslation

    from .file_config import FileConfig
    from .file_store import FileStore


def _config() -> type[FileConfig]:
    from .file_config import FileConfig  # imports pydantic

    return FileConfig


def _open(config: FileConfig, location: Location) -> FileStore:
    if location.authority not in ("", "localhost"):
        raise ConfigError(
            f"{location.url} names the host {location.authority!r}; a local path has three slashes: file:///..."
        )
    if "\0" in location.path:
        raise ConfigError("a path cannot hold a NUL character")
    from .file_store import FileStore

    return FileStore(location.path or ".", sync=config.sync)


def _absolute(location: Location) -> Location:
    path = os.path.abspath(location.path or ".")
    folder = location.path.endswith(("/", "/.", "/..")) and not path.endswith("/")
    return location.with_path(path + "/" if folder else path)


def _from_adf(end: AdfEnd) -> AdfTranslation:
    from .file_adf import from_adf

    return from_adf(end)


SPEC = ConnectorSpec(
    name="file",
    summary="Files of this machine and of mounted shares",
    kind="store",
    config=_config,
    defaults=SimpleNamespace(sync=False),
    schemes=("file", ""),
    adf_types=(
        "FileServer",
        "FileServerLocation",
        "FileServerReadSettings",
        "FileServerWriteSettings",
        "LocalServer",
        "FileShare",
        "FileSystemSource",
        "FileSystemSink",
    ),
    capabilities=Capabilities(
        write_modes=frozenset({WriteMode.ERROR, WriteMode.OVERWRITE}),
        visibility="per_object",
        private_staging=True,
        # Larger is no faster for a copy within the kernel; smaller costs more for the splits.
        best_block=32 << 20,
        read_back="after_commit",
        cheap_scan=True,
        fetched_by="file",
    ),
    open_store=_open,
    classify=classify,
    absolute=_absolute,
    from_adf=_from_adf,
    example="crossdock copy 'data/*.csv' archive/ --sink-format parquet",
)
