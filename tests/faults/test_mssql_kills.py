"""SIGKILL while rows go into SQL Server: after a resume each row is there once, none before the commit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from servers.sql_server import SqlServer

from crossdock import NotFoundError, api

ROWS = 30_000
SEEDS = int(os.environ.get("CROSSDOCK_FAULT_SEEDS", "2"))


@pytest.fixture
def server(sql_server: SqlServer) -> SqlServer:
    return sql_server


def state(home: Path) -> str:
    try:
        return api.show("r", home).state
    except NotFoundError:
        return ""


@pytest.mark.parametrize("behavior", ["insert", "upsert"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_killed_at_random(server: SqlServer, tmp_path: Path, seed: int, behavior: str) -> None:
    chance = random.Random(seed)
    source, home = tmp_path / "in.csv", tmp_path / "home"
    source.write_text("id,text\n" + "".join(f"{i},{'x' * (i % 40)}\n" for i in range(ROWS)))
    server.run(
        "CREATE TABLE {s}.t (id bigint NOT NULL PRIMARY KEY, text nvarchar(50))",
        "CREATE TABLE {s}.scripts (n int)",
        "INSERT INTO {s}.t (id, text) VALUES (-1, N'there')",
    )
    if behavior == "upsert":
        server.run("INSERT INTO {s}.t (id, text) VALUES (5, N'old')")
    before = 1 + (behavior == "upsert")
    after = ROWS + 1
    options = {**server.options, "write_behavior": behavior,
               "pre_copy_script": f"INSERT INTO [{server.schema}].scripts (n) VALUES (1)"}  # fmt: skip
    given = [f"-k{name}={value}" for name, value in options.items()]
    copy = ["copy", str(source), server.url("t"), "--mode", "append", "--run-id", "r", *given]
    copy += ["--parallel-copies", "2"]
    environment = {**os.environ, "CROSSDOCK_HOME": str(home)}
    for _ in range(3):
        order = ["runs", "resume", "r"] if state(home) else copy
        child = subprocess.Popen(
            [sys.executable, "-m", "crossdock", *order],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(chance.uniform(1.0, 4.0))
        child.send_signal(signal.SIGKILL)
        child.wait()
        ((count,),) = server.run("SELECT COUNT(*) AS n FROM {s}.t")
        assert count in (before, after), "some rows are visible and others not"
        if state(home) == "succeeded":
            break
    if not state(home):
        subprocess.run([sys.executable, "-m", "crossdock", *copy], env=environment, check=True)
    elif state(home) != "succeeded":
        api.resume("r", home=home)
    found = server.run("SELECT COUNT(*) AS n, SUM(id) AS s, COUNT(DISTINCT id) AS d FROM {s}.t WHERE id >= 0")
    assert [tuple(map(int, row)) for row in found] == [(ROWS, sum(range(ROWS)), ROWS)]
    assert server.run("SELECT text FROM {s}.t WHERE id IN (-1, 5) ORDER BY id") == [("there",), ("xxxxx",)]
    assert server.run("SELECT n FROM {s}.scripts") == [(1,)]
    assert server.tables() == ["_crossdock_ledger", "scripts", "t"]
    assert server.run("SELECT COUNT(*) AS n FROM {s}.[_crossdock_ledger]") == [(0,)]
