"""Finding connectors: pluggy hooks, the entry-point group ``crossdock``, a loader that survives bad ones."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pluggy

from .errors import ConfigError, MissingDependencyError
from .spi.spec import ConnectorSpec, Kind

if TYPE_CHECKING:
    import typer

GROUP = "crossdock"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Hooks:
    """What a plugin module may implement (decorate with ``crossdock.hookimpl``)."""

    @hookspec
    def crossdock_connectors(self) -> Iterable[ConnectorSpec]:  # type: ignore[empty-body]
        """Return the connectors of this plugin. May not import a vendor library."""

    @hookspec
    def crossdock_commands(self, app: typer.Typer) -> None:
        """Add commands to the ``crossdock`` command line."""


@dataclass(frozen=True, slots=True)
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


@dataclass
class Registry:
    """The connectors that loaded and the plugins that did not."""

    specs: dict[str, ConnectorSpec] = field(default_factory=dict)
    faults: list[PluginFault] = field(default_factory=list)
    manager: pluggy.PluginManager = field(default_factory=_manager)

    def add(self, plugin: object, name: str) -> None:
        """Register one plugin whole, or record one fault and register nothing of it."""
        try:
            self._reject_misspelt(plugin)
            self.manager.register(plugin, name)
        except Exception as error:  # noqa: BLE001 - a plugin may do anything
            self._skip(plugin, name, str(error))
            return
        try:
            specs = self._specs_of(plugin)
        except Exception as error:  # noqa: BLE001
            self._skip(plugin, name, _reason(error))
            return
        self.specs.update({spec.name: spec for spec in specs})

    def _skip(self, plugin: object, name: str, reason: str) -> None:
        if self.manager.is_registered(plugin):
            self.manager.unregister(plugin)
        self.faults.append(PluginFault(name, reason))

    def _reject_misspelt(self, plugin: object) -> None:
        known = [name for name in vars(Hooks) if name.startswith("crossdock_")]
        for name in dir(plugin):
            marked = getattr(getattr(plugin, name, None), f"{GROUP}_impl", None)
            if name not in known and (marked or name.startswith("crossdock_c")):
                near = difflib.get_close_matches(name, known, 1, 0)[0]
                raise ConfigError(f"it implements the unknown hook {name}; did you mean {near}?")

    def _specs_of(self, plugin: object) -> list[ConnectorSpec]:
        callers = self.manager.subset_hook_caller(
            "crossdock_connectors", [p for p in self.manager.get_plugins() if p is not plugin]
        )
        specs = [spec for group in callers() for spec in group]
        for spec in specs:
            if not isinstance(spec, ConnectorSpec):
                raise ConfigError(f"crossdock_connectors returned {type(spec).__name__}, not ConnectorSpec")
            self._reject_clash(spec, specs)
        return specs

    def _reject_clash(self, spec: ConnectorSpec, own: list[ConnectorSpec]) -> None:
        others = [*self.specs.values(), *(other for other in own if other is not spec)]
        for other in others:
            if other.name == spec.name:
                raise ConfigError(f"the connector name {spec.name!r} is taken")
            for kind in ("schemes", "extensions"):
                both = set(getattr(spec, kind)) & set(getattr(other, kind))
                if both:
                    raise ConfigError(
                        f"{spec.name!r} and {other.name!r} both claim {', '.join(sorted(both))}"
                    )

    def by_scheme(self, scheme: str) -> ConnectorSpec:
        """The store or table connector for a URL scheme, ready to open.

        Raises ConfigError for an unknown scheme, MissingDependencyError where an extra is missing.
        """
        for spec in self.specs.values():
            if scheme in spec.schemes:
                return _installed(spec)
        known = sorted({s for spec in self.specs.values() for s in spec.schemes if s})
        near = difflib.get_close_matches(scheme, known, 1)
        hint = f"; did you mean {near[0]}://?" if near else ""
        raise ConfigError(
            f"no connector answers to {scheme}:// (known: {', '.join(f'{s}://' for s in known)}){hint}"
        )

    def by_name(self, name: str, kind: Kind | None = None) -> ConnectorSpec:
        """The connector with that name (case does not matter), ready to open."""
        spec = self.specs.get(name.lower())
        if spec is None or (kind and spec.kind != kind):
            known = sorted(s.name for s in self.of_kind(kind))
            near = difflib.get_close_matches(name.lower(), known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(
                f"no {kind or 'connector'} is called {name!r} (known: {', '.join(known)}){hint}"
            )
        return _installed(spec)

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


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if not isinstance(error, ConfigError) else str(error)


def missing_modules(spec: ConnectorSpec) -> list[str]:
    """The modules that the connector needs and this environment lacks."""
    return [name for name in spec.requires if importlib.util.find_spec(name) is None]


def _installed(spec: ConnectorSpec) -> ConnectorSpec:
    missing = missing_modules(spec)
    if missing:
        raise MissingDependencyError(
            f"the connector {spec.name!r} needs {', '.join(missing)}; "
            f"install it with: pip install '{spec.extra or 'crossdock[all]'}'"
        )
    return spec


@cache
def registry() -> Registry:
    """All installed connectors, loaded once. Built-in ones come through the same entry points."""
    found = Registry()
    # Ours first: a third party that takes a built-in's name is the one that is skipped.
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.value != "crossdock_connectors", p.name)):
        try:
            plugin = point.load()
        except Exception as error:  # noqa: BLE001 - one broken plugin may not stop the others
            found.faults.append(PluginFault(point.name, _reason(error)))
            continue
        found.add(plugin, point.name)
    return found
