"""Who is told when nodes and runtimes change: the log always, and the addresses of a file.

A web hook gets a POST of JSON, with a ``text`` for people; every other one is for ``apprise``: mail and
chat.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from crossdock import ConfigError, MissingDependencyError

_LOG = logging.getLogger(__name__)
_TRIES, _PAUSE, _TIMEOUT = 3, 1.0, 10.0
_SLACK = 10.0
_WEB = ("https", "http")


@dataclass(frozen=True, slots=True)
class Notifier:
    """``addresses`` hold secrets and are never shown whole."""

    addresses: tuple[str, ...] = ()

    @classmethod
    def of(cls, file: Path) -> Notifier:
        """An address a line; empty lines and those that begin with ``#`` do not count. Raises ConfigError."""
        try:
            lines = file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--notify {file} cannot be read") from error
        found = []
        for number, line in enumerate(lines, 1):
            address = line.strip()
            if not address or address.startswith("#"):
                continue
            if not _is_known(address):
                raise ConfigError(
                    f"{file}: line {number} is no address of a web hook, and none that apprise knows"
                )
            found.append(address)
        return cls(tuple(found))

    @property
    def longest(self) -> float:
        """Seconds that ``tell`` takes at most, where nobody answers."""
        tries = _TRIES * _TIMEOUT + _PAUSE * sum(range(_TRIES))
        return _SLACK + tries * len(self.addresses)

    def tell(self, said: Mapping[str, Any]) -> None:
        """Waits until all have been told, or have been tried often enough. Raises nothing."""
        _LOG.log(logging.INFO if said["to"] == "Online" else logging.WARNING, "%s", said["text"])
        for address in self.addresses:
            try:
                _told(address, said)
            except Exception as error:  # noqa: BLE001 - apprise's plugins raise what they like
                why = error.code if isinstance(error, HTTPError) else type(error).__name__
                _LOG.warning("%s was not told: %s", _shown(address), why)


def _is_known(address: str) -> bool:
    if urlsplit(address).scheme in _WEB:
        return bool(urlsplit(address).hostname)
    if find_spec("apprise") is None:
        raise MissingDependencyError(
            "addresses of mail and chat need apprise; install it with: pip install 'crossdock[notify]'"
        )
    return _sender(address) is not None


def _told(address: str, body: Mapping[str, Any]) -> None:
    for left in reversed(range(_TRIES)):
        try:
            if urlsplit(address).scheme in _WEB:
                _post(address, body)
            else:
                _send(address, str(body["text"]))
        except (OSError, HTTPException) as error:
            refused = isinstance(error, HTTPError) and error.code < 500 and error.code != 429
            if not left or refused:
                raise
            time.sleep(_PAUSE * (_TRIES - left))
        else:
            return


def _post(address: str, body: Mapping[str, Any]) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "crossdock"}
    asked = Request(address, json.dumps(body).encode(), headers)  # noqa: S310 - http and https only
    with urlopen(asked, timeout=_TIMEOUT) as answer:  # noqa: S310
        answer.read(1 << 16)


def _send(address: str, text: str) -> None:
    sender = _sender(address)
    if sender is None or not sender.notify(body=text, title="crossdock"):
        raise OSError("apprise could not send it")


def _sender(address: str) -> Any:
    """None for an address that apprise does not know."""
    import apprise

    # It would say whole addresses.
    logging.getLogger("apprise").disabled = True
    found = apprise.Apprise()
    return found if found.add(address) else None


def _shown(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}" if parts.scheme in _WEB else f"{parts.scheme}:"
