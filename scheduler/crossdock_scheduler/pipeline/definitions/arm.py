"""An ARM template as Data Factory and Synapse export it, with its file of parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crossdock import AdfComputed

from .findings import Finding, Place
from .folder import definition_of
from .model import Definition, Factory

_TYPE = re.compile(
    r"microsoft\.(?:datafactory/factories|synapse/workspaces)(?:/([a-z]+(?:/[a-z]+)*))?", re.IGNORECASE
)
_BY_PLURAL = {
    "linkedservices": "linkedService",
    "datasets": "dataset",
    "pipelines": "pipeline",
    "triggers": "trigger",
    "integrationruntimes": "integrationRuntime",
    "credentials": "credential",
    "globalparameters": "factory",
}
_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|([A-Za-z][\w.]*)\s*\(|(\))|(,))")
_DEEPEST = 50


def is_template(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("resources"), list)


def read_template(value: Mapping[str, Any], file: str, given: Mapping[str, Any] | None = None) -> Factory:
    """The definitions of a template. ``given`` is the content of the file of parameters."""
    texts = _Texts(_parameters(value, given or {}), _object(value.get("variables")))
    definitions: list[Definition] = []
    others: dict[str, int] = {}
    faults: list[Finding] = []
    for index, resource in enumerate(value["resources"]):
        place = Place(file, f"resources[{index}]")
        match = _TYPE.fullmatch(str(resource.get("type", ""))) if isinstance(resource, Mapping) else None
        if match is None:
            faults.append(Finding("note", "NotRead", f"{place} is no object of a factory", place))
            continue
        kind = _BY_PLURAL.get(match[1].lower()) if match[1] else "factory"
        if kind is None:
            others[match[1]] = others.get(match[1], 0) + 1
            continue
        made, fault = _read_one(kind, resource, place, texts)
        definitions.extend([made] if made else [])
        faults.extend([fault] if fault else [])
    for name in texts.missing.values():
        what = f"the parameter {name!r} of the template has no value; give a file of parameters"
        faults.append(Finding("error", "MissingParameter", what, Place(file, f"parameters.{name}")))
    return Factory(file, tuple(definitions), tuple(faults), others)


def _read_one(
    kind: str, resource: Mapping[str, Any], place: Place, texts: _Texts
) -> tuple[Definition | None, Finding | None]:
    try:
        filled = texts.fill(dict(resource))
    except ValueError as error:
        return None, Finding("error", "BrokenTemplate", str(error), place)
    if isinstance(filled.get("name"), str):
        filled["name"] = filled["name"].rpartition("/")[2]
    if kind == "factory" and isinstance(filled.get("properties"), dict) and "/" in str(resource.get("type")):
        depth = str(resource["type"]).count("/")
        if depth > 1:
            filled["properties"] = {"globalParameters": filled["properties"]}
    return definition_of(kind, filled, place, "")


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _parameters(template: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """By lower-case name; one without a value is what a secret without one is."""
    found: dict[str, Any] = {}
    values = {name.lower(): _object(value) for name, value in _object(given.get("parameters", given)).items()}
    for name, declared in _object(template.get("parameters")).items():
        value = values.get(name.lower(), {}).get("value")
        if value is None:
            value = _object(declared).get("defaultValue")
        secure = str(_object(declared).get("type", "")).lower().startswith("secure")
        found[name.lower()] = _MASKED if value in (None, "") and secure else value
    return found


_MASKED = "**********"


@dataclass(frozen=True, slots=True)
class _Texts:
    """The template language as far as exports use it: ``parameters``, ``variables``, ``concat``."""

    parameters: Mapping[str, Any]
    variables: Mapping[str, Any]
    missing: dict[str, str] = field(default_factory=dict)

    def fill(self, value: Any, depth: int = 0) -> Any:
        """Raises ValueError for a text that cannot be evaluated."""
        if isinstance(value, str):
            return self.text(value, depth)
        if isinstance(value, dict):
            return {key: self.fill(each, depth) for key, each in value.items()}
        if isinstance(value, list):
            return [self.fill(each, depth) for each in value]
        return value

    def text(self, text: str, depth: int) -> Any:
        if not (text.startswith("[") and text.endswith("]")):
            return text
        if text.startswith("[["):
            return text[1:]
        if depth > _DEEPEST:
            raise ValueError("the variables of the template refer to each other in a circle")
        inside = text[1:-1]
        try:
            value, at = self._value(inside, 0, depth)
        except _NotOurs:
            return text  # a text in brackets, or what only a deployment knows
        if inside[at:].strip():
            return text
        return value

    def _value(self, text: str, at: int, depth: int) -> tuple[Any, int]:
        token = _TOKEN.match(text, at)
        if token is None or token[3] or token[4]:
            raise _NotOurs
        if token[1] is not None:
            return token[1].replace("''", "'"), token.end()
        arguments, at = self._arguments(text, token.end(), depth)
        return self._call(token[2].lower(), arguments, depth), at

    def _arguments(self, text: str, at: int, depth: int) -> tuple[list[Any], int]:
        found: list[Any] = []
        while True:
            token = _TOKEN.match(text, at)
            if token and token[3]:
                return found, token.end()
            if token and token[4]:
                at = token.end()
            value, at = self._value(text, at, depth + 1)
            found.append(value)

    def _call(self, name: str, arguments: list[Any], depth: int) -> Any:
        if name == "concat":
            text = "".join(each if isinstance(each, str) else json.dumps(each) for each in arguments)
            return AdfComputed(text) if any(isinstance(each, AdfComputed) for each in arguments) else text
        if name in ("parameters", "variables") and len(arguments) == 1:
            return self._named(name, str(arguments[0]), depth)
        raise _NotOurs

    def _named(self, what: str, name: str, depth: int) -> Any:
        known = self.parameters if what == "parameters" else {k.lower(): v for k, v in self.variables.items()}
        if name.lower() not in known:
            raise ValueError(f"the template has no {what[:-1]} {name!r}")
        value = known[name.lower()]
        if value is None:
            if name.lower() in ("factoryname", "workspacename"):
                return name  # which factory it is deployed to makes no difference
            self.missing.setdefault(name.lower(), name)
            return AdfComputed(name)
        return self.fill(value, depth + 1) if what == "variables" else value


class _NotOurs(Exception):
    """An expression that exports of definitions do not have."""
