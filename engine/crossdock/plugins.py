"""Finding connectors: pluggy hooks, the entry-point group ``crossdock``, a loader that survives bad ones."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING

import pluggy

from . import __version__
from .entry_points import EntryPoint, entry_points
from .errors import ConfigError, MissingDependencyError
from .spi.record import record
from .spi.spec import ConnectorSpec, Kind
from .versions import within

if TYPE_CHECKING:
    import typer

    from .spi.check import Check

GROUP = "crossdock"
_SHARED = frozenset({"https", "http"})
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Hooks:
    """What a plugin module may implement (decorate with ``crossdock.hookimpl``)."""

    @hookspec
    def crossdock_connectors(self) -> Iterable[ConnectorSpec]:  # type: ignore[empty-body] # a specification
        """Return the connectors of this plugin. May not import a vendor library."""

    @hookspec
    def crossdock_commands(self, app: typer.Typer) -> None:
        """Add commands to the ``crossdock`` command line."""

    @hookspec
    def crossdock_checks(self) -> Iterable[Check]:  # type: ignore[empty-body] # a specification
        """Check what this plugin needs of the machine, for ``crossdock doctor``. Drivers may be imported."""


@record(slots=True)
class PluginFault:
    """A plugin that was skipped, and why, in one sentence."""

    plugin: str
    reason: str

    def __str__(self) -> str:
        return f"plugin {self.plugin} was skipped: {self.reason}"


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Hooks)
    return manager


@dataclass(eq=False, repr=False)
class Registry:
    """The connectors that loaded and the plugins that did not."""

    specs: dict[str, ConnectorSpec] = field(default_factory=dict)
    faults: list[PluginFault] = field(default_factory=list)
    manager: pluggy.PluginManager = field(default_factory=_manager)
    third_party: set[str] = field(default_factory=set)
    """Names of connectors that come with other distributions than crossdock."""

    def add(self, plugin: object, name: str, *, third_party: bool = False) -> None:
        """Register one plugin whole, or record one fault and register nothing of it."""
        if loaded := self.manager.get_name(plugin):
            self.faults.append(PluginFault(name, f"it is already loaded as {loaded}"))
            return
        try:
            _reject_misspelt(plugin)
            self.manager.register(plugin, name)
            specs = self._specs_of(plugin)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may do anything
            if self.manager.is_registered(plugin):
                self.manager.unregister(plugin)
            self.faults.append(PluginFault(name, _reason(error)))
            return
        self.specs.update({spec.name: spec for spec in specs})
        if third_party:
            self.third_party.update(spec.name for spec in specs)

    def _specs_of(self, plugin: object) -> list[ConnectorSpec]:
        specs: list[ConnectorSpec] = []
        # Not through manager.hook: pluggy drops a result of None, so a forgotten `return` would go unnoticed.
        for impl in self.manager.hook.crossdock_connectors.get_hookimpls():
            if impl.plugin is plugin:
                specs += _checked(impl.function())
        for spec in specs:
            self._reject_clash(spec, specs)
        return specs

    def _reject_clash(self, spec: ConnectorSpec, own: list[ConnectorSpec]) -> None:
        for other in (*self.specs.values(), *(other for other in own if other is not spec)):
            if other.name == spec.name:
                raise ConfigError(f"the connector name {spec.name!r} is taken")
            both = {_shown(scheme) for scheme in _common_schemes(spec, other)}
            both |= set(spec.extensions) & set(other.extensions)
            if both:
                raise ConfigError(f"{spec.name!r} and {other.name!r} both claim {', '.join(sorted(both))}")

    def by_scheme(self, scheme: str, authority: str = "") -> ConnectorSpec:
        """The store or table connector for a URL scheme and, for https, the host, ready to open.

        Raises ConfigError for an unknown scheme, MissingDependencyError where an extra is missing.
        """
        found = [spec for spec in self.specs.values() if scheme in spec.schemes]
        if scheme in _SHARED:
            host = authority.rpartition("@")[2].partition(":")[0].lower()
            named = [spec for spec in found if any(fnmatchcase(host, glob) for glob in spec.hosts)]
            found = named or [spec for spec in found if not spec.hosts] or found[:0]
            if not found:
                raise self._unknown(f"no connector answers to the host {host!r}", self._hosts(), [])
        if found:
            return _installed(found[0])
        known = sorted({s for spec in self.specs.values() for s in spec.schemes if s})
        raise self._unknown(
            f"no connector answers to {_shown(scheme)}",
            [_shown(scheme) for scheme in known],
            [_shown(scheme) for scheme in _near(scheme, known)],
        )

    def _hosts(self) -> list[str]:
        return sorted({glob for spec in self.specs.values() for glob in spec.hosts})

    def by_name(self, name: str, kind: Kind | None = None) -> ConnectorSpec:
        """The connector with that name, Data Factory type or (formats) extension, ready to open.

        Case does not matter. Raises as ``by_scheme``.
        """
        spec = self.specs.get(name.lower()) or self._by_alias(name.lower(), kind)
        if spec is None or (kind and spec.kind != kind):
            known = sorted(s.name for s in self.of_kind(kind))
            near = _near(name.lower(), known)
            raise self._unknown(f"no {kind or 'connector'} is called {name!r}", known, near)
        return _installed(spec)

    def _by_alias(self, name: str, kind: Kind | None) -> ConnectorSpec | None:
        for spec in self.of_kind(kind):
            if name in (t.lower() for t in spec.adf_types) or f".{name}" in spec.extensions:
                return spec
        return None

    def by_extension(self, path: str) -> ConnectorSpec | None:
        """The format whose extension ends ``path``; the longest extension wins."""
        found = [
            (len(extension), spec)
            for spec in self.of_kind("format")
            for extension in spec.extensions
            if path.lower().endswith(extension)
        ]
        return _installed(max(found, key=lambda pair: pair[0])[1]) if found else None

    def of_kind(self, kind: Kind | None) -> Iterator[ConnectorSpec]:
        return (spec for spec in self.specs.values() if kind is None or spec.kind == kind)

    def _unknown(self, what: str, known: list[str], near: list[str]) -> ConfigError:
        guess = f"; did you mean {near[0]}?" if near else ""
        # The connector that is missing may well be one that was skipped.
        skipped = "; ".join(str(fault) for fault in self.faults)
        return ConfigError(f"{what} (known: {', '.join(known) or 'none'}){guess}", hint=skipped)


def _common_schemes(spec: ConnectorSpec, other: ConnectorSpec) -> set[str]:
    """The schemes that two connectors cannot both have; https is shared by those for different hosts."""
    common = set(spec.schemes) & set(other.schemes)
    return common - _SHARED if spec.hosts != other.hosts else common


def _shown(scheme: str) -> str:
    return f"{scheme}://" if scheme else "bare paths"


def _reject_misspelt(plugin: object) -> None:
    """Raise ConfigError for a hook that pluggy would pass over: misspelt, or without the decorator."""
    known = [name for name in vars(Hooks) if name.startswith(f"{GROUP}_")]
    for name in dir(plugin):
        member = getattr(plugin, name, None)
        if not inspect.isroutine(member):
            continue
        options = getattr(member, f"{GROUP}_impl", None)
        hook = (options and options["specname"]) or name
        # Without the decorator, a resemblance is all there is to go by.
        near = _near(hook, known, 0 if options else 0.85)
        if near and hook not in known:
            raise ConfigError(f"it implements the unknown hook {hook}; did you mean {near[0]}?")
        if near and not options:
            raise ConfigError(f"its {name} lacks the decorator @crossdock.hookimpl")


def _checked(result: object) -> list[ConnectorSpec]:
    """What a plugin returned, if it is what the hook asks for."""
    if not isinstance(result, Iterable):
        raise ConfigError(
            f"crossdock_connectors returned {type(result).__name__}, not a list of ConnectorSpec"
        )
    specs = list(result)
    for spec in specs:
        if not isinstance(spec, ConnectorSpec):
            raise ConfigError(f"crossdock_connectors listed {type(spec).__name__}, not ConnectorSpec")
        if spec.name != spec.name.lower():
            raise ConfigError(f"the connector name {spec.name!r} is not lower case")
    return specs


def _near(name: str, known: list[str], cutoff: float = 0.6) -> list[str]:
    if name in known:
        return [name]
    from difflib import get_close_matches  # late: for names that nobody knows

    return get_close_matches(name, known, 1, cutoff)


def _reason(error: BaseException) -> str:
    """One line, whatever the plugin raised."""
    said = " ".join(str(error).split())
    return said if isinstance(error, ConfigError) else f"{type(error).__name__}: {said}"


def missing_modules(spec: ConnectorSpec) -> list[str]:
    """The modules that the connector needs and this environment lacks."""
    return [name for name in spec.requires if not _importable(name)]


@cache
def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False


def _installed(spec: ConnectorSpec) -> ConnectorSpec:
    missing = missing_modules(spec)
    if missing:
        raise MissingDependencyError(
            f"the connector {spec.name!r} needs {', '.join(missing)}; "
            f"install it with: pip install '{spec.extra or 'crossdock[all]'}'"
        )
    return spec


def _theirs(point: EntryPoint) -> tuple[bool, str]:
    """Sort key. Ours first: a third party that takes a built-in's name is the one that is skipped."""
    return (point.dist != __package__, point.name)


def _reject_other_version(point: EntryPoint) -> None:
    """Before it is imported: what it was built for may be gone, or mean something else."""
    if not within(__version__, point.range):
        raise ConfigError(
            f"it is built for crossdock {point.range}, and this is {__version__}; "
            f"install another version of {point.dist}"
        )


@cache
def registry() -> Registry:
    """All installed connectors, loaded once. Built-in ones come through the same entry points.

    Raises nothing: a plugin that fails to load is among the ``faults``, with the reason.
    """
    found = Registry()
    for point in sorted(entry_points(GROUP), key=_theirs):
        try:
            _reject_other_version(point)
            plugin = point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one may not stop the others
            found.faults.append(PluginFault(point.name, _reason(error)))
            continue
        found.add(plugin, point.name, third_party=_theirs(point)[0])
    return found
