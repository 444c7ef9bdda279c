"""The service as a node sees it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import httpx

from crossdock import AuthError, ConfigError, CrossdockError, UnreachableError

from ..clock import passing as now
from ..wire import node as wire
from ..wire.reaching import refusal, why
from .identity import Identity
from .proxy import Proxy

M = TypeVar("M", bound=wire.Message)
_BASE = "/crossdock/v1/nodes"
_TIMEOUT = 20.0
# Longer than it was to wait for jobs.
_ANSWERING = 5.0
# By then every request has been answered or given up.
_FORMER = 120.0


class LeaseLostError(CrossdockError):
    """The job is another node's now, or nobody's: what was done counts for nothing."""


class SilentError(UnreachableError):
    """Nothing was heard in time, not even that the way is closed."""


class ClockError(UnreachableError):
    """The clocks of node and service are too far apart: until one is set, nothing is taken from the node."""


@dataclass(slots=True)
class Client:
    """Each method is one request. They raise AuthError where the service does not know the node any more,
    UnreachableError where it does not answer, or not sensibly: then it may be asked again."""

    http: httpx.AsyncClient
    identity: Identity
    _token: str = field(default="", repr=False)
    _until: float = 0.0

    async def heartbeat(self, beat: wire.Heartbeat, timeout: float = _TIMEOUT) -> wire.Beaten:
        """Raises SilentError after ``timeout`` seconds, on whatever they were spent."""
        try:
            with anyio.fail_after(timeout):
                return await self._ask("heartbeat", beat, wire.Beaten, 2 * timeout)
        except TimeoutError:
            raise SilentError(
                f"the service at {self.http.base_url} has not answered for {timeout:.1f} s"
            ) from None

    async def share(self, shares: wire.Shares) -> None:
        """Let other nodes have the key of the vault. Raises ConfigError where it has changed."""
        await self._send("vault", shares)

    async def offer(self, made: wire.Vault) -> None:
        """A vault for the runtime, which has lost its own."""
        await self._send("vault/new", made)

    async def secrets(self) -> wire.Secrets:
        """All that is sealed to the vault."""
        return await self._ask("vault/secrets", None, wire.Secrets)

    async def follow(self, given: wire.NextVault) -> None:
        """Another key for the vault. Raises ConfigError where what is in it has changed."""
        await self._send("vault/next", given)

    async def claim(self, want: int, wait: float) -> wire.Jobs:
        return await self._ask("claim", wire.Claim(want=want, wait=wait), wire.Jobs, wait + _ANSWERING)

    async def finish(self, job_id: str, said: wire.Finish) -> None:
        """Raises LeaseLostError where the job is not the node's any more."""
        await self._send(f"jobs/{job_id}/finish", said)

    async def authoring(self) -> wire.Authoring:
        """How interactive requests reach the runtime's nodes."""
        return await self._ask("authoring", None, wire.Authoring)

    async def company(self, wanted: wire.Company) -> None:
        """Raises ConfigError where there are other nodes, and it wants to be alone."""
        await self._send("company", wanted)

    async def leave(self) -> None:
        """The node is none any more."""
        await self._send("leave", None)

    async def _ask(
        self, path: str, message: wire.Message | None, kind: type[M], timeout: float = _TIMEOUT
    ) -> M:
        return kind.model_validate_json((await self._send(path, message, timeout)).content)

    async def _send(
        self, path: str, message: wire.Message | None, timeout: float = _TIMEOUT
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token()}"}
        try:
            return await post(self.http, f"{_BASE}/{path}", message, headers, timeout)
        except ClockError:
            self._until = 0.0
            raise

    def token(self) -> str:
        """What the node signs in with. Verifying one takes the service longer than a heartbeat."""
        if self._until <= now():
            self._token, self._until = self.identity.token(), now() + wire.TOKEN_SECONDS / 2
        return self._token


async def register(http: httpx.AsyncClient, asked: wire.Register) -> wire.Registered:
    """Raises AuthError for a key that is not valid, ConfigError where the service refuses the node."""
    answer = await post(http, f"{_BASE}/register", asked, {}, _TIMEOUT)
    return wire.Registered.model_validate_json(answer.content)


async def post(
    http: httpx.AsyncClient, path: str, message: wire.Message | None, headers: dict[str, str], timeout: float
) -> httpx.Response:
    content = message.model_dump_json().encode() if message is not None else b""
    headers = {"Content-Type": "application/json", **headers}
    try:
        answer = await http.post(path, content=content, headers=headers, timeout=timeout)
    except httpx.HTTPError as error:
        raise UnreachableError(f"the service at {http.base_url} cannot be reached: {why(error)}") from error
    if answer.status_code == 200:
        return answer
    raise _refused(answer, str(http.base_url))


def _refused(answer: httpx.Response, url: str) -> CrossdockError:
    if (said := refusal(answer.content)) is None:
        return UnreachableError(f"what answers at {url} is no service of crossdock ({answer.status_code})")
    code, message = said
    if code == "LeaseLost":
        return LeaseLostError(message)
    if code == wire.CLOCK:
        return ClockError(f"the service at {url} takes nothing from this node: {message}")
    if answer.status_code == 401:
        return AuthError(message)
    if answer.status_code >= 500 or answer.status_code == 429:
        return UnreachableError(f"the service at {url} cannot serve now: {message}")
    return ConfigError(message)


class Route(httpx.AsyncBaseTransport):
    """The way to the service, through the proxy that holds at the time. Requests on the former way go on."""

    def __init__(self, tls: ssl.SSLContext, proxy: Callable[[], Proxy]) -> None:
        self._tls, self._proxy = tls, proxy
        self._through: str | None = None
        self._way = httpx.AsyncHTTPTransport(trust_env=False)
        self._former: list[tuple[float, httpx.AsyncHTTPTransport]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        through = self._proxy().to(str(request.url))
        if through != self._through:
            self._former.append((now() + _FORMER, self._way))
            proxy = httpx.Proxy(through) if through else None
            self._way = httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, proxy=proxy)
            self._through = through
        while self._former and self._former[0][0] < now():
            await self._former.pop(0)[1].aclose()
        return await self._way.handle_async_request(request)

    async def aclose(self) -> None:
        for _, each in self._former:
            await each.aclose()
        await self._way.aclose()


def trusted(ca: str) -> ssl.SSLContext:
    """Whom the node trusts as its service. Raises ConfigError for a CA that is none."""
    try:
        return ssl.create_default_context(cafile=ca or None)
    except OSError as error:
        raise ConfigError(f"--ca {ca} is no file of certificates: {error.strerror or error}") from error


@asynccontextmanager
async def connected(url: str, ca: str, proxy: Callable[[], Proxy]) -> AsyncIterator[httpx.AsyncClient]:
    """``proxy`` says which one holds. Raises ConfigError for a CA that is none."""
    async with httpx.AsyncClient(base_url=url, transport=Route(trusted(ca), proxy)) as http:
        yield http
