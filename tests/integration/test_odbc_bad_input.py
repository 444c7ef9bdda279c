"""Wrong requests to the ODBC connector with the real command line: one sentence, exit 2, nothing changed."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from adbc_driver_postgresql import dbapi
from servers.psqlodbc import driver, odbc_url

CANARY = "Canary9;}x"


def crossdock(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "crossdock", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def refused(*arguments: str, **environment: str) -> str:
    """What the command line says of a request that is wrong."""
    code, said = crossdock(*arguments, **environment)
    assert code == 2, said
    assert "Traceback" not in said
    assert "Canary9" not in said
    assert len(re.findall(r"(?m)^(?:error|Error)", said)) <= 1
    for path in Path(os.environ["CROSSDOCK_HOME"]).rglob("*"):
        assert not path.is_file() or b"Canary9" not in path.read_bytes()
    return said


@pytest.fixture
def target(tmp_path: Path) -> str:
    return str(tmp_path / "out.parquet")


def test_a_wrong_password(database: str, target: str) -> None:
    with dbapi.connect(database, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'odbc_reader'")
        if not cursor.fetchall():
            cursor.execute("CREATE ROLE odbc_reader LOGIN PASSWORD 'right'")
    url = odbc_url(database, "t").replace("uid=postgres", "uid=odbc_reader")
    assert "password authentication failed" in refused("copy", url, target, ODBC_PASSWORD=CANARY)


def test_a_connection_string_with_a_secret(database: str, target: str) -> None:
    port, name = database.rpartition(":")[2].split("/")
    text = (
        f"Driver={{{driver()}}};Server=127.0.0.1;Port={port};Database={name};UID=nobody;PWD={{Canary9;}}}}x}}"
    )
    said = refused("copy", "odbc:///#t", target, "-s", "connection_string=env:TEXT", TEXT=text)
    assert "authentication failed" in said


def test_nobody_is_there(target: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        url = f"odbc:///?driver={driver().replace(' ', '%20')}&server=127.0.0.1&port={port}&uid=x#t"
        assert "Connection refused" in refused("copy", url, target)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("odbc:///?driver=/usr/lib/x86_64-linux-gnu/odbc/psqlodbcw.so&server=h#t", "CROSSDOCK_ODBC_DRIVERS"),
        ("odbc:///?driver=PostgreSQL%20Unicod&server=h#t", "did you mean PostgreSQL Unicode"),
        ("odbc:///?dsn=nowhere#t", "there is no ODBC data source 'nowhere'"),
        ("odbc:///?connection_string=DRIVER%3D/tmp/x.so%3BPWD%3DCanary9#t", "CROSSDOCK_ODBC_DRIVERS"),
        ("odbc:///?driver=SQLite3&loadext=/tmp/evil#t", "LOADEXT: a library"),
        ("odbc:///?driver=MySQL&plugin_dir=/tmp&default_auth=evil#t", "PLUGIN_DIR: a library"),
        ("odbc:///?driver=PostgreSQL%20Unicode&translationdll=evil#t", "TRANSLATIONDLL: a library"),
        ("odbc:///?driver=Any&client=/tmp/Canary9.so.2#t", "CLIENT: a library"),
        ("odbc:///?connection_string=DSN%3Dx%3BSSLLibName%3D/tmp/x#t", "CROSSDOCK_ODBC_DRIVERS"),
        ("odbc:///?dsn=x&filedsn=/tmp/x#t", "FILEDSN is not allowed"),
        ("odbc://host/db#t", "has no host"),
        ("odbc:///#t", "names a data source or a driver"),
    ],
)
def test_only_installed_drivers_are_loaded(target: str, address: str, words: str) -> None:
    driver()
    assert words in refused("copy", address, target)


def test_no_permission(database: str, tmp_path: Path) -> None:
    with dbapi.connect(database, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id bigint)")
        cursor.execute("CREATE ROLE odbc_writer LOGIN PASSWORD 'Canary9;}x'")
    (tmp_path / "in.csv").write_text("id\n1\n")
    url = odbc_url(database, "t").replace("uid=postgres", "uid=odbc_writer")
    try:
        said = refused("copy", str(tmp_path / "in.csv"), url, "--mode", "append", ODBC_PASSWORD=CANARY)
    finally:
        with dbapi.connect(database, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("DROP ROLE odbc_writer")
    assert "permission denied" in said


def test_without_a_driver_manager(tmp_path: Path, target: str) -> None:
    """The library cannot be taken away from this machine: its binding says what it would say."""
    text = "libodbc.so.2: cannot open shared object file: No such file or directory"
    (tmp_path / "pyodbc.py").write_text(f"raise ImportError({text!r})\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    said = refused("copy", "odbc:///?dsn=x#t", target, PYTHONPATH=path)
    assert "apt-get install unixodbc" in said
    assert "dnf install unixODBC" in said
    assert "brew install unixodbc" in said
