"""What a store knows of one file or folder, and what lies in a folder. Nothing changes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .credentials import public_url
from .errors import ConfigError, NotFoundError, NotSupportedError
from .files.selecting import parent
from .files.settings import StoreReadSettings
from .plugins import registry
from .sides import Side
from .spelling import snake_case
from .spi.browse import Browsable, Entry
from .spi.store import Described, Facts, ObjectStore

_PAGE = 5000


@dataclass(frozen=True, slots=True)
class Item:
    """A file or a folder; ``name`` is the last of its path."""

    name: str
    kind: Literal["file", "folder"]
    facts: Facts


def stat(
    address: str,
    *,
    source_format: str | None = None,
    source_options: Mapping[str, str] | None = None,
    cancel: threading.Event | None = None,
) -> Item:
    """The file of an address, or its folder where it ends in ``/``.

    Raises NotFoundError; ConfigError for a wildcard, and where there are tables.
    """
    side, path = _place(address, source_format, source_options, cancel)
    folder, name = parent(path.rstrip("/"))
    if not path.endswith("/"):
        return Item(name, "file", side.ask(folder, lambda store: _facts(store, name)))
    if not name:
        root = side.ask(path, lambda store: _facts(store, ""))
        return Item(side.location.authority.partition("@")[0], "folder", root)
    return Item(name, "folder", side.ask(folder, lambda store: _facts(store, f"{name}/")))


def children(
    address: str,
    *,
    source_format: str | None = None,
    source_options: Mapping[str, str] | None = None,
    cancel: threading.Event | None = None,
) -> list[Entry]:
    """What lies directly in a folder. With a range of times only files, and those modified in it.

    Raises NotFoundError; NotSupportedError where the store cannot be looked into.
    """
    side, path = _place(address, source_format, source_options, cancel)
    settings = side.settings
    assert isinstance(settings, StoreReadSettings)  # noqa: S101 - a store, and a source
    found = side.ask(path, _level)
    if settings == settings.any_time():
        return found
    return [each for each in found if each.kind == "file" and settings.within(each.modified or 0)]


def _place(
    address: str,
    source_format: str | None,
    options: Mapping[str, str] | None,
    cancel: threading.Event | None,
) -> tuple[Side, str]:
    ended = cancel or threading.Event()
    side = Side(registry(), address, source_format, snake_case(options), "source", ended)
    if side.spec.kind != "store":
        raise ConfigError(f"{public_url(address)} has tables, not files")
    side.sort_options()
    path = f"{side.path.rstrip('/')}/{side.pattern}" if side.pattern else side.path
    wildcards = isinstance(side.settings, StoreReadSettings) and side.settings.chooses
    if wildcards or "*" in path or "?" in path:
        raise ConfigError(f"{public_url(address)} must be one file or folder, without wildcards")
    return side, path


def _facts(store: ObjectStore, path: str) -> Facts:
    if isinstance(store, Described):
        return store.facts(path)
    if path and not path.endswith("/"):
        found = store.stat(path)
        return Facts(found.size, found.modified)
    if not store.is_folder(path):
        raise NotFoundError(f"the folder {path.rstrip('/')!r} does not exist")
    return Facts()


def _level(store: ObjectStore) -> list[Entry]:
    if not isinstance(store, Browsable):
        raise NotSupportedError("the store cannot list what is in a folder")
    found: list[Entry] = []
    after: str | None = None
    while True:
        page = store.browse("", after, _PAGE)
        found += page.entries
        if page.cursor is None:
            return found
        after = page.cursor
