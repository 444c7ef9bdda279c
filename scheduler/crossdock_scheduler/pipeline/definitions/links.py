"""What definitions refer to: ``{"referenceName": ..., "type": "DatasetReference", "parameters": {...}}``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from crossdock import AdfComputed, AdfProperties

from .model import Definition, Factory

_KINDS = {
    "linkedservicereference": "linkedService",
    "datasetreference": "dataset",
    "pipelinereference": "pipeline",
    "triggerreference": "trigger",
    "integrationruntimereference": "integrationRuntime",
    "credentialreference": "credential",
}
_OF_WORKSPACE = "-workspacedefaultsqlserver"


@dataclass(frozen=True, slots=True)
class Link:
    """A reference at ``path``. ``kind`` is empty for kinds that are not read.

    ``around`` is the object that the reference is a value of, or is in a list of.
    """

    kind: str
    type: str
    name: str
    arguments: Mapping[str, Any]
    path: str
    around: Mapping[str, Any]


def links_of(definition: Definition) -> tuple[Link, ...]:
    """All references in a definition."""
    return definition.once(_all)


def _all(definition: Definition) -> tuple[Link, ...]:
    return tuple(links(definition.properties, definition.place.path))


def links(value: Any, path: str, around: Mapping[str, Any] = MappingProxyType({})) -> Iterator[Link]:
    """All references in a JSON value, those of an activity's inner activities too."""
    if isinstance(value, list):
        for index, each in enumerate(value):
            if isinstance(each, dict | list):
                yield from links(each, f"{path}[{index}]", around)
    elif isinstance(value, (dict, Mapping)):  # what is a dict is known sooner
        if (found := link_of(value, path, around)) is not None:
            yield found
        for key, each in value.items():
            if isinstance(each, dict | list):
                yield from links(each, f"{path}.{key}", value)


def link_of(value: Mapping[str, Any], path: str, around: Mapping[str, Any]) -> Link | None:
    if "referenceName" not in value and not any(key.lower() == "referencename" for key in value):
        return None
    found = AdfProperties(value, path)
    kind, name = found.get("type"), found.get("referenceName")
    if not isinstance(kind, str) or not isinstance(name, str) or not kind.lower().endswith("reference"):
        return None
    if isinstance(name, AdfComputed):
        return None  # a parameter of a template, which has no value
    arguments = found.inner("parameters")
    where = found.where("referenceName")
    return Link(_KINDS.get(kind.lower(), ""), kind, name, dict(arguments), where, around)


def referenced(factory: Factory, value: Any, *, pipelines: bool = False) -> Iterator[Definition]:
    """All definitions that a JSON value refers to, and those that these refer to."""
    seen: set[str] = set()
    rest = [value]
    while rest:
        for link in links(rest.pop(), ""):
            found = factory.find(link.kind, link.name) if link.kind else None
            if found is None or (found.kind == "pipeline" and not pipelines):
                continue
            if found.owner not in seen:
                seen.add(found.owner)
                rest.append(found.properties)
                if found.kind == "dataset":
                    rest.append({"linkedServiceName": dict(service_of(factory, found))})
                yield found


def service_of(factory: Factory, dataset: Definition) -> AdfProperties:
    """The reference to the linked service of a dataset; without a name where there is none.

    Tables of a dedicated SQL pool of Synapse name the pool alone. Its server is the linked service that every
    workspace has, whose parameter is the database.
    """
    properties = dataset.read()
    given = properties.inner("linkedServiceName")
    pool = properties.inner("sqlPool").get("referenceName")
    if given.text("referenceName") or not pool:
        return given
    names = (each.name for each in factory.of_kind("linkedService"))
    server = next((name for name in names if name.lower().endswith(_OF_WORKSPACE)), "")
    reference = {"referenceName": server, "type": "LinkedServiceReference", "parameters": {"DBName": pool}}
    return AdfProperties(reference, properties.where("sqlPool"))
