"""Entry points of the installed distributions, read from their folders.

``importlib.metadata`` does the same and more; its import (``email``, ``zipfile``, ``csv``) takes longer than
copying many a file, so it is asked only where distributions are anywhere else than in folders.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial, reduce
from importlib import import_module
from importlib.machinery import PathFinder
from typing import Any, NamedTuple

from .errors import ConfigError

_INFO = (".dist-info", ".egg-info")
_ENTRY = re.compile(
    r"(?P<name>[^=]+?)\s*=\s*(?P<module>[\w.]+)\s*(?::\s*(?P<attribute>[\w.]*))?\s*(?:\[.*\])?"
)

_MODULE = re.compile(r"[\w.]+")
# One that holds in any case: no extra, no marker.
_NEEDS = re.compile(
    rf"Requires-Dist:\s*{__package__}(?![\w.-])\s*(?:\[[^]]*\])?\s*\(?([^;)]*)\)?\s*", re.IGNORECASE
)


class EntryPoint(NamedTuple):
    """``name`` of the distribution ``dist`` (normalised), standing for a module or an attribute of one.

    ``range``: the versions of crossdock that the distribution says it needs.
    """

    dist: str
    name: str
    module: str
    attribute: str
    range: str = ""

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
    first: dict[str, tuple[str, Callable[[], str]]] = {}
    for dist, text, metadata in texts:
        first.setdefault(re.sub(r"[-_.]+", "-", dist).lower(), (text, metadata))
    return [
        point
        for dist, (text, metadata) in first.items()
        if f"[{group}]" in text
        for point in _read(dist, text, group, "" if dist == __package__ else _range(metadata()))
    ]


def _only_folders() -> bool:
    """Whether all distributions are folders beside their modules: none in an archive or of a finder's own."""
    others = [finder for finder in sys.meta_path if finder is not PathFinder]
    return not any(hasattr(finder, "find_distributions") for finder in others) and all(
        os.path.isdir(path or ".") and not path.endswith(".egg")
        for path in sys.path
        if os.path.exists(path or ".")
    )


def _of_folders() -> Iterator[tuple[str, str, Callable[[], str]]]:
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            stem, dot, suffix = name.rpartition(".")
            if dot + suffix.lower() in _INFO:
                place = os.path.join(folder, name)
                said = partial(
                    _text, os.path.join(place, "METADATA" if suffix == "dist-info" else "PKG-INFO")
                )
                yield stem.partition("-")[0], _text(os.path.join(place, "entry_points.txt")), said


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return ""


def _of_anything() -> Iterator[tuple[str, str, Callable[[], str]]]:
    from importlib.metadata import distributions

    for found in distributions():
        said = partial(str, found.read_text("METADATA") or found.read_text("PKG-INFO") or "")
        yield found.metadata["Name"] or "", found.read_text("entry_points.txt") or "", said


def _range(metadata: str) -> str:
    """What a distribution's metadata say of the versions of crossdock; "" where they leave it open."""
    fields = metadata.partition("\n\n")[0].splitlines()
    found = [match[1].replace(" ", "") for line in fields if (match := _NEEDS.fullmatch(line))]
    return ",".join(filter(None, found))


def _read(dist: str, text: str, group: str, needs: str) -> Iterator[EntryPoint]:
    for line in _section(text.splitlines(), group):
        if match := _ENTRY.fullmatch(line):
            yield EntryPoint(dist, match["name"], match["module"], match["attribute"] or "", needs)
        else:
            # Who loads it says by its name what is wrong with it.
            name, _, text = line.partition("=")
            yield EntryPoint(dist, name.strip(), text.strip(), "", needs)


def _section(lines: Iterable[str], group: str) -> Iterator[str]:
    inside = False
    for line in map(str.strip, lines):
        if line.startswith("["):
            inside = line == f"[{group}]"
        elif inside and line and not line.startswith("#"):
            yield line
