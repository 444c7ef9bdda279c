"""Signed requests to one storage account, over pooled connections; every failure is a crossdock error."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from urllib.parse import quote, unquote, urlsplit

from crossdock import AuthError, ConfigError, CrossdockError, InternalError, ShortReadError

from . import proxy
from .auth import Message, Signer
from .config import AzureConfig
from .errors import disconnected, error_code, refused
from .http1 import Connection, EarlyEnd, Pool, ProtocolError, Reply, Route, request_head

API_VERSION = "2021-12-02"
_NO_QUERY: Mapping[str, str] = {}
_BODY_OF_ERRORS = 64 << 10


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` and ``headers`` of the answer; ``body`` unless it went into the caller's buffer."""

    reply: Reply
    body: bytes = b""
    got: int = 0

    @property
    def status(self) -> int:
        return self.reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.reply.headers


@dataclass(frozen=True)
class Service:
    """Where a storage service is. ``base`` is what stands before the container in every path."""

    scheme: str
    host: str
    port: int
    base: str
    account: str

    @property
    def authority(self) -> str:
        usual = {"https": 443, "http": 80}[self.scheme]
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.base}"


class Wire:
    """Sends requests to a service. Safe from any thread."""

    def __init__(self, service: Service, signer: Signer, config: AzureConfig) -> None:
        if service.scheme == "http" and not config.allow_http:
            raise ConfigError(f"{service.url} would be unencrypted; use https, or give allow_http=true")
        if service.scheme == "http" and signer.kind == "entra":
            raise ConfigError("a sign-in with Entra ID is never sent unencrypted; use https")
        self.service, self.signer = service, signer
        self._origin = f"{service.scheme}://{service.authority}"
        self._host = service.authority
        self._pool = Pool(_route(service, config))
        self._date = (0, "")

    def call(  # noqa: PLR0917 - the hot path
        self,
        method: str,
        path: str,
        query: Mapping[str, str] = _NO_QUERY,
        headers: Mapping[str, str] = _NO_QUERY,
        body: bytes | memoryview | None = None,
        into: memoryview | None = None,
        accept: tuple[int, ...] = (),
    ) -> Answer:
        """Send one request; ``path`` is quoted. Other than 2xx and ``accept`` raises what it means.

        With ``into``, the body of a 200 or 206 goes there; ShortReadError where it ends early.
        """
        full = self.service.base + path
        quoted = {name: quote(value, safe="") for name, value in query.items()} if query else query
        message = self._message(method, full, quoted, headers, body)
        target = self._target(full, quoted)
        try:
            connection, reply = self._exchange(message, target, body)
            if reply.status == 401 and self._signs_in_again(message, connection, reply):
                connection, reply = self._exchange(message, target, body)
            return self._answer(connection, reply, into, path, accept)
        except (OSError, ProtocolError) as error:
            raise self._broken(error) from error

    def _message(
        self,
        method: str,
        full: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | memoryview | None,
    ) -> Message:
        sent = {"x-ms-date": self._now(), "x-ms-version": API_VERSION, **headers}
        if method in ("PUT", "PATCH"):
            sent["Content-Length"] = str(0 if body is None else len(body))
        message = Message(method, self._origin + full, query, sent)
        self.signer.sign(message)
        return message

    def _now(self) -> str:
        now = int(time.time())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True))
        return self._date[1]

    def _target(self, full: str, query: Mapping[str, str]) -> str:
        pairs = [f"{name}={value}" for name, value in query.items()]
        if self.signer.suffix:
            pairs.append(self.signer.suffix)
        return f"{full}?{'&'.join(pairs)}" if pairs else full

    def _exchange(
        self, message: Message, target: str, body: bytes | memoryview | None
    ) -> tuple[Connection, Reply]:
        try:
            head = request_head(message.method, target, self._host, message.headers)
        except ValueError as error:
            raise InternalError(f"a request could not be written: {error}") from error
        connection = self._pool.take()
        try:
            return connection, _ask(connection, head, body, message.method == "HEAD")
        except EarlyEnd:
            connection.close()
            if not connection.used:
                raise
            # An idle connection that the server had closed already: once more on a new one.
            connection = self._pool.take(fresh=True)
        except BaseException:
            connection.close()
            raise
        try:
            return connection, _ask(connection, head, body, message.method == "HEAD")
        except BaseException:
            connection.close()
            raise

    def _signs_in_again(self, message: Message, connection: Connection, reply: Reply) -> bool:
        """True: the answer is done with and its connection given back. False: both are still the caller's."""
        if "www-authenticate" not in reply.headers:
            return False
        try:
            if not self.signer.challenged(message, reply.headers):
                return False
        except BaseException:
            connection.close()
            raise
        try:
            connection.read()
        finally:
            self._pool.give(connection)
        return True

    def _answer(
        self,
        connection: Connection,
        reply: Reply,
        into: memoryview | None,
        path: str,
        accept: tuple[int, ...],
    ) -> Answer:
        try:
            if into is not None and reply.status in (200, 206):
                got = self._fill(connection, reply, into)
                return Answer(reply, got=got)
            body = connection.read()
        finally:
            self._pool.give(connection)
        if reply.status // 100 != 2 and reply.status not in accept:
            raise self._refused(reply, body[:_BODY_OF_ERRORS], path)
        return Answer(reply, body)

    def _fill(self, connection: Connection, reply: Reply, into: memoryview) -> int:
        promised = reply.headers.get("content-length")
        if promised is not None and int(promised) > len(into):
            raise InternalError("the service sent more than was asked for")
        try:
            got = connection.read_into(into)
        except (OSError, ProtocolError) as error:
            raise ShortReadError(
                f"{self.service.host} stopped in the middle of an answer",
                detail=f"{type(error).__name__}: {error}",
            ) from error
        if promised is not None and got < int(promised):
            raise ShortReadError(
                f"{self.service.host} ended an answer after {got:,} of {int(promised):,} bytes"
            )
        return got

    def _broken(self, error: BaseException) -> CrossdockError:
        return disconnected(error, self.service.host) or InternalError(
            f"the request failed: {type(error).__name__}"
        )

    def refusal(self, answer: Answer, path: str) -> CrossdockError:
        """The error for an answer that was accepted at first."""
        return self._refused(answer.reply, answer.body, path)

    def _refused(self, reply: Reply, body: bytes, path: str) -> CrossdockError:
        if reply.status == 403 and self.signer.has_ended():
            ended = f"the SAS for {self.shown(path)} has expired at {self.signer.ends:%Y-%m-%d %H:%M} UTC"
            return AuthError(
                f"{ended}; resume with a new one", detail=f"status 403 {error_code(reply, body)}"
            )
        return refused(reply, body, self.shown(path))

    def shown(self, path: str) -> str:
        """An address for messages: no SAS in it."""
        return self.service.url + unquote(path)

    def close(self) -> None:
        self._pool.close()


