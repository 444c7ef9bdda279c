"""PostgreSQL through its ODBC driver, which Debian has as odbc-postgresql."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest

MISSING = "the ODBC driver manager is not installed: apt-get install unixodbc"


def driver() -> str:
    """The driver's name in odbcinst.ini; skips the test where there is none, or no driver manager."""
    pyodbc = pytest.importorskip("pyodbc", reason=MISSING, exc_type=ImportError)
    found = [name for name in pyodbc.drivers() if "postgresql unicode" in name.lower()]
    if not found:
        pytest.skip("PostgreSQL's ODBC driver is not installed: apt-get install odbc-postgresql")
    return found[0]


def odbc_url(url: str, table: str = "") -> str:
    """The ``odbc://`` address of a ``postgresql://`` one of the tests."""
    parts = urlsplit(url)
    values = {
        "driver": driver(),
        "server": parts.hostname or "",
        "port": str(parts.port),
        "database": parts.path[1:],
        "uid": parts.username or "",
    }
    pairs = "&".join(f"{key}={quote(value)}" for key, value in values.items())
    return f"odbc:///?{pairs}" + (f"#{quote(table)}" if table else "")
