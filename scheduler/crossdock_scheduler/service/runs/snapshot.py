"""A factory in the database as the definitions that pipelines are run by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from ...pipeline.definitions import Definition, Factory, Place
from ...pipeline.definitions.links import referenced
from ...pipeline.run.shipping import factory_of, listed
from ..definitions import resources
from ..definitions.factories import FactoryRow
from ..definitions.names import GLOBAL_PARAMETERS, KINDS

_PLACE = "the service"


def factory_now(connection: sa.Connection, factory: FactoryRow) -> Factory:
    """All of it as it stands."""
    return Factory(factory.name, tuple(_definitions(connection, factory)))


def _definitions(connection: sa.Connection, factory: FactoryRow) -> Iterator[Definition]:
    for kind in KINDS:
        if kind is not GLOBAL_PARAMETERS:
            for each in resources.listed(connection, factory, kind):
                place = Place(f"{_PLACE}: {kind.segment}/{each.name}")
                yield Definition(kind.reference, each.name, each.properties, place)
    declared = resources.global_parameters(connection, factory)
    yield Definition("factory", factory.name, {"globalParameters": declared}, Place(_PLACE))


def kept(factory: Factory, pipeline: Definition) -> dict[str, Any]:
    """What a run of the pipeline needs, as JSON: later changes of the factory do not change the run."""
    used = [pipeline, *referenced(factory, pipeline.properties, pipelines=True), *factory.of_kind("factory")]
    unique = {each.owner: each for each in used}
    return {"factory": factory.source, "definitions": listed(unique.values())}


def restored(found: dict[str, Any]) -> Factory:
    """The factory that ``kept`` wrote down."""
    return factory_of(found["factory"], found["definitions"])
