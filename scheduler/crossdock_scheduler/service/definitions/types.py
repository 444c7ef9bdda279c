"""The ``type`` of definitions, put right where a client has left it out and only one can be meant.

Models of azure-mgmt-datafactory 10.0.0 lose it: they send none, or that of the class above their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import ApiError
from .names import CREDENTIAL, GLOBAL_PARAMETERS, LINKED_SERVICE, PIPELINE, RUNTIME, TRIGGER, Kind

Properties = Mapping[str, Any]
# What the client names where it does not know better.
_BASES = {"", "execution", "container", "multiplepipelinetrigger"}
_LISTS = ("activities", "ifTrueActivities", "ifFalseActivities", "defaultActivities")
_EXAMPLES = {
    LINKED_SERVICE.segment: "SqlServer",
    RUNTIME.segment: "SelfHosted",
    CREDENTIAL.segment: "ManagedIdentity",
}

# By the keys that such an activity must have: what it is. An activity that could be one that deletes is one
# only if it has a key that no other kind has.
_EXECUTIONS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"source", "sink"}), "Copy"),
    (frozenset({"source", "dataset"}), "Lookup"),
    (frozenset({"dataset", "fieldlist"}), "GetMetadata"),
    (frozenset({"dataset", "enablelogging"}), "Delete"),
    (frozenset({"dataset", "recursive"}), "Delete"),
    (frozenset({"scripts"}), "Script"),
    (frozenset({"storedprocedurename"}), "SqlServerStoredProcedure"),
    (frozenset({"url", "method"}), "WebActivity"),
    (frozenset({"packagelocation"}), "ExecuteSSISPackage"),
)
_CONTAINERS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"waittimeinseconds"}), "Wait"),
    (frozenset({"items", "activities"}), "ForEach"),
    (frozenset({"items", "condition"}), "Filter"),
    (frozenset({"expression", "activities"}), "Until"),
    (frozenset({"expression", "iftrueactivities"}), "IfCondition"),
    (frozenset({"expression", "iffalseactivities"}), "IfCondition"),
    (frozenset({"on", "cases"}), "Switch"),
    (frozenset({"on", "defaultactivities"}), "Switch"),
    (frozenset({"pipeline"}), "ExecutePipeline"),
    (frozenset({"variablename", "setsystemvariable"}), "SetVariable"),
    (frozenset({"message", "errorcode"}), "Fail"),
    (frozenset({"url", "method"}), "WebHook"),
    (frozenset({"dataset"}), "Validation"),
)


def repaired(kind: Kind, name: str, properties: Properties) -> Properties:
    """The definition with all its types. Raises ApiError where one is missing and may be several."""
    if kind is GLOBAL_PARAMETERS:
        return properties
    if kind is PIPELINE:
        return _with_activities(properties, f"pipeline {name!r}", "properties")
    found = _typed(properties, _TYPES.get(kind.segment, lambda _: ""))
    if not _is_known(found):
        raise _missing(f"The {kind.shown} {name!r}", "properties", _EXAMPLES.get(kind.segment, "Binary"))
    return found


def _typed(given: Properties, of: Callable[[Properties], str]) -> Properties:
    if _is_known(given):
        return given
    if kind := of(given):
        return {**{key: value for key, value in given.items() if key.lower() != "type"}, "type": kind}
    return given


def _is_known(given: Properties) -> bool:
    found = _value(given, "type")
    return found is not None and (not isinstance(found, str) or found.lower() not in _BASES)


def _value(given: Properties, key: str) -> Any:
    return next((value for each, value in given.items() if each.lower() == key.lower()), None)


def _inner(given: Properties) -> Properties:
    found = _value(given, "typeProperties")
    return found if isinstance(found, Mapping) else {}


def _keys(given: Properties) -> set[str]:
    return {key.lower() for key, value in _inner(given).items() if value is not None}


def _runtime(given: Properties) -> str:
    return "Managed" if _keys(given) & {"computeproperties", "ssisproperties"} else "SelfHosted"


def _trigger(given: Properties) -> str:
    keys = _keys(given)
    if "recurrence" in keys:
        return "ScheduleTrigger"
    one = _value(given, "pipeline") is not None and _value(given, "type") in (None, "")
    return "TumblingWindowTrigger" if one and "frequency" in keys else ""


def _credential(given: Properties) -> str:
    keys = _keys(given)
    if "serviceprincipalid" in keys:
        return "ServicePrincipal"
    return "ManagedIdentity" if "resourceid" in keys else ""


_TYPES: dict[str, Callable[[Properties], str]] = {
    RUNTIME.segment: _runtime, TRIGGER.segment: _trigger, CREDENTIAL.segment: _credential,
}  # fmt: skip


def _activity(given: Properties) -> str:
    keys, base = _keys(given), str(_value(given, "type") or "").lower()
    tables = {"execution": (_EXECUTIONS,), "container": (_CONTAINERS,)}.get(base, ())
    found = {kind for table in tables for needed, kind in table if needed <= keys}
    return found.pop() if len(found) == 1 else ""


def _with_activities(given: Properties, owner: str, path: str) -> Properties:
    """An object with its lists of activities put right."""
    changed = {
        key: [_one(each, owner, f"{path}.{key}[{number}]") for number, each in enumerate(value)]
        for key, value in _lists(given)
    }
    return {**given, **changed} if changed else given


def _lists(given: Properties) -> Iterator[tuple[str, list[Any]]]:
    lowered = {each.lower() for each in _LISTS}
    for key, value in given.items():
        if key.lower() in lowered and isinstance(value, list):
            yield key, value


def _one(activity: Any, owner: str, path: str) -> Any:
    if not isinstance(activity, Mapping):
        return activity
    found = dict(_typed(activity, _activity))
    if not _is_known(found):
        raise _missing(f"The activity {_value(found, 'name')!r} of the {owner}", path, "Copy")
    for key, value in list(found.items()):
        if key.lower() == "typeproperties" and isinstance(value, Mapping):
            found[key] = _with_cases(_with_activities(value, owner, f"{path}.{key}"), owner, f"{path}.{key}")
    return found


def _with_cases(given: Properties, owner: str, path: str) -> Properties:
    changed = {
        key: [
            _with_activities(each, owner, f"{path}.{key}[{number}]") if isinstance(each, Mapping) else each
            for number, each in enumerate(value)
        ]
        for key, value in given.items()
        if key.lower() == "cases" and isinstance(value, list)
    }
    return {**given, **changed} if changed else given


def _missing(what: str, path: str, example: str) -> ApiError:
    return ApiError(
        400,
        f"{what} does not say its type. Models of azure-mgmt-datafactory 10.0.0 leave it out: set it on the "
        f"finished model (model.type = {example!r}), or give a dict with 'type'.",
        "InvalidPropertyValue", f"{path}.type",
    )  # fmt: skip
