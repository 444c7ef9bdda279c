"""Backups of the service's state: whole or refused, also of a service at work."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from servers.service import service
from test_service_definitions import DATASET, path
from test_service_runs import GROUP, activities, carry_out, copying, ended, factory_of, node_of

from crossdock import ConfigError, DataError
from crossdock_scheduler.service.operations.backup import back_up, restore

PASSWORD = "correct horse battery"  # noqa: S105


def command(home: Path, *options: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crossdock", "service", *options],
        env=os.environ | {"CROSSDOCK_HOME": str(home), "CROSSDOCK_BACKUP_PASSWORD": password},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_service_at_work_is_backed_up_and_brought_back(tmp_path: Path) -> None:
    """What was answered before the backup is in it, and the same secret opens what was kept."""
    home, other, file = tmp_path / "one", tmp_path / "two", tmp_path / "backup"
    home.mkdir()
    other.mkdir()
    with service(home) as first, first.client() as client, first.sdk() as sdk:
        factory = factory_of(sdk)
        runtime = {"properties": {"type": "SelfHosted"}}
        sdk.integration_runtimes.create_or_update("group", factory, "here", runtime)
        key = sdk.integration_runtimes.list_auth_keys("group", factory, "here").auth_key1
        client.put(path(factory, "/datasets/before"), json=DATASET)
        stop, written = threading.Event(), 0

        def write() -> None:
            nonlocal written
            with first.client() as busy:
                while not stop.is_set():
                    assert busy.put(path(factory, f"/datasets/d{written}"), json=DATASET).status_code == 200
                    written += 1

        writing = threading.Thread(target=write)
        writing.start()
        done = command(home, "backup", str(file))
        stop.set()
        writing.join()
        assert done.returncode == 0, done.stderr
        assert written > 0
        refused = command(home, "restore", str(file), "--force")
        assert (refused.returncode, "a service is running" in refused.stderr) == (2, True), refused.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_bytes()
    assert b"before" not in content
    assert b"SQLite format" not in content
    assert command(other, "restore", str(file)).returncode == 0
    assert stat.S_IMODE((other / "service" / "service.key").stat().st_mode) == 0o600
    shutil.rmtree(home)
    options = ["--port", first.url.rpartition(":")[2]]
    with (
        service(other, *options, token=first.token) as second,
        second.client() as client,
        second.sdk() as sdk,
    ):
        assert client.get(path(factory, "/datasets/before")).status_code == 200
        assert sdk.integration_runtimes.list_auth_keys("group", factory, "here").auth_key1 == key


@pytest.mark.parametrize("go_on", [False, True])
def test_what_has_been_done_since_the_backup_is_not_done_again(tmp_path: Path, *, go_on: bool) -> None:
    """Rows that a run has added after the backup was made: the service that is brought back knows nothing of
    it."""
    home, file, (source, sink) = tmp_path / "home", tmp_path / "backup", (tmp_path / "in", tmp_path / "out")
    for each in (home, source, sink):
        each.mkdir()
    (source / "a.txt").write_text("a")
    with service(home) as first, first.sdk() as sdk:
        factory = factory_of(sdk)
        copying(sdk, factory, source, sink)
        run_id = sdk.pipelines.create_run(GROUP, factory, "copy").run_id
        with node_of(first, sdk, factory) as node:
            (job,) = node.claim(wait=20)
            assert command(home, "backup", str(file)).returncode == 0
            assert carry_out(node, job).status_code == 200
        assert ended(sdk, factory, run_id).status == "Succeeded"
    (sink / "a.txt").unlink()  # it was taken away from there
    done = command(home, "restore", str(file), "--force", *(["--go-on"] if go_on else []))
    assert done.returncode == 0, done.stderr
    assert ("runs that were in progress, 1, are cancelled" in done.stderr) is not go_on
    with service(home, "--lease", "2", token=first.token) as second, second.sdk() as sdk:
        if go_on:
            node.http = second.client()
            ends = time.monotonic() + 60
            while not (again := node.claim(wait=1)):
                node.beat()
                assert time.monotonic() < ends
            node.http.close()
            assert (again[0]["id"], again[0]["epoch"]) == (job["id"], 2)
        else:
            assert ended(sdk, factory, run_id).status == "Cancelled"
            (activity,) = activities(sdk, factory, run_id)
            assert activity.status == "Cancelled"
    assert list(sink.iterdir()) == []


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder whose database has two blocks of the backup's."""
    import sqlite3
    from contextlib import closing

    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "service.key").write_bytes(os.urandom(32))
    with closing(sqlite3.connect(folder / "service.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE things (content BLOB)")
        connection.executemany("INSERT INTO things VALUES (?)", [(os.urandom(1 << 16),) for _ in range(30)])
        connection.commit()
    return folder


def test_whatever_is_altered_is_refused_whole(tmp_path: Path, state: Path) -> None:
    file, target = tmp_path / "backup", tmp_path / "target"
    size = back_up(state, file, PASSWORD)
    whole = file.read_bytes()
    assert len(whole) == size > 1 << 20
    second = 46 + 4 + (1 << 20) + 16
    wrong = [whole[:cut] for cut in (0, 10, 46, 48, 100, second, second + 2, size - 1)]
    wrong += [whole + b"x", whole[:second] + whole[second:] * 2, whole[:46] + whole[second:]]
    for place in (0, 20, 35, 40, 47, 60, 1 << 19, second + 1, size - 1):
        wrong.append(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    for content in wrong:
        file.write_bytes(content)
        with pytest.raises(DataError):
            restore(target, file, PASSWORD)
        assert list(target.iterdir()) == []
    file.write_bytes(whole)
    with pytest.raises(DataError, match="password"):
        restore(target, file, "another")
    assert sorted(restore(target, file, PASSWORD).names) == ["service.db", "service.key"]
    assert (target / "service.key").read_bytes() == (state / "service.key").read_bytes()


def test_state_that_is_there_stays(tmp_path: Path, state: Path) -> None:
    file = tmp_path / "backup"
    back_up(state, file, PASSWORD)
    before = {each.name: each.read_bytes() for each in state.iterdir()}
    with pytest.raises(ConfigError, match="--force"):
        restore(state, file, PASSWORD)
    assert {each.name: each.read_bytes() for each in state.iterdir()} == before
    (state / "service.key").write_bytes(b"another" * 8)
    restore(state, file, PASSWORD, force=True)
    assert (state / "service.key").read_bytes() == before["service.key"]


def test_wrong_requests(tmp_path: Path) -> None:
    for options, password, said in (
        (["backup", str(tmp_path / "b")], PASSWORD, "pg_dump"),
        (["backup", str(tmp_path / "b")], "", "must not be empty"),
        (["restore", str(tmp_path / "none")], PASSWORD, "cannot be read"),
        (
            ["backup", str(tmp_path / "b"), "--password-file", "none"],
            "",
            "--password-file none cannot be read",
        ),
    ):
        done = command(tmp_path, *options, password=password)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert said in done.stderr
    assert list(tmp_path.iterdir()) == []
