"""Parameters: their declarations, and the arguments that references give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crossdock import AdfProperties

from ..definitions.activities import activities
from ..definitions.findings import Finding
from ..definitions.links import Link, links_of
from ..definitions.model import KINDS, Definition, Factory
from ..expressions import did_you_mean, expression_of

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "securestring": (str, dict),
    "int": (int,),
    "integer": (int,),
    "float": (int, float),
    "number": (int, float),
    "bool": (bool,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict, list),
}
_WORDS = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
}
# A pipeline may be run with values for what its caller leaves out; a dataset may not.
_MUST_HAVE = ("dataset", "linkedService", "pipeline")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter; ``required``: it has no default."""

    name: str
    type: str
    required: bool
    default: Any = None


def parameters_of(definition: Definition) -> Mapping[str, Parameter]:
    """Those that are declared, by lower-case name."""
    return definition.once(_declared)


def _declared(definition: Definition) -> dict[str, Parameter]:
    declared = definition.read().inner("parameters")
    found = {}
    for name in declared:
        value = declared[name]
        one = AdfProperties(value if isinstance(value, Mapping) else {})
        default = one.get("defaultValue")
        found[name.lower()] = Parameter(name, one.text("type", "String").lower(), default is None, default)
    return found


def check_parameters(factory: Factory) -> Iterator[Finding]:
    declared = {}
    for each in factory.definitions:
        declared[each.kind, each.name.lower()] = parameters_of(each)
        for key in ("parameters", "variables"):
            yield from _declarations(each, key)
    for each in factory.definitions:
        inside = {a.path: a.name for a in activities(each)} if each.kind == "pipeline" else {}
        for link in links_of(each):
            if link.kind in _MUST_HAVE and (link.kind, link.name.lower()) in declared:
                known = declared[link.kind, link.name.lower()]
                given = link.arguments if link.kind != "pipeline" else _of_call(link)
                yield from _arguments(each, link, known, given, inside)


def _declarations(owner: Definition, key: str) -> Iterator[Finding]:
    declared = owner.read().inner(key)
    for name in declared:
        value = declared[name]
        place = owner.place.at(declared.where(name))
        one = AdfProperties(value if isinstance(value, Mapping) else {})
        kind = one.text("type")
        types = _TYPES.get(kind.lower())
        word = key[:-1]
        if types is None:
            message = f"{word} {name!r} has the type {kind!r}{did_you_mean(kind, _TYPES)}"
            yield Finding("error", "InvalidType", message, place, owner.owner)
        elif (default := one.get("defaultValue")) is not None and not _fits(default, types):
            message = f"{word} {name!r} is of the type {kind}, and its default is {_word(default)}"
            yield Finding("error", "InvalidType", message, place, owner.owner)


def _of_call(link: Link) -> Mapping[str, Any]:
    """Arguments of a pipeline stand beside the reference to it, in an activity or a trigger."""
    found = AdfProperties(link.around).get("parameters")
    return found if isinstance(found, Mapping) else link.arguments


def _arguments(
    owner: Definition,
    link: Link,
    known: Mapping[str, Parameter],
    given: Mapping[str, Any],
    inside: Mapping[str, str],
) -> Iterator[Finding]:
    around = [path for path in inside if link.path.startswith(f"{path}.")]
    activity = inside[around[-1]] if around else ""
    place = owner.place.at(link.path)
    called = f"the {KINDS[link.kind]} {link.name!r}"
    lowered = {name.lower(): value for name, value in given.items()}
    for parameter in known.values():
        # A trigger or a run may say more; only a call within the factory is complete.
        if parameter.required and parameter.name.lower() not in lowered and owner.kind != "trigger":
            message = f"{called} needs the parameter {parameter.name!r}, which is not given"
            yield Finding("error", "MissingParameter", message, place, owner.owner, activity)
    for name, value in given.items():
        found = known.get(name.lower())
        if found is None:
            near = did_you_mean(name, [each.name for each in known.values()])
            message = f"{called} has no parameter {name!r}{near}"
            yield Finding("error", "UnknownParameter", message, place, owner.owner, activity)
        elif not _fits(value, _TYPES.get(found.type, (object,))):
            message = (
                f"the parameter {name!r} of {called} is of the type {found.type}, and is given {_word(value)}"
            )
            yield Finding("error", "InvalidType", message, place, owner.owner, activity)


def _fits(value: Any, types: tuple[type, ...]) -> bool:
    if value is None or expression_of(value) is not None or (isinstance(value, str) and "@" in value):
        return True
    if isinstance(value, bool):
        return bool in types or object in types or str in types
    if isinstance(value, str):
        # Designers write numbers and lists of a text field as texts; Data Factory takes them.
        return str in types or _reads_as(value, types)
    return isinstance(value, types) or (str in types and isinstance(value, int | float))


def _reads_as(text: str, types: tuple[type, ...]) -> bool:
    if bool in types:
        return text.lower() in ("true", "false")
    if list in types or dict in types:
        return text.strip()[:1] in ("[", "{", "")
    try:
        float(text)
    except ValueError:
        return not text
    return True


def _word(value: Any) -> str:
    return next(word for kind, word in _WORDS.items() if isinstance(value, kind))
