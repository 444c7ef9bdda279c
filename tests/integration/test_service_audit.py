"""The audit log: chained, never changed, appended to by one at a time, and what breaks it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from servers.postgres import Postgres
from servers.service import ServiceProcess
from servers.tenants import make_factory, make_token, path
from sqlalchemy.exc import DBAPIError

from crossdock_scheduler.service.audit import Broken, Chain, Entry
from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.database.migrate import migrate

CHAIN = Chain(b"k" * 32)
LOG = "/crossdock/v1/audit"


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        found = Database.embedded(tmp_path)
    else:
        server: Postgres = request.getfixturevalue("postgres")
        address = server.create(f"audit_{uuid.uuid4().hex[:12]}")
        found = Database(address.replace("postgresql://", "postgresql+psycopg://"))
    migrate(found)
    yield found
    found.close()


def _append(database: Database, count: int, who: str = "somebody") -> None:
    for number in range(count):
        with database.write() as connection:
            entry = Entry(who, "id", "::1", str(number), "PUT", "/a\0b", detail={"number": number})
            CHAIN.append(connection, entry)


def _verified(database: Database, known: str | None = None) -> tuple[int, str] | Broken:
    with database.read() as connection:
        return CHAIN.verify(connection, known)


def test_appended_by_many_at_once(opened: Database) -> None:
    threads = [threading.Thread(target=_append, args=(opened, 10, f"t{each}")) for each in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = _verified(opened)
    assert not isinstance(found, Broken)
    assert found[0] == 60


def test_rows_are_neither_changed_nor_deleted(opened: Database) -> None:
    _append(opened, 2)
    statements = ["UPDATE audit SET who = 'x'", "DELETE FROM audit WHERE number = 2"]
    if not opened.is_sqlite:
        statements.append("TRUNCATE audit")
    for statement in statements:
        with pytest.raises(DBAPIError, match="neither changed nor deleted"), opened.write() as connection:
            connection.execute(sa.text(statement))
    assert not isinstance(_verified(opened), Broken)


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit SET who = 'x' WHERE number = 3", Broken(3, "is not as it was written")),
        ("DELETE FROM audit WHERE number = 2", Broken(2, "is missing")),
        ("DELETE FROM audit WHERE number = 1", Broken(1, "is missing")),
        ("UPDATE audit SET number = 9 WHERE number = 2", Broken(2, "is missing")),
        ("UPDATE audit SET previous = hash WHERE number = 4", Broken(4, "is not as it was written")),
        ("DELETE FROM audit WHERE number > 3", Broken(4, "is missing, or others after it")),
    ],
)
def test_first_broken_row_is_named(opened: Database, statement: str, broken: Broken) -> None:
    _append(opened, 5)
    whole = _verified(opened)
    assert not isinstance(whole, Broken)
    with opened.write() as connection:  # as somebody who owns the database could
        for each in ("audit_UPDATE", "audit_DELETE") if opened.is_sqlite else ("audit_refuse ON audit",):
            connection.execute(sa.text(f"DROP TRIGGER {each}"))
        connection.execute(sa.text(statement))
    assert _verified(opened, whole[1]) == broken


def test_changes_and_refusals_are_seen_by_owners(control_plane: ServiceProcess) -> None:
    factory = make_factory(control_plane)
    made = make_token(control_plane, "contributor", factory)
    secret = {"properties": {"type": "SqlServer", "typeProperties": {
        "connectionString": "Server=s;Database=d;User ID=u;Password=a-secret-of-mine"}}}  # fmt: skip
    with control_plane.client(made.token) as its:
        answers = [
            its.put(path(factory, "/linkedservices/l"), json=secret),
            its.get(path(factory, "/linkedservices/l")),
            its.delete(path(factory)),
        ]
        assert [each.status_code for each in answers] == [200, 200, 403]
        assert its.get(LOG).status_code == 403
    owner = make_token(control_plane, "owner", factory)
    with control_plane.client(owner.token) as its:
        seen = its.get(LOG)
    wanted = (answers[0].headers["x-ms-request-id"], made.id, "PUT", "Succeeded")
    rows = [(e["requestId"], e["principalId"], e["action"], e["outcome"]) for e in seen.json()["value"]]
    assert wanted in rows
    assert answers[1].headers["x-ms-request-id"] not in seen.text
    with control_plane.client() as client:
        whole = client.get(LOG)
    refused = answers[2].headers["x-ms-request-id"]
    outcomes = {each["requestId"]: each["outcome"] for each in whole.json()["value"]}
    assert outcomes[refused] == "AuthorizationFailed"
    for text in (whole.text, seen.text):
        assert "a-secret-of-mine" not in text
        assert made.token not in text


def test_audit_log_comes_in_pages(control_plane: ServiceProcess) -> None:
    factory = make_factory(control_plane)
    with control_plane.client() as client:
        for _ in range(101):
            assert client.delete(path(factory, "/datasets/none")).status_code == 204
        first = client.get(LOG).json()
        second = client.get(first["nextLink"]).json()
        numbers = [each["number"] for each in first["value"] + second["value"]]
        assert numbers == list(range(numbers[0], numbers[0] - len(numbers), -1))
        assert len(first["value"]) == 100
        assert client.get(LOG, params={"$skiptoken": "eA=="}).status_code == 400