def _ask(connection: Connection, head: bytes, body: bytes | memoryview | None, bodyless: bool) -> Reply:
    connection.send(head, body)
    return connection.begin(bodyless=bodyless)


def _route(service: Service, config: AzureConfig) -> Route:
    given = config.proxy.get_secret_value() if config.proxy is not None else None
    found = proxy.chosen(given, config.no_proxy, service.scheme, service.host)
    through = proxy.parse(found) if found else None
    tls = _tls(config) if service.scheme == "https" else None
    return Route(service.host, service.port, tls, through, config.connect_timeout, config.read_timeout)


def _tls(config: AzureConfig) -> ssl.SSLContext:
    bundle = config.ca_bundle or os.environ.get("SSL_CERT_FILE") or None
    try:
        context = ssl.create_default_context(cafile=bundle)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"the CA bundle {bundle} cannot be read: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def service_of(url: str, account: str) -> Service:
    """The service at an endpoint's address. Raises ConfigError."""
    parts = urlsplit(url)
    try:
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        port = 0
    if (
        parts.scheme not in ("https", "http")
        or not parts.hostname
        or not port
        or parts.query
        or "@" in parts.netloc
    ):
        raise ConfigError("the endpoint is not of the form https://host or https://host:port/account")
    try:
        parts.hostname.encode("idna")
    except UnicodeError:
        raise ConfigError(f"{parts.hostname!r} is not the name of a host") from None
    return Service(parts.scheme, parts.hostname, port, parts.path.rstrip("/"), account)
