"""Nodes: registered with an auth key, alive as long as they are heard of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

import crossdock

from ... import clock
from ...wire.node import Heartbeat, Register
from ..database.tables import jobs, nodes, runtimes
from ..definitions.factories import timestamp
from ..errors import ApiError, not_found
from .runtimes import Runtime

# Seconds between heartbeats at most, and after how many a node that is silent is offline.
HEARTBEAT = 5.0
SILENCE = 3 * HEARTBEAT
# A lost node's job is begun elsewhere within 15 seconds: sweep, claim and a new process take the rest.
LEASE = 10.0


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it is stored; ``said`` is its last heartbeat. ``in_step``: it opens the runtime's vault.
    ``usual`` is the version of most nodes of the runtime; empty for one that is looked at alone."""

    row: Any
    said: Mapping[str, Any]
    in_step: bool
    usual: str = ""

    @property
    def id(self) -> str:
        return str(self.row.id)

    @property
    def name(self) -> str:
        return str(self.row.name)

    def is_alive(self, now: float) -> bool:
        """A heartbeat that is yet to come is from before the clock was set back."""
        seen = self.row.seen_at
        return seen is not None and abs(now - seen) <= SILENCE and self.row.stopped_at is None

    def is_expired(self, now: float) -> bool:
        """Whether it has been silent for longer than it wanted to stay a node."""
        last = self.row.seen_at or self.row.started_at
        return self.row.expires is not None and last is not None and now - last > self.row.expires

    def status(self, now: float) -> str:
        """As SelfHostedIntegrationRuntimeNodeStatus."""
        if self.row.seen_at is None:
            return "Initializing"
        if not self.is_alive(now):
            return "Offline"
        state = self.said.get("state", "online")
        if state != "online":
            return {"initializing": "Initializing", "upgrading": "Upgrading"}.get(state, "Offline")
        return "Limited" if self.limits else "Online"

    def reason(self, now: float) -> str:
        """Why it is not online; empty where it is."""
        status, stopped, seen = self.status(now), self.row.stopped_at, self.row.seen_at
        if status == "Offline":
            return "its agent was stopped" if stopped else f"it has not been heard of since {_moment(seen)}"
        return {
            "Initializing": "it has not been heard of yet",
            "Upgrading": "it updates itself",
            "Limited": self.limits,
        }.get(status, "")

    @property
    def limits(self) -> str:
        """What a live node lacks; empty where it lacks nothing."""
        said = self.said.get("capabilities", {})
        found = [] if self.in_step else ["it does not open the runtime's secrets yet"]
        if self.usual and self.row.version != self.usual:
            found.append(f"it has the version {self.row.version}, most nodes have {self.usual}")
        if not said.get("enabled", True):
            found.append("it takes no jobs")
        if why := said.get("relay_problem"):
            found.append(f"interactive requests do not reach it: {why}")
        return "; ".join(found)

    def as_json(self, now: float, *, dispatcher: bool) -> dict[str, Any]:
        """Under the names of Data Factory's REST API."""
        row, said = self.row, self.said.get("capabilities", {})
        return {
            "nodeName": row.name,
            "machineName": row.machine,
            "hostServiceUri": f"https://{row.address}:8060/" if row.address else "",
            "status": self.status(now),
            "statusReason": self.reason(now),
            "capabilities": {
                "serviceBusConnected": str(bool(said.get("relay"))),
                "httpsPortEnabled": str(bool(said.get("remote_access"))),
                "credentialInSync": str(self.in_step),
                "connectedToResourceManager": str(self.is_alive(now)),
                "nodeEnabled": str(bool(said.get("enabled"))),
            },
            "versionStatus": "UpToDate" if row.version == crossdock.__version__ else "UpdateAvailable",
            "version": row.version,
            "registerTime": timestamp(row.registered),
            "lastConnectTime": _moment(row.seen_at),
            "lastStartTime": _moment(row.started_at),
            "lastStopTime": _moment(row.stopped_at),
            "lastUpdateResult": "Fail" if self.said.get("update") == "failed" else "None",
            "isActiveDispatcher": dispatcher,
            "concurrentJobsLimit": row.concurrent_jobs,
            "maxConcurrentJobs": row.most_jobs,
        }

    def monitored(self, running: int) -> dict[str, Any]:
        """Its part of the runtime's monitoring data."""
        load = self.said.get("load", {})
        return {
            "nodeName": self.row.name,
            "availableMemoryInMB": load.get("memory", 0),
            "cpuUtilization": load.get("cpu", 0),
            "concurrentJobsLimit": self.row.concurrent_jobs,
            "concurrentJobsRunning": running,
            "maxConcurrentJobs": self.row.most_jobs,
            "sentBytes": load.get("sent", 0.0),
            "receivedBytes": load.get("received", 0.0),
        }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else timestamp(datetime.fromtimestamp(seconds, UTC))


