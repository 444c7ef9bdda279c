"""Requests to the service. What it refuses is a CrossdockError with the service's own sentence."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from crossdock import (
    AccessDeniedError,
    AuthError,
    ConfigError,
    CrossdockError,
    NotFoundError,
    TransientError,
    UnreachableError,
)

from ..wire.reaching import refusal, why
from .contexts import Context

API_VERSION = "2018-06-01"
PATIENCE = 60.0
"""Seconds for which a service that has answered before may be away: it is restarted, say."""
_TIMEOUT = 30.0
_LATER = (429, 503)
_KINDS: Mapping[int, type[CrossdockError]] = {401: AuthError, 403: AccessDeniedError, 404: NotFoundError}


@dataclass
class Api:
    """One user at one service. ``now`` is the service's time at its last answer, in seconds."""

    http: httpx.Client
    now: float = 0.0
    patience: float = PATIENCE
    _answered: bool = field(default=False, init=False)

    def get(self, path: str) -> dict[str, Any]:
        return self._json(self._send("GET", path))

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._json(self._send("PUT", path, body))

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._json(self._send("PATCH", path, body))

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, again: bool = True) -> dict[str, Any]:
        """``again``: it does no harm if it is received twice."""
        return self._json(self._send("POST", path, body, again=again))

    def delete(self, path: str) -> bool:
        """Whether there was what is deleted."""
        return self._send("DELETE", path).status_code != 204

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """The objects of a list, all of its pages."""
        address = path
        while address:
            page = self.get(address)
            yield from page["value"]
            address = str(page.get("nextLink") or "")

    def query(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The objects that a query finds, all of its pages."""
        asked = dict(body)
        while True:
            page = self.post(path, asked)
            yield from page["value"]
            if not page.get("continuationToken"):
                return
            asked["continuationToken"] = page["continuationToken"]

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, again: bool = True
    ) -> httpx.Response:
        headers = {"x-ms-client-request-id": str(uuid4())}  # by it the service knows what is sent again
        until, wait = time.monotonic() + self.patience, 0.2
        while True:
            problem: CrossdockError
            try:
                answer = self.http.request(
                    method, path, json=None if body is None else dict(body), headers=headers,
                    params=None if "api-version=" in path else {"api-version": API_VERSION},
                )  # fmt: skip
            except httpx.HTTPError as error:
                sentence = f"the service at {self.http.base_url} cannot be reached: {why(error)}"
                if not self._answered:
                    raise UnreachableError(sentence) from error
                problem = TransientError(sentence)
            else:
                self._answered = True
                if answer.status_code < 300:
                    self.now = _moment(answer)
                    return answer
                problem = refused(answer)
                if answer.status_code not in _LATER:
                    raise problem
                wait = max(wait, _seconds(answer.headers.get("Retry-After", "")))
            if not again or time.monotonic() + wait > until:
                raise problem
            time.sleep(wait)
            wait = min(2 * wait, 2.0)

    @staticmethod
    def _json(answer: httpx.Response) -> dict[str, Any]:
        if not answer.content or answer.content == b"null":
            return {}
        found = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else 0
        if not isinstance(found, dict):
            raise ConfigError(f"what answers at {answer.url} is no service of crossdock")
        return found


def refused(answer: httpx.Response) -> CrossdockError:
    said = refusal(answer.content)
    if said is None:
        return ConfigError(f"what answers at {answer.url} is no service of crossdock ({answer.status_code})")
    if answer.status_code >= 500 or answer.status_code == 429:
        return TransientError(f"the service cannot serve now: {said[1]}")
    return _KINDS.get(answer.status_code, ConfigError)(said[1])


def _moment(answer: httpx.Response) -> float:
    try:
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return time.time()


def _seconds(text: str) -> float:
    return min(float(text), 30.0) if text.isdigit() else 0.0


@contextmanager
def connected(context: Context) -> Iterator[Api]:
    """Raises ConfigError for an address or a CA that is none."""
    try:
        trusted = ssl.create_default_context(cafile=context.ca or None)
    except OSError as error:
        raise ConfigError(
            f"--ca {context.ca} is no file of certificates: {error.strerror or error}"
        ) from error
    headers = {"Authorization": f"Bearer {context.token}"}
    with httpx.Client(base_url=context.url, verify=trusted, headers=headers, timeout=_TIMEOUT) as http:
        yield Api(http)


def segment(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a factory is."""

    subscription: str
    group: str
    factory: str = ""

    @property
    def factories(self) -> str:
        group = f"/subscriptions/{segment(self.subscription)}/resourceGroups/{segment(self.group)}"
        return f"{group}/providers/Microsoft.DataFactory/factories"

    def path(self, *parts: str) -> str:
        """The factory, or what is in it: words and names in turn."""
        if not self.factory:
            raise ConfigError(
                "which factory? Give --factory NAME, $CROSSDOCK_FACTORY, or: crossdock context use NAME "
                "--factory NAME"
            )
        return "/".join((self.factories, segment(self.factory), *map(segment, parts)))
