"""Fixtures for all tests."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from crossdock import redact

if TYPE_CHECKING:
    from servers.azurite import Azurite
    from servers.dfs import Lake
    from servers.postgres import Postgres
    from servers.service import ServiceProcess
    from servers.sql_server import SqlServer
    from servers.tds import TdsServer


# pytest-timeout bounds every test; how long one example takes says more of the machine.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals of tests never go to the user's own folder."""
    monkeypatch.setenv("CROSSDOCK_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(autouse=True)
def _own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test says is secret is an ordinary word to the next."""
    monkeypatch.setattr(redact, "_known", redact._Known())


@pytest.fixture(autouse=True, scope="session")
def _cores() -> Iterator[None]:
    """Commands that are run in this process do not keep it, and all that it starts, from leaving cores."""
    from crossdock_scheduler.node import caps

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(caps, "no_core", lambda: None)
        yield


@pytest.fixture
def run_python() -> Callable[..., str]:
    """Run code in a fresh interpreter, with ``paths`` first on ``sys.path``; returns what it printed."""

    def run(code: str, *paths: Path) -> str:
        path = [*map(str, paths), os.environ.get("PYTHONPATH", "")]
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One Azurite for all tests, over HTTPS with a CA of its own."""
    from servers.azurite import azurite

    with azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """One server of ADLS Gen2 for all tests, over HTTPS with a CA of its own."""
    from servers.dfs import lake

    with lake(tmp_path_factory.mktemp("lake")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for all tests."""
    from servers.postgres import postgres

    with postgres() as server:
        yield server


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The address of an empty PostgreSQL database of this test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield postgres.create(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def tds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TdsServer]:
    """Our own SQL Server, for all tests of this process."""
    from tests.servers.tds import tds_server

    with tds_server(tmp_path_factory.mktemp("tds")) as server:
        yield server


@pytest.fixture(params=["tds", pytest.param("live", marks=pytest.mark.mssql)])
def sql_server(request: pytest.FixtureRequest) -> Iterator[SqlServer]:
    """A schema in our own SQL Server, and again one in the live server of CROSSDOCK_TEST_MSSQL."""
    from tests.servers.sql_server import on_fake, on_live

    own = request.param == "tds"
    with on_fake(request.getfixturevalue("tds")) if own else on_live() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def control_plane(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    """One service for all tests, on each kind of database. Tests make factories of their own."""
    from servers.service import service

    options: list[str] = []
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        address = server.create(f"service_{uuid.uuid4().hex[:12]}")
        options = ["--database", address.replace("postgresql://", "postgresql+psycopg://")]
    with service(tmp_path_factory.mktemp("service"), *options) as found:
        yield found
