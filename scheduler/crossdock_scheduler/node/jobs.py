"""One job in a child process, from its start to what it said last."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from crossdock import AccessDeniedError

from .. import telemetry
from ..pipeline.policy import Policy
from ..wire import node as wire
from .caps import divided
from .proxy import Proxy

if TYPE_CHECKING:
    from .guard import Guard

Tell = Callable[[wire.Finish], Awaitable[bool]]
_WORKER = "crossdock_scheduler.node.worker"
# A line of a child: an output with all that a Lookup may return.
_MOST_LINE = 64 << 20
_MOST_TOLD = 2000
# Seconds that a child has to remove what was kept for another node.
_SETTLING = 120.0


@dataclass
class RunningJob:
    """A job that this node has. ``lost``: it is another's by now, or given up, and its end is told to nobody.

    ``lease``: how many seconds it is this node's after ``confirmed`` (``clock.passing``). ``ask`` has the
    service confirm it at once.
    """

    job: wire.Job
    lease: float
    confirmed: float
    ask: Callable[[], None]
    grace: float = 30.0
    progress: dict[str, Any] | None = None
    lost: bool = False
    _stop: anyio.Event = field(default_factory=anyio.Event)
    _news: anyio.Event = field(default_factory=anyio.Event)

    def stop(self, *, lost: bool = False) -> None:
        """Have the child end: it has ``grace`` seconds, then it is killed."""
        self.lost = self.lost or lost
        self._stop.set()

    def confirm(self, when: float, lease: float | None = None) -> None:
        """The service has said that the job is this node's, for so long: it was asked at ``when``."""
        self.confirmed, self.lease = when, lease or self.lease
        self._news.set()
        self._news = anyio.Event()

    async def run(
        self, work: Mapping[str, Any], policy: Mapping[str, Any], tell: Tell, proxy: Proxy | None = None
    ) -> None:
        """Do it, and ``tell`` how it ended, which says whether the service knows. ``work`` is the job's, with
        its secrets. Cancelled, the child is ended first."""
        with telemetry.span("look" if "look" in work else "job", work.get("trace", "")) as span:
            span.say({"crossdock.job_id": self.job.id})

            async def told(said: wire.Finish) -> bool:
                if said.outcome != "succeeded":
                    span.failed((said.result.get("error") or {}).get("errorCode") or said.outcome)
                return await tell(said)

            await self._held({**work, "trace": span.traceparent}, policy, told, proxy or Proxy())

    async def _held(
        self, work: Mapping[str, Any], policy: Mapping[str, Any], tell: Tell, proxy: Proxy
    ) -> None:
        policy, caps = divided(policy)
        told: dict[str, Any] = {"work": work, "policy": policy, "environment": proxy.variables()}
        told["caps"] = caps
        told["epoch"] = self.job.epoch
        if policy.get("private", True):
            await self._run(told, tell, None)
            return
        from .guard import Guard  # for Linux only

        with closing(Guard(Policy(**policy), await _found(proxy.addresses()))) as guard:
            await self._run(told, tell, guard)

    async def _run(self, message: Mapping[str, Any], tell: Tell, guard: Guard | None) -> None:
        process = await self._started(guard)
        errors = bytearray()
        async with process, anyio.create_task_group() as group:
            try:
                if guard:
                    group.start_soon(guard.watch)
                group.start_soon(_tail, process, errors)
                group.start_soon(self._stopping, process)
                group.start_soon(self._tell, process, message)
                said = await self._listen(process)
                if "outcome" not in said:
                    await process.wait()
                    said = _crashed(process.returncode or 0, bytes(errors[-_MOST_TOLD:]))
                if said["outcome"] == "lost":
                    # The service gives it to whoever is there, when the lease has run out for it too.
                    self.lost, said["outcome"] = True, "cancelled"
                if said["outcome"] == "failed" and guard and guard.refused:
                    said = _refused(said, guard.refused)
                end = wire.Finish(epoch=self.job.epoch, outcome=said["outcome"], result=said["result"])
                await self._leave(process, known=await tell(end))
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await self._end(process)
                raise
            group.cancel_scope.cancel()

    async def _leave(self, process: Process, *, known: bool) -> None:
        """Let the child remove what was kept for another node, where nobody needs it any more."""
        if process.stdin is not None:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
                if known:
                    await process.stdin.send(b'{"known": true}\n')
                else:
                    await process.stdin.aclose()
        with anyio.move_on_after(_SETTLING):
            await process.wait()
        await self._end(process)

    async def _started(self, guard: Guard | None) -> Process:
        """Raises ConfigError where the machine cannot hold it to the policy."""
        # A group of its own: Ctrl-C in a terminal is the agent's.
        if guard is None:
            command = [sys.executable, "-m", _WORKER]
            return await anyio.open_process(command, stderr=subprocess.PIPE, start_new_session=True)
        process = await anyio.open_process(
            guard.command(_WORKER), stderr=subprocess.PIPE, start_new_session=True, pass_fds=guard.passed
        )
        try:
            await guard.take(process)
        except BaseException:
            process.kill()
            with anyio.CancelScope(shield=True):
                await process.aclose()
            raise
        return process

    async def _tell(self, process: Process, message: Mapping[str, Any]) -> None:
        if process.stdin is None:
            return
        told = self.confirmed
        first = {**message, "lease": [self.lease, told]}
        with suppress(anyio.BrokenResourceError):  # a child that is gone says so by its end
            await process.stdin.send(json.dumps(first).encode() + b"\n")
            while True:
                if told == self.confirmed:
                    await self._news.wait()
                told = self.confirmed
                await process.stdin.send(
                    json.dumps({"confirmed": told, "lease": self.lease}).encode() + b"\n"
                )

    async def _listen(self, process: Process) -> dict[str, Any]:
        if process.stdout is None:
            return {}
        lines = BufferedByteReceiveStream(process.stdout)
        while True:
            try:
                line = await lines.receive_until(b"\n", _MOST_LINE)
            except (anyio.IncompleteRead, anyio.EndOfStream, anyio.DelimiterNotFound):
                return {}
            found: dict[str, Any] = json.loads(line)
            if "outcome" in found:
                return found
            if "confirm" in found:
                self.ask()
            else:
                self.progress = found["progress"]

    async def _stopping(self, process: Process) -> None:
        await self._stop.wait()
        await self._end(process)

    async def _end(self, process: Process) -> None:
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with anyio.move_on_after(self.grace):
            await process.wait()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                # Its own children too: those that carry splits.
                os.killpg(process.pid, signal.SIGKILL)


