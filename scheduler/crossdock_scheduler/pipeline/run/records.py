"""What is written down of a run: the run of a pipeline, and each attempt at an activity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid5

Status = Literal["InProgress", "Succeeded", "Failed", "Skipped", "Cancelled"]

_NAMES = UUID("6f5c9c0a-5f55-4a0b-9d50-2b1d5a3c7a11")


def derived_id(*parts: str) -> str:
    """The id of what happens at one place of one run: the same one when that run is resumed."""
    return str(uuid5(_NAMES, "\0".join(parts)))


def moment(time: datetime | None) -> str | None:
    """A time as Data Factory writes it."""
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def span(time: timedelta) -> str:
    """A span of time as .NET writes it: ``00:01:02.5000000``, with days before a point."""
    seconds, fraction = divmod(time // timedelta(microseconds=1), 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    ticks = f".{fraction * 10:07d}" if fraction else ""
    return f"{f'{days}.' if days else ''}{hours:02d}:{minutes:02d}:{seconds:02d}{ticks}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an activity failed."""

    code: str
    message: str
    kind: Literal["UserError", "SystemError"] = "UserError"
    target: str = ""

    def as_json(self) -> dict[str, str]:
        return {
            "errorCode": self.code,
            "message": self.message,
            "failureType": self.kind,
            "target": self.target,
        }


@dataclass(frozen=True, slots=True)
class ActivityRun:
    """One attempt at one activity of one run of a pipeline; ``key`` and ``attempt`` say which.

    ``key`` is made of the names of the activities around it, with the numbers of iterations, and its own.
    ``input`` and ``output`` are without secrets; ``whole`` says that nothing was left out of the output.
    ``state`` is what a control activity has decided so far: resumed, it goes on from there.
    """

    pipeline: str
    pipeline_run_id: str
    key: str
    activity: str
    type: str
    status: Status
    started: datetime
    attempt: int = 0
    ended: datetime | None = None
    input: Any = None
    output: Any = None
    error: Problem | None = None
    state: Any = None
    whole: bool = True
    user_properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        return derived_id(self.pipeline_run_id, self.key, str(self.attempt))

    @property
    def depth(self) -> int:
        """How many activities are around it."""
        return self.key.count("/")

    @property
    def iteration(self) -> str:
        """The key of the iteration that it is in; empty outside of loops."""
        around, slash, _ = self.key.rpartition("/")
        return around if slash and "[" in around else ""

    @property
    def duration(self) -> int | None:
        """Milliseconds."""
        return None if self.ended is None else round((self.ended - self.started).total_seconds() * 1000)

    def as_json(self) -> dict[str, Any]:
        """Under the names of Data Factory's REST API; ``error`` is there on success too."""
        inside = self.iteration
        return {
            "activityName": self.activity,
            "activityType": self.type,
            "activityRunId": self.run_id,
            "pipelineName": self.pipeline,
            "pipelineRunId": self.pipeline_run_id,
            "status": self.status,
            "activityRunStart": moment(self.started),
            "activityRunEnd": moment(self.ended),
            "durationInMs": self.duration,
            "input": self.input,
            "output": self.output,
            "error": (self.error or Problem("", "", target=self.activity)).as_json()
            | ({} if self.error else {"failureType": ""}),
            "retryAttempt": self.attempt or None,
            "iterationHash": hashlib.sha256(inside.encode()).hexdigest()[:32] if inside else "",
            "iteration": inside or None,
            "userProperties": dict(self.user_properties),
        }


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One run of one pipeline. ``parameters`` are those as of their declared types, SecureStrings aside.

    ``group_id`` is the id of the first of the runs that called each other, ``first_run_id`` that of the first
    of those that repeat each other. ``caller`` is the key of the
    activity that called it in the run ``caller_run_id``; nobody waits for it where it is ``detached``.
    ``whole`` says that nothing was left out of the return value.
    """

    run_id: str
    pipeline: str
    started: datetime
    parameters: Mapping[str, Any] = field(default_factory=dict)
    status: Status = "InProgress"
    ended: datetime | None = None
    message: str = ""
    return_value: Mapping[str, Any] | None = None
    trigger: Mapping[str, Any] | None = None
    trigger_type: str = "Manual"
    trigger_name: str = "Manual"
    trigger_time: str = ""
    group_id: str = ""
    caller: str = ""
    caller_run_id: str = ""
    caller_pipeline: str = ""
    detached: bool = False
    whole: bool = True
    first_run_id: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "runId": self.run_id,
            "runGroupId": self.first_run_id or self.group_id or self.run_id,
            "pipelineName": self.pipeline,
            "parameters": dict(self.parameters),
            "status": self.status,
            "runStart": moment(self.started),
            "runEnd": moment(self.ended),
            "durationInMs": None
            if self.ended is None
            else round((self.ended - self.started).total_seconds() * 1000),
            "message": self.message,
            "invokedBy": {
                "name": self.caller_pipeline or self.trigger_name,
                "invokedByType": self.trigger_type,
            }
            | ({"pipelineRunId": self.caller_run_id} if self.caller_run_id else {}),
            "pipelineReturnValue": self.return_value,
        }


def stored(record: ActivityRun | PipelineRun) -> dict[str, Any]:
    """As JSON that ``restored_*`` reads."""
    found = asdict(record)
    for name in ("started", "ended"):
        found[name] = None if found[name] is None else found[name].isoformat()
    return found


def _times(found: dict[str, Any]) -> dict[str, Any]:
    for name in ("started", "ended"):
        found[name] = None if found[name] is None else datetime.fromisoformat(found[name])
    return found


def restored_activity(found: dict[str, Any]) -> ActivityRun:
    error = found.pop("error")
    return ActivityRun(**_times(found), error=Problem(**error) if error else None)


def restored_pipeline(found: dict[str, Any]) -> PipelineRun:
    return PipelineRun(**_times(found))
