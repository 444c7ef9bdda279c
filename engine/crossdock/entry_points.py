"""Entry points of the installed distributions, read from their folders.

``importlib.metadata`` does the same and more; its import (``email``, ``zipfile``, ``csv``) takes longer than
copying many a file, so it is asked only where distributions are anywhere else than in folders.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import reduce
from importlib import import_module
from importlib.machinery import PathFinder
from typing import Any, NamedTuple

from .errors import ConfigError

_INFO = (".dist-info", ".egg-info")
_ENTRY = re.compile(
    r"(?P<name>[^=]+?)\s*=\s*(?P<module>[\w.]+)\s*(?::\s*(?P<attribute>[\w.]*))?\s*(?:\[.*\])?"
)

_MODULE = re.compile(r"[\w.]+")


class EntryPoint(NamedTuple):
    """``name`` of the distribution ``dist`` (normalised), standing for a module or an attribute of one."""

    dist: str
    name: str
    module: str
    attribute: str

    def load(self) -> Any:
        """Import it; raises whatever the module raises, AttributeError where it has no such attribute.

        Raises ConfigError for a line that says neither.
        """
        if not _MODULE.fullmatch(self.module):
            raise ConfigError(f"its entry point stands for {self.module!r}, not for module:attribute")
        return reduce(getattr, filter(None, self.attribute.split(".")), import_module(self.module))


def entry_points(group: str) -> list[EntryPoint]:
    """The group's entry points; of distributions with the same name, those of the first on ``sys.path``."""
    texts = _of_folders() if _only_folders() else _of_anything()
    first: dict[str, str] = {}
    for dist, text in texts:
        first.setdefault(re.sub(r"[-_.]+", "-", dist).lower(), text)
    return [
        point for dist, text in first.items() if f"[{group}]" in text for point in _read(dist, text, group)
    ]


def _only_folders() -> bool:
    """Whether all distributions are folders beside their modules: none in an archive or of a finder's own."""
    others = [finder for finder in sys.meta_path if finder is not PathFinder]
    return not any(hasattr(finder, "find_distributions") for finder in others) and all(
        os.path.isdir(path or ".") and not path.endswith(".egg")
        for path in sys.path
        if os.path.exists(path or ".")
    )


def _of_folders() -> Iterator[tuple[str, str]]:
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            stem, dot, suffix = name.rpartition(".")
            if dot + suffix.lower() in _INFO:
                yield stem.partition("-")[0], _text(os.path.join(folder, name, "entry_points.txt"))


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return ""


def _of_anything() -> Iterator[tuple[str, str]]:
    from importlib.metadata import distributions

    for found in distributions():
        yield found.metadata["Name"] or "", found.read_text("entry_points.txt") or ""


def _read(dist: str, text: str, group: str) -> Iterator[EntryPoint]:
    for line in _section(text.splitlines(), group):
        if match := _ENTRY.fullmatch(line):
            yield EntryPoint(dist, match["name"], match["module"], match["attribute"] or "")
        else:
            # Who loads it says by its name what is wrong with it.
            name, _, text = line.partition("=")
            yield EntryPoint(dist, name.strip(), text.strip(), "")


def _section(lines: Iterable[str], group: str) -> Iterator[str]:
    inside = False
    for line in map(str.strip, lines):
        if line.startswith("["):
            inside = line == f"[{group}]"
        elif inside and line and not line.startswith("#"):
            yield line
