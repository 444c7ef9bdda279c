"""Before a run: both ends opened, the limits set, and refusals of what they cannot do."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from . import crew
from .carry import Carrier, Children
from .context import Context
from .errors import NotSupportedError
from .fencing import fence
from .files.attributes import GivenAttributes
from .files.binary import BinarySink, BinarySource
from .files.folders import copied_folders
from .files.merging import MergedSource
from .gate import Gate, NoGate
from .journal import Journal
from .limits import MemoryBudget, NoThrottle, Throttle
from .machine import cores
from .mapping import ColumnMapping
from .mapping.model import for_texts
from .meter import Worker
from .opening import open_sink, open_source
from .plugins import registry
from .request import CopyRequest, Resolved
from .run_log import RunLog
from .spi.endpoints import Copier, ReadBack, Sink, Source
from .spi.spec import ConnectorSpec
from .takeover import Holding

# Epochs that a lease has: the number of an attempt is never one of another lease.
_LEASE = 1000


def automatic_parallel() -> int:
    """Default number of parallel copies: the cores this process may use, 2 at least, 32 at most."""
    return max(2, min(32, int(cores())))


def open_run(
    run_id: str, request: CopyRequest, resolved: Resolved, journal: Journal, cancel: threading.Event
) -> Context:
    """All that a run needs, opened. Refuses what the ends cannot do; changes nothing at the sink."""
    plugins = registry()
    source_spec = plugins.by_name(resolved.source.connector)
    sink_spec = plugins.by_name(resolved.sink.connector)
    with ExitStack() as opened:
        source = open_source(resolved)
        opened.callback(source.close)
        sink = open_sink(resolved)
        opened.callback(sink.close)
        mapping = request.map
        if resolved.payload == "tabular":
            _agree_on_encoding(source, sink)
            mapping = mapping and mapping.settled(resolved.sink.takes)
            mapping = mapping if _has_types(sink) else for_texts(mapping)
            if targets := resolved.sink.targets:
                mapping = replace(mapping or ColumnMapping(), targets=tuple(targets.items()))
        if request.verify and not (isinstance(sink, ReadBack) and sink_spec.capabilities.read_back != "no"):
            raise NotSupportedError(f"--verify: what was written to {sink_spec.name} cannot be read back")
        attributes = _attributes(source, sink, resolved)
        names = (source_spec.name, sink_spec.name)
        folders = copied_folders(source, sink, resolved.source.settings, resolved.sink.settings, names)
        lease = fence()
        holding = Holding.of(lease, journal, sink, sink_spec, request, stage=bool(resolved.sink.stage))
        epoch = journal.next_epoch(max(1, lease.lease * _LEASE))
        pulls: Copier | None = sink if isinstance(sink, Copier) and sink.can_copy(source) else None
        # Whoever loads files by itself cannot say which rows it has left out.
        if resolved.sink.loads and not request.skip_rows:
            from .stage_run import loading

            pulls = loading(source, sink, resolved)
        journal.drop_unproved_lines()
        opened.pop_all()
    parallel, most = _parallel(request, resolved, (source_spec, sink_spec))
    carrier = Carrier(
        source,
        sink,
        source_spec.classify,
        sink_spec.classify,
        # Half of the memory is for buffers that the splits announce; the rest is for everything else.
        MemoryBudget(request.memory // 2),
        Throttle(request.bandwidth) if request.bandwidth else NoThrottle(),
        cancel,
        run_id,
        epoch,
        pulls,
        _children(request, resolved, mapping, (source_spec, sink_spec), cancel),
        Gate(most) if most > 1 else NoGate(),
    )
    log = None
    if resolved.log is not None:
        carrier.lines, carrier.logged = journal, True
        # Both hops of a staged copy have the same id.
        name = f"{run_id}-into" if resolved.source.stage else run_id
        log = RunLog(resolved.log, journal, name, request.log_reliable, request.log_level == "info")
    return Context(
        run_id, request, resolved, journal, source, sink, source_spec, sink_spec, carrier, parallel, most,
        cancel, attributes=attributes, folders=folders, log=log, mapping=mapping, fence=lease,
        taken_over=holding.taken_over, kept=holding.kept,
    )  # fmt: skip


def apart(context: Context, journal: Any, share: int) -> Context:
    """The same run in another process: with ends of its own and one of ``share`` parts of what it may use."""
    request, resolved = context.request, context.resolved
    source, sink = open_source(resolved), open_sink(resolved)
    parallel, most = (max(1, count // share) for count in (context.parallel, context.most_parallel))
    carrier = replace(
        context.carrier,
        source=source,
        sink=sink,
        budget=MemoryBudget(request.memory // 2 // share),
        gate=Gate(most) if most > 1 else NoGate(),
    )
    return replace(
        context, journal=journal, source=source, sink=sink, carrier=carrier, parallel=parallel,
        most_parallel=most, attributes=_attributes(source, sink, resolved), asking=Worker("away"), notes=[],
    )  # fmt: skip


def _agree_on_encoding(source: Source[Any], sink: Sink[Any]) -> None:
    if isinstance(source, BinarySource):
        return
    from .files.tabular import FormatSink, FormatSource

    if isinstance(source, FormatSource) and isinstance(sink, FormatSink):
        source.encoded = sink.format.dictionaries


def _has_types(sink: Sink[Any]) -> bool:
    from .files.tabular import FormatSink

    return not isinstance(sink, FormatSink) or sink.format.typed


def _children(
    request: CopyRequest,
    resolved: Resolved,
    mapping: ColumnMapping | None,
    ends: Sequence[ConnectorSpec],
    cancel: threading.Event,
) -> Children | None:
    plugins, names = registry(), filter(None, (resolved.source.format, resolved.sink.format))
    specs = [*ends, *(plugins.by_name(name, "format") for name in names)]
    apart = "CROSSDOCK_ISOLATE" in os.environ or any(spec.capabilities.isolated for spec in specs)
    if not (apart or any(spec.capabilities.gil_bound for spec in ends)):
        return None
    from .child_pool import ChildPool
    from .isolation import isolated

    caps = isolated(specs, plugins, request.memory)
    if caps is None and not any(spec.capabilities.gil_bound for spec in ends):
        return None
    return ChildPool(resolved, mapping, cancel, logged=resolved.log is not None, caps=caps)


def _parallel(request: CopyRequest, resolved: Resolved, specs: Sequence[ConnectorSpec]) -> tuple[int, int]:
    """Workers: as asked for, else one a core or (of bytes) as many as a side is fastest with; no more than
    either side may have connections. And how many there may be where more help.
    """
    suited = [spec.capabilities.parallel or 0 for spec in specs] if resolved.payload == "binary" else []
    limits = [end.settings.max_concurrent_connections for end in (resolved.source, resolved.sink)]
    parallel = request.parallel_copies or max([automatic_parallel(), *suited])
    most = parallel if request.parallel_copies else max(parallel, crew.MOST)
    return min([parallel, *filter(None, limits)]), min([most, *filter(None, limits)])


def _attributes(source: Source[Any], sink: Sink[Any], resolved: Resolved) -> GivenAttributes | None:
    settings = resolved.sink.settings
    if not (settings.metadata or settings.preserve):
        return None
    from .files.tabular import FormatSink

    assert isinstance(sink, BinarySink | FormatSink)  # noqa: S101 - tables take no store settings
    store = source.store if isinstance(source, BinarySource | MergedSource) else None
    names = (resolved.source.connector, resolved.sink.connector)
    return GivenAttributes(settings, store, sink.store, names)
