"""From the settings of a source to the objects that it means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..errors import ConfigError
from ..spi.store import ObjectStore
from . import filters
from .file_list import CONNECTIONS, FileList
from .listing import Selection
from .partitions import Partitions
from .settings import StoreReadSettings


def parent(path: str) -> tuple[str, str]:
    """Folder and last name; the name is empty where the path says that it is a folder."""
    folder, _, name = path.rpartition("/")
    if name in ("", ".", ".."):
        return path, ""
    return folder or ("/" if path.startswith("/") else ""), name


def rooted(path: str, settings: StoreReadSettings) -> tuple[str, StoreReadSettings]:
    """The folder to list and the settings below it: the folders of a prefix belong to the root."""
    filters.check(settings)
    folder, slash, rest = settings.prefix.lstrip("/").rpartition("/")
    if not slash:
        return path, replace(settings, prefix=rest)
    root, below = path.rstrip("/"), settings.partition_root_path
    if below and not below.startswith("/"):
        below = f"/{root.lstrip('/')}/{below}"
    return f"{root}/{folder}", replace(settings, prefix=rest, partition_root_path=below)


def discovered(root: str, settings: StoreReadSettings) -> Partitions | None:
    """Where partitions count from, for a store whose root has the path ``root``; None where they do not."""
    if not settings.enable_partition_discovery:
        return None
    if settings.partition_root_path:
        return Partitions.between(root, settings.partition_root_path)
    return Partitions(below=filters.prefix_of(settings).rpartition("/")[0] if settings.wildcards else "")


def check_address(shown: str, pattern: str, name: str, settings: StoreReadSettings) -> None:
    """Refuse an address and settings that both say which files are meant. Raises ConfigError."""
    if (pattern or name) and settings.chooses:
        what = "has a wildcard" if pattern else "is one file"
        raise ConfigError(
            f"{shown} {what}, so {settings.chooses} makes no sense; give the folder as the address"
        )
    if "**" in pattern and not settings.recursive:
        raise ConfigError(f"{shown} goes through folders (**), and recursive=false forbids it")


def select(
    store: ObjectStore,
    where: str,
    settings: StoreReadSettings,
    open_folder: Callable[[str], ObjectStore],
    *,
    name: str = "",
    pattern: str = "",
    as_listed: bool = False,
) -> Selection:
    """The objects of a source. ``open_folder`` opens a folder of the same store by its path from the store's
    root; an empty path is the folder of the address.
    """
    listed = None
    if given := settings.file_list_path:
        folder, file = parent(given) if given.startswith("/") else ("", given)
        if not file:
            raise ConfigError(f"file_list_path={given} names a folder, not a file")
        connections = settings.max_concurrent_connections or CONNECTIONS
        listed = FileList(store, lambda: open_folder(folder), file, given, as_listed, connections)
    return Selection(store, where, name, pattern, settings, listed)
