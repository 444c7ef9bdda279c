"""Expressions: whether they can be read, and whether what they name exists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from ..definitions.activities import CONTAINERS, Activity, activities
from ..definitions.findings import Finding
from ..definitions.model import Definition, Factory
from ..expressions import SYSTEM_NAMES, ExpressionError, Reference, expression_of, references

# What is there for people, in which @ is a character.
_PROSE = frozenset(
    {"description", "annotations", "name", "folder", "referencename", "type", "schema", "structure"}
)
# An activity's own, which says in which list another one is.
_LISTS = frozenset({"activities", "iftrueactivities", "iffalseactivities", "defaultactivities", "cases"})

_SECRET = re.compile(r"(password|pwd|key|secret|signature|sig|token)\s*=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Names:
    """What the expressions of one place may name, by the kind of a reference; absent: anything."""

    known: Mapping[str, Set[str]]
    item: bool = False


def check_expressions(factory: Factory) -> Iterator[Finding]:
    globals_ = factory.global_parameters
    everywhere = {"pipeline": frozenset(SYSTEM_NAMES)}
    if globals_ is not None:
        everywhere["globalParameter"] = frozenset(globals_)
    for each in factory.definitions:
        if each.kind == "pipeline":
            yield from _pipeline(each, everywhere)
        elif each.kind in ("dataset", "linkedService"):
            own = frozenset(each.read().inner("parameters"))
            names = Names(everywhere | {each.kind: own, "activity": frozenset(), "variable": frozenset()})
            for text, path in texts(each.read().get("typeProperties"), each.read().where("typeProperties")):
                yield from _check(text, path, names, each)


def _pipeline(pipeline: Definition, everywhere: Mapping[str, Set[str]]) -> Iterator[Finding]:
    found = activities(pipeline)
    properties = pipeline.read()
    known = dict(everywhere) | {
        "parameter": frozenset(properties.inner("parameters")),
        "variable": frozenset(properties.inner("variables")),
        "activity": frozenset(each.name for each in found),
    }
    for each in found:
        kind = each.type.lower()
        looped = any(outer.type.lower() == "foreach" for outer in each.within)
        names = Names(known, looped or kind == "filter")
        for key in ("typeProperties", "inputs", "outputs", "linkedServiceName", "policy", "userProperties"):
            value = each.read().get(key)
            if key == "typeProperties" and kind in CONTAINERS and isinstance(value, Mapping):
                value = {name: one for name, one in value.items() if name.lower() not in _LISTS}
            for text, path in texts(value, each.read().where(key)):
                yield from _check(text, path, names, pipeline, each)


def texts(value: Any, path: str, prose: Set[str] = _PROSE) -> Iterator[tuple[str, str]]:
    """The texts of a JSON value that may be expressions, with their paths."""
    if isinstance(value, str):
        if "@" in value:
            yield value, path
    elif (text := expression_of(value)) is not None:
        if "@" in text:
            yield text, path
    elif isinstance(value, Mapping) and not is_secure(value):
        for key, each in value.items():
            if key.lower() not in prose:
                # A parameter may have any name.
                named = key.lower() == "parameters" and isinstance(each, Mapping)
                yield from texts(each, f"{path}.{key}", frozenset() if named else _PROSE)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from texts(each, f"{path}[{index}]")


def is_secure(value: Mapping[str, Any]) -> bool:
    """Whether it is a SecureString, in which @ may be a character of a password."""
    kind = value.get("type")
    return isinstance(kind, str) and kind.lower() == "securestring"


def _check(
    text: str, path: str, names: Names, owner: Definition, activity: Activity | None = None
) -> Iterator[Finding]:
    who = activity.name if activity else ""
    try:
        found = references(text)
    except ExpressionError as error:
        yield Finding("error", "InvalidExpression", told(error), owner.place.at(path), owner.owner, who)
        return
    for each in found:
        problem = _problem(each, names, who)
        if problem is not None:
            yield Finding("error", "InvalidExpression", told(problem), owner.place.at(path), owner.owner, who)


def told(error: ExpressionError) -> str:
    """The sentence, the text and a caret; without the text where that may hold a secret."""
    if _SECRET.search(error.text):
        return f"{error.message} (line {error.line}, column {error.column})"
    return str(error)


def _problem(reference: Reference, names: Names, activity: str) -> ExpressionError | None:
    if reference.kind == "item":
        inside = "item() is only there inside of a ForEach and in a Filter"
        return None if names.item else reference.problem(inside)
    known = names.known.get(reference.kind)
    if known is None or reference.name is None or reference.safe:
        return None
    if reference.name.lower() not in {each.lower() for each in known}:
        return reference.unknown(known)
    if reference.kind == "activity" and reference.name.lower() == activity.lower():
        return reference.problem(f"The activity '{activity}' cannot use its own output")
    return None
