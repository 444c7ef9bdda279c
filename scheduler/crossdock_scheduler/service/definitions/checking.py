"""Whether a definition may be put, and one be deleted, as far as the rest of its factory goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from ...pipeline.checks import check
from ...pipeline.definitions import Definition, Factory, Place
from ...pipeline.definitions.links import Link, links
from ...pipeline.expressions import did_you_mean
from ..errors import ApiError
from . import resources
from .factories import FactoryRow
from .names import CREDENTIAL, DATASET, KINDS, LINKED_SERVICE, PIPELINE, RUNTIME, TRIGGER, Kind
from .resources import Resource

_PLACE = "the service"
_BY_REFERENCE = {each.reference: each for each in KINDS}
# Data Factory makes this one by itself.
_ALWAYS_THERE = "autoresolveintegrationruntime"
# Which kinds can refer to a kind.
_REFERRERS: Mapping[str, tuple[Kind, ...]] = {
    LINKED_SERVICE.segment: (LINKED_SERVICE, DATASET, PIPELINE, CREDENTIAL, RUNTIME),
    DATASET.segment: (PIPELINE,),
    PIPELINE.segment: (PIPELINE, TRIGGER),
    TRIGGER.segment: (TRIGGER,),
    RUNTIME.segment: (LINKED_SERVICE, PIPELINE),
    CREDENTIAL.segment: (LINKED_SERVICE, RUNTIME, CREDENTIAL),
}


def check_put(
    connection: sa.Connection, factory: FactoryRow, kind: Kind, name: str, properties: Mapping[str, Any]
) -> None:
    """Raises ApiError for a reference to nothing, and for what would not run whatever happens.

    What this release does not know is no mistake: it is kept.
    """
    if kind.reference not in _BY_REFERENCE or kind.segment not in _REFERRERS:
        return
    mine = _definition(kind, name, properties)
    declared = resources.global_parameters(connection, factory)
    whole = Definition("factory", factory.name, {"globalParameters": declared}, Place(_PLACE))
    around = (mine, whole, *_referred(connection, factory, mine))
    if kind is not PIPELINE:
        return
    for found in check(Factory(factory.name, around)):
        # A circle is told of the first that is in it.
        if found.severity == "error" and (found.owner == mine.owner or found.code == "Cycle"):
            raise ApiError(400, f"{found}", "InvalidPipeline", found.place.path)


def check_deletion(connection: sa.Connection, found: Resource) -> None:
    """Raises ApiError where something refers to the object."""
    kind, key = found.kind, found.name.lower()
    for other in _REFERRERS.get(kind.segment, ()):
        for each in resources.listed(connection, found.factory, other):
            if each.id == found.id:
                continue
            if any(
                (link.kind, link.name.lower()) == (kind.reference, key) for link in _links(each.properties)
            ):
                raise _is_needed(found, f"the {other.shown} {each.name!r}")


def _is_needed(found: Resource, by: str) -> ApiError:
    return ApiError(
        400,
        f"The document cannot be deleted since it is referenced by {by}: it is the {found.kind.shown} "
        f"{found.name!r}.",
        "BadRequest", found.name,
    )  # fmt: skip


def _definition(kind: Kind, name: str, properties: Mapping[str, Any]) -> Definition:
    return Definition(
        kind.reference, name, properties, Place(f"{_PLACE}: {kind.segment}/{name}", "properties")
    )


def _links(properties: Mapping[str, Any]) -> Iterator[Link]:
    return links(properties, "properties")


def _referred(connection: sa.Connection, factory: FactoryRow, mine: Definition) -> Iterator[Definition]:
    """All that the definition refers to, and what that refers to. Raises ApiError for what is not there."""
    seen, waiting = {(mine.kind, mine.name.lower())}, [mine]
    while waiting:
        owner = waiting.pop()
        for link in _links(owner.properties):
            kind = _BY_REFERENCE.get(link.kind)
            at = (link.kind, link.name.lower())
            if kind is None or at in seen:
                continue
            seen.add(at)
            found = resources.look(connection, factory, kind, link.name)
            if found is not None:
                waiting.append(_definition(kind, found.name, found.properties))
                yield waiting[-1]
            elif owner is mine and not (kind is RUNTIME and at[1] == _ALWAYS_THERE):
                raise _to_nothing(connection, factory, mine, kind, link)


def _to_nothing(
    connection: sa.Connection, factory: FactoryRow, mine: Definition, kind: Kind, link: Link
) -> ApiError:
    known = [each.name for each in resources.listed(connection, factory, kind)]
    return ApiError(
        400,
        f"The document creation or update failed because of invalid reference {link.name!r}: "
        f"the {mine.owner} refers to the {kind.shown} {link.name!r}, which does not exist"
        f"{did_you_mean(link.name, known)}.",
        "BadRequest", link.path,
    )  # fmt: skip
