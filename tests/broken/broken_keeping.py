"""Tables and stores that tell their secrets, are wrong about being cancelled, or lose rows of large tables.

Variations of the template's, with only the checks that look for that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import replace
from threading import Event
from typing import Any, ClassVar, Self

import broken_stores
import pyarrow as pa
from broken_tables import OddlyWritten
from only import AnyWrong, found_by
from pydantic import Field, SecretStr, field_validator
from sample_place import OnSample

from crossdock import (
    Begun,
    Cancellable,
    ConnectorConfig,
    ConnectorSpec,
    NotFoundError,
    ObjectInfo,
    Target,
    Unit,
)
from crossdock.contract.secrets_kept import StoreSecretChecks, TableSecretChecks
from crossdock.contract.table_cancelling import CancelChecks
from crossdock.contract.table_source import SourceChecks
from crossdock.template import store, table

_SECRETS = "test_secrets_stay_out_of_what_is_kept"


class Wrong(OnSample, CancelChecks, TableSecretChecks, SourceChecks):
    """Not collected itself."""

    __test__ = False
    caught_by: ClassVar[frozenset[str]]
    also: ClassVar[frozenset[str]] = frozenset()


class WrongStore(broken_stores.Wrong, StoreSecretChecks):
    """Not collected itself."""

    __test__ = False


# -- secrets --------------------------------------------------------------------------------------


class LockedConfig(ConnectorConfig):
    password: SecretStr = Field(SecretStr(""), description="The password")


class Locked:
    """Knows its password."""

    password = ""

    def unlocked(self, config: Any) -> Self:
        self.password = config.password.get_secret_value()
        return self


def in_store(config: type[ConnectorConfig] = LockedConfig) -> Callable[[AnyWrong], AnyWrong]:
    return found_by(
        _SECRETS,
        contract=WrongStore,
        spec=replace(store.SPEC, config=config),
        factory="open_store",
        opens=lambda kind, config, at: kind(at.path).unlocked(config),
    )


@found_by(
    _SECRETS,
    contract=Wrong,
    spec=replace(table.SPEC, config=LockedConfig),
    factory="open_sink",
    opens=lambda kind, config, at: kind(table.Folder(at.path), None).unlocked(config),
    options={"password": "hunter2"},
)
class TellingSink(Locked, table.SampleSink):
    """Puts the password into the handle: another process needs it."""

    def begin(self, unit: Unit, target: Target, run_id: str) -> Begun:
        begun = super().begin(unit, target, run_id)
        return replace(begun, handle=json.dumps(json.loads(begun.handle) | {"login": self.password}).encode())


@found_by(
    _SECRETS,
    contract=Wrong,
    spec=replace(table.SPEC, config=LockedConfig, open_sink=None),
    factory="open_source",
    opens=lambda kind, config, at: kind(table.Folder(at.path)).unlocked(config),
)
class ChattySource(Locked, table.SampleSource):
    """Says with which password a table was not found; its test gives none."""

    def schema(self, unit: Unit) -> pa.Schema:
        raise NotFoundError(f"there is no {unit.name} for {self.password}")


@in_store()
class ChattyStore(Locked, store.SampleStore):
    """Says with which password an object was not found; its test gives none."""

    def stat(self, path: str) -> ObjectInfo:
        raise NotFoundError(f"there is no {path} for {self.password}")


class StrictConfig(LockedConfig):
    @field_validator("password")
    @classmethod
    def check(cls, password: SecretStr) -> SecretStr:
        if password.get_secret_value():
            raise ValueError(f"{password.get_secret_value()} is too short")
        return password


@in_store(StrictConfig)
class StrictStore(Locked, store.SampleStore):
    """Says which password it does not take."""


# -- cancelling -----------------------------------------------------------------------------------

_CANCELS = replace(table.SPEC, capabilities=replace(table.SPEC.capabilities, cancel=True))


def source(check: str, spec: ConnectorSpec = _CANCELS) -> Callable[[AnyWrong], AnyWrong]:
    return found_by(
        check,
        contract=Wrong,
        spec=spec,
        factory="open_source",
        opens=lambda kind, _, at: kind(table.Folder(at.path)),
        also=(),
    )


def sink(check: str) -> Callable[[AnyWrong], AnyWrong]:
    return found_by(
        check,
        contract=Wrong,
        spec=table.SPEC,
        factory="open_sink",
        opens=lambda kind, _, at: kind(table.Folder(at.path), None),
        also=(),
    )


@source("test_cancel_is_there_when_declared")
class DeafSource(table.SampleSource):
    """Declares that it can be cancelled."""


@source("test_cancelled_reading_is_never_a_short_success")
class QuietSource(table.SampleSource, Cancellable):
    """Takes being cancelled for the end of the data."""

    def __init__(self, folder: table.Folder) -> None:
        super().__init__(folder)
        self.cancelled = Event()

    def cancel(self) -> None:
        self.cancelled.set()

    def _batches(self, parts: list[str]) -> Generator[pa.RecordBatch, None, None]:
        for batch in super()._batches(parts):
            if self.cancelled.is_set():
                return
            yield batch


@sink("test_cancelled_writing_leaves_nothing")
class UnaskedSink(table.SampleSink, Cancellable):
    """Can be cancelled and does not say so."""

    def cancel(self) -> None:
        pass


# -- many rows ------------------------------------------------------------------------------------


class FullWriter(table.SampleWriter):
    """Has room for 32,768 rows, and counts the others."""

    def write(self, item: pa.RecordBatch) -> None:
        room = max(0, (1 << 15) - self._rows)
        super().write(item.slice(0, room))
        self._rows += max(0, item.num_rows - room)


@sink("test_large")
class FullSink(OddlyWritten):
    """Loses rows of large tables."""

    kind = FullWriter
