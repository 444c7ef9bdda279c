"""The hops of a staged copy on machines of their own: neither has to reach what the other one copies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import crossdock
from crossdock import ConfigError, CopyResult, NotSupportedError, Snapshot

from ..activity_types import Attempt, Hop
from ..definitions import Finding
from ..definitions.links import referenced
from .once import once, settled
from .plan import CopyPlan

# Settings of a copy that either hop takes.
_OUT = ("map", "add_columns", "parallel_copies", "verify")
_IN = ("parallel_copies", "verify")


def do_hop(
    plan: CopyPlan, hop: Hop, *, run_id: str, progress: Callable[[Snapshot], None], cancel: threading.Event
) -> Mapping[str, Any]:
    """One hop of the copy, as the run of that id; its output.

    The second hop removes the stage when it is done; after a failure that is a hop of its own.
    Raises ConfigError where the copy has no stage or lacks secrets that the hop needs, NotSupportedError for
    settings that no hop takes.
    """
    if plan.stage is None:
        raise ConfigError("the copy has no stage")
    more: dict[str, Any] = {"run_id": run_id, "progress": progress, "cancel": cancel}
    options = plan.options(secrets=True)
    stage = f"{plan.stage.address.rstrip('/')}/{hop.folder}"
    given = {"stage_options": options["stage_options"]}
    if hop.kind == "remove":
        with suppress(ConfigError):  # nothing was staged, or it is gone
            crossdock.stage_remove(stage, **given)
        return {}
    other = set(plan.settings) - set(_OUT)
    if other:
        raise NotSupportedError(
            f"{', '.join(sorted(other))}: not for a copy between two integration runtimes"
        )
    end = plan.source if hop.kind == "out" else plan.sink
    if end.missing or plan.stage.missing:
        raise ConfigError(
            f"the copy needs {'; '.join([*end.missing.values(), *plan.stage.missing.values()])}"
        )
    given |= {name: options[name] for name in (_OUT if hop.kind == "out" else _IN) if name in options}
    again = _again(hop, options)
    if hop.kind == "out":
        source = {name: options[name] for name in ("source_format", "source_options")}

        def stage_out() -> CopyResult:
            return crossdock.stage_out(plan.source.address, stage, **source, **given, **more)

        return once(run_id, stage_out, again, progress=progress, cancel=cancel)
    sink = {name: options[name] for name in ("sink_format", "sink_options", "mode")}

    def stage_in() -> CopyResult:
        return crossdock.stage_in(stage, plan.sink.address, **sink, **given, remove=True, **more)

    return once(run_id, stage_in, again, progress=progress, cancel=cancel)


def settle_hop(plan: CopyPlan, hop: Hop, run_id: str) -> None:
    """Nobody does the hop again."""
    if hop.kind != "remove" and plan.stage is not None:
        settled(run_id, _again(hop, plan.options(secrets=True)))


def _again(hop: Hop, options: Mapping[str, Any]) -> dict[str, Any]:
    """What is given again to a hop's copy: its journal keeps no secrets."""
    stage = options["stage_options"]
    if hop.kind == "out":
        return {"source_options": options["source_options"], "sink_options": stage}
    return {"source_options": stage, "sink_options": options["sink_options"]}


def of_hop(findings: Iterable[Finding], attempt: Attempt, hop: Hop) -> list[Finding]:
    """Those that are about what the hop touches: the other end is nothing that this machine may forbid."""
    whole = attempt.activity.read()
    used = [whole.get({"out": "inputs", "in": "outputs"}.get(hop.kind, ""))]
    used.append(whole.inner("typeProperties").get("stagingSettings"))
    owners = {each.owner for each in referenced(attempt.factory, used)}
    return [each for each in findings if each.code != "Forbidden" or each.owner in owners]


def joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The output of a copy whose hops have these outputs: read by the one, written by the other."""
    found = dict(second)
    for name in ("dataRead", "filesRead", "rowsRead", "sourcePeakConnections"):
        found.pop(name, None)
        if name in first:
            found[name] = first[name]
    found["copyDuration"] = first["copyDuration"] + second["copyDuration"]
    found["throughput"] = round(found["dataRead"] / 1024 / max(found["copyDuration"], 1), 3)
    for name in ("executionDetails", "perfRecommendation"):
        if both := [*first.get(name, ()), *second.get(name, ())]:
            found[name] = both
    return found
