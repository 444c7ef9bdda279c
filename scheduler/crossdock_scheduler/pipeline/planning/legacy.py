"""Datasets of Data Factory's first model: those of a store, which have the format as a key.

They are read as if they were of the second model: what says where the files are becomes a ``location``, what
says which of them become store settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock import AdfComputed, AdfEnd, AdfProperties

_LOCATION = ("folderPath", "fileName")
_OF_DATASET = ("modifiedDatetimeStart", "modifiedDatetimeEnd")
_OF_SOURCE = ("recursive", "maxConcurrentConnections")
_OF_SINK = ("copyBehavior", "metadata", "blockSizeInMB", "maxConcurrentConnections")


def format_type(dataset: AdfProperties, *, as_is: bool) -> str:
    """The type of the files' format. ``as_is``: the other end has none either, so bytes are copied."""
    return dataset.inner("format").text("type") or ("Binary" if as_is else "TextFormat")


def located(dataset: AdfProperties, kind: str) -> AdfProperties:
    """The dataset with a ``location``, and a ``format`` of that type."""
    more = {"location": {name: dataset.get(name) for name in _LOCATION}}
    if "format" not in dataset:
        more["format"] = {"type": kind}
    found = AdfProperties(dict(dataset) | more, dataset.path)
    found.ignore(*_LOCATION, "tableRootLocation")
    found.inner("format").ignore("type")
    return found


def structure_of(dataset: AdfProperties) -> tuple[str, ...]:
    """The names that the whole JSON of a dataset gives its columns."""
    listed = dataset.get("structure")
    columns = [AdfProperties(each if isinstance(each, Mapping) else {}) for each in listed or ()]
    names = tuple(each.text("name") for each in columns)
    return names if all(names) else ()


def store_settings(end: AdfEnd, container: str) -> AdfProperties:
    """What would be the ``storeSettings``; wildcards in the location choose files of a source."""
    keys = _OF_SINK if end.is_sink else _OF_SOURCE
    given: dict[str, Any] = {name: end.activity.get(name) for name in keys}
    if not end.is_sink:
        given |= {name: end.dataset.get(name) for name in _OF_DATASET} | _wildcards(end, container)
    else:
        end.dataset.ignore(*_OF_DATASET, "fileFilter")
    return AdfProperties(
        {name: value for name, value in given.items() if value is not None}, end.activity.path
    )


def _wildcards(end: AdfEnd, container: str) -> dict[str, str]:
    location = end.dataset.inner("location")
    name = location.text("fileName") or end.dataset.text("fileFilter")
    folder = folder_within(location.text("folderPath"), container)
    if _has_wildcard(folder):
        return {"wildcardFolderPath": folder, "wildcardFileName": name or "*"}
    return {"wildcardFileName": name} if _has_wildcard(name) else {}


def _has_wildcard(text: str) -> bool:
    return not isinstance(text, AdfComputed) and ("*" in text or "?" in text)


def folder_within(path: str, container: str) -> str:
    """A folder's path below the container, with whose name it may begin."""
    folder = path.replace("\\", "/").strip("/")
    parts = [each for each in folder.split("/") if each not in ("", ".")]
    if container and parts[:1] == [container]:
        parts = parts[1:]
    return "/".join(parts)
