"""ConnectorSpec: how a plugin says what it is. Making one imports no vendor library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, overload
from urllib.parse import quote, unquote, urlsplit

from ..errors import ConfigError
from .data import WriteMode
from .record import record

if TYPE_CHECKING:
    from ..errors import CrossdockError
    from .adf import AdfEnd, AdfTranslation
    from .config import ConnectorConfig
    from .endpoints import Sink, Source
    from .format import FileFormat
    from .store import ObjectStore

Kind = Literal["store", "format", "table"]
# urlsplit drops these from an address, which would then be another one.
_DROPPED = {ord(c): f"%{ord(c):02X}" for c in "\t\n\r"}


@record(slots=True)
class Location:
    """An address, taken apart. ``path`` is unquoted; a bare path has the scheme ``""``."""

    url: str
    scheme: str
    authority: str
    path: str
    query: str
    fragment: str

    @classmethod
    def parse(cls, text: str) -> Location:
        """Parse a URL or a bare path (in which ``#``, ``?`` and ``%`` are ordinary characters).

        Raises ConfigError.
        """
        scheme, colon, _ = text.partition(":")
        if not colon or "://" not in text[: len(scheme) + 3] or len(scheme) < 2:
            return cls(text, "", "", text, "", "")
        try:
            parts = urlsplit(text.translate(_DROPPED))
        except ValueError:  # the text may hold a password
            raise ConfigError(f"an address with {scheme}:// has a host that is no host") from None
        return cls(
            text,
            parts.scheme.lower(),
            parts.netloc,
            unquote(parts.path),
            parts.query,
            unquote(parts.fragment),
        )

    def with_path(self, path: str) -> Location:
        """The same address with another path."""
        if not self.scheme:
            return Location.parse(path or ".")
        quoted = quote(path, errors="surrogateescape")
        query = f"?{self.query}" if self.query else ""
        fragment = f"#{quote(self.fragment)}" if self.fragment else ""
        return Location.parse(f"{self.scheme}://{self.authority}{quoted}{query}{fragment}")


@record(slots=True)
class BulkLoad:
    """Staged files that a sink loads itself: names of formats, and the URL schemes that it can fetch by."""

    formats: frozenset[str]
    schemes: frozenset[str]


@record(slots=True)
class Capabilities:
    """Facts that methods do not show. Each is tested when declared and when not."""

    write_modes: frozenset[WriteMode] = frozenset()
    """Modes that ``Sink.check`` accepts; others raise NotSupportedError."""
    visibility: Literal["atomic", "per_object"] = "atomic"
    """How a unit of many objects appears. One object always appears at once."""
    private_staging: bool = True
    """False: one run's commit throws away what another staged, which then fails cleanly or starts over."""
    block_range: tuple[int, int] | None = None
    """Smallest and largest block in bytes that the store takes."""
    best_block: int | None = None
    """The block size in bytes that the store is fastest with."""
    parallel: int | None = None
    """Requests at once that the store is fastest with, where it lies behind a network: most of them wait."""
    max_blocks: int | None = None
    """Most blocks that one object can have."""
    resume_window: timedelta | None = None
    """How long staged data is kept by the store (None: until removed); a later resume starts units over."""
    read_back: Literal["no", "before_commit", "after_commit"] = "no"
    """When ``ReadBack.written`` works."""
    cancel: bool = False
    """Whether a blocked call can be ended from another thread (``Cancellable``)."""
    gil_bound: bool = False
    """Of a store or table: it holds the interpreter lock at work; its splits run in child processes."""
    isolated: bool = False
    """Whether its library may end the process, or its calls cannot be interrupted: as ``gil_bound``."""
    cheap_scan: bool = False
    """Whether reading a whole object before the copy costs next to nothing (a local disk)."""
    stages: bool = False
    """Of a format: whether it keeps every value and type, in parts, so that tables can be staged in it."""
    fetched_by: str = ""
    """Of a store: the URL scheme by which others fetch its objects themselves (``Fetchable``)."""
    bulk_load: BulkLoad | None = None
    """Of a sink: what it fetches and loads itself (``BulkLoader``)."""


@record(slots=True)
class Secrets:
    """Where a connector's addresses hold secrets, beside those of any address, and where else it finds them.

    Of any address are hidden: passwords, parameters that are called like a secret (``sig``, ``token``,
    ``code``, ...), and user names of ``https`` or that look like a token.
    """

    query: tuple[str, ...] = ()
    """Patterns of more parameters, lower case: ``*`` for a query that is a signature with what it signs."""
    user: bool | None = None
    """Whether the user name is one. False where it is something else, which no look of it makes a secret."""
    environment: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By option, with ``""`` for the address: the variables that the connector looks into without it."""


def _unclassified(error: BaseException) -> CrossdockError | None:
    return None


def _as_it_is(location: Location) -> Location:
    return location


class _Config:
    """A field that is given a class or a function that imports one, and always has the class."""

    @overload
    def __get__(self, spec: None, owner: type) -> Callable[[], type[ConnectorConfig]]: ...

    @overload
    def __get__(self, spec: ConnectorSpec, owner: type) -> type[ConnectorConfig]: ...

    def __get__(self, spec: ConnectorSpec | None, owner: type) -> Any:
        if spec is None:  # where a dataclass looks for the default of the field
            return _no_options
        given = spec.__dict__["config"]
        return given if isinstance(given, type) else given()

    def __set__(
        self, spec: ConnectorSpec, given: type[ConnectorConfig] | Callable[[], type[ConnectorConfig]]
    ) -> None:
        spec.__dict__["config"] = given


def _no_options() -> type[ConnectorConfig]:
    from .config import ConnectorConfig

    return ConnectorConfig


@record
class ConnectorSpec:
    """What the hook ``crossdock_connectors`` returns.

    ``name`` is lower case and unique. ``schemes`` (stores and tables) and ``extensions`` (formats, with
    the dot) choose it. Several connectors may answer to ``https`` and ``http``: the one with a glob in
    ``hosts`` that matches the host is chosen, else the one without ``hosts``. ``adf_types`` are the Data
    Factory type names it answers to. A format without ``open_format`` stands for bytes as they are.
    ``requires`` are the modules it imports late and ``extra`` is what to install for them. Factories get
    the validated config. It may be given as a function that imports it, and ``defaults`` (with the
    attributes of ``config()``) are what factories get where there is no option to validate: pydantic and a
    model take longer to import than copying many a file. ``classify`` maps a driver's exception or returns
    None. ``absolute`` gives the address that means the same in any working directory: a run is resumed in
    another one. ``from_adf`` says what one end of a copy means that Data Factory's JSON defines with
    ``adf_types``.
    """

    name: str
    summary: str
    kind: Kind
    config: _Config = _Config()
    defaults: Any = None
    schemes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    adf_types: tuple[str, ...] = ()
    capabilities: Capabilities = field(default_factory=Capabilities)
    open_store: Callable[[Any, Location], ObjectStore] | None = None
    open_format: Callable[[Any], FileFormat] | None = None
    open_source: Callable[[Any, Location], Source[Any]] | None = None
    open_sink: Callable[[Any, Location], Sink[Any]] | None = None
    classify: Callable[[BaseException], CrossdockError | None] = _unclassified
    absolute: Callable[[Location], Location] = _as_it_is
    from_adf: Callable[[AdfEnd], AdfTranslation] | None = None
    secrets: Secrets = field(default_factory=Secrets)
    example: str = ""
    requires: tuple[str, ...] = ()
    extra: str = ""
