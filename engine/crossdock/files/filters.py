"""The store settings that choose files by name, as regular expressions over paths."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import ConfigError
from .settings import StoreReadSettings


def chosen(settings: StoreReadSettings) -> re.Pattern[str]:
    """What the whole path of a wanted file matches.

    A folder's wildcards say where to begin; whether files of deeper folders count says ``recursive``.
    """
    deeper = "(?:.*/)?" if settings.recursive else ""
    if settings.prefix:
        rest = ".*" if settings.recursive else "[^/]*"
        return re.compile(re.escape(settings.prefix) + rest, re.DOTALL)
    folder = settings.wildcard_folder_path.strip("/")
    start = _regex(folder) + "/" if folder else ""
    # Without a wildcard all of it: an object's name may end in a slash, and its bytes count too.
    anything = ".+" if settings.recursive else "[^/]+"
    name = _regex(settings.wildcard_file_name) if settings.wildcard_file_name else anything
    return re.compile(start + deeper + name, re.DOTALL)


def prefix_of(settings: StoreReadSettings) -> str:
    """What the paths of all wanted files start with: the store lists no more than that."""
    if settings.prefix:
        return settings.prefix
    folder = settings.wildcard_folder_path.strip("/")
    if not folder:
        return "" if settings.recursive else _literal(settings.wildcard_file_name)
    literal = _literal(folder)
    return folder_prefix(literal) if literal == _plain(folder) else literal


def folder_prefix(folder: str) -> str:
    return folder.rstrip("/") + "/"


def check(settings: StoreReadSettings) -> None:
    """Refuse wildcards that mean nothing, and what leaves the address. Raises ConfigError."""
    # A prefix may well end with a dot: that is how the names of hidden files begin.
    folders = {"prefix": settings.prefix.split("/")[:-1]}
    folders["wildcard_folder_path"] = settings.wildcard_folder_path.split("/")
    for name, parts in folders.items():
        if {".", ".."} & set(parts):
            raise ConfigError(f"{name}={getattr(settings, name)} goes through . or .., not through folders")
    if "/" in settings.wildcard_file_name:
        raise ConfigError("wildcard_file_name names files, without folders; those go to wildcard_folder_path")
    for name in ("wildcard_folder_path", "wildcard_file_name"):
        if re.fullmatch(r"(?:[^^]|\^.)*\^", getattr(settings, name), re.DOTALL):
            raise ConfigError(f"{name} ends with ^, which needs a character behind it")


def _tokens(pattern: str) -> list[tuple[str, bool]]:
    """Characters, each with whether it is a wildcard."""
    found, at = [], 0
    while at < len(pattern):
        if pattern[at] == "^" and at + 1 < len(pattern):
            found.append((pattern[at + 1], False))
            at += 2
        else:
            found.append((pattern[at], pattern[at] in "*?"))
            at += 1
    return found


def _regex(pattern: str) -> str:
    parts = [""]
    for char, special in _tokens(pattern):
        if special and char == "*":
            parts.append("")
        else:
            parts[-1] += "[^/]" if special else re.escape(char)
    return between_stars(parts)


def between_stars(parts: Sequence[str]) -> str:
    """A regular expression of ``parts``, which match characters one by one, with any part of a name between.

    Where a part in the middle is found first is as good as any later place, so nothing is tried twice:
    the time does not multiply with each star.
    """
    if len(parts) == 1:
        return parts[0]
    return f"{parts[0]}{''.join(f'(?>[^/]*?{part})' for part in parts[1:-1])}[^/]*{parts[-1]}"


def _literal(pattern: str) -> str:
    """The characters before the first wildcard."""
    out = ""
    for char, special in _tokens(pattern):
        if special:
            break
        out += char
    return out


def _plain(pattern: str) -> str:
    return "".join(char for char, _ in _tokens(pattern))
