"""The output of a copy activity: what the copy says, and what only who runs activities knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..activity_types import ANY_RUNTIME, Attempt
from ..definitions.links import service_of

_SECONDS_PER_HOUR = 3600


def activity_output(output: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
    """What ``CopyResult.output`` says and the names of Data Factory that are about the runtime.

    The copy begins at once on the machine that runs the activity, so it has waited for no runtime.
    """
    hours = round(output["copyDuration"] / _SECONDS_PER_HOUR, 4)
    metered = {"meterType": "SelfhostedIR", "duration": hours, "unit": "Hours"}
    return {
        **output,
        "effectiveIntegrationRuntime": _runtime(attempt),
        "durationInQueue": {"integrationRuntimeQueue": 0},
        "billingReference": {"activityType": "DataMovement", "billableDuration": [metered]},
    }


def _runtime(attempt: Attempt) -> str:
    """The runtime that the linked service of the source, else that of the sink, names."""
    whole = attempt.activity.read()
    for side in ("inputs", "outputs"):
        for reference in whole.get(side) or ():
            name = reference.get("referenceName") if isinstance(reference, Mapping) else None
            dataset = attempt.factory.find("dataset", str(name))
            if dataset is None:
                continue
            link = service_of(attempt.factory, dataset).text("referenceName")
            service = attempt.factory.find("linkedService", link)
            if service and (named := service.read().inner("connectVia").text("referenceName")):
                return named
    return ANY_RUNTIME
