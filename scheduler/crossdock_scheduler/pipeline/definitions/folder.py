"""A Git folder of Data Factory or Synapse: one folder for each kind, one file for each object."""

from __future__ import annotations

from pathlib import Path

from .findings import Finding, Place
from .json_text import read_json
from .model import KINDS, Definition, Factory

_FOLDERS = {kind.lower(): kind for kind in KINDS}
# Scripts that deploy to Synapse have them with an s.
_PLURALS = {f"{name}s": kind for name, kind in _FOLDERS.items()}


def is_factory(folder: Path) -> bool:
    return any(_kind(each) for each in folder.iterdir() if each.is_dir())


def _kind(folder: Path) -> str | None:
    """The kind of the objects in a folder."""
    name = folder.name.lower()
    if name in _PLURALS and any(folder.glob("*.json")):  # else they may be anybody's
        return _PLURALS[name]
    return _FOLDERS.get(name)


def read_folder(root: Path) -> Factory:
    """Every file of the folders that are known, by name. Raises OSError."""
    definitions: list[Definition] = []
    faults: list[Finding] = []
    others: dict[str, int] = {}
    for folder in sorted(each for each in root.iterdir() if each.is_dir() and not each.name.startswith(".")):
        kind = _kind(folder)
        files = sorted(each for each in folder.iterdir() if each.suffix.lower() == ".json")
        if kind is None:
            if files:
                others[folder.name] = len(files)
            continue
        others |= _below(folder)
        for file in files:
            shown = file.relative_to(root).as_posix()
            value, fault = read_json(file, shown)
            if value is None:
                faults.extend([fault] if fault else [])
                continue
            made, fault = definition_of(kind, value, Place(shown), file.stem)
            definitions.extend([made] if made else [])
            faults.extend([fault] if fault else [])
    return Factory(str(root), tuple(definitions), tuple(faults), others)


def _below(folder: Path) -> dict[str, int]:
    """The files in folders of a folder of definitions, where Data Factory keeps none."""
    inner = (each for each in folder.iterdir() if each.is_dir())
    counted = {f"{folder.name}/{each.name}": sum(1 for _ in each.glob("*.json")) for each in sorted(inner)}
    return {name: count for name, count in counted.items() if count}


def definition_of(
    kind: str, value: dict[str, object], place: Place, name: str
) -> tuple[Definition | None, Finding | None]:
    """The object of a file: ``{"name": ..., "properties": {...}}``. Without a name it has the file's."""
    lowered = {key.lower(): key for key in value}
    given = value.get(lowered.get("name", ""), name)
    properties = value.get(lowered.get("properties", ""), {} if kind == "factory" else None)
    if not isinstance(given, str) or not given:
        fault = Finding("error", "BrokenDefinition", "name must be a text", place.at("name"))
        return None, fault
    if not isinstance(properties, dict):
        what = f"the {KINDS[kind]} {given!r} has no object 'properties'"
        return None, Finding("error", "BrokenDefinition", what, place)
    prefix = f"{place.path}." if place.path else ""
    return Definition(
        kind, given, properties, place.at(f"{prefix}{lowered.get('properties', 'properties')}")
    ), None
