"""Every request is counted, timed and logged when it has been answered."""

from __future__ import annotations

import logging
import time
from contextvars import ContextVar

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ... import telemetry
from .metrics import Metrics

_LOG = logging.getLogger(__name__)
_METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS")
# Asked again and again by machines: what goes well there is worth no line.
_ROUTINE = ("/healthz", "/readyz", "/metrics", "/crossdock/v1/nodes/heartbeat", "/crossdock/v1/nodes/claim")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered here; empty outside of one."""


class Watching:
    """ASGI middleware, the innermost: the router tells it the route, the outer ones the request's id."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500
        request_id.set(scope.get("crossdock.request_id", ""))

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        if scope["path"] in _ROUTINE:
            try:
                await self._app(scope, receive, answer)
            finally:
                self._tell(scope, status, time.perf_counter() - begun)
            return
        with telemetry.span("request", Headers(scope=scope).get("traceparent", ""), serving=True) as span:
            try:
                await self._app(scope, receive, answer)
            finally:
                route = self._tell(scope, status, time.perf_counter() - begun)
                span.call(route)
                span.say({"http.request.method": scope["method"], "http.response.status_code": status})
                if status >= 500:
                    span.failed(str(status))

    def _tell(self, scope: Scope, status: int, seconds: float) -> str:
        """Method and route."""
        # The template, not the path: that has names of people's objects in it, and there is no end of them.
        route = getattr(scope.get("route"), "path", "unknown")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, status).observe(seconds)
        level = logging.DEBUG if status < 400 and route in _ROUTINE else logging.INFO
        if _LOG.isEnabledFor(level):
            said = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)}
            _LOG.log(level, "%s %s %d", method, route, status, extra={"event": said})
        return f"{method} {route}"
