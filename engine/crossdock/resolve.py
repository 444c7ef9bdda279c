"""How to copy what was asked for: what the addresses mean, as bytes or as tables, in which blocks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from .errors import ConfigError
from .files.binary import DEFAULT_BLOCK
from .files.settings import StoreReadSettings, StoreWriteSettings
from .gate import NoGate
from .mapping import ColumnMapping
from .mapping.model import FILE_PATH, of_column
from .meter import Worker
from .one_unit import one_unit
from .opening import blaming, open_sink
from .packing.checks import check_packing
from .plan import decide
from .plugins import registry
from .request import CopyRequest, Resolved, SinkEnd, SourceEnd
from .retry import again
from .run_log import log_end
from .sides import Side
from .spi.data import WriteMode
from .spi.skipping import TypedSink
from .spi.spec import ConnectorSpec

if TYPE_CHECKING:
    import pyarrow as pa


def resolve(request: CopyRequest, cancel: threading.Event | None = None, *, staged: bool = False) -> Resolved:
    """Decide how to copy. Asks the stores what exists, again after transient errors; changes nothing.

    ``staged``: as tables, whatever the files are.

    Raises UserError, TransientError, and CancelledError when ``cancel`` is set while it waits.
    """
    plugins, ended = registry(), cancel or threading.Event()
    source = Side(plugins, request.source, request.source_format, request.source_options, "source", ended)
    sink = Side(plugins, request.sink, request.sink_format, request.sink_options, "sink", ended)
    with blaming(source.spec.name, "source"):
        found = source.find()
    with blaming(sink.spec.name, "sink"):
        placed = sink.place(source, found)
    source.sort_options()
    sink.sort_options()
    merging = source.spec.kind == "store" and not found.get("name") and "name" in placed
    ends = source.end(found.get("name", "")), sink.end(placed.get("name", ""))
    payload = decide(
        *ends, mapped=request.map is not None, merging=merging, staged=staged, skip_rows=request.skip_rows
    )
    tabular = payload == "tabular"
    check_payload(source.settings, sink.settings, tabular=tabular)
    paths = path_columns(request.map, source.spec)
    check_packing(source.settings, sink.settings, tabular=tabular)
    wanted = wanted_block(request.block_size, sink.settings)
    block = block_size(wanted, sink.spec, source.spec)
    if tabular and sink.format and "name" not in placed:
        placed |= {"extension": sink.new_ending(), "replaces": source.ending()}
    resolved = Resolved(
        payload=payload,
        source=SourceEnd(
            **source.common(tabular),
            **found,
            path_columns=paths,
            skip_rows=tabular and request.skip_rows,
            single="name" in placed,
        ),
        sink=SinkEnd(
            **sink.common(tabular),
            **placed,
            block=block,
            fixed_block=is_fixed(sink.settings),
            digest=request.verify is True,
        ),
        log=log_end(request),
    )
    return one_unit(_typed(resolved, request, ended), ended)


def _typed(resolved: Resolved, request: CopyRequest, cancel: threading.Event) -> Resolved:
    """What rows that are added to a table become there. A format of texts reads its columns as the table has
    them, but for those that are converted, which it leaves as they are.
    """
    if resolved.payload != "tabular":
        return resolved
    types = dict(_types_of_sink(resolved, request, cancel))
    if types:
        from .type_names import name_of

        targets = {name: text for name, kind in types.items() if (text := name_of(kind))}
        takes = _taken(request.map.unsettled if request.map else {}, targets)
        resolved = replace(resolved, sink=replace(resolved.sink, takes=takes, targets=targets))
    converted = request.map.converted if request.map else ()
    if not resolved.source.format or not (types or converted):
        return resolved
    import pyarrow as pa

    from .files.tabular import packed

    # Several files have to agree, and where rows may be left out the server says which.
    read = partial(_read_as, strict=request.skip_rows, apart=request.skip_rows or not resolved.source.name)
    types = {name: become for name, kind in types.items() if (become := read(kind)) is not None}
    columns = request.map.names if request.map and request.map.columns else {name: name for name in types}
    wanted = {old: kind for old, new in columns.items() if (kind := of_column(types, new)) is not None}
    schema = pa.schema([*wanted.items(), *((name, pa.string()) for name in converted)])
    return replace(resolved, source=replace(resolved.source, wanted=packed(schema)))


def _read_as(kind: pa.DataType, *, strict: bool, apart: bool) -> pa.DataType | None:
    """What a format of texts reads a column as that becomes that; None: as it is in each file.

    ``null`` is what the table itself makes something of, as ``TypedSink`` says.
    """
    import pyarrow as pa

    if kind == pa.null():
        return pa.string() if apart else None
    if pa.types.is_temporal(kind) and not strict:
        return None  # moments come as the file has them, with all their digits
    # A float that is parsed at once would be a whole number rounded.
    return pa.string() if pa.types.is_floating(kind) else kind


def _taken(unsettled: Mapping[str, str], targets: Mapping[str, str]) -> dict[str, str]:
    """The types of these columns of the table, by name: decimals and floats, and dates for moments."""
    families = {"decimal": ("decimal", "float"), "timestamp": ("date",)}
    found = {name: (of_column(targets, name) or "", families[kind]) for name, kind in unsettled.items()}
    return {name: kind for name, (kind, family) in found.items() if kind.startswith(family)}


def _types_of_sink(
    resolved: Resolved, request: CopyRequest, cancel: threading.Event
) -> Mapping[str, pa.DataType]:
    """What the columns of the table take to which rows are added."""
    if request.mode is not WriteMode.APPEND:
        return {}

    def attempt(number: int) -> Mapping[str, pa.DataType]:
        with blaming(resolved.sink.connector, "sink"), closing(open_sink(resolved)) as sink:
            return sink.column_types() if isinstance(sink, TypedSink) and sink.one_target else {}

    return again(attempt, cancel, Worker(), NoGate())


def path_columns(mapping: ColumnMapping | None, source: ConnectorSpec) -> tuple[str, ...]:
    """The columns to add that hold the path of the file. Raises ConfigError where the source has no files."""
    found = mapping.path_columns if mapping else ()
    if found and source.kind != "store":
        raise ConfigError(f"--add-column {found[0]}: {FILE_PATH} needs files, and {source.name} has tables")
    return found


def check_payload(
    settings: StoreReadSettings | None, write: StoreWriteSettings | None = None, *, tabular: bool
) -> None:
    """Raises ConfigError for settings that make no sense for that payload."""
    if not tabular and write is not None and write.needs_tables:
        raise ConfigError("max_rows_per_file and file_extension are about tables; this copy carries bytes")
    if settings is None:
        return
    if tabular and settings.delete_files_after_completion:
        raise ConfigError(
            "delete_files_after_completion needs a binary copy, and this one has tables; --source-format "
            "binary with --sink-format binary makes it one"
        )
    if not tabular and settings.enable_partition_discovery:
        raise ConfigError("enable_partition_discovery adds columns, which a binary copy does not have")


def wanted_block(size: int | None, settings: StoreWriteSettings | None) -> int | None:
    """The block size in bytes that was asked for in either way."""
    set_to = settings.block_size_in_mb if settings else None
    if set_to is None:
        return size
    if size not in (None, set_to << 20):
        raise ConfigError(f"--block-size and block_size_in_mb={set_to} are two sizes; give one of them")
    return set_to << 20


def is_fixed(settings: StoreWriteSettings | None) -> bool:
    return settings is not None and settings.block_size_in_mb is not None


def block_size(wanted: int | None, spec: ConnectorSpec, source: ConnectorSpec) -> int:
    """The block size as asked for, else what suits both stores: the smaller one, which takes less memory."""
    smallest, largest = spec.capabilities.block_range or (1, sys.maxsize)
    if wanted is None:
        best = filter(None, (spec.capabilities.best_block, source.capabilities.best_block))
        return min(max(min(best, default=DEFAULT_BLOCK), smallest), largest)
    if spec.kind == "store" and not smallest <= wanted <= largest:
        raise ConfigError(
            f"a block size of {wanted:,} bytes is outside what {spec.name} takes "
            f"({smallest:,} to {largest:,} bytes)"
        )
    return wanted