def register(
    connection: sa.Connection, runtime: Runtime, asked: Register, address: str, *, now: float
) -> tuple[str, list[str]]:
    """The id of the node, and the names of those that are none any more. The same machine, known by its key,
    is the same node.

    Raises ApiError where a live node has the name, or the runtime has as many nodes as it may.
    """
    lock(connection, runtime.id)
    gone = _drop_expired(connection, runtime.id, asked.signing_key, now)
    found = look(connection, runtime, asked.name)
    values: dict[str, Any] = {
        "name": asked.name, "machine": asked.machine, "version": asked.version, "address": address,
        "sealing_key": asked.sealing_key, "most_jobs": asked.most_jobs,
        "concurrent_jobs": min(asked.concurrent_jobs, asked.most_jobs), "started_at": now, "stopped_at": None,
        "alone": asked.alone, "expires": asked.expires,
    }  # fmt: skip
    if found is not None and found.row.signing_key == asked.signing_key:
        # What an operator has set stays.
        values["concurrent_jobs"] = min(found.row.concurrent_jobs, asked.most_jobs)
        connection.execute(sa.update(nodes).where(nodes.c.id == found.id).values(values))
        return found.id, gone
    if found is not None and found.is_alive(now):
        raise ApiError(
            409, f"Another machine is registered as {found.name!r} and is alive; choose another name.",
            "NodeNameInUse", asked.name,
        )  # fmt: skip
    if found is not None:
        # Whoever comes back with the old key is nobody any more.
        delete(connection, found)
        gone.append(found.name)
    _refuse_more(runtime, of(connection, runtime), asked)
    made = str(uuid4())
    values |= {"id": made, "runtime_id": runtime.id, "name_key": asked.name.lower(), "said": {}}
    values |= {"signing_key": asked.signing_key, "registered": clock.moment()}
    connection.execute(sa.insert(nodes).values(values))
    return made, gone


def lock(connection: sa.Connection, runtime_id: int) -> None:
    """Who counts nodes does so alone: two at once would both find room.

    The nodes come first, as with heartbeats that ask for an update: else each might wait for the other.
    """
    mine = sa.select(nodes.c.id).where(nodes.c.runtime_id == runtime_id).order_by(nodes.c.id)
    connection.execute(mine.with_for_update())
    query = sa.select(runtimes.c.guid).where(runtimes.c.resource_id == runtime_id).with_for_update()
    connection.execute(query)


def _refuse_more(runtime: Runtime, others: Sequence[Node], asked: Register) -> None:
    if runtime.node_limit is not None and len(others) >= runtime.node_limit:
        raise ApiError(409, f"The runtime has its {runtime.node_limit} nodes already.", "NodeLimitReached")
    if others and (asked.alone or others[0].row.alone):
        raise ApiError(
            409, f"{others[0].name} is a node of this runtime, which has only one without high availability; "
            "turn that on for both.", "NodeLimitReached",
        )  # fmt: skip


def _drop_expired(connection: sa.Connection, runtime_id: int, asking: str, now: float) -> list[str]:
    """Delete the nodes, other than the one with the key ``asking``, that wanted to be none any more after so
    long a silence, but never the last one that opens the vault: nobody could open it again. Their names.
    """
    known = _of_runtime(connection, runtime_id)
    gone = [each for each in known if each.is_expired(now) and each.row.signing_key != asking]
    opened = any(each.in_step for each in known if each not in gone)
    deleted = [each for each in gone if opened or not each.in_step]
    for each in deleted:
        delete(connection, each)
    return [each.name for each in deleted]


_SAID_BY_NODES = (nodes.c.said, nodes.c.seen_at, nodes.c.version, nodes.c.stopped_at)
_ALL = sa.select(nodes, runtimes.c.vault_version, runtimes.c.vault_key).join(
    runtimes, runtimes.c.resource_id == nodes.c.runtime_id
)

# Made once: every request of a node asks it.
_BY_ID = _ALL.where(nodes.c.id == sa.bindparam("node"))
_LOCKED = _BY_ID.with_for_update(of=nodes)
# In the order of ids, for others lock them as well.
_THESE = (
    _ALL.where(nodes.c.id.in_(sa.bindparam("nodes", expanding=True)))
    .order_by(nodes.c.id)
    .with_for_update(of=nodes, key_share=True)
)
_HEARD = (
    sa.update(nodes)
    .where(nodes.c.id == sa.bindparam("node"))
    .values({each: sa.bindparam(f"new_{each.name}", type_=each.type) for each in _SAID_BY_NODES})
)
# One statement for all: each one of its own takes PostgreSQL longer than what it does.
_HEARD_AT_ONCE = sa.text(
    "UPDATE nodes SET said = new.said::json, seen_at = new.seen_at, version = new.version, "
    "stopped_at = new.stopped_at FROM unnest(CAST(:ids AS text[]), CAST(:said AS text[]), "
    "CAST(:seen AS float8[]), CAST(:versions AS text[]), CAST(:stopped AS float8[])) "
    "AS new(id, said, seen_at, version, stopped_at) WHERE nodes.id = new.id"
)


def _of(row: Any) -> Node | None:
    return None if row is None else Node(row, row.said, row.said.get("vault", 0) == row.vault_version)


