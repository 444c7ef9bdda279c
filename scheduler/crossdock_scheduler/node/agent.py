"""The agent: heartbeats, claims, and jobs, until it is told to stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup
from anyio.to_thread import run_sync

import crossdock
from crossdock import AuthError, ConfigError, CrossdockError, UnreachableError

from ..clock import passing as now
from ..wire import node as wire
from .client import Client, LeaseLostError, SilentError
from .jobs import RunningJob, no_process, not_done, not_sent
from .load import Meter
from .presence import Said
from .proxy import Proxy
from .relay import GRACE, Relay
from .updates import Updates, update
from .vault import Vault, made

_LOG = logging.getLogger(__name__)
_WAIT = 20.0
# Between attempts to reach a service that does not answer.
_AGAIN = 2.0
# As long the first heartbeat waits to say whether the relay works.
_RELAY = 3.0
# For a heartbeat's answer, at least and at most, however short or long a lease is.
_ANSWER = (2.0, 20.0)


@dataclass
class Agent:
    """A registered node at work. ``policy`` says what the next job may reach (fields of ``pipeline.Policy``),
    ``proxy`` through what; ``updates``, how it is updated; ``said`` is what it tells those who ask on this
    machine. ``again``: that it was updated, and has to begin anew."""

    client: Client
    vault: Vault
    said: Said
    policy: Callable[[], Mapping[str, Any]] = dict
    proxy: Callable[[], Proxy] = Proxy
    updates: Callable[[], Updates] = Updates
    again: bool = False
    _jobs: dict[str, RunningJob] = field(default_factory=dict)
    _limit: int = 1
    _room: anyio.Event = field(default_factory=anyio.Event)
    _soon: anyio.Event = field(default_factory=anyio.Event)
    _claim: anyio.CancelScope | None = None
    _relay: Relay = field(init=False)

    def __post_init__(self) -> None:
        self._relay = Relay(self.client, self.vault, self.policy, self.proxy, self._beat)

    async def run(self, stop: anyio.Event) -> None:
        """Work until ``stop``; then take no more jobs and end when those that run have ended.

        Raises AuthError where the service does not know the node any more.
        """
        async with anyio.create_task_group() as group:
            group.start_soon(self._beating, stop)
            with anyio.CancelScope() as claims:
                group.start_soon(self._draining_after, stop, claims)
                async with anyio.create_task_group() as taking:
                    taking.start_soon(self._relay.run)
                    await self._claiming(group)
            while self._jobs:
                await self._room.wait()
            if self.said.updating:
                await run_sync(update, self.vault.folder, self.said.updating)
                self.again = True
            else:
                await self._say_goodbye()
            group.cancel_scope.cancel()

    def give_up_update(self) -> None:
        """It was told to stop while it waited for its jobs; an update that has begun is ended."""
        self.said.updating = ""
        self._keep()

    async def _draining_after(self, stop: anyio.Event, claims: anyio.CancelScope) -> None:
        await stop.wait()
        _LOG.info("stopping: %d jobs are waited for", len(self._jobs))
        self.said.stopping = True
        self._keep()
        claims.cancel()

    async def _beating(self, stop: anyio.Event) -> None:
        meter, pause, lease = Meter(), self.client.identity.heartbeat, self.client.identity.lease
        with anyio.move_on_after(_RELAY):
            await self._relay.tried.wait()
        while True:
            held = dict(self._jobs)
            holding = [
                wire.Holding(id=each.job.id, epoch=each.job.epoch, progress=each.progress)
                for each in held.values()
            ]
            relay = self._relay
            beat = wire.Heartbeat(
                state="upgrading" if self.said.updating else "online",
                update=self.updates().wish(self.said.latest),
                version=crossdock.__version__, vault=self.vault.version, load=meter.load(), holding=holding,
                capabilities=wire.Capabilities(relay=relay.is_up, relay_problem=relay.problem),
            )  # fmt: skip
            self.said.tried, asked, self._soon = time.time(), now(), anyio.Event()
            try:
                # One that is not answered leaves time for another two, on connections of their own.
                least, most = _ANSWER
                answer = await self.client.heartbeat(beat, min(max(lease / 3, least), most))
            except UnreachableError as error:
                # Jobs go on: the service waits as long as the lease, and longer after its own restart.
                _LOG.warning("%s", error.message)
                self.said.problem = error.message
                if isinstance(error, SilentError) and self._claim is not None:
                    # What waits for jobs on the same way would hear of none.
                    self._claim.cancel()
            else:
                self.said.heard, self.said.problem = time.time(), ""
                self.said.limit = self._limit = answer.concurrent_jobs
                pause, lease = answer.heartbeat or pause, answer.lease or lease
                self.said.pause = pause
                self._obey(answer, held, asked)
                if await self._in_step(answer):
                    continue
                self.said.vault, self.said.opens = answer.vault, self.vault.version
                self.said.relay = relay.problem
                self._hear_of_versions(answer, stop)
            self._keep()
            with anyio.move_on_after(asked + pause - now()):
                await self._soon.wait()

    def _keep(self) -> None:
        self.said.jobs = sorted(self._jobs)
        self.said.keep(self.vault.folder)

    async def _in_step(self, answer: wire.Beaten) -> bool:
        """Whether the node has the vault's key only now: the service is told at once."""
        if answer.vault_wanted:
            try:
                await self.client.offer(made(self.vault.keys))
            except (ConfigError, UnreachableError) as error:
                _LOG.warning("no new vault was made: %s", error.message)
                return False
            return True
        if answer.vault_key is not None:
            self.vault.take(answer.vault, answer.vault_key)
            return True
        if answer.wanting and answer.vault == self.vault.version:
            try:
                shares = self.vault.shares(answer.wanting)
                await self.client.share(wire.Shares(version=self.vault.version, shares=shares))
            except (ConfigError, UnreachableError) as error:
                _LOG.warning("the key of the vault was not shared: %s", error.message)
        return False

    def _hear_of_versions(self, answer: wire.Beaten, stop: anyio.Event) -> None:
        if answer.latest not in {self.said.latest, crossdock.__version__}:
            _LOG.warning(
                "this node has the version %s and its service %s: update it (crossdock node update)",
                crossdock.__version__, answer.latest,
            )  # fmt: skip
            self._soon.set()
        self.said.latest = answer.latest
        if answer.update and not stop.is_set():
            self.said.updating = answer.latest
            stop.set()

    def _beat(self) -> None:
        self._soon.set()

    def _obey(self, answer: wire.Beaten, held: Mapping[str, RunningJob], asked: float) -> None:
        """``held``: what the service was told of. What was claimed since then is not meant."""
        for job_id, running in held.items():
            if self._jobs.get(job_id) is not running:
                continue
            if job_id in answer.lost:
                _LOG.warning("the job %s is not this node's any more", job_id)
                running.stop(lost=True)
                continue
            running.confirm(asked, answer.lease)
            if job_id in answer.cancel:
                running.stop()

    async def _claiming(self, group: TaskGroup) -> None:
        while True:
            room = self._limit - len(self._jobs)
            if room <= 0:
                await self._room.wait()
                continue
            asked = now()
            try:
                with anyio.CancelScope() as self._claim:
                    found = await self.client.claim(room, _WAIT)
            except UnreachableError as error:
                _LOG.warning("%s", error.message)
                await anyio.sleep(_AGAIN)
                continue
            if self._claim.cancelled_caught:
                continue
            lease = found.lease or self.client.identity.lease
            # The service has given them after it had waited for them; never later than now.
            since = min(asked + found.waited, now())
            for job in found.jobs:
                running = RunningJob(job, lease, since, self._beat)
                if "look" in job.work:
                    running.grace = GRACE
                if (former := self._jobs.get(job.id)) is not None:
                    former.stop(lost=True)
                self._jobs[job.id] = running
                self._keep()
                self._beat()
                group.start_soon(self._carry, running)

    async def _carry(self, running: RunningJob) -> None:
        _LOG.info("job %s begins", running.job.id)

        async def tell(said: wire.Finish) -> bool:
            return await self._told(running, said)

        try:
            await running.run(self.vault.opened(running.job.work), self.policy(), tell, self.proxy())
        except (AuthError, ConfigError) as error:
            await tell(not_done(running.job.epoch, error.code, error.message))
        except OSError as error:
            await tell(no_process(running.job.epoch, error))
        finally:
            self._forget(running)

    async def _told(self, running: RunningJob, said: wire.Finish) -> bool:
        """Whether the service knows how it ended. After that the job is none of this node's."""
        try:
            if running.lost:
                _LOG.warning("the job %s is given up: it may be another node's", running.job.id)
                return False
            await self._finish(running.job.id, said)
        except LeaseLostError:
            _LOG.warning("the job %s is not this node's any more", running.job.id)
            return False
        finally:
            self._forget(running)
        return True

    def _forget(self, running: RunningJob) -> None:
        if self._jobs.get(running.job.id) is running:
            del self._jobs[running.job.id]
            self._keep()
            self._room.set()
            self._room = anyio.Event()

    async def _finish(self, job_id: str, said: wire.Finish) -> None:
        """Tell the service as often as it takes: what was done must not be done again."""
        while True:
            try:
                await self.client.finish(job_id, said)
            except UnreachableError as error:
                _LOG.warning("%s", error.message)
                await anyio.sleep(_AGAIN)
            except ValueError as error:
                _LOG.warning("the end of the job %s cannot be sent: %s", job_id, type(error).__name__)
                said = not_sent(said.epoch)
                await anyio.sleep(_AGAIN)
            else:
                _LOG.info("job %s has ended: %s", job_id, said.outcome)
                return

    async def _say_goodbye(self) -> None:
        try:
            await self.client.heartbeat(wire.Heartbeat(version=crossdock.__version__, state="stopping"))
        except CrossdockError as error:
            _LOG.info("the service was not told: %s", error.message)
