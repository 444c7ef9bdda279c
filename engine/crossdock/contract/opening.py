"""Opening a connector from its spec, options and address; what the checks run in other processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa

from ..spi import (
    Attempt,
    Block,
    ConnectorConfig,
    ConnectorSpec,
    FileFormat,
    Location,
    ObjectStore,
    PlanHint,
    Receipt,
    Sink,
    SkippingSink,
    Source,
    Split,
    Unit,
)

Options = Mapping[str, object]


def config_of(spec: ConnectorSpec, options: Options) -> ConnectorConfig:
    return spec.config.model_validate(dict(options))


def open_store(spec: ConnectorSpec, options: Options, url: str) -> ObjectStore:
    assert spec.open_store is not None, "a store's spec needs open_store"
    return spec.open_store(config_of(spec, options), Location.parse(url))


def open_format(spec: ConnectorSpec, options: Options) -> FileFormat:
    assert spec.open_format is not None, "FormatContract needs a spec with open_format"
    return spec.open_format(config_of(spec, options))


def open_source(spec: ConnectorSpec, options: Options, url: str) -> Source[Any]:
    assert spec.open_source is not None, "the spec has no open_source: override fetch()"
    return spec.open_source(config_of(spec, options), Location.parse(url))


def open_sink(spec: ConnectorSpec, options: Options, url: str) -> Sink[Any]:
    assert spec.open_sink is not None, "the spec has no open_sink: override seed()"
    return spec.open_sink(config_of(spec, options), Location.parse(url))


def write_blocks_there(
    spec: ConnectorSpec, options: Options, url: str, upload: bytes, blocks: Sequence[tuple[Block, bytes]]
) -> None:
    with closing(open_store(spec, options, url)) as store:
        for block, data in blocks:
            store.write_block(upload, block, memoryview(data))


def commit_upload_there(
    spec: ConnectorSpec, options: Options, url: str, upload: bytes, blocks: Sequence[Block]
) -> None:
    with closing(open_store(spec, options, url)) as store:
        store.commit(upload, blocks)


def abort_upload_there(spec: ConnectorSpec, options: Options, url: str, upload: bytes) -> None:
    with closing(open_store(spec, options, url)) as store:
        store.abort(upload)


def units_after_there(
    spec: ConnectorSpec, options: Options, url: str, after: bytes | None
) -> list[tuple[Unit, ...]]:
    with closing(open_source(spec, options, url)) as source:
        return [page.units for page in source.units(after)]


def plan_there(spec: ConnectorSpec, options: Options, url: str, unit: Unit, hint: PlanHint) -> list[Split]:
    with closing(open_source(spec, options, url)) as source:
        return list(source.plan(unit, hint))


def read_split_there(spec: ConnectorSpec, options: Options, url: str, split: Split) -> list[pa.RecordBatch]:
    with closing(open_source(spec, options, url)) as source, source.read(split) as items:
        return list(items)


def write_split_there(  # noqa: PLR0917 - called by position, across processes
    spec: ConnectorSpec,
    options: Options,
    url: str,
    handle: bytes,
    split: Split,
    attempt: Attempt,
    batches: Sequence[pa.RecordBatch],
) -> Receipt:
    with closing(open_sink(spec, options, url)) as sink:
        writer = sink.writer(handle, split, attempt)
        writer.consume(iter(batches))
        return writer.finish()


def commit_there(
    spec: ConnectorSpec,
    options: Options,
    url: str,
    handle: bytes,
    receipts: Sequence[tuple[Split, Receipt]],
) -> None:
    with closing(open_sink(spec, options, url)) as sink:
        sink.commit(handle, receipts)


def cleanup_there(spec: ConnectorSpec, options: Options, url: str, handle: bytes) -> None:
    with closing(open_sink(spec, options, url)) as sink:
        sink.cleanup(handle)


def left_out_there(
    spec: ConnectorSpec,
    options: Options,
    url: str,
    handle: bytes,
    receipts: Sequence[tuple[Split, Receipt]],
) -> list[tuple[pa.RecordBatch, Sequence[str]]]:
    with closing(open_sink(spec, options, url)) as sink:
        assert isinstance(sink, SkippingSink)
        return list(sink.left_out(handle, receipts))
