"""Databases whose scripts are each wrong in one way: variations of SQLite's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from adbc_driver_manager import (
    AdbcStatusCode,
    DataError,
    IntegrityError,
    InternalError,
    OperationalError,
    ProgrammingError,
)
from sample_place import OnSample

from crossdock import CrossdockError, Location, Parameter, ScriptResult
from crossdock.contract.table_scripts import ScriptChecks
from crossdock.template import table as good
from crossdock_connectors.tables import sqlite
from crossdock_connectors.tables.sqlite_database import Database, path_of
from crossdock_connectors.tables.sqlite_source import SqliteSource

_KINDS = (DataError, IntegrityError, InternalError, OperationalError, ProgrammingError)


class Wrong(ScriptChecks):
    """Only the checks of scripts, on SQLite: the others take minutes there. Not collected itself."""

    __test__ = False
    caught_by: ClassVar[frozenset[str]]
    spec = sqlite.SPEC
    also = frozenset({"test_spec_imports_no_vendor"})  # this module does
    driver_errors = tuple(kind("[SQLite] it failed", status_code=AdbcStatusCode.IO) for kind in _KINDS)

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'tables.db'}"


def opened(config: Any, location: Location, kind: type[SqliteSource]) -> SqliteSource:
    return kind(Database(path_of(location), config.busy_timeout), location.fragment, "", config.partition)


class PastingSource(SqliteSource):
    def script(
        self, text: str, parameters: Sequence[Parameter] = (), *, rows: int | None = None
    ) -> ScriptResult:
        for each in parameters:
            value = each.value if each.type != "string" else f"'{each.value}'"
            text = text.replace(f"@{each.name}", "NULL" if each.value is None else str(value))
        return super().script(text, (), rows=rows)


def open_pasting(config: Any, location: Location) -> SqliteSource:
    return opened(config, location, PastingSource)


class TestPastesValuesIntoTheText(Wrong):
    __test__ = True
    spec = replace(sqlite.SPEC, open_source=open_pasting)
    caught_by = frozenset({"test_values_of_a_script"})


class SilentSource(SqliteSource):
    def script(
        self, text: str, parameters: Sequence[Parameter] = (), *, rows: int | None = None
    ) -> ScriptResult:
        return replace(super().script(text, parameters, rows=rows), affected=0)


def open_silent(config: Any, location: Location) -> SqliteSource:
    return opened(config, location, SilentSource)


class TestDoesNotCountWhatItChanges(Wrong):
    __test__ = True
    spec = replace(sqlite.SPEC, open_source=open_silent)
    caught_by = frozenset({"test_script"})


class CalmSource(SqliteSource):
    """Takes a script that fails for one that changes nothing."""

    def script(
        self, text: str, parameters: Sequence[Parameter] = (), *, rows: int | None = None
    ) -> ScriptResult:
        try:
            return super().script(text, parameters, rows=rows)
        except CrossdockError:
            return ScriptResult()


def open_calm(config: Any, location: Location) -> SqliteSource:
    return opened(config, location, CalmSource)


class TestTakesAFailureForNothing(Wrong):
    __test__ = True
    spec = replace(sqlite.SPEC, open_source=open_calm)
    caught_by = frozenset({"test_scripts_that_fail"})


class PretendingSource(good.SampleSource):
    """Has the method without the ability: nobody would call it."""

    def script(self, text: str) -> ScriptResult:
        return ScriptResult()


def open_pretending(config: Any, location: Location) -> PretendingSource:
    return PretendingSource(good.Folder(location.path))


class TestRunsScriptsThatNobodyAsksFor(OnSample, Wrong):
    __test__ = True

    spec = replace(good.SPEC, open_source=open_pretending)
    driver_errors = (pa.ArrowInvalid("no Arrow file"),)
    caught_by = frozenset({"test_script"})
