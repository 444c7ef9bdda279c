"""Many objects into one target: one unit, whose columns they agree on."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace

from .credentials import public_url
from .errors import ConfigError
from .files.merging import MergedSource
from .gate import NoGate
from .meter import Worker
from .opening import blaming, open_sink, open_source
from .request import Resolved, SourceEnd
from .retry import again
from .sides import exists
from .spi.spec import Location


def one_unit(resolved: Resolved, cancel: threading.Event) -> Resolved:
    """Many objects into one target become one unit, whose columns they agree on."""
    decided = _merge(resolved)
    return _agree(decided, cancel) if decided.payload == "tabular" and decided.source.merge else decided


def _merge(resolved: Resolved) -> Resolved:
    """Many objects into one target become one unit; bytes of many objects cannot."""
    with closing(open_sink(resolved)) as sink:
        one = sink.one_target
    if not one or resolved.source.name:
        return resolved
    binary = resolved.payload == "binary"
    if binary and resolved.sink.settings.copy_behavior != "MergeFiles":
        raise ConfigError(
            "several files cannot go into one file byte for byte; name a folder as the sink, or append "
            "them to each other with -k copy_behavior=MergeFiles"
        )
    source = replace(resolved.source, merge=binary or bool(resolved.source.format))
    resolved = replace(resolved, source=source)
    if source.merge:
        _refuse_itself(resolved)
    return resolved


def _refuse_itself(resolved: Resolved) -> None:
    """A file that is merged into itself would double with every run."""
    source, sink = resolved.source, resolved.sink
    below, into = Location.parse(source.root), Location.parse(sink.root)
    root, target = f"{below.path.rstrip('/')}/", f"{into.path.rstrip('/')}/{sink.name}"
    same = (source.connector, below.authority) == (sink.connector, into.authority)
    if not (same and target.startswith(root)):
        return
    from .files.tabular import FormatSource

    path = target.removeprefix(root)
    with closing(open_source(resolved)) as opened, blaming(source.connector, "source"):
        assert isinstance(opened, MergedSource | FormatSource)  # noqa: S101 - only those merge
        if opened.selection.includes(path) and exists(opened.store, path):
            raise ConfigError(
                f"{path} is one of the files that would be merged into it; name a sink outside of "
                f"{public_url(source.root)}, or choose the files so that it is none of them"
            )


def _agree(resolved: Resolved, cancel: threading.Event) -> Resolved:
    """Which columns the merged files have is decided once: files may come and go before a run is resumed."""

    from .files.tabular import FormatSource, packed

    def attempt(number: int) -> SourceEnd:
        with blaming(resolved.source.connector, "source"), closing(open_source(resolved)) as source:
            assert isinstance(source, FormatSource)  # noqa: S101 - tables of a store
            schema = source.merged_schema()
            columns = packed(schema) if schema.names else ""
            return replace(resolved.source, columns=columns, notes=tuple(source.format.notes()))

    return replace(resolved, source=again(attempt, cancel, Worker(), NoGate()))