def not_done(epoch: int, code: str, message: str) -> wire.Finish:
    """The end of a job that this node could not carry out, or not tell of."""
    told = {"errorCode": code, "message": message, "failureType": "SystemError"}
    return wire.Finish(epoch=epoch, outcome="failed", result={"error": told})


def no_process(epoch: int, error: OSError) -> wire.Finish:
    return not_done(epoch, "Internal", f"no process can be started: {error.strerror or error}")


def not_sent(epoch: int) -> wire.Finish:
    return not_done(epoch, "Internal", "what came of it cannot be sent to the service: it is no JSON")


async def _found(places: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """The addresses of hosts, as far as they are known."""
    found = set()
    for host, port in places:
        with suppress(OSError):
            listed = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found |= {(str(each[4][0]), port) for each in listed}
    return found


def _refused(said: dict[str, Any], refused: Iterable[str]) -> dict[str, Any]:
    """What a driver makes of an address that is refused says nothing of the policy."""
    error = said["result"]["error"]
    message = f"the node's policy forbids it: {'; '.join(refused)} ({error['message']})"
    told = {"errorCode": AccessDeniedError.code, "message": message, "failureType": "UserError"}
    return said | {"result": {"error": error | told}}


async def _tail(process: Process, kept: bytearray) -> None:
    if process.stderr is not None:
        async for chunk in process.stderr:
            kept += chunk
            del kept[:-_MOST_TOLD]


def _crashed(code: int, errors: bytes) -> dict[str, Any]:
    how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
    lines = errors.decode(errors="replace").strip().splitlines()
    last = f": {lines[-1]}" if lines else ""
    error = {"errorCode": "WorkerCrashed", "message": f"the process of the activity {how}{last}"}
    return {"outcome": "failed", "result": {"error": error | {"failureType": "SystemError", "target": ""}}}
