"""A table source: rows that follow from their number, so that a test knows what must arrive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pydantic import Field, SecretStr

from crossdock import AuthError, Cancellable, Location, PlanHint, Source, Split, Unit, UnitPage

from .switch import Switch, TrialConfig

SCHEMA = pa.schema([("id", pa.int64()), ("word", pa.string()), ("value", pa.float64())])


def batch(start: int, stop: int) -> pa.RecordBatch:
    """The rows with the numbers ``start`` to ``stop``: a null, an empty text and a long one now and then."""
    ids = range(start, stop)
    words = [None if n % 7 == 0 else "" if n % 11 == 0 else f"word {n}" * (1 + n % 3) for n in ids]
    return pa.record_batch([pa.array(ids, pa.int64()), words, [n / 8 for n in ids]], schema=SCHEMA)


class RowsConfig(TrialConfig):
    rows: int = Field(1000, description="rows in each unit")
    units: int = Field(1, description="how many units, called t0, t1, ...")
    page: int = Field(2, description="units in each page of the listing")
    cursors: bool = Field(True, description="whether pages have cursors")
    splits: int = Field(8, description="splits of each unit, if the hint allows that many")
    batch: int = Field(25, description="rows in each batch")
    name: str = Field("t{}", description="names of units")
    cancellable: bool = Field(False, description="whether a blocked read can be ended")
    password: SecretStr | None = Field(None, description="must be hunter2, where it is needed")
    needs_password: bool = Field(False, description="whether to ask for the password")


class RowsSource(Source[pa.RecordBatch]):
    def __init__(self, config: RowsConfig, location: Location) -> None:
        self._config = config
        self._switch = Switch(config, location)
        self._switch("open")
        if config.needs_password and (
            config.password is None or config.password.get_secret_value() != "hunter2"
        ):
            raise AuthError("the password is wrong")

    def units(self, after: bytes | None = None) -> Iterator[UnitPage]:
        first = int(after) if after else 0
        for start in range(first, self._config.units, self._config.page):
            stop = min(start + self._config.page, self._config.units)
            self._switch.note("listed", start=start)
            names = [self._config.name.format(n) for n in range(start, stop)]
            cursor = str(stop).encode() if self._config.cursors else None
            yield UnitPage(tuple(map(Unit, names)), cursor)
            self._switch("units")

    def schema(self, unit: Unit) -> pa.Schema:
        self._switch("schema", unit.name)
        return SCHEMA

    def plan(self, unit: Unit, hint: PlanHint) -> Iterator[Split]:
        self._switch.note("planned", unit=unit.name)
        self._switch("plan", unit.name)
        count = min(self._config.splits, hint.max_splits or self._config.splits)
        edges = [self._config.rows * n // count for n in range(count + 1)]
        for index in range(count):
            token = json.dumps(edges[index : index + 2]).encode()
            yield Split(unit.name, index, token, weight=edges[index + 1] - edges[index])

    @contextmanager
    def read(self, split: Split) -> Iterator[Iterator[pa.RecordBatch]]:
        self._switch.note("read", unit=split.unit, split=split.index)
        self._switch("read", split.unit, split.index)
        try:
            yield self._batches(split)
        finally:
            self._switch("close", split.unit, split.index)

    def _batches(self, split: Split) -> Iterator[pa.RecordBatch]:
        start, stop = json.loads(split.token)
        for number, at in enumerate(range(start, stop, self._config.batch)):
            self._switch("batch", split.unit, split.index, number)
            yield batch(at, min(at + self._config.batch, stop))

    def close(self) -> None:
        self._switch.note("source closed")


class CancellableRows(RowsSource, Cancellable):
    def cancel(self) -> None:
        self._switch.note("cancelled")
        self._switch.woken.set()


def open_rows(config: RowsConfig, location: Location) -> RowsSource:
    return (CancellableRows if config.cancellable else RowsSource)(config, location)
