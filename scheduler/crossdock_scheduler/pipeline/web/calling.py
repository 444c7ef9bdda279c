"""What WebActivity and WebHook share: the request that an activity's JSON describes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import SecretStr

from crossdock import AdfComputed, AdfProperties, ConfigError

from ..checks.expressions import is_secure
from ..definitions import Definition
from ..expressions import did_you_mean
from ..planning.activity import Planning
from ..secrets import resolved
from .authentication import check, proof_of
from .client import Reply, Request, address_of
from .errors import CallError

_MASKED = "**********"
_EXCERPT = 500
_LONGEST = 600
METHODS = {name: name for name in ("GET", "POST", "PUT", "DELETE", "PATCH")}


class Calling(Planning):
    """Reads the keys of a call. ``call`` is for a run: it has the secrets that authentication needs."""

    methods: Mapping[str, str] = METHODS
    method = ""
    timeout = 60

    def read(self) -> None:
        """Say what is wrong with the keys; nothing is had or sent yet."""
        given = self.properties
        self.whole.ignore("linkedServiceName")
        given.ignore("connectVia")
        self._check_url(given.text("url"))
        self.method = given.choice("method", self.methods)
        if not given.get("method"):
            given.refuse("method", f"a method is needed: {', '.join(self.methods)}", "error")
        check(given.inner("authentication"))
        given.flag("disableCertValidation")
        if (seconds := given.seconds("httpRequestTimeout")) is not None:
            self.timeout = seconds
            if not 1 <= seconds <= _LONGEST:
                given.refuse("httpRequestTimeout", "must be between 00:00:01 and 00:10:00", "error")
        given.ignore("headers", "body")

    def against(self) -> list[str]:
        """Why it cannot be run."""
        self.report()
        return [each.message for each in self.findings if each.severity != "note"]

    def call(self, body: Any) -> Request:
        """The request. Raises ConfigError, and what signing in raises."""
        given = self.properties
        authentication = AdfProperties(resolved(dict(given.inner("authentication")), self.ends))
        proof = proof_of(authentication)
        headers = {**_headers(given.get("headers")), **proof.headers}
        content = None if body is None or self.method == "GET" else _written(body)
        if content is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        return Request(
            self.method, given.text("url").strip(), headers, content, self.timeout,
            verify=not given.flag("disableCertValidation"), secured=proof.secured,
        )  # fmt: skip

    def definitions(self, key: str, kind: str) -> list[dict[str, Any]]:
        """The definitions that a list of references names, as the endpoint gets them: without secrets."""
        found = []
        listed = self.properties.get(key)
        for reference in listed if isinstance(listed, list) else ():
            name = AdfProperties(reference if isinstance(reference, Mapping) else {}).text("referenceName")
            one = self.ends.factory.find(kind, name)
            if one is None:
                known = [each.name for each in self.ends.factory.of_kind(kind)]
                raise ConfigError(f"{key}: there is no {name!r}{did_you_mean(name, known)}")
            found.append(_shown(one))
        return found

    def _check_url(self, url: str) -> None:
        if isinstance(url, AdfComputed) or "computed" in url:
            return
        try:
            host = address_of(url).netloc
        except ConfigError as error:
            self.properties.refuse("url", error.message, "error")
            return
        if refusal := self.ends.policy.host(host):
            self.say("error", "Forbidden", refusal, self.properties.where("url"))


def _headers(given: Any) -> dict[str, str]:
    if isinstance(given, str) and given.strip():
        try:
            given = json.loads(given)
        except ValueError:
            given = None
        if not isinstance(given, Mapping):
            raise ConfigError("headers must be an object of texts")
    pairs = dict(given or {})
    return {str(name): _text(value) for name, value in pairs.items() if name.lower() != "content-length"}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _written(body: Any) -> bytes:
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def as_object(body: Any, why: str) -> dict[str, Any]:
    """The body as an object, to which something is added. Raises ConfigError."""
    if isinstance(body, str) and body.strip():
        try:
            body = json.loads(body)
        except ValueError:
            body = [body]
    if body in (None, ""):
        return {}
    if not isinstance(body, Mapping):
        raise ConfigError(f"body must be an object, to which {why}")
    return dict(body)


def _shown(definition: Definition) -> dict[str, Any]:
    return {"name": definition.name, "properties": _masked(definition.properties)}


def _masked(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return {"type": "SecureString", "value": _MASKED}
    if isinstance(value, Mapping):
        if is_secure(value):
            return {"type": "SecureString", "value": _MASKED}
        return {key: _masked(each) for key, each in value.items()}
    return [_masked(each) for each in value] if isinstance(value, list) else value


def succeeded(reply: Reply) -> Reply:
    """The reply, if it is a success. Raises CallError with the status and the beginning of the answer."""
    if 200 <= reply.status < 300:
        return reply
    try:
        name = HTTPStatus(reply.status).phrase.replace(" ", "")
    except ValueError:
        name = reply.reason or "unknown"
    told = reply.body[: _EXCERPT * 4].decode("utf-8", "replace")[:_EXCERPT]
    details = f" More details: {told}" if told.strip() else ""
    shown = reply.url.partition("?")[0]
    raise CallError(
        f"Error calling the endpoint {shown!r}. Response status code: '{name} - {reply.status}'.{details}"
    )


def output_of(reply: Reply) -> dict[str, Any]:
    """The object that was answered, or ``Response`` with the text, the headers and the status."""
    text = reply.body.decode("utf-8-sig", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    found = dict(value) if isinstance(value, dict) else {"Response": text}
    more = {"ADFHttpStatusCodeInResponse": str(reply.status)}
    return found | {"ADFWebActivityResponseHeaders": dict(reply.headers)} | more
