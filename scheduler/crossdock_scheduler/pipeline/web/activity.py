"""WebActivity: one call, or with 202 and a Location as many as it takes until the answer is there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crossdock import CancelledError, ConfigError

from ..activity_types import ANY_RUNTIME, ActivityType, Attempt, register
from ..definitions import Definition, Factory, Finding
from ..definitions.activities import Activity
from ..policy import Policy
from .calling import Calling, as_object, output_of, succeeded
from .client import Reply, redirected, send

FIRST_WAIT, LONGEST_WAIT = 10.0, 600.0


class WebCall(Calling):
    def read(self) -> None:
        super().read()
        given = self.properties
        given.flag("turnOffAsync")
        given.ignore("datasets", "linkedServices")
        if self.method in ("POST", "PUT", "PATCH") and "body" not in given:
            given.refuse("body", f"there is none: {self.method} is sent with an empty one", "note")

    def run(self, attempt: Attempt) -> Mapping[str, Any]:
        self.read()
        if against := self.against():
            raise ConfigError(f"the activity {self.activity.name!r}: {'; '.join(against)}")
        body, began = self._body(), time.monotonic()
        reply = send(self.call(body), attempt.policy, attempt.cancel)
        if not self.properties.flag("turnOffAsync"):
            reply = self._answered(reply, attempt)
        via = self.properties.inner("connectVia").text("referenceName")
        return output_of(succeeded(reply)) | {
            "effectiveIntegrationRuntime": via or ANY_RUNTIME,
            "executionDuration": int(time.monotonic() - began),
        }

    def _body(self) -> Any:
        given = self.properties
        body = given.get("body")
        if not given.get("datasets") and not given.get("linkedServices"):
            return body
        made = as_object(body, "datasets and linkedServices are added")
        made["datasets"] = self.definitions("datasets", "dataset")
        made["linkedServices"] = self.definitions("linkedServices", "linkedService")
        return made

    def _answered(self, reply: Reply, attempt: Attempt) -> Reply:
        """What the Location of a 202 says in the end."""
        target = reply.headers.get("location", "")
        while reply.status == 202 and target:
            attempt.progress({"status": "InProgress"})
            if attempt.cancel.wait(_wait(reply)):
                raise CancelledError
            # A token of the first call may have run out by now.
            call = replace(self.call(None), method="GET", url=reply.url)
            reply = send(redirected(call, 307, target), attempt.policy, attempt.cancel)
            target = reply.headers.get("location", "") or target
        return reply


def _wait(reply: Reply) -> float:
    """Seconds, as the server wishes."""
    wished = reply.headers.get("retry-after", "")
    return min(max(float(wished), 0.1), LONGEST_WAIT) if wished.isdigit() else FIRST_WAIT


def _plan(factory: Factory, pipeline: Definition, activity: Activity, policy: Policy) -> list[Finding]:
    planned = WebCall(factory, pipeline, activity, policy)
    planned.read()
    planned.report()
    return planned.findings


def _run(attempt: Attempt) -> Mapping[str, Any]:
    planned = WebCall(attempt.factory, attempt.pipeline, attempt.activity, attempt.policy, attempt.scope)
    return planned.run(attempt)


def _repeats(attempt: Attempt) -> bool:
    planned = WebCall(attempt.factory, attempt.pipeline, attempt.activity, attempt.policy, attempt.scope)
    planned.read()
    return planned.method == "GET"


register(
    ActivityType(
        "WebActivity", "calls an address; the answer is the activity's output", _plan, _run, _repeats
    )
)
