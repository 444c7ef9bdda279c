"""Sinks that load staged files by themselves and are each wrong about it: variations of the template's."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import broken_tables
import pyarrow.parquet as pq

from crossdock import Attempt, BulkLoad, BulkLoader, Location, Receipt, Split, StagedFile
from crossdock.template import table as good

_LOADS = BulkLoad(frozenset({"parquet"}), frozenset({"file"}))


class Wrong(broken_tables.Wrong):
    """As there; not collected itself."""

    __test__ = False


class LoadingSink(good.SampleSink, BulkLoader):
    """Correct."""

    def can_load(self) -> bool:
        return True

    def load(self, handle: bytes, split: Split, attempt: Attempt, file: StagedFile) -> Receipt:
        writer = self.writer(handle, split, attempt)
        for batch in self.batches(unquote(urlsplit(file.url).path)):
            writer.write(batch)
        return writer.finish()

    def batches(self, path: str) -> Any:
        return pq.ParquetFile(path).iter_batches(batch_size=100)


class LosingSink(LoadingSink):
    """Loads the first batch only."""

    def batches(self, path: str) -> Any:
        yield next(super().batches(path))


def open_loading(config: Any, location: Location) -> LoadingSink:
    return LoadingSink(good.Folder(location.path), None)


LOADING = broken_tables.with_sink(open_loading, bulk_load=_LOADS)


def open_losing(config: Any, location: Location) -> LosingSink:
    return LosingSink(good.Folder(location.path), None)


class TestLoadsTheFirstBatchOnly(Wrong):
    __test__ = True
    spec = broken_tables.with_sink(open_losing, bulk_load=_LOADS)
    caught_by = frozenset({"test_bulk_load"})


class TestLoadsUndeclared(Wrong):
    __test__ = True
    spec = broken_tables.with_sink(open_loading)
    caught_by = frozenset({"test_bulk_load_is_declared_where_it_is"})


class TestOnlyDeclaresToLoad(Wrong):
    __test__ = True
    spec = broken_tables.with_sink(good.SPEC.open_sink, bulk_load=_LOADS)
    caught_by = frozenset({"test_bulk_load_is_declared_where_it_is"})
