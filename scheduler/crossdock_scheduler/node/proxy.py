"""The HTTP proxy of a node, for its service and for what its jobs reach over HTTP: ``proxy.json``, encrypted.

It is read anew for each request and each job, so that a change needs no new start.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from crossdock import ConfigError
from crossdock.redact import remember

from .keeping import keep, kept

_LOG = logging.getLogger(__name__)
FILE = "proxy.json"
MODES = ("none", "system", "custom")
_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True, slots=True)
class Proxy:
    """``mode``: ``none``, ``system`` (the environment's, or what the system has set) or ``custom``: then the
    rest counts. ``bypass``: hosts and domains that are reached without it."""

    mode: str = "system"
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    bypass: tuple[str, ...] = ()

    def to(self, url: str) -> str:
        """The proxy on the way to an address, with its login; empty for none."""
        parts = urlsplit(url)
        if self.mode == "custom":
            return "" if self._is_past(parts.hostname or "") else self._url()
        if self.mode == "none":
            return ""
        known = getproxies()
        found = known.get(parts.scheme) or known.get("all") or ""
        if not found or proxy_bypass(parts.netloc):
            return ""
        return found if "://" in found else f"http://{found}"

    def _is_past(self, host: str) -> bool:
        names = [each.lower().lstrip("*.") for each in self.bypass]
        return any(host == name or host.endswith(f".{name}") for name in names) or "*" in self.bypass

    def variables(self) -> dict[str, str | None]:
        """What has to be in the environment of a job; None for what must not be there."""
        if self.mode == "system":
            return {}
        found: dict[str, str | None] = {}
        for name in _VARIABLES:
            found |= {name: None, name.upper(): None}
        if self.mode == "custom":
            found |= {"http_proxy": self._url(), "https_proxy": self._url()}
            found |= {"HTTP_PROXY": self._url(), "HTTPS_PROXY": self._url()}
            # Libraries do not know "*.internal": they take ".internal" for it.
            past = ",".join(each.removeprefix("*") or each for each in self.bypass)
            found |= {"no_proxy": past, "NO_PROXY": past}
        return found

    def addresses(self) -> set[tuple[str, int]]:
        """Hosts and ports of all proxies that may be asked."""
        if self.mode == "custom":
            return {(self.host, self.port)}
        urls = {self.to(f"{scheme}://any.invalid") for scheme in ("http", "https")}
        parts = [urlsplit(each) for each in urls if each]
        return {(each.hostname, each.port or 80) for each in parts if each.hostname}

    def shown(self) -> dict[str, Any]:
        """Without the password."""
        if self.mode != "custom":
            return {"mode": self.mode}
        return asdict(self) | {"password": bool(self.password), "bypass": list(self.bypass)}

    def _url(self) -> str:
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{login}{host}:{self.port}"


def proxy_of(folder: Path) -> Proxy:
    """The one of a state folder. Raises ConfigError for a file that is not understood."""
    content = kept(folder, FILE)
    if content is None:
        return Proxy()
    said = json.loads(content)
    found = Proxy(**said | {"bypass": tuple(said["bypass"])})
    if found.password:
        remember([found.password, quote(found.password, safe="")])
    return found


def set_proxy(folder: Path, proxy: Proxy) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep(folder, FILE, json.dumps(asdict(proxy)).encode())


def watched(folder: Path) -> Callable[[], Proxy]:
    """The one that holds now. Raises ConfigError if it is not understood; later on, the last one holds on."""
    known, found = _content(folder), proxy_of(folder)

    def now() -> Proxy:
        nonlocal known, found
        content = _content(folder)
        if content != known:
            known = content
            try:
                found = proxy_of(folder)
            except ConfigError as error:
                _LOG.warning("the proxy stays as it was: %s", error.message)
        return found

    return now


def _content(folder: Path) -> bytes | None:
    try:
        return (folder / FILE).read_bytes()
    except OSError:
        return None


def put(variables: Mapping[str, str | None]) -> None:
    """Into the environment of this process, where /proc does not show it."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
