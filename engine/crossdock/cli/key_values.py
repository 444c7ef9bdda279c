"""Reading ``KEY=VALUE``, where a value may stand in a file or in the environment."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

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
        found[key] = _value(value, f"{flag} {key}")
    return found


def _value(text: str, where: str) -> str:
    if text.startswith("@@"):
        return text[1:]
    if text.startswith("@"):
        return _from_file(Path(text[1:]).expanduser(), where)
    if text.startswith("env:"):
        name = text.removeprefix("env:")
        if name not in os.environ:
            raise ConfigError(f"{where}: the environment variable {name!r} is not set")
        return os.environ[name]
    return text


def _from_file(path: Path, where: str) -> str:
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(
            f"{where}: cannot read {path}: {why}", hint="a value that starts with @: @@"
        ) from error
    return content.removesuffix("\n").removesuffix("\r")
