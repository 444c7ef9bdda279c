"""Which triggers are started, and what may be done with them as they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from crossdock import AdfProperties

from ...pipeline.checks.parameters import parameters_of
from ...pipeline.definitions import Factory
from ...pipeline.run.records import derived_id
from ..database.tables import resources as definitions
from ..database.tables import trigger_runs, triggers
from ..definitions import resources
from ..definitions.names import TRIGGER
from ..definitions.resources import Resource
from ..errors import ApiError
from ..runs.snapshot import factory_now
from .reading import SCHEDULE, TUMBLING, Schedule, Tumbling, read

STARTED, STOPPED = "Started", "Stopped"
_LASTING = ("frequency", "interval", "start")


def locked(connection: sa.Connection, resource: Resource) -> Any:
    """The trigger's row of the database, which nobody else changes until the transaction is over."""
    query = sa.select(triggers).where(triggers.c.resource_id == resource.id).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        new = {"resource_id": resource.id, "guid": str(uuid4()), "state": STOPPED}
        connection.execute(sa.insert(triggers).values(new))
        row = connection.execute(query).one()
    return row


def states(connection: sa.Connection, found: Sequence[Resource]) -> dict[int, str]:
    """Of triggers, by the id of their definition."""
    query = sa.select(triggers.c.resource_id, triggers.c.state).where(
        triggers.c.resource_id.in_([each.id for each in found])
    )
    return {row.resource_id: row.state for row in connection.execute(query)}


def check_put(connection: sa.Connection, old: Resource | None, new: dict[str, Any]) -> None:
    """Raises ApiError where a trigger may not become what is put."""
    wanted = read(new)
    if old is None:
        return
    row = locked(connection, old)
    if row.state == STARTED:
        raise ApiError(
            400, "Cannot update enabled Trigger; the trigger needs to be disabled first: stop it.",
            "TriggerEnabledCannotUpdate", old.name,
        )  # fmt: skip
    before = read(dict(old.properties))
    if isinstance(before, Tumbling) and _has_runs(connection, row.guid):
        same = isinstance(wanted, Tumbling) and all(
            getattr(before.windows, each) == getattr(wanted.windows, each) for each in _LASTING
        )
        if not same:
            raise ApiError(
                400, f"The trigger {old.name!r} has had windows already: its frequency, interval and "
                "startTime stay as they are; make another trigger.", "TriggerWindowsCannotChange", old.name,
            )  # fmt: skip


def _has_runs(connection: sa.Connection, guid: str) -> bool:
    query = sa.select(trigger_runs.c.id).where(trigger_runs.c.trigger_guid == guid).limit(1)
    return connection.execute(query).first() is not None


def start(connection: sa.Connection, resource: Resource, now: float) -> None:
    """From now on its pipelines are started. Raises ApiError where it cannot be."""
    row = locked(connection, resource)
    if row.state == STARTED:
        return
    definition = read(dict(resource.properties))
    if definition is None:
        raise ApiError(
            400, f"A trigger of the type {resource.properties['type']} cannot be started: this service runs "
            f"{SCHEDULE} and {TUMBLING}.", "TriggerTypeNotSupported", resource.name,
        )  # fmt: skip
    _check_links(connection, resource, definition)
    if isinstance(definition, Schedule):
        found = definition.recurrence.at_or_after(datetime.fromtimestamp(now, UTC))
        next_at = None if found is None else found.timestamp()
        values = {"next_at": next_at, "wake_at": next_at}
    else:
        begin = definition.windows.start.timestamp()
        values = {"next_at": begin if row.next_at is None else row.next_at, "wake_at": now}
    _set(connection, resource, state=STARTED, **values)
    _changed(connection, resource)


