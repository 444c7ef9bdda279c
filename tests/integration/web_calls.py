"""Factories whose one activity makes a call, and the endpoint on loopback that it calls."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.servers.web_endpoint import DOMAIN, Endpoint, web_endpoint

from crossdock_scheduler.pipeline.activity_types import Attempt, activity_types
from crossdock_scheduler.pipeline.definitions import load
from crossdock_scheduler.pipeline.definitions.activities import activities
from crossdock_scheduler.pipeline.expressions import Scope
from crossdock_scheduler.pipeline.policy import Policy

Json = dict[str, Any]


@contextmanager
def trusted_endpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """Its certificate is trusted, and names below its domain lead to it."""
    with web_endpoint(folder) as found:
        monkeypatch.setenv("SSL_CERT_FILE", str(found.ca))
        looked_up = socket.getaddrinfo

        def lead(host: Any, *arguments: Any, **more: Any) -> Any:
            return looked_up("127.0.0.1" if str(host).endswith(DOMAIN) else host, *arguments, **more)

        monkeypatch.setattr(socket, "getaddrinfo", lead)
        yield found


class Caller:
    """A factory with one activity."""

    def __init__(self, root: Path) -> None:
        self.root = root / "factory"
        self.cancel = threading.Event()
        self.seen: list[Mapping[str, Any]] = []

    def put(self, kind: str, name: str, properties: Json) -> None:
        file = self.root / kind / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"name": name, "properties": properties}))

    def write(self, kind: str, properties: Json) -> None:
        activity = {"name": "call", "type": kind, "typeProperties": properties}
        self.put("pipeline", "p", {"activities": [activity], "parameters": {"n": {"type": "int"}}})

    def __call__(
        self,
        url: str,
        method: str = "GET",
        *,
        policy: Policy | None = None,
        scope: Scope | None = None,
        **more: Any,
    ) -> Mapping[str, Any]:
        return self.run("WebActivity", {"url": url, "method": method, **more}, policy, scope)

    def run(
        self, kind: str, properties: Json, policy: Policy | None = None, scope: Scope | None = None
    ) -> Mapping[str, Any]:
        self.write(kind, properties)
        factory = load(self.root)
        pipeline = factory.find("pipeline", "p")
        assert pipeline is not None
        attempt = Attempt(
            factory, pipeline, activities(pipeline)[0], scope or Scope(parameters={"n": 7}),
            policy or Policy(), "run-1", self.seen.append, self.cancel,
        )  # fmt: skip
        return activity_types()[kind.lower()].run(attempt)


def plain(output: Mapping[str, Any]) -> Json:
    """Without what Data Factory adds to the answer of a ``WebActivity``."""
    added = {"ADFWebActivityResponseHeaders", "ADFHttpStatusCodeInResponse"}
    added |= {"effectiveIntegrationRuntime", "executionDuration"}
    return {name: value for name, value in output.items() if name not in added}
