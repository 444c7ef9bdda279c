"""A factory as it was read: its definitions by kind and name, and what was wrong with their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from crossdock import AdfProperties

from .findings import Finding, Place

Made = TypeVar("Made")
# By kind: what people call it.
KINDS = {
    "linkedService": "linked service",
    "dataset": "dataset",
    "pipeline": "pipeline",
    "trigger": "trigger",
    "integrationRuntime": "integration runtime",
    "credential": "credential",
    "factory": "factory",
}


@dataclass(frozen=True)
class Definition:
    """One object. ``properties`` is its JSON below ``place``, unchanged: unknown keys are kept."""

    kind: str
    name: str
    properties: Mapping[str, Any] = field(repr=False)
    place: Place
    _made: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, how: Callable[[Definition], Made]) -> Made:
        """What ``how`` makes of it, which is asked once."""
        if how not in self._made:
            self._made[how] = how(self)
        found: Made = self._made[how]
        return found

    @property
    def owner(self) -> str:
        return f"{KINDS[self.kind]} {self.name!r}"

    @cached_property
    def type(self) -> str:
        return self.read().text("type")

    def read(self) -> AdfProperties:
        """The properties, of which nothing has been read yet."""
        return AdfProperties(self.properties, self.place.path)


@dataclass(frozen=True)
class Factory:
    """All definitions of one source, in the order in which they were read; names have no case.

    ``others`` counts objects of kinds that are not read, by the name of their kind.
    """

    source: str
    definitions: tuple[Definition, ...]
    faults: tuple[Finding, ...] = ()
    others: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], Definition]:
        found: dict[tuple[str, str], Definition] = {}
        for each in self.definitions:
            found.setdefault((each.kind, each.name.lower()), each)
        return found

    def find(self, kind: str, name: str) -> Definition | None:
        return self._by_name.get((kind, name.lower()))

    def of_kind(self, kind: str) -> Iterator[Definition]:
        return (each for each in self.definitions if each.kind == kind)

    @cached_property
    def global_parameters(self) -> Mapping[str, Any] | None:
        """Values by name; None where no definition of the factory itself says which there are."""
        found: dict[str, Any] | None = None
        for each in self.of_kind("factory"):
            if "globalParameters" not in (properties := each.read()):
                continue
            declared = properties.inner("globalParameters")
            found = (found or {}) | {
                name: value.get("value") if isinstance(value := declared[name], Mapping) else value
                for name in declared
            }
        return found
