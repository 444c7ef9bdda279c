"""The relay: one WebSocket to the service, by which requests of people who wait for the answer come."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from crossdock import CrossdockError, redacted

from ..clock import passing as now
from ..wire import node as wire
from ..wire.reaching import refusal
from .client import Client, trusted
from .jobs import RunningJob, no_process, not_sent
from .proxy import Proxy
from .vault import Vault

_LOG = logging.getLogger(__name__)
# Seconds between attempts to reach the service: the first, and the most.
_FIRST, _MOST = 1.0, 15.0
# Seconds after which it is looked again whether requests still come as jobs.
_SELF_CONTAINED = 10.0
# What is asked changes nothing, and may be ended at any moment.
GRACE = 0.5
_PING, _OPEN = 10.0, 20.0


@dataclass
class Relay:
    """``problem`` is why it does not work, empty where it does or is not wanted. ``tell`` is called when that
    changes, ``tried`` is set when it is known for the first time."""

    client: Client
    vault: Vault
    policy: Callable[[], Mapping[str, Any]]
    proxy: Callable[[], Proxy]
    tell: Callable[[], None]
    is_up: bool = False
    problem: str = "it is being connected"
    tried: anyio.Event = field(default_factory=anyio.Event)
    _looking: dict[str, anyio.CancelScope] = field(default_factory=dict)

    async def run(self) -> None:
        """Be connected until cancelled."""
        try:
            await self._reconnecting()
        finally:
            self.is_up, self.problem = False, ""

    async def _reconnecting(self) -> None:
        wait = _FIRST
        while True:
            try:
                if (await self.client.authoring()).self_contained:
                    self._is("")
                    await anyio.sleep(_SELF_CONTAINED)
                    continue
                async with self._connected() as socket:
                    self._is("", up=True)
                    wait = _FIRST
                    await self._serve(socket)
                self._is("the service has closed it")
            except CrossdockError as error:
                self._is(error.message)
            except InvalidStatus as error:
                self._is(_refused(error))
            except (OSError, TimeoutError, WebSocketException) as error:
                self._is(f"a WebSocket to {self.client.identity.url} cannot be opened: {error}")
            # Nodes that lost the same service do not come back all at once.
            await anyio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            wait = min(2 * wait, _MOST)

    def _connected(self) -> connect:
        identity = self.client.identity
        return connect(
            f"{identity.url.replace('https://', 'wss://', 1)}/crossdock/v1/nodes/relay",
            ssl=trusted(identity.ca), proxy=self.proxy().to(identity.url) or None,
            additional_headers={"Authorization": f"Bearer {self.client.token()}"},
            open_timeout=_OPEN, ping_interval=_PING, ping_timeout=_PING, max_size=16 << 20, compression=None,
        )  # fmt: skip

    def _is(self, problem: str, *, up: bool = False) -> None:
        problem = redacted(problem)[:1000]
        changed = (self.is_up, self.problem) != (up, problem)
        self.is_up, self.problem = up, problem
        self.tried.set()
        if changed:
            _LOG.info("the relay %s", problem or ("is connected" if up else "is not wanted"))
            self.tell()

    async def _serve(self, socket: ClientConnection) -> None:
        async with anyio.create_task_group() as group:
            try:
                async for text in socket:
                    asked = wire.Asked.model_validate_json(text)
                    if asked.work is not None:
                        group.start_soon(self._look, socket, asked)
                    elif asked.id in self._looking:
                        self._looking[asked.id].cancel()
            except (ConnectionClosed, ValueError) as error:
                _LOG.warning("the relay broke: %s", type(error).__name__)
            group.cancel_scope.cancel()

    async def _look(self, socket: ClientConnection, asked: wire.Asked) -> None:
        _LOG.info("request %s begins", asked.id)
        with anyio.move_on_after(asked.seconds) as scope:
            self._looking[asked.id] = scope
            try:
                said = await self._said(asked)
            finally:
                del self._looking[asked.id]
            with suppress(ConnectionClosed):
                await socket.send(answer(asked.id, said))
        _LOG.info("request %s %s", asked.id, "was ended" if scope.cancelled_caught else "is answered")

    async def _said(self, asked: wire.Asked) -> wire.Finish:
        job = wire.Job(id=asked.id, epoch=0, work=asked.work or {})
        try:
            work = self.vault.opened(job.work)
            running = RunningJob(job, asked.seconds, now(), lambda: None, GRACE)
            ends: list[wire.Finish] = []

            async def tell(said: wire.Finish) -> bool:
                ends.append(said)
                return True

            await running.run(work, self.policy(), tell, self.proxy())
            return ends[0]
        except CrossdockError as error:
            told = {"errorCode": error.code, "message": error.message}
            return wire.Finish(epoch=0, outcome="failed", result={"error": told})
        except OSError as error:
            return no_process(0, error)


def answer(request: str, said: wire.Finish) -> str:
    try:
        return wire.Answered(id=request, outcome=said.outcome, result=said.result).model_dump_json()
    except ValueError:
        said = not_sent(said.epoch)
        return wire.Answered(id=request, outcome=said.outcome, result=said.result).model_dump_json()


def _refused(error: InvalidStatus) -> str:
    said = refusal(bytes(error.response.body or b""))
    return said[1] if said else f"no WebSocket passes: HTTP {error.response.status_code}"
