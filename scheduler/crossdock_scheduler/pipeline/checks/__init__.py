"""What can be said about definitions before anything runs: all of it in one pass, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator

from ..definitions import Factory, Finding, distinct
from .activities import check_activities
from .expressions import check_expressions
from .links import check_links
from .parameters import check_parameters


def check(factory: Factory) -> list[Finding]:
    """Everything that is wrong with the definitions themselves, whatever this release can do with them."""
    return distinct(_all(factory))


def _all(factory: Factory) -> Iterator[Finding]:
    yield from factory.faults
    yield from check_links(factory)
    yield from check_parameters(factory)
    yield from check_activities(factory)
    yield from check_expressions(factory)
