"""A job of one activity, carried out by a node's child process under a policy."""

from __future__ import annotations

from typing import Any

import anyio

from crossdock_scheduler.node.jobs import RunningJob
from crossdock_scheduler.node.proxy import Proxy
from crossdock_scheduler.pipeline.activity_types import Attempt
from crossdock_scheduler.pipeline.definitions.activities import activities
from crossdock_scheduler.pipeline.expressions import Scope
from crossdock_scheduler.pipeline.policy import Policy
from crossdock_scheduler.pipeline.run.shipping import factory_of, packed
from crossdock_scheduler.wire import node as wire


def outcome(kind: str, properties: dict[str, Any], proxy: Proxy | None = None, **policy: Any) -> wire.Finish:
    """How it ended."""
    one = {"name": "a", "type": kind, "typeProperties": properties}
    factory = factory_of("test", [{"kind": "pipeline", "name": "p", "properties": {"activities": [one]}}])
    pipeline = factory.find("pipeline", "p")
    assert pipeline is not None
    work = packed(Attempt(factory, pipeline, activities(pipeline)[0], Scope(), Policy(), "run"))
    ended: list[wire.Finish] = []

    async def tell(said: wire.Finish) -> bool:
        ended.append(said)
        return True

    async def run() -> None:
        job = RunningJob(wire.Job(id="j", epoch=1, work=work), 1000, anyio.current_time(), lambda: None)
        with anyio.fail_after(60):
            await job.run(work, policy, tell, proxy)

    anyio.run(run)
    return ended[0]
