"""Whose turn it is to be updated: one node of a runtime at a time, at the time that the runtime says."""

from __future__ import annotations

import re

import sqlalchemy as sa

from ..database.tables import runtimes
from .nodes import Node

# As long a node may take; after an hour the time of the day is over.
_TURN, _WINDOW, _DAY = 2400.0, 3600.0, 86400.0
_OFFSET = re.compile(r"P(?:\d+D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?")


def turn(connection: sa.Connection, node: Node, wish: str, now: float) -> bool:
    """Whether the node is to update itself now. A node that does not want to gives its turn back."""
    mine = runtimes.c.resource_id == node.row.runtime_id
    if wish != "wanted":
        connection.execute(
            sa.update(runtimes).where(mine, runtimes.c.updating == node.id).values(updating=None)
        )
        return False
    row = connection.execute(sa.select(runtimes).where(mine)).one()
    if (row.update_asked or 0.0) < now and not (row.auto_update and is_time(row.update_delay, now)):
        return False
    free = (
        runtimes.c.updating.is_(None) | (runtimes.c.updating == node.id) | (runtimes.c.updating_until < now)
    )
    done = connection.execute(
        sa.update(runtimes).where(mine, free).values(updating=node.id, updating_until=now + _TURN)
    )
    return done.rowcount == 1


def concerns(node: Node, wish: str, version: str) -> bool:
    """Whether there is anything to decide: with most heartbeats there is not."""
    failed_now = wish == "failed" and node.said.get("update") != "failed"
    return wish == "wanted" or failed_now or node.row.version != version


def ask(connection: sa.Connection, runtime_id: int, now: float) -> None:
    """Let the nodes be updated from now on, whatever the time of the day."""
    connection.execute(
        sa.update(runtimes).where(runtimes.c.resource_id == runtime_id).values(update_asked=now + _DAY)
    )


def is_time(offset: str, now: float) -> bool:
    """Whether it is the hour of the day (UTC) that begins at a duration after midnight."""
    return next_time(offset, now) <= now


def next_time(offset: str, now: float) -> float:
    """When that hour begins, or has begun if it is not over."""
    found = _OFFSET.fullmatch(offset)
    hours, minutes, seconds = (int(each or 0) for each in found.groups()) if found else (0, 0, 0)
    passed = (now - (hours * 3600 + minutes * 60 + seconds)) % _DAY
    return now - passed + (0.0 if passed < _WINDOW else _DAY)
