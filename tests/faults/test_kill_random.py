"""SIGKILL, full disks and restarts at random moments, again and again, until a resume is left in peace.

``CROSSDOCK_FAULT_SEEDS`` says how many seeds are tried.
"""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

import pytest
from fault_bench import Bench, Outcome
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
FULL = ["os.link", "os.replace", "os.unlink", "torn.write_at", "torn.copy_range"]
TROUBLES = 3


@pytest.mark.parametrize("seed", range(SEEDS))
def test_killed_at_random(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)
    payload = KINDS[seed % len(KINDS)](bench.folder)
    options = {"parallel_copies": chance.choice([1, 2, 3]), "verify": chance.random() < 0.3}
    given: dict[str, Any] = {"stream": chance.random() < 0.5, "smallest_split": payload.smallest_split}
    history: list[Any] = []
    for left in range(TROUBLES, -1, -1):
        done = bench.receipts() if bench.state() else set()
        trouble = _trouble(chance, payload, given) if left else {}
        history.append(trouble)
        ended = _go_on(bench, payload, options, given, trouble)
        payload.visible()
        if not ended.killed and "fail" not in trouble:
            assert ended.answer.get("status") == "Succeeded", (history, ended)
        if not ended.killed and "status" in ended.answer and not given.get("boot_id"):
            assert ended.carried.isdisjoint(done), history
            assert len(ended.answer["carried"]) == len(ended.carried), history
        if bench.state() == "succeeded":
            break
    payload.check()
    assert bench.info().splits_done >= payload.minimum


def _trouble(chance: random.Random, payload: Payload, given: dict[str, Any]) -> dict[str, Any]:
    """What happens in the next process: killed at some call or moment, or one call finds the disk full."""
    nth = 1 + int(chance.random() ** 2 * payload.events)
    kind = chance.random()
    if chance.random() < 0.15:
        # From now on the machine has been restarted.
        given["boot_id"] = f"boot {nth}"
    if kind < 0.45:
        return {"kill": f"any:{chance.choice(['before', 'after'])}:{nth}"}
    if kind < 0.7:
        return {"fail": f"{chance.choice(FULL)}:before:{1 + nth // 20}"}
    return {"delay": chance.uniform(0, 0.3)}


def _go_on(
    bench: Bench, payload: Payload, options: dict[str, Any], given: dict[str, Any], trouble: dict[str, Any]
) -> Outcome:
    """Copy, or resume what was begun."""
    if bench.state():
        child = bench.start("resume", **given, **trouble)
    else:
        child = bench.start("copy", payload, options=options, **given, **trouble)
    if "delay" in trouble:
        child.wait_until_ready()
        time.sleep(trouble["delay"])
        child.send(signal.SIGKILL)
    return child.finish()
