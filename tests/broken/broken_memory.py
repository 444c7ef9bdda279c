"""Sinks that are asked what a run has committed, and are each wrong in one way."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from only import AnyWrong
from only import found_by as found
from sample_place import OnSample

from crossdock import Location, Receipt, Remembering, Split, Unit
from crossdock.contract.table_memory import MemoryChecks
from crossdock.template import table as good


class RememberingSink(good.SampleSink, Remembering):
    """The template's table that remembers: a file says who has committed."""

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.path.mkdir(parents=True, exist_ok=True)
        with (self._folder.path / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _noted(self, table: str, run_id: str) -> Path:
        return self._folder.path / f"{quote(table, safe='')}@{quote(run_id, safe='')}@committed"

    def commit(self, handle: bytes, receipts: Sequence[tuple[Split, Receipt]]) -> None:
        begun = json.loads(handle)
        with self._alone():
            super().commit(handle, receipts)
            self._noted(begun["table"], begun["run"]).touch()

    def committed(self, unit: Unit, run_id: str) -> Receipt | None:
        with self._alone():
            if self._noted(unit.name, run_id).exists():
                return Receipt(b"", 0, 0)
            self._drop(unit, run_id)
        return None

    def abandon(self, unit: Unit, run_id: str) -> None:
        with self._alone():
            noted = self._noted(unit.name, run_id)
            if noted.exists():
                noted.unlink()
            else:
                self._drop(unit, run_id)

    def _drop(self, unit: Unit, run_id: str) -> None:
        there = self._folder.newest(unit.name)[1]
        used = set(there["parts"]) if there else set()
        for path in self._folder.path.glob("*.arrow"):
            if (
                path.name.startswith(self._stem({"table": unit.name, "run": run_id}))
                and path.name not in used
            ):
                path.unlink()


class Wrong(OnSample, MemoryChecks):
    """The checks on a wrong sink; not collected itself, since it has no spec."""

    __test__ = False
    spec = good.SPEC
    caught_by: ClassVar[frozenset[str]]
    also: ClassVar[frozenset[str]] = frozenset()


def open_remembering(config: Any, location: Location) -> RememberingSink:
    return RememberingSink(good.Folder(location.path), None)


REMEMBERING = replace(good.SPEC, open_sink=open_remembering)


def found_by(*checks: str, also: Collection[str] = ()) -> Callable[[AnyWrong], AnyWrong]:
    return found(
        *checks,
        contract=Wrong,
        spec=good.SPEC,
        factory="open_sink",
        opens=lambda kind, _, at: kind(good.Folder(at.path), None),
        also=also,
    )


@found_by("test_committed_is_remembered", also=("test_asked_while_it_commits",))
class ForgettingSink(RememberingSink):
    """Knows of no commit."""

    def committed(self, unit: Unit, run_id: str) -> None:
        with self._alone():
            self._drop(unit, run_id)


@found_by("test_committed_is_remembered", "test_asked_for_nothing", "test_asked_while_it_commits")
class AloofSink(RememberingSink):
    """Says that nothing was committed, without a look."""

    def committed(self, unit: Unit, run_id: str) -> None:
        pass


@found_by("test_asked_for_nothing", "test_abandon_forgets_a_commit", also=("test_asked_while_it_commits",))
class CredulousSink(RememberingSink):
    """Takes what is staged for committed: the rows would never come."""

    def committed(self, unit: Unit, run_id: str) -> Receipt | None:
        stem = self._stem({"table": unit.name, "run": run_id})
        staged = any(path.name.startswith(stem) for path in self._folder.path.glob("*"))
        return Receipt(b"", 0, 0) if staged else None


@found_by("test_asked_for_nothing", also=("test_asked_while_it_commits",))
class TolerantSink(RememberingSink):
    """Says that nothing was committed, and lets whoever began it commit it after that."""

    def committed(self, unit: Unit, run_id: str) -> Receipt | None:
        return Receipt(b"", 0, 0) if self._noted(unit.name, run_id).exists() else None
