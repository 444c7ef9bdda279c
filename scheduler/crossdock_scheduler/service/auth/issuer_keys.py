"""The public keys of an OpenID Connect issuer: found by its discovery document, kept, and asked for again."""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler

import jwt

from ..errors import ApiError

ALGORITHMS = ("RS256", "ES256")
_LOG = logging.getLogger(__name__)
# Seconds: keys older than this are asked for again; not more often than this, whatever tokens are shown.
_OLD, _NOT_BEFORE = 3600.0, 30.0
_PATIENCE = 5.0
_MOST_BYTES = 1 << 20


class _NoRedirects(HTTPRedirectHandler):
    """Where an issuer says that its keys are is where they are."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass
class IssuerKeys:
    """``url`` is the issuer's. Safe for threads; one of them asks while the others wait."""

    url: str
    not_before: float = _NOT_BEFORE
    _keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    _fetched: float | None = None
    _tried: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def named(self, kid: str) -> jwt.PyJWK | None:
        """A key; None where the issuer has none of that name. Raises ApiError where nobody can tell now."""
        now = time.monotonic()
        if (found := self._keys.get(kid)) and self._fetched is not None and now - self._fetched < _OLD:
            return found
        with self._lock:
            self._fetch_once()
            if self._fetched is None:
                wait = {"Retry-After": str(int(self.not_before) + 1)}
                raise ApiError(503, "The issuer of tokens cannot be reached now.", headers=wait)
            return self._keys.get(kid)

    def _fetch_once(self) -> None:
        now = time.monotonic()
        if self._tried is not None and now - self._tried < self.not_before:
            return
        self._tried = now
        try:
            self._keys = self._fetch()
        except (OSError, HTTPException, ValueError) as error:
            # The keys that are known go on to be right until the issuer can be asked.
            _LOG.warning("the keys of %s cannot be read: %s", self.url, error)
        else:
            self._fetched = now

    def _fetch(self) -> dict[str, jwt.PyJWK]:
        found = _get(f"{self.url.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self.url:
            raise ValueError(f"it says that it is {found.get('issuer')!r}")
        address = str(found.get("jwks_uri", ""))
        if not address.startswith("https://"):
            raise ValueError("its keys are not at an https address")
        listed = _get(address).get("keys")
        keys: dict[str, jwt.PyJWK] = {}
        for each in listed if isinstance(listed, list) else []:
            try:
                key = jwt.PyJWK(each)
            except (jwt.PyJWTError, AttributeError):
                continue  # of a kind that is not used here
            if key.algorithm_name in ALGORITHMS and key.key_id and each.get("use", "sig") == "sig":
                keys[key.key_id] = key
        return keys


def _get(address: str) -> dict[str, Any]:
    opener = OpenerDirector()
    # The system's certificate authorities, or those of SSL_CERT_FILE.
    for handler in (ProxyHandler(), HTTPSHandler(context=ssl.create_default_context()), _NoRedirects()):
        opener.add_handler(handler)
    answer = opener.open(address, timeout=_PATIENCE)
    if answer is None:
        raise ValueError(f"{address} is no https address")
    with answer:
        if answer.status != 200:
            raise ValueError(f"{address} answers {answer.status}")
        found = json.loads(answer.read(_MOST_BYTES))
    if not isinstance(found, dict):
        raise ValueError(f"{address} holds no object")
    return found
