"""From addresses to the two hops of a staged copy: source to stage, and stage to sink."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .credentials import public_url
from .errors import ConfigError
from .files import manifest
from .one_unit import one_unit
from .opening import blaming
from .plan import decide, decide_stage
from .plugins import registry
from .request import CopyRequest, Resolved, SinkEnd, SourceEnd
from .resolve import block_size, is_fixed, resolve, wanted_block
from .sides import Side
from .spi.data import WriteMode
from .spi.spec import ConnectorSpec, Location

FOLDER = "crossdock-stage-"


@dataclass(frozen=True)
class Hop:
    """One of the two runs of a staged copy."""

    request: CopyRequest
    resolved: Resolved


@dataclass(frozen=True)
class _Stage:
    """The folder of a stage and what opens it."""

    root: str
    side: Side
    format: ConnectorSpec
    loads: bool

    def common(self) -> dict[str, Any]:
        side = self.side
        return {
            "connector": side.spec.name,
            "options": side.options,
            "format": self.format.name,
            "format_options": side.format_options,
            "root": self.root,
        }

    def as_sink(self, source: SourceEnd, ending: str, *, proved_later: bool) -> SinkEnd:
        return SinkEnd(
            **self.common(),
            stage=True,
            extension=self.format.extensions[0],
            replaces=ending,
            block=block_size(None, self.side.spec, registry().by_name(source.connector)),
            digest=True,
            proved_later=proved_later,
        )


def folder_of(address: str, path: str, run_id: str) -> str:
    """The address of the folder of one run below the stage's folder ``path``."""
    folder = _below(address, path, FOLDER + run_id)
    location = Location.parse(folder)
    return registry().by_scheme(location.scheme, location.authority).absolute(location).url


def _below(address: str, *names: str) -> str:
    if not address:
        raise ConfigError("the stage is empty; give a path or a URL")
    location = Location.parse(address)
    path = "/".join([location.path.rstrip("/"), *(name.strip("/") for name in names if name.strip("/"))])
    return location.with_path(path).url


def resolve_hops(
    request: CopyRequest, direct: Resolved, run_id: str, cancel: threading.Event | None = None
) -> tuple[Hop, Hop]:
    """Both hops of a copy that was resolved as if it went directly. Asks nobody but their specs."""
    assert request.stage is not None  # noqa: S101 - else it is no staged copy
    stage = _stage(
        folder_of(request.stage, request.stage_options.get("path", ""), run_id),
        request.stage_options,
        registry().by_name(direct.sink.connector),
        cancel,
    )
    _refuse_inside(stage, request.stage, direct.source)
    _refuse_sink(stage, request.stage, direct.sink)
    ending = direct.sink.replaces
    plain = replace(request, stage=None, stage_options={}, verify="full" if request.verify else False)
    options = stage.side.given
    first = replace(
        plain, sink=stage.root, sink_format=None, sink_options=options, block_size=None, mode=WriteMode.ERROR
    )
    second = replace(plain, source=stage.root, source_format=None, source_options=options, map=None)
    staged = stage.as_sink(direct.source, ending, proved_later=True)
    sink = replace(direct.sink, loads=stage.loads, digest=False)
    return (
        Hop(
            first, replace(direct, sink=replace(staged, takes=direct.sink.takes, targets=direct.sink.targets))
        ),
        Hop(second, replace(direct, source=SourceEnd(**stage.common(), stage="hop"), sink=sink)),
    )


def resolve_out(request: CopyRequest, cancel: threading.Event | None = None) -> Resolved:
    """``stage out``: the sink of the request is the stage."""
    stage = _stage(_below(request.sink), request.sink_options, None, cancel)
    # A path with a slash at its end is a folder, whether or not it exists.
    folder = stage.side.location.with_path(f"{stage.side.path.rstrip('/')}/").url
    asked: dict[str, Any] = {
        "sink": folder,
        "sink_format": stage.format.name,
        "sink_options": stage.side.options,
    }
    direct = resolve(replace(request, **asked), cancel, staged=True)
    _refuse_inside(stage, stage.root, direct.source)
    return replace(direct, sink=stage.as_sink(direct.source, direct.sink.replaces, proved_later=False))


