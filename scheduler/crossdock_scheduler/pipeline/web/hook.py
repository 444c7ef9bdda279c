"""WebHook: calls an endpoint with the address of a call back, and waits until that is called."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from crossdock import AdfProperties, CancelledError, ConfigError

from ..activity_types import ActivityType, Attempt, register
from ..definitions import Definition, Factory, Finding
from ..definitions.activities import Activity
from ..definitions.findings import NOT_CONFIGURED
from ..policy import Policy
from .calling import Calling, as_object, succeeded
from .client import send
from .errors import SaidError

if TYPE_CHECKING:
    from .listener import Waiting

_TEN_MINUTES = 600
_NEEDED = (
    "needs before it runs: where call backs are listened for, webHooks.listen and webHooks.address in the "
    "settings"
)
_POLL = 0.1


def check(where: Mapping[str, str]) -> str:
    """What is wrong with the settings of call backs; empty if nothing is."""
    address = urlsplit(where["address"])
    if address.scheme not in ("http", "https") or not address.hostname or address.query:
        return "webHooks.address must be an address that begins with https:// or http://"
    host, colon, port = where["listen"].rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        return "webHooks.listen must be HOST:PORT"
    return "" if ("key" in where) <= ("certificate" in where) else "webHooks.key needs webHooks.certificate"


class HookCall(Calling):
    methods = {"POST": "POST"}  # noqa: RUF012 - as of the base class

    def read(self) -> None:
        super().read()
        given, hooks = self.properties, self.ends.policy.web_hooks
        given.flag("reportStatusOnCallBack")
        self.wait = _TEN_MINUTES if (seconds := given.seconds("timeout")) is None else seconds
        if hooks is None:
            self.say("note", NOT_CONFIGURED, _NEEDED, self.activity.path)
        elif wrong := check(hooks):
            self.say("error", "InvalidValue", wrong, self.activity.path)

    def run(self, attempt: Attempt) -> Mapping[str, Any]:
        self.read()
        if against := self.against():
            raise ConfigError(f"the activity {self.activity.name!r}: {'; '.join(against)}")
        from .listener import awaited

        hooks = attempt.policy.web_hooks
        if hooks is None:
            raise ConfigError(f"the activity {self.activity.name!r} {_NEEDED}")
        ends = time.monotonic() + self.wait
        with awaited(hooks) as waiting:
            body = as_object(self.properties.get("body"), "callBackUri is added")
            succeeded(send(self.call(body | {"callBackUri": waiting.url}), attempt.policy, attempt.cancel))
            return self._output(self._called_back(waiting, attempt, ends))

    def _called_back(self, waiting: Waiting, attempt: Attempt, ends: float) -> Mapping[str, Any]:
        while True:
            if attempt.cancel.is_set():
                raise CancelledError
            try:
                body = waiting.body.get(timeout=_POLL)
            except queue.Empty:
                if time.monotonic() > ends:
                    raise SaidError(
                        "Timeout", f"there was no call back within {self.wait:,} seconds"
                    ) from None
                continue
            try:
                value = json.loads(body.decode("utf-8-sig") or "{}")
            except (ValueError, RecursionError):
                value = None
            if not isinstance(value, Mapping):
                raise SaidError("2108", "the body of the call back is no JSON object")
            return value

    def _output(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        told = AdfProperties(body)
        if self.properties.flag("reportStatusOnCallBack") and (told.whole("statusCode") or 0) >= 400:
            error = told.inner("error")
            message = error.text("message") or f"the call back says status {told.text('statusCode')}"
            raise SaidError(error.text("errorCode") or told.text("statusCode"), message)
        output = told.get("output")
        return dict(output) if isinstance(output, Mapping) else dict(body)


def _plan(factory: Factory, pipeline: Definition, activity: Activity, policy: Policy) -> list[Finding]:
    planned = HookCall(factory, pipeline, activity, policy)
    planned.read()
    planned.report()
    return planned.findings


def _run(attempt: Attempt) -> Mapping[str, Any]:
    planned = HookCall(attempt.factory, attempt.pipeline, attempt.activity, attempt.policy, attempt.scope)
    return planned.run(attempt)


register(
    ActivityType("WebHook", "calls an endpoint and waits for its call back", _plan, _run, lambda _: False)
)