def look(connection: sa.Connection, runtime: Runtime, name: str) -> Node | None:
    query = _ALL.where(nodes.c.runtime_id == runtime.id, nodes.c.name_key == name.lower())
    return _of(connection.execute(query).first())


def find(connection: sa.Connection, runtime: Runtime, name: str) -> Node:
    """Raises ApiError where there is none."""
    found = look(connection, runtime, name)
    if found is None:
        raise not_found("node", name)
    return found


def by_id(connection: sa.Connection, node_id: str, *, locked: bool = False) -> Node | None:
    return _of(connection.execute(_LOCKED if locked else _BY_ID, {"node": node_id}).first())


def of(connection: sa.Connection, runtime: Runtime) -> Sequence[Node]:
    """In the order in which they came."""
    return _of_runtime(connection, runtime.id)


def _of_runtime(connection: sa.Connection, runtime_id: int) -> Sequence[Node]:
    query = _ALL.where(nodes.c.runtime_id == runtime_id).order_by(nodes.c.registered, nodes.c.id)
    return list(_among_others(connection.execute(query).all()))


def everywhere(connection: sa.Connection) -> Iterator[Node]:
    """All nodes, runtime by runtime, in the order in which they came there."""
    query = _ALL.order_by(nodes.c.runtime_id, nodes.c.registered, nodes.c.id)
    for _, rows in groupby(connection.execute(query), key=lambda row: row.runtime_id):
        yield from _among_others(list(rows))


def _among_others(rows: Sequence[Any]) -> Iterator[Node]:
    usual = usual_version(rows)
    return (replace(found, usual=usual) for row in rows if (found := _of(row)))


def usual_version(rows: Sequence[Any]) -> str:
    """The one that most nodes of a runtime have; empty without any."""
    return next((found for found, _ in Counter(row.version for row in rows).most_common(1)), "")


def statuses(connection: sa.Connection, now: float) -> Iterator[str]:
    """Of all nodes of all runtimes."""
    return (found.status(now) for found in everywhere(connection))


def running(connection: sa.Connection, runtime: Runtime) -> Mapping[str, int]:
    """How many jobs each node has, by its id."""
    query = (
        sa.select(jobs.c.node_id, sa.func.count())
        .join(nodes, nodes.c.id == jobs.c.node_id)
        .where(nodes.c.runtime_id == runtime.id, jobs.c.state == "claimed")
        .group_by(jobs.c.node_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def by_ids(connection: sa.Connection, ids: Sequence[str]) -> Mapping[str, Node]:
    """Those that there are, locked."""
    rows = connection.execute(_THESE, {"nodes": ids})
    return {found.id: found for row in rows if (found := _of(row))}


def heard(connection: sa.Connection, beats: Mapping[str, tuple[Heartbeat, float]]) -> None:
    """Keep what nodes, by their ids, have said, and when."""
    rows = [
        {
            "node": node_id,
            "new_said": beat.model_dump(include={"state", "load", "capabilities", "vault", "update"}),
            "new_seen_at": now,
            "new_version": beat.version,
            "new_stopped_at": now if beat.state == "stopping" else None,
        }
        for node_id, (beat, now) in beats.items()
    ]
    if connection.dialect.name == "sqlite":
        connection.execute(_HEARD, rows)
        return
    lists = {
        "ids": [each["node"] for each in rows],
        "said": [json.dumps(each["new_said"]) for each in rows],
        "seen": [each["new_seen_at"] for each in rows],
        "versions": [each["new_version"] for each in rows],
        "stopped": [each["new_stopped_at"] for each in rows],
    }
    connection.execute(_HEARD_AT_ONCE, lists)


def change(connection: sa.Connection, node: Node, concurrent_jobs: int) -> None:
    """Raises ApiError beyond what the node can take."""
    if not 1 <= concurrent_jobs <= node.row.most_jobs:
        raise ApiError(
            400, f"concurrentJobsLimit must be from 1 to {node.row.most_jobs}.", target="concurrentJobsLimit"
        )
    connection.execute(sa.update(nodes).where(nodes.c.id == node.id).values(concurrent_jobs=concurrent_jobs))


def be_alone(connection: sa.Connection, node: Node, now: float, *, alone: bool) -> list[str]:
    """Refuse other nodes from now on, or take them; the names of those that are none any more.

    Raises ApiError where there are others already.
    """
    runtime_id = node.row.runtime_id
    lock(connection, runtime_id)
    gone = _drop_expired(connection, runtime_id, node.row.signing_key, now)
    others = sa.select(nodes.c.name).where(nodes.c.runtime_id == runtime_id, nodes.c.id != node.id)
    if alone and (names := connection.execute(others.order_by(nodes.c.name)).scalars().all()):
        raise ApiError(
            409, f"The runtime has other nodes: {', '.join(names)}; delete them before.", "NodeLimitReached"
        )
    connection.execute(sa.update(nodes).where(nodes.c.id == node.id).values(alone=alone))
    return gone


def delete(connection: sa.Connection, node: Node) -> None:
    connection.execute(sa.delete(nodes).where(nodes.c.id == node.id))
