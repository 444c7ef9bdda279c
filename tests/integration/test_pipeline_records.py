"""The records of pipeline runs: who may write to one, what is refused, what several tasks write at once."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import pytest
from pipelines.running import Bench

from crossdock import ConfigError, NotFoundError
from crossdock_scheduler.pipeline.run import ActivityRun, Change, PipelineRun, Problem
from crossdock_scheduler.pipeline.run.local_store import (
    LocalStore,
    forget,
    local_run,
    local_runs,
    record_path,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def test_what_is_saved_is_found_again(tmp_path: Path) -> None:
    run = PipelineRun("it", "main", NOW, {"n": 1}, trigger={"startTime": "x"}, group_id="g")
    end = NOW + timedelta(seconds=2)
    failed = ActivityRun("main", "it", "L[0]/A", "A", "Copy", "Failed", NOW, 1, end, error=Problem("C", "m"))

    async def write() -> None:
        await store.save_pipeline_run(run)
        await store.save_activity_run(failed, Change("v", [1, None], whole=False))

    async def read() -> tuple[object, ...]:
        known = await again.activity_run("it", "L[0]/A", 1), await again.activity_run("it", "L[0]/A", 0)
        return (*known, await again.pipeline_run("it"), await again.variables("it"))

    with LocalStore.create("it", {"x": 1}, tmp_path) as store:
        anyio.run(write)
    with LocalStore.open("it", tmp_path) as again:
        assert anyio.run(read) == (failed, None, run, [Change("v", [1, None], whole=False)])
        assert again.facts() == {"x": 1}
    assert failed.duration == 2000


def test_an_output_that_is_no_json_is_kept_as_text(tmp_path: Path) -> None:
    run = ActivityRun("main", "it", "A", "A", "Copy", "Succeeded", NOW, output={"n": Decimal("1.5")})
    with LocalStore.create("it", {}, tmp_path) as store:
        anyio.run(store.save_activity_run, run)
        assert next(store.activity_runs()).output == {"n": "1.5"}


def test_one_process_at_a_time_works_on_a_run(tmp_path: Path) -> None:
    with LocalStore.create("it", {}, tmp_path):
        with pytest.raises(ConfigError, match="is being worked on by another process"):
            LocalStore.open("it", tmp_path)
        with pytest.raises(ConfigError, match="is being worked on"):
            forget("it", tmp_path)
        assert local_run("it", tmp_path).state == "running"
    assert local_run("it", tmp_path).state == "interrupted"
    forget("it", tmp_path)
    assert local_runs(tmp_path) == []


def test_a_run_id_is_taken_once(tmp_path: Path) -> None:
    LocalStore.create("it", {}, tmp_path).close()
    with pytest.raises(ConfigError, match="the run id 'it' is taken"):
        LocalStore.create("it", {}, tmp_path)
    with pytest.raises(ConfigError, match="letters, digits"):
        LocalStore.create("../it", {}, tmp_path)


def test_another_version_is_refused_and_does_not_hide_the_others(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(bench.note("A"), run_id="good")
    LocalStore.create("other", {}, tmp_path).close()
    with sqlite3.connect(record_path("other", tmp_path)) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigError, match="has version 99, this crossdock reads"):
        LocalStore.open("other", tmp_path)
    record_path("broken", tmp_path).write_bytes(b"no database at all, but some text" * 99)
    assert {each.run_id: each.state for each in local_runs(tmp_path)} == {
        "good": "succeeded",
        "other": "unreadable",
        "broken": "unreadable",
    }


def test_what_is_not_there(tmp_path: Path) -> None:
    for ask in (local_run, forget, LocalStore.open):
        with pytest.raises(NotFoundError, match="there is no pipeline run 'it' on this machine"):
            ask("it", tmp_path)
