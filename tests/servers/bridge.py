"""pySQLbridge: a live, read-only server of SQL Server's protocol over files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from servers.azurite import free_port
from servers.psqlodbc import MISSING

USER, PASSWORD = "reader", "br;dge}pass"
_WAIT = 60.0


@dataclass
class Bridge:
    port: int

    def url(self, driver: str, table: str = "") -> str:
        """The ``odbc://`` address; the password is the caller's to give."""
        place = (
            f"server=127.0.0.1,{self.port}" if "msodbcsql" in driver else f"server=127.0.0.1&port={self.port}"
        )
        more = (
            "&TrustServerCertificate=yes" if "msodbcsql" in driver else "&TDS_Version=7.4&ClientCharset=UTF-8"
        )
        return f"odbc:///?driver={driver}&{place}&uid={USER}{more}" + (f"#{table}" if table else "")


@contextmanager
def bridge(folder: Path, tables: Mapping[str, list[dict[str, Any]] | str]) -> Iterator[Bridge]:
    """Serve tables of rows, or of lines of CSV, until the end of the block."""
    listed = []
    for name, rows in tables.items():
        kind = "csv" if isinstance(rows, str) else "json"
        (folder / f"{name}.{kind}").write_text(rows if isinstance(rows, str) else json.dumps(rows))
        listed.append({"name": name, kind: f"{name}.{kind}"})
    logins = [{"user": USER, "password": "${env:BRIDGE_PASSWORD}"}]
    (folder / "bridge.json").write_text(json.dumps({"tables": listed, "logins": logins}))
    port = free_port()
    with (folder / "bridge.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pysqlbridge", "--config", folder / "bridge.json", "--port", str(port)],
            env=os.environ | {"BRIDGE_PASSWORD": PASSWORD},
            stdout=log,
            stderr=log,
        )
    try:
        _wait(process, folder / "bridge.log")
        yield Bridge(port)
    finally:
        process.terminate()
        process.wait(_WAIT)


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _WAIT
    while "listening on" not in log.read_text():
        if time.monotonic() > end or process.poll() is not None:
            raise RuntimeError(log.read_text())
        time.sleep(0.05)


def microsoft() -> str:
    """The path of Microsoft's driver in its wheel; skips the test where it does not run here."""
    import mssql_python_odbc

    pytest.importorskip("pyodbc", reason=MISSING, exc_type=ImportError)
    found = sorted(
        Path(mssql_python_odbc.__file__).parent.glob("libs/linux/debian_ubuntu/*/lib/libmsodbcsql*")
    )
    machine = os.uname().machine
    fitting = [path for path in found if path.parts[-3] in (machine, machine.replace("aarch64", "arm64"))]
    if not fitting:
        pytest.skip(f"the wheel mssql-python-odbc has no library for {machine}")
    return str(fitting[0])


def freetds() -> str:
    """The name of FreeTDS in odbcinst.ini; skips the test where it is missing."""
    pyodbc = pytest.importorskip("pyodbc", reason=MISSING, exc_type=ImportError)
    if "FreeTDS" not in pyodbc.drivers():
        pytest.skip("FreeTDS is not installed: apt-get install tdsodbc")
    return "FreeTDS"
