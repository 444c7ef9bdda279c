"""Values of declared types: parameters as they are given, variables as they are set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from crossdock.redact import MARK, redacted

from ..checks.parameters import Parameter, parameters_of
from ..definitions import Definition
from ..expressions import ExpressionError, did_you_mean

_WORDS = {
    "string": "a text",
    "securestring": "a text",
    "int": "a whole number",
    "integer": "a whole number",
    "float": "a number",
    "number": "a number",
    "bool": "true or false",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}
_EMPTY: Mapping[str, Any] = {"string": "", "array": [], "bool": False, "boolean": False}


def arguments(pipeline: Definition, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The parameters of a run by their declared names and types, and what is wrong with those given."""
    declared = parameters_of(pipeline)
    found = {each.name: _default(each) for each in declared.values() if not each.required}
    wrong = []
    for name, value in given.items():
        parameter = declared.get(name.lower())
        if parameter is None:
            near = did_you_mean(name, [each.name for each in declared.values()])
            wrong.append(f"the {pipeline.owner} has no parameter {name!r}{near}")
            continue
        try:
            found[parameter.name] = converted(value, parameter.type)
        except ValueError as error:
            found[parameter.name] = None
            wrong.append(f"the parameter {parameter.name!r} of the {pipeline.owner} {error}")
    missing = [each.name for each in declared.values() if each.name not in found]
    wrong += [f"the {pipeline.owner} needs the parameter {name!r}, which is not given" for name in missing]
    return found, wrong


def _default(parameter: Parameter) -> Any:
    try:
        return converted(parameter.default, parameter.type)
    except ValueError:
        return parameter.default  # the checks of definitions say it


def converted(value: Any, kind: str) -> Any:
    """A value as one of the declared type; texts are read. ValueError with the end of a sentence."""
    if value is None:
        return None
    match kind:
        case "string" | "securestring":
            found = _text(value)
        case "int" | "integer":
            found = _whole(value)
        case "float" | "number":
            found = _number(value)
        case "bool" | "boolean":
            found = _flag(value)
        case "array" | "object":
            found = _json(value, list if kind == "array" else dict)
        case _:
            found = value
    if found is None:
        # A value may be a secret.
        raise ValueError(f"is of the type {kind}: it must be {_WORDS.get(kind, 'something else')}")
    return found


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping) and str(value.get("type", "")).lower() == "securestring":
        return value.get("value")
    return value if isinstance(value, str) else json.dumps(value)


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, str):
            return int(value.strip())
    except ValueError:
        return None
    return int(value) if isinstance(value, int | float) and value == int(value) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value) if isinstance(value, str) else value if isinstance(value, int | float) else None
    except ValueError:
        return None


def _flag(value: Any) -> bool | None:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return value if isinstance(value, bool) else None


def _json(value: Any, wanted: type) -> Any:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    # An Object may be a list: Data Factory takes it.
    return value if isinstance(value, wanted) or (wanted is dict and isinstance(value, list)) else None


# -- variables -------------------------------------------------------------------------------------------


class Variables(Mapping[str, Any]):
    """The variables of one run of a pipeline, by their declared names; upper and lower case are alike."""

    def __init__(self, pipeline: Definition) -> None:
        # They are declared as parameters are.
        declared = Definition(
            pipeline.kind,
            pipeline.name,
            {"parameters": dict(pipeline.read().inner("variables"))},
            pipeline.place,
        )
        found = parameters_of(declared).values()
        self._types = {each.name: each.type for each in found}
        self._values = {
            each.name: _EMPTY.get(each.type) if each.required else _default(each) for each in found
        }
        self._lost: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        if name in self._lost:
            raise ExpressionError(
                f"The variable '{name}' held a secret, which records of runs do not keep; begin the run anew"
            )
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def find(self, name: str) -> str | None:
        """The declared name that is meant."""
        return next((each for each in self._types if each.lower() == name.lower()), None)

    def type(self, name: str) -> str:
        return self._types[name]

    def set(self, name: str, value: Any) -> None:
        """Raises ValueError where the value is not of the declared type; nothing is converted."""
        check_variable(name, self._types[name], value)
        self.restore(name, value)

    def restore(self, name: str, value: Any, *, whole: bool = True) -> None:
        self._values[name] = value
        (self._lost.discard if whole else self._lost.add)(name)

    def copy(self) -> Variables:
        """Those of this moment, for another thread."""
        made = object.__new__(Variables)
        made._types, made._values, made._lost = self._types, dict(self._values), set(self._lost)
        return made


_FITTING: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "array": (list,),
    "bool": (bool,),
    "boolean": (bool,),
    "int": (int,),
    "integer": (int,),
    "float": (int, float),
    "number": (int, float),
}


def check_variable(name: str, kind: str, value: Any) -> None:
    types = _FITTING.get(kind, (object,))
    fits = isinstance(value, types) and (not isinstance(value, bool) or bool in types or object in types)
    if value is not None and not fits:
        raise ValueError(
            f"the variable {name!r} is of the type {kind} and cannot be set to {_kind(value)}: "
            f"it must be {_WORDS.get(kind, 'something else')}"
        )


def _kind(value: Any) -> str:
    words = {bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list"}
    return next((word for kind, word in words.items() if isinstance(value, kind)), "an object")


# -- secrets ---------------------------------------------------------------------------------------------


def without_secrets(value: Any) -> Any:
    """JSON in which the secrets that this process knows, and SecureStrings, are ``***``."""
    match value:
        case str():
            return redacted(value)
        case Mapping():
            if str(value.get("type", "")).lower() == "securestring" and "value" in value:
                return {**value, "value": MARK}
            return {key: without_secrets(each) for key, each in value.items()}
        case list() | tuple():
            return [without_secrets(each) for each in value]
        case _:
            return value
