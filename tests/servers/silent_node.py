"""A node's agent that never says how a job ended: it notes that in the file ``done`` and waits for its end.

Run as ``python silent_node.py node start``, as ``python -m crossdock`` is.
"""

from __future__ import annotations

import os
from pathlib import Path

import anyio

from crossdock.__main__ import main
from crossdock_scheduler.node.agent import Agent
from crossdock_scheduler.wire.node import Finish


async def silent(_: Agent, job_id: str, said: Finish) -> None:
    with Path(os.environ["CROSSDOCK_HOME"], "done").open("a") as done:
        done.write(f"{job_id} {said.outcome}\n")
    await anyio.sleep_forever()


if __name__ == "__main__":
    Agent._finish = silent  # type: ignore[method-assign]
    main()
