"""PostgreSQL without a server: addresses, scripts, and what its errors mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from adbc_driver_manager import AdbcStatusCode, DataError, InternalError, OperationalError, ProgrammingError

import crossdock
from crossdock import CrossdockError, Location
from crossdock_connectors.queries import statements
from crossdock_connectors.sql.postgres import SPEC
from crossdock_connectors.sql.postgres_address import connection_string, parameters, shown, weakness
from crossdock_connectors.sql.postgres_errors import classify, stream_error


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PGSSLMODE", "PGSSLROOTCERT", "PGHOST", "PGSERVICE", "PGPORT", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def found(url: str, **given: str) -> dict[str, str]:
    return parameters(Location.parse(url), given)


def test_address() -> None:
    got = found("postgresql://us%40er:p%2Fw@db.example.com:6432/my%20db?application_name=x", password="")
    wanted = {"user": "us@er", "password": "p/w", "host": "db.example.com", "port": "6432", "dbname": "my db"}
    assert got | wanted == got
    assert got["application_name"] == "x"
    assert shown(got) == "db.example.com:6432/my db"
    assert found("postgresql://u:old@h/d", password="new")["password"] == "new"  # noqa: S105, S106
    assert found("postgresql://[::1]:5/d")["host"] == "::1"


@pytest.mark.parametrize(
    ("url", "mode", "told"),
    [
        ("postgresql://h/d", "verify-full", False),
        ("postgresql://localhost.example.com/d", "verify-full", False),
        ("postgresql://127.0.0.1/d", None, False),
        ("postgresql://localhost/d", None, False),
        ("postgresql:///d?host=/var/run/postgresql", None, False),
        ("postgresql://127.0.0.1,h/d", "verify-full", False),
        ("postgresql://h/d?sslmode=require", "require", True),
        ("postgresql://h/d?sslmode=disable", "disable", True),
    ],
)
def test_servers_elsewhere_are_verified(url: str, mode: str | None, told: bool) -> None:
    got = found(url)
    assert got.get("sslmode") == mode
    assert bool(weakness(got)) == told


def test_environment_counts_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "require")
    got = found("postgresql://h/d")
    assert "sslmode" not in got
    assert "not verified" in weakness(got)


@pytest.mark.parametrize(
    "url", ["postgresql://h/d?options=-c", "postgresql://h/d?password=p", "postgresql://a:b:c/d"]
)
def test_refused(url: str) -> None:
    with pytest.raises(crossdock.ConfigError):
        found(url)


@pytest.mark.parametrize("table", ["a%00b", "x" * 64, "a..b"])
def test_what_no_table_is_called_is_refused_before_a_connection(table: str) -> None:
    assert SPEC.open_source is not None
    with pytest.raises(crossdock.ConfigError, match="name"):
        SPEC.open_source(SPEC.config(), Location.parse(f"postgresql://nowhere.invalid/db#{table}"))


def test_nothing_leaves_its_quotes() -> None:
    """``;``, ``}`` and quotes in a part stay in that part."""
    assert connection_string({"password": "a' host='x;}\\"}) == "password='a\\' host=\\'x;}\\\\'"


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("", []),
        (" ; -- nothing\n; /* ; */ ", []),
        ("DELETE FROM t", ["DELETE FROM t"]),
        ("A; B;", ["A", "B"]),
        ("INSERT INTO t VALUES ('a;''b'); B", ["INSERT INTO t VALUES ('a;''b')", "B"]),
        ('DROP TABLE "a;b"; C -- x;y', ['DROP TABLE "a;b"', "C -- x;y"]),
        ("DO $x$ BEGIN; END; $x$; B", ["DO $x$ BEGIN; END; $x$", "B"]),
    ],
)
def test_statements(script: str, wanted: list[str]) -> None:
    assert statements(script) == wanted


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("40001", crossdock.TransientError),
        ("40P01", crossdock.TransientError),
        ("57P01", crossdock.TransientError),
        ("55P03", crossdock.TransientError),
        ("53300", crossdock.TransientError),
        ("53100", crossdock.NoSpaceError),
        ("23505", crossdock.DataError),
        ("22P02", crossdock.DataError),
        ("42P01", crossdock.NotFoundError),
        ("42501", crossdock.AccessDeniedError),
        ("28P01", crossdock.AuthError),
        ("42601", crossdock.ConfigError),
        ("XX000", crossdock.InternalError),
    ],
)
def test_states(state: str, kind: type[CrossdockError]) -> None:
    error = InternalError(
        f"INTERNAL: ERROR:  it failed\nDETAIL:  Key (id)=(1) exists.\n. SQLSTATE: {state}",
        status_code=AdbcStatusCode.INTERNAL,
        sqlstate=state,
    )
    mapped = classify(error)
    assert type(mapped) is kind
    assert mapped.message.endswith("it failed (Key (id)=(1) exists)")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            'connection to server failed: FATAL:  password authentication failed for user "u"',
            crossdock.AuthError,
        ),
        ("SSL error: certificate verify failed", crossdock.AuthError),
        ('FATAL:  database "d" does not exist', crossdock.NotFoundError),
        ('could not translate host name "h" to address', crossdock.UnreachableError),
        ("FATAL:  the database system is starting up", crossdock.TransientError),
        ("FATAL:  sorry, too many clients already", crossdock.TransientError),
        ("server closed the connection unexpectedly", crossdock.TransientError),
        ("", crossdock.TransientError),
    ],
)
def test_without_a_state(text: str, kind: type[CrossdockError]) -> None:
    assert type(classify(OperationalError(f"IO: [libpq] {text}", status_code=AdbcStatusCode.IO))) is kind


def test_foreign_errors_are_not_ours() -> None:
    assert classify(ValueError("ERROR:  x")) is None
    for kind in (DataError, ProgrammingError):
        assert classify(kind("x", status_code=AdbcStatusCode.UNKNOWN)) is not None


def test_streams_keep_only_the_text() -> None:
    kind = type(stream_error("ERROR:  canceling statement due to user request", "db"))
    assert kind is crossdock.TransientError
    assert "division by zero" in str(stream_error("[libpq] ERROR:  division by zero\n", "db"))
