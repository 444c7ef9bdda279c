"""Wrong requests to SQL Server by the command line, and names that are hard to quote."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.servers.sql_server import SqlServer
from tests.servers.tds import USER

import crossdock
from crossdock_connectors.sql.identifiers import MSSQL

CANARY = "CanarySecretThatNobodyMaySee"


@pytest.fixture
def server(sql_server: SqlServer) -> SqlServer:
    return sql_server


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    pq.write_table(pa.table({"id": pa.array([1, 2], pa.int32())}), tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


@dataclass
class Shell:
    folder: Path
    server: SqlServer

    def refused(self, *arguments: str | Path, says: str, password: str = "", **environment: str) -> None:
        """One sentence with these words, exit code 2; the same tables as before; no secret anywhere."""
        before = self.server.tables()
        home = self.folder / "home"
        given = {**os.environ, "CROSSDOCK_HOME": str(home), **environment}
        if password:
            given["MSSQL_PASSWORD"] = password
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "crossdock", "copy", *map(str, arguments)],
            env=given, cwd=self.folder, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert ended.returncode == 2, ended
        assert says in ended.stderr
        assert "Traceback" not in ended.stderr
        kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
        for secret in (CANARY, password):
            assert not secret or secret not in ended.stdout + ended.stderr
            assert not secret or secret.encode() not in kept
        assert self.server.tables() == before
        assert not (self.folder / "out.parquet").exists()

    def options(self, flag: str) -> list[str]:
        return [f"{flag}{name}={value}" for name, value in self.server.options.items()]


@pytest.fixture
def shell(server: SqlServer, tmp_path: Path) -> Shell:
    server.run("CREATE TABLE {s}.orders (id int)", "INSERT INTO {s}.orders (id) VALUES (1)")
    return Shell(tmp_path, server)


class TestWhereToConnect:
    def test_a_wrong_password(self, shell: Shell, server: SqlServer) -> None:
        address = server.url("orders") if server.fake else _with_password(server.url("orders"), CANARY)
        shell.refused(address, "out.parquet", *shell.options("-s"), says="refuses the login", password=CANARY)

    def test_no_such_database(self, shell: Shell, server: SqlServer) -> None:
        head, _, database = server.address.rpartition("/")
        address = f"{head}/{database}-that-is-not-there#{server.schema}.orders"
        shell.refused(address, "out.parquet", *shell.options("-s"), says="lacks the database")

    def test_a_certificate_that_is_not_trusted(self, shell: Shell, server: SqlServer) -> None:
        if server.fake is None:
            pytest.skip("a live server may have one that is trusted")
        shell.refused(server.url("orders"), "out.parquet", says="SSL_CERT_FILE", SSL_CERT_FILE="")

    def test_nobody_listens(self, shell: Shell) -> None:
        address = f"mssql://{USER}@localhost:1/test#t"
        shell.refused(address, "out.parquet", says="cannot be reached", password=CANARY)

    @pytest.mark.parametrize(
        ("authority", "says"),
        [("{user}@local;host:{port}/test", "names no database"),
         ("{user}@local}}host:{port}/test", "names no database"),
         ("{user}:" + CANARY + "@localhost:{port}/te;st}};UID=sa", "lacks the database"),
         ("{user};UID=sa:" + CANARY + "@localhost:{port}/test", "refuses the login"),
         ("{user}@localhost:{port}/test?driver=/tmp/evil.so", "not part of the address")],
    )  # fmt: skip
    def test_parts_that_would_end_the_connection_string(
        self, shell: Shell, server: SqlServer, authority: str, says: str
    ) -> None:
        if server.fake is None:
            pytest.skip("the addresses are those of the server of the tests")
        address = "mssql://" + authority.format(user=USER, port=server.fake.port)
        if "te;st" in authority:
            from tests.servers.tds import PASSWORD

            address = address.replace(CANARY, quote(PASSWORD, safe=""))
        shell.refused(f"{address}#dbo.orders", "out.parquet", says=says)

    def test_a_driver_from_the_request(self, shell: Shell, server: SqlServer) -> None:
        shell.refused(
            server.url("orders"), "out.parquet", "-sdriver=/tmp/evil.so", says="CROSSDOCK_ODBC_DRIVERS"
        )


def _with_password(address: str, password: str) -> str:
    head, at, rest = address.partition("@")
    scheme, _, user = head.partition("//")
    return f"{scheme}//{user.partition(':')[0]}:{password}{at}{rest}"


class TestWhatToCopy:
    def test_a_table_that_is_not_there(self, shell: Shell, server: SqlServer) -> None:
        shell.refused(server.url("order"), "out.parquet", *shell.options("-s"), says="did you mean")

    def test_a_query_that_is_no_select(self, shell: Shell, server: SqlServer) -> None:
        query = f"DROP TABLE [{server.schema}].orders"
        shell.refused(server.address, "out.parquet", f"-squery={query}", says="only a SELECT can be read")

    @pytest.mark.parametrize("between", ["; ", " "])
    def test_a_query_with_a_second_statement(self, shell: Shell, server: SqlServer, between: str) -> None:
        query = f"SELECT 1 AS a{between}DELETE FROM [{server.schema}].orders"
        shell.refused(server.address, "out.parquet", f"-squery={query}", *shell.options("-s"), says="SELECT")
        assert server.run("SELECT id FROM {s}.orders") == [(1,)]

    def test_a_query_with_a_mistake(self, shell: Shell, server: SqlServer) -> None:
        query = f"SELECT idd FROM [{server.schema}].orders"
        shell.refused(
            server.address, "out.parquet", f"-squery={query}", *shell.options("-s"), says="lacks a column"
        )

    def test_no_right_to_write(self, shell: Shell, server: SqlServer, rows: Path) -> None:
        if server.fake is None:
            pytest.skip("needs a second login")
        server.fake.database.deny("SCHEMA ALTER")
        shell.refused(rows, server.url("fresh"), says="may not create tables")

    def test_a_schema_that_is_not_there(self, shell: Shell, server: SqlServer, rows: Path) -> None:
        shell.refused(rows, f"{server.address}#nowhere.fresh", *shell.options("-k"), says="has no schema")


NAMES = (
    "a]b", 'a"b', "a.b", "a b", "it's", "select", "]]", "[", "a" * 128, "😀", "ä;--", "x'); DROP TABLE t;--",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_that_are_hard_to_quote(server: SqlServer, tmp_path: Path, name: str) -> None:
    """As table and column, there and back; nothing else is touched."""
    data = pa.table({name: pa.array([1, 2], pa.int32()), "other": ["x", "y"]})
    pq.write_table(data, tmp_path / "in.parquet")
    table = f"{server.address}#{quote(MSSQL.quoted((server.schema, name)))}"
    for keys in ({}, {"write_behavior": "upsert", "keys": name}):
        crossdock.copy(tmp_path / "in.parquet", table, mode="append", sink_options={**server.options, **keys})
    crossdock.copy(table, tmp_path / "out.parquet", source_options=server.options)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column_names == [name, "other"]
    # The upsert has found its rows.
    assert sorted(found[name].to_pylist()) == [1, 2]
    assert server.tables() == sorted(["_crossdock_ledger", name])


@pytest.mark.parametrize("name", ["a" * 129, "😀" * 65, "a\0b", ""])
def test_names_that_no_column_can_have(server: SqlServer, tmp_path: Path, name: str) -> None:
    pq.write_table(pa.table({name: [1]}), tmp_path / "in.parquet")
    with pytest.raises(crossdock.SchemaMismatchError, match="1 to 128 characters"):
        crossdock.copy(tmp_path / "in.parquet", server.url("t"), sink_options=server.options)
    assert server.tables() == []
