"""Names that occur twice, references to nothing, and references in a circle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..definitions.activities import activities
from ..definitions.findings import Finding
from ..definitions.links import Link, links_of
from ..definitions.model import KINDS, Definition, Factory
from ..expressions import did_you_mean

Node = tuple[str, str]


def check_links(factory: Factory) -> Iterator[Finding]:
    yield from _duplicates(factory)
    graph: dict[Node, list[Node]] = {}
    for each in factory.definitions:
        targets = graph.setdefault((each.kind, each.name.lower()), [])
        paths = {activity.path: activity.name for activity in _activities(each)}
        for link in links_of(each):
            if not link.kind:
                continue
            if factory.find(link.kind, link.name) is None:
                yield _to_nothing(factory, each, link, _activity_at(link.path, paths))
            else:
                targets.append((link.kind, link.name.lower()))
    for circle in cycles(graph):
        first = factory.find(*circle[0])
        assert first is not None  # noqa: S101 - only what was found is in the graph
        names = [found.name for node in (*circle, circle[0]) if (found := factory.find(*node))]
        yield Finding(
            "error",
            "Cycle",
            f"refers to itself in a circle: {' -> '.join(names)}",
            first.place,
            first.owner,
        )


def _activities(definition: Definition) -> Sequence[Any]:
    return activities(definition) if definition.kind == "pipeline" else ()


def _activity_at(path: str, paths: Mapping[str, str]) -> str:
    """The innermost activity that a JSON path leads into."""
    while path:
        if path in paths:
            return paths[path]
        path = path.rpartition(".")[0]
    return ""


def _duplicates(factory: Factory) -> Iterator[Finding]:
    seen: dict[Node, Definition] = {}
    for each in factory.definitions:
        first = seen.setdefault((each.kind, each.name.lower()), each)
        if first is not each and each.kind != "factory":
            message = f"the name is taken: {first.place.file} has {first.owner} too; rename one"
            yield Finding("error", "DuplicateName", message, each.place, each.owner)


def _to_nothing(factory: Factory, owner: Definition, link: Link, activity: str) -> Finding:
    known = [each.name for each in factory.of_kind(link.kind)]
    what = f"refers to the {KINDS[link.kind]} {link.name!r}, which does not exist"
    if link.kind in ("integrationRuntime", "credential") and not known:
        # The whole kind is kept elsewhere; what runs here has a runtime and an identity of its own.
        place = owner.place.at(link.path)
        return Finding("note", "NotDefined", f"{what}; this machine's own is used", place, owner.owner)
    if link.kind == "integrationRuntime" and link.name.lower() == "autoresolveintegrationruntime":
        # Data Factory makes this one by itself.
        return Finding(
            "note",
            "NotDefined",
            f"{what}; copies run on this machine",
            owner.place.at(link.path),
            owner.owner,
        )
    message = what + did_you_mean(link.name, known)
    return Finding("error", "NotFound", message, owner.place.at(link.path), owner.owner, activity)


def cycles(graph: Mapping[Node, Sequence[Node]]) -> Iterator[list[Node]]:
    """One circle for each group of nodes that are in one, as the nodes in the order of the references."""
    done: set[Node] = set()
    for start in graph:
        if start in done:
            continue
        path: list[Node] = []
        places: dict[Node, int] = {}
        stack = [(start, iter(graph[start]))]
        path.append(start)
        places[start] = 0
        while stack:
            node, following = stack[-1]
            for target in following:
                if target in places:
                    yield path[places[target] :]
                elif target not in done:
                    places[target] = len(path)
                    path.append(target)
                    stack.append((target, iter(graph.get(target, ()))))
                    break
            else:
                stack.pop()
                path.pop()
                del places[node]
                done.add(node)
