"""How a node fares, told on its own machine: the states of Data Factory, each with its reason."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crossdock import NotFoundError

from .identity import Registered, registered
from .presence import Said, running

# Heartbeats that may be missed before a node counts as offline, as the service counts.
_MISSED = 3
# An agent that has not even tried for as long hangs: a heartbeat is given up after 20 s.
_HANGS = 60.0


@dataclass(frozen=True, slots=True)
class Status:
    """``state`` is NeedRegistration, Initializing, Online, Limited or Offline, ``reason`` why not Online."""

    state: str
    reason: str
    identity: Registered | None = None
    agent: Said | None = None

    @property
    def healthy(self) -> bool:
        """Whether the agent does its work. A service that is away does not make it ill: nothing is gained
        by a new start, and its jobs would be lost."""
        agent = self.agent
        return agent is not None and time.time() - (agent.tried or agent.started) < _HANGS

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"state": self.state, "reason": self.reason, "healthy": self.healthy}
        if (known := self.identity) is not None:
            found |= {
                "name": known.name,
                "factory": known.factory,
                "runtime": known.runtime,
                "url": known.url,
            }
        if (agent := self.agent) is not None:
            found |= {
                "pid": agent.pid, "started": _moment(agent.started), "lastHeartbeat": _moment(agent.heard),
                "jobs": agent.jobs, "concurrentJobs": agent.limit, "stopping": agent.stopping,
            }  # fmt: skip
        return found


def status_of(folder: Path) -> Status:
    try:
        identity = registered(folder)
    except NotFoundError as error:
        return Status("NeedRegistration", error.message)
    agent = running(folder)
    if agent is None:
        return Status("Offline", "no agent runs", identity)
    state, reason = _state(agent, identity)
    return Status(state, reason, identity, agent)


def _state(agent: Said, identity: Registered) -> tuple[str, str]:
    now = time.time()
    if agent.heard is None:
        return ("Offline", agent.problem) if agent.problem else ("Initializing", "it has just been started")
    silent = now - agent.heard
    if silent > _MISSED * (agent.pause or identity.heartbeat):
        return "Offline", agent.problem or f"the agent has not been heard of for {silent:.0f} s"
    if agent.vault != agent.opens:
        return "Limited", (
            f"it opens version {agent.opens or 'none'} of the runtime's secrets, {agent.vault} is wanted; "
            "another node of the runtime has to be online to hand it over"
        )
    if agent.relay:
        return "Limited", (
            f"connections cannot be tested and data not previewed from the service: {agent.relay}; jobs go on"
        )
    if agent.stopping:
        waits = f"waits for {len(agent.jobs)} jobs"
        return (
            ("Upgrading", f"to {agent.updating}")
            if agent.updating
            else ("Limited", f"it is stopping and {waits}")
        )
    return "Online", ""


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