def _check_links(connection: sa.Connection, resource: Resource, definition: Schedule | Tumbling) -> None:
    wrong = _wrong_pipelines(factory_now(connection, resource.factory), definition)
    for each in definition.needs if isinstance(definition, Tumbling) else ():
        other = resources.look(connection, resource.factory, TRIGGER, each.trigger) if each.trigger else None
        if each.trigger and (other is None or other.properties["type"] != TUMBLING):
            wrong.append(f"it depends on {each.trigger!r}, which is no {TUMBLING}")
    if wrong:
        raise ApiError(
            400, f"The trigger {resource.name!r} cannot be started: {'; '.join(wrong)}.", "InvalidTrigger",
            resource.name,
        )  # fmt: skip


def _wrong_pipelines(factory: Factory, definition: Schedule | Tumbling) -> list[str]:
    if not definition.pipelines:
        return ["it has no pipeline"]
    wrong = []
    for each in definition.pipelines:
        pipeline = factory.find("pipeline", each.pipeline)
        if pipeline is None:
            wrong.append(f"there is no pipeline {each.pipeline!r}")
            continue
        declared, given = parameters_of(pipeline), {name.lower(): name for name in each.parameters}
        unknown = [name for key, name in given.items() if key not in declared]
        lacking = [one.name for key, one in declared.items() if one.required and key not in given]
        wrong += [f"the {pipeline.owner} has no parameter {name!r}" for name in unknown]
        wrong += [f"the {pipeline.owner} needs the parameter {name!r}" for name in lacking]
    return wrong


def stop(connection: sa.Connection, resource: Resource) -> None:
    """What it has started goes on. A tumbling window trigger goes on with the next window when started."""
    row = locked(connection, resource)
    if row.state == STARTED:
        _set(connection, resource, state=STOPPED, wake_at=None)
        _changed(connection, resource)


def before_deletion(connection: sa.Connection, resource: Resource, now: float) -> None:
    """Ends what waits. Raises ApiError for a trigger that is started."""
    row = locked(connection, resource)
    if row.state == STARTED:
        raise ApiError(
            400, "Cannot delete enabled Trigger; the trigger needs to be disabled first: stop it.",
            "TriggerEnabledCannotDelete", resource.name,
        )  # fmt: skip
    gone = {"status": "Cancelled", "message": "The trigger was deleted.", "ended": now, "updated": now}
    is_open = (trigger_runs.c.trigger_guid == row.guid, trigger_runs.c.ended.is_(None))
    connection.execute(sa.update(trigger_runs).where(*is_open).values(gone))


def needed_by(resource: Resource) -> set[str]:
    """The triggers that one depends on, in lower case."""
    depends = AdfProperties(resource.properties).inner("typeProperties").get("dependsOn") or []
    found = [AdfProperties(each) for each in depends if isinstance(each, dict)]
    return {each.inner("referenceTrigger").text("referenceName").lower() for each in found}


def add_run(
    connection: sa.Connection,
    resource: Resource,
    guid: str,
    tick: float,
    *,
    again: int,
    now: float,
    **more: Any,
) -> str:
    """A run of the trigger; the database refuses another one for the same tick."""
    run_id = derived_id(guid, "trigger", repr(tick), str(again))
    row = {
        "id": run_id, "factory_id": resource.factory.id, "trigger_guid": guid, "name": resource.name,
        "type": resource.properties["type"], "tick": tick, "again": again, "tries": 0, "message": "",
        "pipelines": {}, "created": now, "updated": now, **more,
    }  # fmt: skip
    connection.execute(sa.insert(trigger_runs).values(row))
    return run_id


def wake(connection: sa.Connection, resource: Resource, now: float) -> None:
    _set(connection, resource, wake_at=now)


def _set(connection: sa.Connection, resource: Resource, **values: Any) -> None:
    connection.execute(sa.update(triggers).where(triggers.c.resource_id == resource.id).values(values))


def _changed(connection: sa.Connection, resource: Resource) -> None:
    """Whoever knows the trigger by its ETag does not know that it is started."""
    same = sa.update(definitions).where(definitions.c.id == resource.id)
    connection.execute(same.values(etag=str(uuid4())))
