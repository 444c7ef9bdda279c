"""A folder's definitions and the factory's: how they differ, and how the factory becomes as the folder is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from crossdock import ConfigError, CrossdockError

from ..pipeline.definitions import Factory
from ..pipeline.definitions.links import links
from ..wire.sealing import MASK, replaced
from .api import Api, Place

Action = Literal["create", "update", "unchanged", "delete"]
# By kind of definition, the word of it in paths; what is first is first deployed, but for what refers to it.
SEGMENTS = {
    "globalParameters": "globalParameters",
    "credential": "credentials",
    "integrationRuntime": "integrationruntimes",
    "linkedService": "linkedservices",
    "dataset": "datasets",
    "pipeline": "pipelines",
    "trigger": "triggers",
}
# Runtimes are never pruned: machines are registered with them.
_PRUNED = tuple(kind for kind in SEGMENTS if kind not in ("integrationRuntime", "globalParameters"))
_ORDER = list(SEGMENTS)
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One object, what is done to it, and why that failed. ``properties`` is what it becomes.

    ``started``: it is a trigger that is started now, and so can neither be changed nor deleted.
    """

    kind: str
    name: str
    action: Action
    properties: Mapping[str, Any] | None = None
    error: str = ""
    started: bool = False

    def as_json(self) -> dict[str, Any]:
        found = asdict(self)
        del found["properties"], found["started"]
        return found

    @property
    def key(self) -> Key:
        return self.kind, self.name.lower()


def changes(api: Api, place: Place, wanted: Factory, *, prune: bool) -> list[Change]:
    """What is to be done, in that order: what is referred to comes before, and is deleted after.

    Raises ConfigError where definitions are broken, or refer to each other in a circle, NotFoundError where
    there is no such factory.
    """
    if broken := [f"{each.place}: {each.message}" for each in wanted.faults if each.severity == "error"]:
        raise ConfigError("; ".join(broken))
    target = {(kind, name.lower()): (name, properties) for kind, name, properties in _objects(wanted)}
    api.get(place.path())
    there = {key: each for kind in _kinds(target, prune) for key, each in _there(api, place, kind)}
    found = []
    for key in _ordered({key: properties for key, (_, properties) in target.items()}):
        name, properties = target[key]
        old = there.get(key)
        action: Action = "create" if old is None else "unchanged" if _same(old[1], properties) else "update"
        found.append(Change(key[0], name, action, properties, started=old is not None and _started(old[1])))
    if prune:
        gone = {key: each[1] for key, each in there.items() if key not in target and key[0] in _PRUNED}
        found += [
            Change(key[0], there[key][0], "delete", started=_started(gone[key]))
            for key in reversed(_ordered(gone))
        ]
    return found


def deploy(api: Api, place: Place, planned: Sequence[Change], told: Callable[[Change], None]) -> list[Change]:
    """Do it all, go on after what fails, and return what became of each; ``told`` hears of it at once."""
    done = []
    for each in planned:
        result = each
        try:
            if each.action != "unchanged":
                _carry_out(api, place.path(SEGMENTS[each.kind], each.name), each)
        except CrossdockError as error:
            result = replace(each, error=error.message)
        told(result)
        done.append(result)
    return done


def _carry_out(api: Api, path: str, change: Change) -> None:
    """A trigger is started again where the folder says so, or says nothing and it was started."""
    if change.started:
        api.post(f"{path}/stop")
    if change.properties is None:
        api.delete(path)
        return
    api.put(path, {"properties": change.properties})
    state = change.properties.get("runtimeState")
    if change.kind == "trigger" and (_started(change.properties) or (change.started and state is None)):
        api.post(f"{path}/start")


def _started(properties: Mapping[str, Any]) -> bool:
    return str(properties.get("runtimeState")).lower() == "started"


def _objects(factory: Factory) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for each in factory.definitions:
        if each.kind != "factory":
            yield each.kind, each.name, each.properties
        elif found := each.read().get("globalParameters"):
            yield "globalParameters", "default", found


def _kinds(target: Mapping[Key, Any], prune: bool) -> list[str]:
    return [kind for kind in _ORDER if any(kind == key[0] for key in target) or (prune and kind in _PRUNED)]


def _there(api: Api, place: Place, kind: str) -> Iterator[tuple[Key, tuple[str, Mapping[str, Any]]]]:
    for each in api.pages(place.path(SEGMENTS[kind])):
        yield (kind, each["name"].lower()), (each["name"], each["properties"])


def _ordered(objects: Mapping[Key, Mapping[str, Any]]) -> list[Key]:
    """What is referred to before what refers to it; by kind and name where that leaves a choice."""
    sorter: TopologicalSorter[Key] = TopologicalSorter()
    for key, properties in objects.items():
        to = [(link.kind, link.name.lower()) for link in links(properties, "")]
        sorter.add(key, *(each for each in to if each in objects and each != key))
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " -> ".join(f"{kind} {name!r}" for kind, name in reversed(error.args[1]))
        raise ConfigError(f"definitions refer to each other in a circle: {circle}") from None
    found: list[Key] = []
    ready: set[Key] = set()
    while sorter.is_active():
        ready.update(sorter.get_ready())
        first = min(ready, key=lambda key: (_ORDER.index(key[0]), key[1]))
        ready.remove(first)
        found.append(first)
        sorter.done(first)
    return found


def _same(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a definition is the one that is there; a secret in the clear never is."""
    if "runtimeState" not in wanted:
        there = {key: value for key, value in there.items() if key != "runtimeState"}
    return bool(_compared(there) == _compared(wanted))


def _compared(properties: Mapping[str, Any]) -> Any:
    found = replaced(properties, lambda secret, _: _secret(secret))
    inner = found.get("typeProperties")
    if isinstance(inner, dict):
        found["typeProperties"] = {k: v for k, v in inner.items() if k.lower() != "encryptedcredential"}
    return {key: value for key, value in found.items() if value not in (None, [], {})}


def _secret(secret: Mapping[str, Any]) -> Any:
    value = {key.lower(): each for key, each in secret.items()}.get("value")
    return {"type": "SecureString", "value": MASK} if value == MASK else dict(secret)
