"""An attempt at an activity as JSON, for whoever carries it out on another machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ..activity_types import Attempt, Hop
from ..definitions import Definition, Factory, Place
from ..definitions.activities import Activity, activities
from ..definitions.links import referenced
from ..expressions import ABSENT, Scope
from ..policy import Policy

VERSION = 1
_SCOPE = (
    "parameters", "global_parameters", "library_variables", "system", "variables", "activities", "dataset",
    "linked_service", "trigger",
)  # fmt: skip


def packed(attempt: Attempt) -> dict[str, Any]:
    """All that ``unpacked`` needs: the activity, what it refers to, and what its expressions see."""
    scope = attempt.scope
    seen = {name: _plain(getattr(scope, name)) for name in _SCOPE}
    if scope.item is not ABSENT:
        seen["item"] = scope.item
    used = [attempt.pipeline, *referenced(attempt.factory, attempt.activity.properties)]
    return {
        "version": VERSION,
        "factory": attempt.factory.source,
        "definitions": listed(used),
        "pipeline": attempt.pipeline.name,
        "path": attempt.activity.path,
        "scope": seen,
        "runId": attempt.run_id,
        **({"hop": asdict(attempt.hop)} if attempt.hop else {}),
    }


def unpacked(work: Mapping[str, Any], policy: Policy) -> Attempt:
    """The attempt, under the policy of this machine. Raises ValueError for work of another version."""
    if work.get("version") != VERSION:
        raise ValueError(f"the work has the version {work.get('version')}, this release knows {VERSION}")
    factory = factory_of(work["factory"], work["definitions"])
    pipeline = factory.find("pipeline", work["pipeline"])
    activity = _at(pipeline, work["path"]) if pipeline else None
    if pipeline is None or activity is None:
        raise ValueError(f"the work has no activity at {work['path']}")
    scope = Scope(**{"item": ABSENT, **work["scope"]})
    hop = Hop(**work["hop"]) if "hop" in work else None
    return Attempt(factory, pipeline, activity, scope, policy, work["runId"], hop=hop)


def listed(definitions: Iterable[Definition]) -> list[dict[str, Any]]:
    """As JSON, for ``factory_of``."""
    return [{"kind": e.kind, "name": e.name, "properties": dict(e.properties)} for e in definitions]


def factory_of(source: str, definitions: list[dict[str, Any]]) -> Factory:
    """A factory of definitions as ``packed`` writes them."""
    return Factory(
        source,
        tuple(
            Definition(
                each["kind"], each["name"], each["properties"], Place(f"{each['kind']}/{each['name']}")
            )
            for each in definitions
        ),
    )


def _at(pipeline: Definition, path: str) -> Activity | None:
    return next((each for each in activities(pipeline) if each.path == path), None)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
