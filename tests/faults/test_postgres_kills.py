"""SIGKILL while rows go into PostgreSQL: after a resume each row is there once, none before the commit."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from adbc_driver_postgresql import dbapi
from servers.psqlodbc import odbc_url

from crossdock import NotFoundError, api

ROWS = 60_000
SEEDS = int(os.environ.get("CROSSDOCK_FAULT_SEEDS", "4"))


def sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def state(home: Path) -> str:
    try:
        return api.show("r", home).state
    except NotFoundError:
        return ""


@pytest.mark.parametrize("through", ["adbc", "odbc"])
@pytest.mark.parametrize("mode", ["error", "append"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_killed_at_random(database: str, tmp_path: Path, seed: int, mode: str, through: str) -> None:
    chance = random.Random(seed)
    source, home = tmp_path / "in.csv", tmp_path / "home"
    source.write_text("id,text\n" + "".join(f"{i},{'x' * (i % 40)}\n" for i in range(ROWS)))
    begin = [(-1, "there")] if mode == "append" else []
    if begin:
        sql(database, "CREATE TABLE t (id bigint, text text)")
        sql(database, "INSERT INTO t VALUES (-1, 'there')")
    environment = os.environ | {"CROSSDOCK_HOME": str(home)}
    sink = f"{database}#t" if through == "adbc" else odbc_url(database, "t")
    copy = ["copy", str(source), sink, "--mode", mode, "--run-id", "r", "--parallel-copies", "2"]
    kills = 0
    for _ in range(3):
        order = ["runs", "resume", "r"] if state(home) else copy
        child = subprocess.Popen(
            [sys.executable, "-m", "crossdock", *order],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.6, 2.5))
        child.send_signal(signal.SIGKILL)
        kills += child.wait() == -signal.SIGKILL
        if sql(database, "SELECT to_regclass('t')::text") != [(None,)]:
            count = sql(database, "SELECT count(*) FROM t")[0][0]
            assert count in (len(begin), len(begin) + ROWS), "some rows are visible and others not"
        if state(home) == "succeeded":
            break
    # The journal goes on elsewhere.
    home = Path(shutil.copytree(home, tmp_path / "elsewhere")) if home.exists() else home
    if not state(home):
        subprocess.run(
            [sys.executable, "-m", "crossdock", *copy],
            env=environment | {"CROSSDOCK_HOME": str(home)},
            check=True,
        )
    elif state(home) != "succeeded":
        api.resume("r", home=home)
    query = (
        "SELECT count(*), count(DISTINCT id), sum(id)::bigint, sum(length(text))::bigint FROM t WHERE id >= 0"
    )
    wanted = (ROWS, ROWS, sum(range(ROWS)), sum(i % 40 for i in range(ROWS)))
    assert sql(database, query) == [wanted]
    assert sql(database, "SELECT * FROM t WHERE id < 0") == begin
    left = sql(database, "SELECT relname::text FROM pg_class WHERE starts_with(relname::text, '_crossdock')")
    assert left == []
