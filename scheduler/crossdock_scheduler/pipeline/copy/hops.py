"""The hops of a staged copy on machines of their own: neither has to reach what the other one copies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import crossdock
from crossdock import ConfigError, CrossdockError, NotSupportedError

from ..activity_types import Attempt, Hop
from ..definitions import Finding
from ..definitions.links import referenced
from .plan import CopyPlan

# Settings of a copy that either hop takes.
_OUT = ("map", "add_columns", "parallel_copies", "verify")
_IN = ("parallel_copies", "verify")


def do_hop(plan: CopyPlan, hop: Hop, **more: Any) -> Mapping[str, Any]:
    """One hop of the copy; its output. ``more`` is what else ``crossdock.stage_out`` and ``stage_in`` take.

    The second hop removes the stage, whatever becomes of it. Raises ConfigError where the copy has no stage
    or lacks secrets that the hop needs, NotSupportedError for settings that no hop takes.
    """
    if plan.stage is None:
        raise ConfigError("the copy has no stage")
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
    if hop.kind == "out":
        source = {name: options[name] for name in ("source_format", "source_options")}
        return crossdock.stage_out(plan.source.address, stage, **source, **given, **more).output()
    sink = {name: options[name] for name in ("sink_format", "sink_options", "mode")}
    try:
        return crossdock.stage_in(stage, plan.sink.address, **sink, **given, remove=True, **more).output()
    except CrossdockError:
        with suppress(CrossdockError):  # why the copy failed matters more
            crossdock.stage_remove(stage, stage_options=options["stage_options"])
        raise


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
    found["executionDetails"] = [*first["executionDetails"], *second["executionDetails"]]
    return found
