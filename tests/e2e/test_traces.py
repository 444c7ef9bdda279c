"""Traces of the service, the node and its processes, as a collector receives them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from servers.collector import Collector, collector
from servers.node import node, register
from servers.service import service
from test_service_and_nodes import ENDED, FACTORY, GROUP, copying, status

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def eventually(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 150
    while not what():
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> Callable[[Collector], None]:
    def ask(found: Collector) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")

    return ask


@pytest.mark.timeout(300)
def test_a_run_is_one_trace_on_all_machines(tmp_path: Path, asked_for: Callable[[Collector], None]) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").write_text("a")
    home = tmp_path / "service"
    home.mkdir()
    with collector() as found:
        asked_for(found)
        with service(home) as server, server.sdk() as sdk:
            sdk.factories.create_or_update(GROUP, FACTORY, {}, headers={"traceparent": CALLER})
            runtime = {"properties": {"type": "SelfHosted"}}
            sdk.integration_runtimes.create_or_update(GROUP, FACTORY, "here", runtime)
            key = sdk.integration_runtimes.list_auth_keys(GROUP, FACTORY, "here").auth_key1
            register(tmp_path / "a", server, key, "a")
            with node(tmp_path / "a"):
                run_id = copying(sdk, tmp_path / "source", tmp_path / "sink")
                eventually(lambda: status(sdk, run_id) in ENDED)
                eventually(lambda: bool(found.named("Copy copy on the node")))
                failing = copying(sdk, tmp_path / "none", tmp_path / "sink")
                eventually(lambda: len(found.named("pipeline copy")) == 2 and len(found.named("job")) == 2)
        spans = found.spans
    assert status_of(found, run_id) == ("Succeeded", False)
    assert status_of(found, failing) == ("Failed", True)
    ours = {each.name: each for each in spans if each.trace == UUID(run_id).hex}
    run, activity, job, worker = (
        ours[name] for name in ("pipeline copy", "Copy copy", "job", "Copy copy on the node")
    )
    assert (run.parent, activity.parent, job.parent, worker.parent) == (
        "", run.span, activity.span, job.span,
    )  # fmt: skip
    assert [each.service for each in (run, activity, job, worker)] == [
        "crossdock-service", "crossdock-service", "crossdock-node", "crossdock-node",
    ]  # fmt: skip
    assert run.seconds >= activity.seconds > 0
    assert job.seconds >= worker.seconds > 0
    # A request belongs to the trace of whoever makes it.
    (asked,) = [each for each in spans if each.trace == CALLER.split("-")[1]]
    assert asked.parent == CALLER.split("-")[2]
    assert asked.name.startswith("PUT /subscriptions/{subscription}/")
    assert asked.said == {"http.request.method": "PUT", "http.response.status_code": 200}
    assert not any("heartbeat" in each.name or "claim" in each.name for each in spans)


def status_of(found: Collector, run_id: str) -> tuple[str, bool]:
    (run,) = [each for each in found.named("pipeline copy") if each.trace == UUID(run_id).hex]
    return run.said["crossdock.status"], run.failed


def test_without_a_collector_nothing_waits(
    tmp_path: Path, asked_for: Callable[[Collector], None], run_python: Callable[..., str]
) -> None:
    """One that is away holds up no end; without being asked for, nothing of OpenTelemetry is imported."""
    code = "import sys\nfrom crossdock_scheduler import telemetry\ntelemetry.start('x')\n"
    spans = "with telemetry.span('a') as span: span.say({'b': 1}); span.failed('c')\n"
    none = "print(span.traceparent == '', any(each.startswith('opentelemetry') for each in sys.modules))"
    assert run_python(code + spans + none).split() == ["True", "False"]
    asked_for(Collector("http://127.0.0.1:9"))
    end = "import time\nbegun = time.monotonic()\ntelemetry.finish(0.2)\nprint(time.monotonic() - begun < 5)"
    assert run_python(code + spans + end).split()[-1] == "True"
