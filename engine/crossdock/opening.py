"""Opens the endpoints of a resolved copy, in any process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from .classify import classified
from .credentials import public_url
from .errors import ConfigError
from .files.beside import read_beside
from .files.binary import BinarySink, BinarySource, FileTarget
from .files.listing import Selection
from .files.merging import MergedSource
from .files.partitions import with_paths
from .files.selecting import discovered, select
from .plugins import registry
from .report import Payload
from .request import Resolved, SinkEnd, SourceEnd, configured
from .spi.endpoints import Sink, Source
from .spi.spec import ConnectorSpec, Location
from .spi.store import ObjectStore


@contextmanager
def blaming(connector: str, side: str) -> Iterator[None]:
    """Errors of a connector that is asked outside a run come out classified."""
    try:
        yield
    except Exception as error:
        raise classified(error, registry().by_name(connector).classify, side) from error


def open_store(spec: ConnectorSpec, url: str, options: dict[str, str]) -> ObjectStore:
    assert spec.open_store is not None  # noqa: S101 - check_spec demands it of stores
    return spec.open_store(configured(spec, options), Location.parse(url))


def open_source(resolved: Resolved) -> Source[Any]:
    """Open the source of a resolved copy, in any process."""
    with blaming(resolved.source.connector, "source"):
        return open_end(resolved.source, resolved.payload)


def open_table(spec: ConnectorSpec, location: Location, options: dict[str, str]) -> Source[Any]:
    if spec.open_source is None:
        raise ConfigError(f"{spec.name} cannot be read from")
    return spec.open_source(configured(spec, options), location)


def open_end(end: SourceEnd, payload: Payload) -> Source[Any]:
    """Open a source; the connector's errors come out as they are."""
    spec = registry().by_name(end.connector)
    location = Location.parse(end.root)
    if spec.kind == "table":
        return open_table(spec, location, end.options)

    def open_folder(path: str) -> ObjectStore:
        return open_store(spec, location.with_path(path).url if path else end.root, end.options)

    store, settings = open_folder(""), end.settings
    if end.stage:
        return _open_stage(end, store)
    where = f"{public_url(end.root).rstrip('/')}/{end.name or end.pattern}"
    selection = select(
        store, where, settings, open_folder, name=end.name, pattern=end.pattern, as_listed=end.merge
    )
    if payload == "binary":
        if settings.unpack != "none":
            return _unpacked(store, selection, end)
        return MergedSource(store, selection) if end.merge else BinarySource(store, selection)
    from .files.tabular import FormatSource, unpacked

    partitions = with_paths(discovered(location.path, settings), end.path_columns)
    file_format = _open_format(end.format, end.format_options)
    agreed = unpacked(end.columns) if end.columns else None
    file_format.skips_rows = end.skip_rows
    file_format.beside = partial(read_beside, store)
    if end.wanted:
        file_format.wanted = {field.name: field.type for field in unpacked(end.wanted)}
    return FormatSource(store, file_format, selection, end.merge, partitions=partitions, agreed=agreed)


def _unpacked(store: ObjectStore, selection: Selection, end: SourceEnd) -> Source[Any]:
    from .packing.unpacked import UnpackedSource

    settings = end.settings
    return UnpackedSource(store, selection, settings.unpack, settings.archive_folder, end.single)


def _open_stage(end: SourceEnd, store: ObjectStore) -> Source[Any]:
    from .files.stage import StagedFiles, StageSource
    from .files.tabular import unpacked

    file_format = _open_format(end.format, end.format_options)
    agreed = unpacked(end.columns) if end.columns else None
    return StageSource(store, file_format, StagedFiles(store, public_url(end.root)), end.merge, agreed=agreed)


def open_sink(resolved: Resolved) -> Sink[Any]:
    """Open the sink of a resolved copy, in any process. Changes nothing."""
    with blaming(resolved.sink.connector, "sink"):
        return _open_sink(resolved)


def _open_sink(resolved: Resolved) -> Sink[Any]:
    end, plugins = resolved.sink, registry()
    spec = plugins.by_name(end.connector)
    if spec.kind == "table":
        if spec.open_sink is None:
            raise ConfigError(f"{spec.name} cannot be written to")
        return spec.open_sink(configured(spec, end.options), Location.parse(end.root))
    store = open_store(spec, end.root, end.options)
    target = _target_class(end)(store, public_url(end.root), end.name, end.extension, end.replaces)
    target.flat = end.settings.copy_behavior == "FlattenHierarchy"
    if resolved.payload == "binary":
        able = spec.capabilities
        largest = (able.block_range or (1, None))[1]
        if end.settings.pack != "none":
            return _packed(store, target, end)
        return BinarySink(store, target, end.block, able.max_blocks, largest, end.fixed_block)
    from .files.tabular import FormatSink

    file_format = _open_format(end.format, end.format_options)
    if most := end.settings.max_rows_per_file:
        from .files.divided import DividedSink

        prefix = end.settings.file_name_prefix
        return DividedSink(store, file_format, target, end.block, most_rows=most, prefix=prefix)
    return FormatSink(store, file_format, target, end.block, end.digest)


def _packed(store: ObjectStore, target: FileTarget, end: SinkEnd) -> Sink[Any]:
    from .packing.codecs import EXTENSIONS
    from .packing.packed_sink import PackedBytesSink

    target.extension = EXTENSIONS[end.settings.pack][0]
    settings = end.settings
    return PackedBytesSink(store, target, end.block, codec=settings.pack, level=settings.pack_level)


def _target_class(end: SinkEnd) -> type[FileTarget]:
    if not end.stage:
        return FileTarget
    from .files.stage import StageTarget

    return StageTarget


def _open_format(name: str, options: dict[str, str]) -> Any:
    spec = registry().by_name(name, "format")
    assert spec.open_format is not None  # noqa: S101 - plan.decide saw to it
    return spec.open_format(configured(spec, options))
