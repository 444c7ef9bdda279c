"""Tables that tell their secrets, are wrong about being cancelled, or lose rows of large tables.

Variations of the template's, with only the checks that look for that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from threading import Event
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field, SecretStr
from sample_place import OnSample

from crossdock import Attempt, Begun, Cancellable, ConnectorConfig, Location, Split, Target, Unit
from crossdock.contract.secrets_kept import TableSecretChecks
from crossdock.contract.table_cancelling import CancelChecks
from crossdock.contract.table_source import SourceChecks
from crossdock.template import table as good


class Wrong(OnSample, CancelChecks, TableSecretChecks, SourceChecks):
    """Not collected itself."""

    __test__ = False
    caught_by: ClassVar[frozenset[str]]
    also: ClassVar[frozenset[str]] = frozenset()


class LockedConfig(ConnectorConfig):
    password: SecretStr = Field(SecretStr(""), description="The password")


class TellingSink(good.SampleSink):
    """Puts the password into the handle: another process needs it."""

    def __init__(self, folder: good.Folder, password: str) -> None:
        super().__init__(folder, None)
        self.password = password

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        begun = super().begin(unit, target, run_id)
        return replace(begun, handle=json.dumps(json.loads(begun.handle) | {"login": self.password}).encode())


def open_telling(config: Any, location: Location) -> TellingSink:
    return TellingSink(good.Folder(location.path), config.password.get_secret_value())


class TestKeepsTheSecretInItsHandle(Wrong):
    __test__ = True
    spec = replace(good.SPEC, config=LockedConfig, open_source=good.open_source, open_sink=open_telling)
    options: ClassVar = {"password": "hunter2"}
    caught_by = frozenset({"test_secrets_stay_out_of_what_is_kept"})


class QuietSource(good.SampleSource, Cancellable):
    """Takes being cancelled for the end of the data."""

    def __init__(self, folder: good.Folder) -> None:
        super().__init__(folder)
        self.cancelled = Event()

    def cancel(self) -> None:
        self.cancelled.set()

    def _batches(self, parts: list[str]) -> Iterator[pa.RecordBatch]:
        for batch in super()._batches(parts):
            if self.cancelled.is_set():
                return
            yield batch


def open_quiet(config: Any, location: Location) -> QuietSource:
    return QuietSource(good.Folder(location.path))


class TestEndsQuietlyWhenCancelled(Wrong):
    __test__ = True
    spec = replace(
        good.SPEC, open_source=open_quiet, capabilities=replace(good.SPEC.capabilities, cancel=True)
    )
    caught_by = frozenset({"test_cancelled_reading_is_never_a_short_success"})


class UnaskedSink(good.SampleSink, Cancellable):
    """Can be cancelled and does not say so."""

    def cancel(self) -> None:
        pass


def open_unasked(config: Any, location: Location) -> UnaskedSink:
    return UnaskedSink(good.Folder(location.path), None)


class TestCancelsWithoutSaying(Wrong):
    __test__ = True
    spec = replace(good.SPEC, open_sink=open_unasked)
    caught_by = frozenset({"test_cancelled_writing_leaves_nothing"})


class FullWriter(good.SampleWriter):
    """Has room for 32,768 rows, and counts the others."""

    def write(self, item: pa.RecordBatch) -> None:
        room = max(0, (1 << 15) - self._rows)
        super().write(item.slice(0, room))
        self._rows += max(0, item.num_rows - room)


class FullSink(good.SampleSink):
    def writer(self, handle: bytes, split: Split, attempt: Attempt) -> FullWriter:
        begun = json.loads(handle)
        name = f"{self._stem(begun)}{split.index}@{attempt.number}.arrow"
        return FullWriter(self._folder.path / name, good._schema(begun["schema"]), None)


def open_full(config: Any, location: Location) -> FullSink:
    return FullSink(good.Folder(location.path), None)


class TestLosesRowsOfLargeTables(Wrong):
    __test__ = True
    spec = replace(good.SPEC, open_sink=open_full)
    caught_by = frozenset({"test_large"})
