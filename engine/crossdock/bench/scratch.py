"""Places at a sink that nobody else uses, one for each copy that is measured, removed after it."""

from __future__ import annotations

import os
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any

from ..credentials import public_url
from ..errors import ConfigError, CrossdockError, NotFoundError, NotSupportedError, TransientError
from ..files.selecting import parent
from ..opening import blaming
from ..plugins import registry
from ..removing import delete
from ..scripting import run_script
from ..sides import Side
from ..spelling import snake_case
from ..spi.store import Folders

_PREFIX = "crossdock_bench_"
_PARTS = re.compile(r'(\[[^]]*\]|"(?:[^"]|"")*"|`[^`]*`)|([^.]+)')


@dataclass(frozen=True, slots=True)
class Copy:
    """What is measured. ``options`` are those of ``crossdock.copy`` but for what a sweep sets itself."""

    source: str
    sink: str
    options: Mapping[str, Any]


class Scratch(ABC):
    """Targets for copies. ``many``: whether several copies may run at once."""

    many = True

    @abstractmethod
    def target(self) -> str:
        """The address of another target, at which there is nothing."""

    @abstractmethod
    def remove(self, target: str) -> None:
        """Remove what there is at a target; nothing is fine."""

    def close(self) -> None:  # noqa: B027 - where targets are all there is
        """Remove what held the targets."""


def scratch(copy: Copy, *, in_place: bool) -> Scratch:
    """For that copy's sink. ``in_place``: the sink itself, which each copy replaces; it stays.

    Raises ConfigError where no fresh targets can be had there.
    """
    given = snake_case(copy.options.get("sink_options"))
    if in_place:
        return _Itself(copy.sink)
    if own := own_sql(given):
        raise ConfigError(
            f"the option {own} runs your own SQL with each copy, which may change what is there",
            hint="leave it out, or allow it with --in-place",
        )
    side = Side(registry(), copy.sink, copy.options.get("sink_format"), given, "sink", threading.Event())
    token = os.urandom(4).hex()
    return _Folder(side, token) if side.spec.kind == "store" else _Tables(side, token)


def own_sql(given: Mapping[str, str]) -> str | None:
    """The first of these options that runs SQL of the user's, beyond a query."""
    return next((key for key in given if "script" in key or "procedure" in key), None)


class _Itself(Scratch):
    many = False

    def __init__(self, sink: str) -> None:
        self._sink = sink

    def target(self) -> str:
        return self._sink

    def remove(self, target: str) -> None:
        """It is the user's."""


class _Folder(Scratch):
    """A folder beside the sink's file, or in the sink's folder."""

    def __init__(self, side: Side, token: str) -> None:
        self._side, self._count = side, 0
        if "*" in side.path or "?" in side.path:
            raise ConfigError(f"the sink {public_url(side.address)} has a wildcard; name a file or a folder")
        folder, self._name = parent(side.path)
        with blaming(side.spec.name, "sink"):
            if self._name and side.ask(folder, lambda store: store.is_folder(self._name)):
                folder, self._name = side.path, ""
            folder = self._existing(folder.rstrip("/"))
        self._base = f"{folder}/{_PREFIX}{token}"
        self._options = {
            key: value for key, value in side.given.items() if key in side.spec.config.model_fields
        }

    def _existing(self, folder: str) -> str:
        """The folder, or the nearest one above it that is there: a new one would stay."""

        def is_there(path: str) -> bool:
            above, name = parent(path)
            if not name:
                return True
            with closing(self._side.store(above)) as store:
                return not isinstance(store, Folders) or store.is_folder(name)

        while folder and not is_there(folder):
            folder = folder.rpartition("/")[0]
        return folder

    def target(self) -> str:
        self._count += 1
        return self._side.with_path(f"{self._base}/{self._count}/{self._name}")

    def remove(self, target: str) -> None:
        number = target.partition(f"{self._base.rpartition('/')[2]}/")[2].partition("/")[0]
        self._delete(f"{self._base}/{number}/")

    def close(self) -> None:
        self._delete(f"{self._base}/")

    def _delete(self, folder: str) -> None:
        with suppress(NotFoundError):
            delete(self._side.with_path(folder), source_options=self._options)


class _Tables(Scratch):
    """Tables in the sink's schema."""

    def __init__(self, side: Side, token: str) -> None:
        if not side.location.fragment:
            raise ConfigError(
                f"{public_url(side.address)} names no table, and copies go into tables of their own; write "
                "#TABLE behind it"
            )
        self._side, self._prefix, self._count = side, f"{_PREFIX}{token}_", 0
        schema = side.location.fragment.rpartition(".")[0]
        self._schema = f"{schema}." if schema else ""
        self._quoted = True
        try:
            self._try_quotes()
        except NotSupportedError:
            raise ConfigError(
                f"{side.spec.name} can remove no tables, so that each copy would leave one",
                hint="let each copy replace the sink itself with --in-place --mode overwrite",
            ) from None

    def _try_quotes(self) -> None:
        """Find out whether names in double quotes are names there; MySQL takes them for texts."""
        try:
            self._drop(f"{self._prefix}0")
        except (NotSupportedError, TransientError):
            raise
        except CrossdockError:
            self._quoted = False
            self._drop(f"{self._prefix}0")

    def target(self) -> str:
        self._count += 1
        location = replace(self._side.location, fragment=f"{self._schema}{self._prefix}{self._count}")
        return location.with_path(location.path).url

    def remove(self, target: str) -> None:
        table = self._prefix + target.rpartition("_")[2]
        try:
            self._drop(table)
        except CrossdockError as error:
            error.hint = error.hint or f"the table {self._schema}{table} may be left"
            raise

    def _drop(self, table: str) -> None:
        """Sinks quote what they create: without quotes a database that folds names drops another table."""
        name = self._schema + table
        if self._quoted:
            name = _PARTS.sub(lambda part: part[1] or '"' + part[2].replace('"', '""') + '"', name)
        where = replace(self._side.location, fragment="").with_path(self._side.location.path).url
        options = {k: v for k, v in self._side.given.items() if k in self._side.spec.config.model_fields}
        run_script(where, f"DROP TABLE IF EXISTS {name}", options=options)
