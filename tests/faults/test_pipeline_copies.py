"""Copies into a table that grows, in pipelines whose process is killed: no row is there twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from crossdock_scheduler.pipeline.run.local_store import record_path

if TYPE_CHECKING:
    from servers.postgres import Postgres

ROWS = 400_000
_REFERENCE = {"dataset": "DatasetReference", "linkedService": "LinkedServiceReference"}


def refer(kind: str, name: str) -> dict[str, str]:
    return {"referenceName": name, "type": _REFERENCE[kind]}


@pytest.fixture
def factory(tmp_path: Path, database: str) -> Path:
    """A pipeline that copies a file of many rows into the table ``orders`` of an empty database."""
    (tmp_path / "share").mkdir()
    with (tmp_path / "share" / "orders.csv").open("w") as file:
        file.write("id,amount\n")
        file.writelines(f"{i},{i * 7}\n" for i in range(ROWS))
    parts = urlsplit(database)
    made: dict[str, dict[str, Any]] = {
        "linkedService/share": {"type": "FileServer", "typeProperties": {"host": str(tmp_path / "share")}},
        "linkedService/db": {
            "type": "PostgreSqlV2",
            "typeProperties": {
                "server": parts.hostname, "port": parts.port, "username": parts.username,
                "database": parts.path[1:], "sslMode": 0, "authenticationType": "Basic",
            },
        },
        "dataset/file": {
            "type": "DelimitedText", "linkedServiceName": refer("linkedService", "share"),
            "typeProperties": {
                "location": {"type": "FileServerLocation", "fileName": "orders.csv"}, "columnDelimiter": ",",
                "firstRowAsHeader": True,
            },
        },
        "dataset/table": {
            "type": "PostgreSqlV2Table", "linkedServiceName": refer("linkedService", "db"),
            "typeProperties": {"schema": "public", "table": "orders"},
        },
        "pipeline/load": {"activities": [{
            "name": "Load", "type": "Copy",
            "inputs": [refer("dataset", "file")], "outputs": [refer("dataset", "table")],
            "typeProperties": {
                "source": {"type": "DelimitedTextSource"}, "sink": {"type": "AzurePostgreSqlSink"},
            },
        }]},
    }  # fmt: skip
    for name, properties in made.items():
        path = tmp_path / "factory" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"name": path.stem, "properties": properties}))
    return tmp_path / "factory"


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "crossdock", *map(str, arguments)]


def ran(*arguments: str | Path) -> dict[str, Any]:
    done = subprocess.run(command(*arguments), check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def counts(postgres: Postgres, database: str) -> tuple[int, int]:
    ((rows, distinct),) = postgres.run(
        "SELECT count(*), count(DISTINCT id) FROM orders", urlsplit(database).path[1:]
    )
    return rows, distinct


@pytest.fixture
def table(postgres: Postgres, database: str) -> None:
    name = urlsplit(database).path[1:]
    postgres.run("CREATE TABLE orders (id bigint, amount bigint)", name)


@pytest.mark.usefixtures("table")
def test_a_copy_that_was_in_flight_leaves_each_row_once(
    factory: Path, postgres: Postgres, database: str
) -> None:
    journals = Path(os.environ["CROSSDOCK_HOME"]) / "runs"
    with subprocess.Popen(command("run", factory, "load", "--run-id", "it")) as process:
        deadline = time.monotonic() + 60
        while not list(journals.glob("*.db")) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.5)
        assert process.poll() is None, "it ended before it was killed"
        process.send_signal(signal.SIGKILL)
    found = ran("pipeline-runs", "resume", "it", "--output", "json")
    assert found["status"] == "Succeeded"
    assert counts(postgres, database) == (ROWS, ROWS)
    assert len(list(journals.glob("*.db"))) == 1  # the copy that was begun went on


@pytest.mark.usefixtures("table")
def test_a_copy_that_had_committed_before_its_record_is_not_made_again(
    factory: Path, postgres: Postgres, database: str
) -> None:
    first = ran("run", factory, "load", "--run-id", "it", "--output", "json")
    forget_the_end("it")
    again = ran("pipeline-runs", "resume", "it", "--output", "json")
    assert counts(postgres, database) == (ROWS, ROWS)
    assert again["activityRuns"][0]["output"]["rowsCopied"] == ROWS
    assert again["activityRuns"][0]["output"] == first["activityRuns"][0]["output"]


def forget_the_end(run_id: str) -> None:
    """Leave the record as a process does that is killed after the commit."""
    with sqlite3.connect(record_path(run_id)) as db:
        for name in ("activity_runs", "pipeline_runs"):
            ((record,),) = db.execute(f"SELECT record FROM {name}").fetchall()
            ended = json.loads(record) | {"status": "InProgress", "ended": None}
            db.execute(f"UPDATE {name} SET record = ?", (json.dumps(ended),))
        db.execute("UPDATE pipeline_runs SET ended = 0")
    db.close()
