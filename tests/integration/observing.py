"""What the integration tests look at: the record of the trial connectors, shelves, staged files, journals."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import crossdock


def stops(after: float, copy: Callable[[threading.Event], object]) -> float:
    """Seconds from the wish to stop, ``after`` seconds of the copy, to the end of the run."""
    cancel, wished = threading.Event(), []

    def wish() -> None:
        wished.append(time.monotonic())
        cancel.set()

    timer = threading.Timer(after, wish)
    timer.start()
    try:
        with pytest.raises(crossdock.CancelledError):
            copy(cancel)
    finally:
        timer.join()
    return time.monotonic() - wished[0]


class Record:
    """What the trial connectors were asked to do, in order, over all processes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.options = {"record": str(folder)}

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        path = self.folder / "record.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        events = [json.loads(line) for line in lines]
        return [event for event in events if kind in (None, event["event"])]

    def count(self, kind: str) -> int:
        return len(self.events(kind))

    def clear(self) -> None:
        (self.folder / "record.jsonl").unlink(missing_ok=True)


def expected_rows(count: int) -> pa.Table:
    """What ``rows://`` with that many rows holds, in order."""
    from crossdock_trials.rows import SCHEMA, batch

    return pa.Table.from_batches([batch(0, count)], SCHEMA)


def read_shelf(folder: Path, name: str = "t0") -> pa.Table:
    """What is visible in a shelf, ordered by id."""
    from crossdock_trials.shelf import read_table

    return read_table(folder, name).sort_by("id")


def left_behind(folder: Path) -> list[str]:
    """Staged files of any connector, visible to nobody but us."""
    found = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    return sorted(path for path in found if ".crossdock-" in path)


def journals(home: Path) -> list[str]:
    folder = home / "runs"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def copy_failing(
    shelf: Path, source: Record, sink: Record, fail: dict[str, str], **options: object
) -> crossdock.CrossdockError:
    """A copy of eight splits that breaks off."""
    with pytest.raises(crossdock.CrossdockError) as caught:
        crossdock.copy(
            "rows://here",
            f"shelf://{shelf}",
            source_options={"rows": "1000", **source.options, **fail},
            sink_options=sink.options,
            parallel_copies=2,
            run_id="r",
            **options,  # type: ignore[arg-type]
        )
    return caught.value
