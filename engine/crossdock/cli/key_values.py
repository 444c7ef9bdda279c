"""Reading ``KEY=VALUE``, where a value may stand in a file or in the environment."""

from __future__ import annotations

from collections.abc import Iterable

from ..credentials import fetch
from ..errors import ConfigError


def key_values(items: Iterable[str] | None, flag: str) -> dict[str, str]:
    """Read repeated ``key=value`` options. ConfigError for one that is malformed or given twice.

    ``key=@path`` takes the value from a file (without the line end at its end), ``key=env:NAME`` from
    the environment; ``key=@@text`` is the text ``@text``. Messages never repeat a value.
    """
    found: dict[str, str] = {}
    for item in items or ():
        key, equals, value = item.partition("=")
        key = key.strip()
        if not equals or not key:
            missing = "one has no key" if equals else f"{key[:40]!r} has no '='"
            raise ConfigError(f"{flag} takes key=value, but {missing}")
        if key in found:
            raise ConfigError(f"{flag} was given the key {key!r} twice")
        found[key] = fetch(value, f"{flag} {key}")
    return found
