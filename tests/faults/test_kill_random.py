"""SIGKILL at random calls and random moments, again and again, until a resume is left in peace.

``CROSSDOCK_FAULT_SEEDS`` says how many seeds are tried.
"""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

import pytest
from fault_bench import Bench, Child
from fault_payloads import (
    CsvToParquet,
    CsvToSqlite,
    ManyBinary,
    ManyCsvToParquet,
    OneBinary,
    ParquetToCsv,
    Payload,
    SqliteToParquet,
)

SEEDS = int(os.environ.get("CROSSDOCK_FAULT_SEEDS", "20"))
KINDS: list[type[Payload]] = [
    OneBinary,
    ManyBinary,
    CsvToParquet,
    CsvToSqlite,
    ParquetToCsv,
    ManyCsvToParquet,
    SqliteToParquet,
]
KILLS = 3


@pytest.mark.parametrize("seed", range(SEEDS))
def test_killed_at_random(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)
    payload = KINDS[seed % len(KINDS)](bench.folder)
    options = {"parallel_copies": chance.choice([1, 2, 3]), "verify": chance.random() < 0.3}
    given: dict[str, Any] = {"stream": chance.random() < 0.5, "smallest_split": payload.smallest_split}
    history: list[str] = []
    for left in range(KILLS, -1, -1):
        done = bench.receipts() if bench.state() else set()
        child, how = _go_on(bench, payload, chance if left else None, given | {"options": options})
        history.append(how)
        ended = child.finish()
        payload.visible()
        if not ended.killed:
            assert ended.answer.get("status") == "Succeeded", (history, ended)
            assert ended.carried.isdisjoint(done), history
            assert len(ended.answer["carried"]) == len(ended.carried), history
        if bench.state() == "succeeded":
            break
    payload.check()
    assert bench.info().splits_done >= payload.minimum


def _go_on(
    bench: Bench, payload: Payload, chance: random.Random | None, given: dict[str, Any]
) -> tuple[Child, str]:
    """Start to copy or to resume; with ``chance``, killed somewhere or nowhere. Returns how, too."""
    kill = ""
    if chance and chance.random() < 0.6:
        kill = f"any:{chance.choice(['before', 'after'])}:{1 + int(chance.random() ** 2 * payload.events)}"
    if bench.state():
        child = bench.start("resume", kill=kill, **given)
    else:
        child = bench.start("copy", payload, kill=kill, **given)
    if chance and not kill:
        child.wait_until_ready()
        time.sleep(chance.uniform(0, 0.3))
        child.send(signal.SIGKILL)
    return child, kill or "delay"
