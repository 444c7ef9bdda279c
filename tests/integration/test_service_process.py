"""The service as a process: what a restart keeps, and what it refuses to start with."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

from servers.service import service
from test_service_definitions import DATASET, path


def test_kill_and_restart_lose_nothing(tmp_path: Path) -> None:
    """The secret may lie elsewhere by then, as where replicas share it: keys of runtimes stay the same."""
    runtime, kept = path("kept", "/integrationRuntimes/here"), tmp_path / "kept.key"
    keys = path("kept", "/integrationRuntimes/here/listAuthKeys")
    with service(tmp_path) as first, first.client() as client:
        client.put(path("kept"), json={})
        answer = client.put(path("kept", "/datasets/d"), json=DATASET)
        client.put(runtime, json={"properties": {"type": "SelfHosted"}})
        before = client.post(keys).json()
        first.kill()
    (tmp_path / "service" / "service.key").rename(kept)
    options = ["--secret-file", str(kept), "--endpoint", first.url.removeprefix("https://")]
    with service(tmp_path, *options, token=first.token) as second, second.client() as client:
        assert client.get(path("kept", "/datasets/d")).json() == answer.json()
        assert client.post(keys).json() == before
        # The first owner's token is made once.
        assert second.process.poll() is None
    assert not (tmp_path / "service" / "service.key").exists()
    assert first.token not in first.errors.read_text()


def test_told_to_stop_as_soon_as_it_serves(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "crossdock", "service", "start", "--port", "0"]
    environment = os.environ | {"CROSSDOCK_HOME": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while "serving at" not in process.stderr.readline():
            assert process.poll() is None
        process.terminate()
        assert process.wait(60) == 0
        # Nobody is told the token again.
        assert process.stdout.read().strip()


def test_files_are_the_owners_only(tmp_path: Path) -> None:
    with service(tmp_path):
        for name in ("service.db", "tls/ca-key.pem", "tls/server-key.pem"):
            assert stat.S_IMODE((tmp_path / "service" / name).stat().st_mode) == 0o600


def test_database_of_a_newer_release(tmp_path: Path) -> None:
    with service(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "service" / "service.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    done = _start(tmp_path)
    assert done.returncode == 2
    assert "was changed by a newer release" in done.stderr
    assert "9999" in done.stderr


def test_wrong_options(tmp_path: Path) -> None:
    for options, said in (
        (["--database", "mysql://x/y"], "'mysql' is not known"),
        (["--cert", "x.pem"], "--cert and --key belong together"),
        (["--cert", "x.pem", "--key", "y.pem"], "there is no file x.pem"),
        (["--host", "host.invalid"], "--host host.invalid"),
        (["--secret-file", "nowhere"], "there is no file nowhere; replicas share the service.key"),
    ):
        done = _start(tmp_path, *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def _start(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crossdock", "service", "start", "--port", "0", *options],
        env=os.environ | {"CROSSDOCK_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
