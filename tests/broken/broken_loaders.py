"""Sinks that load staged files by themselves and are each wrong about it: variations of the template's."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import broken_tables
import pyarrow.parquet as pq

from crossdock import Attempt, BulkLoad, BulkLoader, Location, Receipt, Split, StagedFile
from crossdock.template import table as good

_LOADS = BulkLoad(frozenset({"parquet"}), frozenset({"file"}))


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


def open_loading(config: Any, location: Location) -> LoadingSink:
    return LoadingSink(good.Folder(location.path), None)


LOADING = broken_tables.with_sink(open_loading, bulk_load=_LOADS)
found_by = partial(broken_tables.found_by, also=None)


@found_by("test_bulk_load", spec=LOADING)
class LosingSink(LoadingSink):
    """Loads the first batch only."""

    def batches(self, path: str) -> Any:
        yield next(super().batches(path))


@found_by("test_bulk_load_is_declared_where_it_is")
class ModestSink(LoadingSink):
    """Does not declare that it loads."""


@found_by("test_bulk_load_is_declared_where_it_is", spec=LOADING)
class BoastfulSink(good.SampleSink):
    """Only declares that it loads."""