def resolve_in(request: CopyRequest, cancel: threading.Event | None = None) -> Resolved:
    """``stage in``: the source of the request is the stage, which has to be complete."""
    ended = cancel or threading.Event()
    sink = Side(registry(), request.sink, request.sink_format, request.sink_options, "sink", ended)
    stage = _stage(_below(request.source), request.source_options, sink.spec, cancel)
    where = public_url(stage.root)
    found = stage.side.ask(stage.side.path, lambda store: manifest.read(store, where))
    single = len(found.units) == 1
    with blaming(sink.spec.name, "sink"):
        placed = sink.place(stage.side, {"name": found.units[0].name} if single else {})
    sink.sort_options()
    decide(stage.side.end(""), sink.end(placed.get("name", "")), mapped=False, staged=True)
    if sink.format and "name" not in placed:
        placed |= {"extension": sink.new_ending(), "replaces": found.ending}
    resolved = Resolved(
        payload="tabular",
        source=SourceEnd(**stage.common(), stage="kept" if request.keep_staging else "removed"),
        sink=SinkEnd(
            **sink.common(True),
            **placed,
            block=block_size(wanted_block(request.block_size, sink.settings), sink.spec, stage.side.spec),
            fixed_block=is_fixed(sink.settings),
            loads=stage.loads and single,
        ),
    )
    _refuse_sink(stage, stage.root, resolved.sink)
    return resolved if single else one_unit(resolved, ended)


def stage_end(address: str, options: Mapping[str, str]) -> SourceEnd:
    """The stage at that address, whatever it holds."""
    return SourceEnd(**_stage(_below(address), options, None, None).common(), stage="kept")


def _stage(
    root: str, options: Mapping[str, str], sink: ConnectorSpec | None, cancel: threading.Event | None
) -> _Stage:
    plugins = registry()
    location = Location.parse(root)
    spec = plugins.by_scheme(location.scheme, location.authority)
    file_format, loads = decide_stage(spec, sink, plugins.of_kind("format"))
    side = Side(plugins, root, file_format.name, dict(options), "stage", cancel or threading.Event())
    if not side.settings.enable_compression:
        side.given.setdefault("compression", "none")
    side.sort_options()
    return _Stage(side.location.url, side, file_format, loads)


def _refuse_inside(stage: _Stage, address: str, source: SourceEnd) -> None:
    """A stage within what is read would be read as well."""
    if source.connector != stage.side.spec.name or source.name:
        return
    mine, theirs = _place(stage.side.spec, stage.root), _place(stage.side.spec, source.root)
    if mine[0] == theirs[0] and mine[1].startswith(theirs[1]):
        raise ConfigError(
            f"the stage {public_url(address)} is inside the source {public_url(source.root)}; name another "
            "folder"
        )


def _refuse_sink(stage: _Stage, address: str, sink: SinkEnd) -> None:
    """What becomes visible and what is removed again stay apart."""
    spec = stage.side.spec
    if sink.connector != spec.name:
        return
    mine, theirs = _place(spec, stage.root), _place(spec, sink.root)
    if mine[0] == theirs[0] and theirs[1].startswith(mine[1]):
        raise ConfigError(f"the sink is inside the stage {public_url(address)}; name another folder")
    if not sink.name and _place(spec, address) == theirs:
        raise ConfigError(f"the stage {public_url(address)} is the sink; name another folder")


def _place(spec: ConnectorSpec, address: str) -> tuple[str, str]:
    """Where a folder is, to be compared: its host and its path with a ``/`` at its end."""
    location = spec.absolute(Location.parse(address))
    return location.authority, location.path.rstrip("/") + "/"
