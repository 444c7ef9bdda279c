"""A copy as it was asked for: what is journaled, and what a child process gets."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict

from .errors import ConfigError
from .report import Payload
from .spi.data import WriteMode

_SECRET_QUERY = {"sig", "password", "pwd", "token", "secret", "key", "accesskey", "sharedaccesskey"}


class CopyRequest(BaseModel):
    """``parallel_copies`` None: automatic. Sizes in bytes, ``bandwidth`` in bytes per second."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    sink: str
    source_format: str | None = None
    sink_format: str | None = None
    source_options: dict[str, str] = {}
    sink_options: dict[str, str] = {}
    map: dict[str, str] | None = None
    parallel_copies: int | None = None
    block_size: int | None = None
    memory: int = 512 << 20
    bandwidth: int | None = None
    mode: WriteMode = WriteMode.ERROR
    verify: bool = False


class SourceEnd(BaseModel):
    """A source after resolving: opens the same way in every process.

    ``root`` is the address of the store's root or of the table; ``name`` one object, else
    ``pattern``; ``merge``: all objects are one unit.
    """

    model_config = ConfigDict(frozen=True)

    connector: str
    root: str
    options: dict[str, str] = {}
    format: str = ""
    format_options: dict[str, str] = {}
    name: str = ""
    pattern: str = ""
    merge: bool = False


class SinkEnd(BaseModel):
    """A sink after resolving. ``name`` is one object; else units keep their names with ``extension``."""

    model_config = ConfigDict(frozen=True)

    connector: str
    root: str
    options: dict[str, str] = {}
    format: str = ""
    format_options: dict[str, str] = {}
    name: str = ""
    extension: str = ""
    block: int = 8 << 20


class Resolved(BaseModel):
    """The decision, journaled once: a resumed run does not decide anew from a changed world."""

    model_config = ConfigDict(frozen=True)

    payload: Payload
    source: SourceEnd
    sink: SinkEnd

    def with_options(self, source: dict[str, str], sink: dict[str, str]) -> Resolved:
        """The same with more options on both ends (secrets that the journal does not keep)."""
        return self.model_copy(update={"source": _with(self.source, source), "sink": _with(self.sink, sink)})


def _with(end: Any, options: dict[str, str]) -> Any:
    return end.model_copy(update={"options": end.options | options})


def public_url(url: str) -> str:
    """The address without secrets: no password, no signature."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = parts.netloc.rpartition("@")[0].partition(":")[0]
    query = [(k, "***" if k.lower() in _SECRET_QUERY else v) for k, v in parse_qsl(parts.query, True)]
    netloc = f"{user}@{host}" if user else host
    return urlunsplit((parts.scheme, netloc, parts.path, urlencode(query, safe="*/:"), parts.fragment))


def validate_options(model: type[BaseModel], options: dict[str, str], where: str) -> Any:
    """The connector's config from ``key=value`` texts. Raises ConfigError: key, value, what is allowed."""
    from pydantic import ValidationError

    try:
        return model.model_validate(options)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise ConfigError(f"{where} needs the option {key}; give it with {key}=...") from None
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{where}: the option {key} is not valid: {message}") from None
