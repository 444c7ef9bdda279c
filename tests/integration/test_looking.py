"""test_connection, browse, schema and preview, in Python and as commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from servers.azurite import ACCOUNT, KEY, Azurite
from servers.lake_rig import LakeRig
from servers.postgres import Postgres

import crossdock
from crossdock.cli.main import run

LINES = b"id,word\n1,one\n2,two\n3,\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    (data / "more").mkdir(parents=True)
    (data / "b.csv").write_bytes(LINES)
    (data / "more" / "c.csv").write_bytes(LINES)
    return data


@pytest.fixture
def named(database: str, postgres: Postgres) -> str:
    """A database with a table, a view and a schema whose names need care."""
    with_name = database.rpartition("/")[2]
    for statement in (
        'CREATE SCHEMA "odd.name"',
        'CREATE TABLE "odd.name"."a#b%c" (id int NOT NULL, "wör d" varchar(5), price numeric(8,2))',
        """INSERT INTO "odd.name"."a#b%c" SELECT i, 'w' || i, i / 4.0 FROM generate_series(1, 50) i""",
        'CREATE VIEW public.seen AS SELECT id FROM "odd.name"."a#b%c"',
        'ANALYZE "odd.name"."a#b%c"',
    ):
        postgres.run(statement, with_name)
    return database


def entries(address: str | Path, **options: Any) -> dict[str, dict[str, Any]]:
    found = crossdock.browse(address, **options).output()["entries"]
    return {entry["name"]: entry for entry in found}


class TestStores:
    def test_files(self, folder: Path) -> None:
        assert crossdock.test_connection(folder).server == str(folder)
        found = entries(folder)
        assert {name: entry["kind"] for name, entry in found.items()} == {"b.csv": "file", "more": "folder"}
        assert (found["b.csv"]["size"], found["b.csv"]["address"]) == (len(LINES), str(folder / "b.csv"))
        datetime.fromisoformat(found["b.csv"]["modified"])
        assert list(entries(found["more"]["address"])) == ["c.csv"]
        assert list(entries(folder / "b.csv")) == ["b.csv"]

    @pytest.mark.parametrize("name", ["q?", "h#x", "p%20", "s*", "b[1]", "a [b] c?d"])
    @pytest.mark.parametrize("scheme", ["", "file://"])
    def test_addresses_of_odd_names_are_taken_again(self, folder: Path, name: str, scheme: str) -> None:
        (folder / name / "in").mkdir(parents=True)
        (folder / name / "f?.csv").write_bytes(LINES)
        found = entries(f"{scheme}{folder}/")[name]
        within = entries(found["address"])
        assert set(within) == {"f?.csv", "in"}
        assert list(entries(within["f?.csv"]["address"])) == ["f?.csv"]
        assert entries(within["in"]["address"]) == {}

    def test_pages(self, folder: Path) -> None:
        for number in range(7):
            (folder / f"n{number}.txt").touch()
        seen, after = [], None
        for _ in range(9):
            page = crossdock.browse(folder, limit=2, after=after)
            seen += [each.entry.name for each in page.found]
            assert len(page.found) <= 2
            if (after := page.next) is None:
                break
        assert seen == ["b.csv", "more", *(f"n{number}.txt" for number in range(7))]

    def test_links_that_lead_out_are_not_shown(self, folder: Path) -> None:
        (folder / "out").symlink_to("/")
        (folder / "in").symlink_to(folder / "more")
        assert set(entries(folder)) == {"b.csv", "more", "in"}

    def test_blobs(self, azurite: Azurite, folder: Path) -> None:
        from azure.storage.blob import BlobServiceClient

        name = f"looking-{os.getpid()}-{time.monotonic_ns()}"
        credential = {"account_name": ACCOUNT, "account_key": KEY}
        with BlobServiceClient(azurite.url, credential, connection_verify=str(azurite.ca)) as client:
            client.create_container(name)
        options = {"endpoint": azurite.url, "account_key": KEY, "ca_bundle": str(azurite.ca)}
        crossdock.copy(f"{folder}/", f"az://{name}/x/", sink_options=options)
        reached = crossdock.test_connection(f"az://{name}/", source_options=options)
        assert reached.server.startswith(azurite.url)
        assert reached.user == f"the account key of {ACCOUNT}"
        assert KEY not in str(reached)
        assert list(entries(f"az://{name}", source_options=options)) == ["x"]
        found = entries(f"az://{name}/x", source_options=options)
        assert found["b.csv"]["address"] == f"az://{name}/x/b.csv"
        shown = crossdock.preview(f"az://{name}/x/more/", source_options=options, rows=2).output()
        assert (shown["rows"], shown["more"]) == ([[1, "one"], [2, "two"]], True)
        for wrong in ("az://no-such-container/", f"az://{name}/nowhere/"):
            with pytest.raises(crossdock.NotFoundError):
                crossdock.browse(wrong, source_options=options)
        wrong_key = options | {"account_key": "bm90IHRoZSBrZXk="}
        with pytest.raises(crossdock.AuthError):
            crossdock.test_connection(f"az://{name}/", source_options=wrong_key)

    def test_a_lake(self, adls: LakeRig) -> None:
        adls.put("a/x.csv", LINES)
        with closing(adls.open()) as store:
            assert store.test().server.endswith(adls.name)
            assert [entry.path for entry in store.browse("a").entries] == ["a/x.csv"]


class TestTables:
    def test_postgres(self, named: str) -> None:
        reached = crossdock.test_connection(f"{named}#odd.name.")
        assert reached.version.startswith("PostgreSQL ")
        assert reached.user == "postgres"
        assert named.rpartition("@")[2].replace("/", "/") in reached.server
        schemas = entries(named)
        assert {name: entry["kind"] for name, entry in schemas.items()} == {
            "odd.name": "schema",
            "public": "schema",
        }
        tables = entries(schemas["odd.name"]["address"])
        assert (tables["a#b%c"]["kind"], tables["a#b%c"]["rows"]) == ("table", 50)
        assert entries(f"{named}#public.")["seen"]["kind"] == "view"
        address = tables["a#b%c"]["address"]
        assert [(e["name"], e["type"]) for e in entries(address).values()] == [
            ("id", "integer"),
            ("wör d", "character varying(5)"),
            ("price", "numeric(8,2)"),
        ]
        columns = {each.name: each for each in crossdock.schema(address).columns}
        assert columns["price"].native_type == "numeric(8,2)"
        assert columns["price"].type == "decimal128(8, 2)"
        assert (columns["id"].nullable, columns["price"].nullable) == (False, True)
        shown = crossdock.preview(address, rows=3)
        assert shown.rows.to_pylist()[0] == {"id": 1, "wör d": "w1", "price": Decimal("0.25")}
        assert (shown.rows.num_rows, shown.more) == (3, True)
        assert crossdock.preview(address, rows=50).more is False
        query = {"query": "SELECT id * 2 AS twice FROM public.seen WHERE id > 48"}
        assert crossdock.preview(named, source_options=query).output()["rows"] == [[98], [100]]
        assert crossdock.schema(named, source_options=query).columns[0].native_type == ""

    def test_what_has_several_tables(self, named: str, postgres: Postgres) -> None:
        name = named.rpartition("/")[2]
        postgres.run("CREATE TABLE one (i int)", name)
        postgres.run("CREATE TABLE two (i int)", name)
        with pytest.raises(crossdock.ConfigError, match=r"several tables; name one, as in .*#one"):
            crossdock.preview(named)

    def test_missing_ones(self, named: str) -> None:
        for address in (f"{named}#nowhere.", f"{named}#public.nothing", f"{named}#nothing"):
            with pytest.raises(crossdock.NotFoundError):
                crossdock.browse(address)

    def test_sqlite(self, folder: Path, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/my.db"
        crossdock.copy(folder / "b.csv", f"{url}#words")
        assert crossdock.test_connection(url).version.startswith("SQLite 3")
        assert list(entries(url)) == ["words"]
        assert [column.native_type for column in crossdock.schema(url).columns] == ["INTEGER", "TEXT"]
        assert crossdock.preview(url).output()["rows"] == [[1, "one"], [2, "two"], [3, None]]


class TestPreview:
    @pytest.fixture
    def read(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The bytes of each read of a local file."""
        from crossdock_connectors.stores.file_read import FileReader

        read: list[int] = []
        original = FileReader.read_into

        def counted(self: FileReader, offset: int, buffer: memoryview) -> int:
            read.append(original(self, offset, buffer))
            return read[-1]

        monkeypatch.setattr(FileReader, "read_into", counted)
        return read

    def test_of_a_text_file_reads_its_beginning(self, tmp_path: Path, read: list[int]) -> None:
        with (tmp_path / "big.csv").open("wb") as file:
            file.write(b"id,word\n")
            for _ in range(100):
                file.write(b"1,abcdefgh\n" * 100_000)
        found = crossdock.preview(tmp_path / "big.csv")
        assert (found.rows.num_rows, found.more) == (10, True)
        assert sum(read) < 8 << 20, "bytes of the 110 million"

    def test_of_a_query_has_the_server_make_a_part(self, database: str) -> None:
        """Else it makes a billion rows, for which the test has no time."""
        query = {"query": "SELECT generate_series(1, 1000000000) AS i"}
        found = crossdock.preview(database, source_options=query)
        assert (found.rows.num_rows, found.more) == (10, True)

    def test_of_a_parquet_file_reads_a_part_of_a_row_group(self, tmp_path: Path, read: list[int]) -> None:
        values = pa.array([os.urandom(100) for _ in range(200_000)])
        pq.write_table(pa.table({"v": values}), tmp_path / "a.parquet", use_dictionary=False)
        assert crossdock.preview(tmp_path / "a.parquet").rows.num_rows == 10
        assert sum(read) < 6 << 20, "bytes of the 20 million"

    def test_values_as_json(self, tmp_path: Path) -> None:
        table = pa.table(
            {
                "f": pa.array([1.5, float("nan"), None]),
                "d": pa.array([Decimal("1.50"), None, None]),
                "t": pa.array([253402300800000000, 1, None], pa.timestamp("us")),
                "b": pa.array([b"\x00\xff", b"", None]),
                "l": pa.array([[1, None], [], None]),
                "s": pa.array([{"x": "é"}, None, None]),
            }
        )
        pq.write_table(table, tmp_path / "a.parquet")
        found = json.loads(json.dumps(crossdock.preview(tmp_path / "a.parquet").output()))
        assert found["rows"] == [
            [1.5, "1.50", "10000-01-01 00:00:00.000000", "00ff", [1, None], {"x": "é"}],
            ["nan", None, "1970-01-01 00:00:00.000001", "", [], None],
            [None, None, None, None, None, None],
        ]

    def test_bytes_have_no_columns(self, folder: Path) -> None:
        with pytest.raises(crossdock.ConfigError, match="read as bytes"):
            crossdock.preview(folder / "b.csv", source_format="binary")
        (folder / "x.unknown").touch()
        with pytest.raises(crossdock.ConfigError, match="--source-format"):
            crossdock.schema(folder / "x.unknown")

    def test_a_connector_without_the_ability(self) -> None:
        for look in (crossdock.test_connection, crossdock.browse):
            with pytest.raises(crossdock.NotSupportedError, match="cannot be looked into"):
                look("rows://here")
        assert crossdock.preview("rows://here", rows=2).rows.num_rows == 2


class TestCommands:
    @pytest.fixture
    def answer(self, capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
        def call(*arguments: str, code: int = 0) -> Any:
            assert run([*arguments, "--output", "json"]) == code
            return json.loads(capsys.readouterr().out)

        return call

    def test_json(self, answer: Any, folder: Path) -> None:
        reached = answer("test-connection", str(folder))
        assert reached.keys() == {"status", "connector", "address", "server", "version", "user", "seconds"}
        listed = answer("browse", str(folder), "--limit", "1")
        assert listed.keys() == {"address", "entries", "next"}
        assert answer("browse", str(folder), "--after", listed["next"])["entries"][0]["name"] == "more"
        columns = answer("schema", str(folder / "b.csv"))["columns"]
        assert columns[1] == {"name": "word", "type": "string", "nativeType": "", "nullable": True}
        shown = answer("preview", str(folder / "b.csv"), "--rows", "1")
        assert shown.keys() == {"address", "unit", "columns", "rows", "more"}
        options = ("-s", "delimiter=;", "--source-format", "delimited")
        assert answer("schema", str(folder), *options)["columns"][0]["name"] == "id,word"

    def test_failures_are_one_sentence(
        self, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        user = database.replace("postgres@", "nobody:hunter2@")
        closed = "postgresql://postgres:hunter2@127.0.0.1:1/db"
        for address in (user, closed, database + "x", str(tmp_path / "nowhere"), "sqlite:///nowhere.db"):
            assert run(["test-connection", address]) == 2
            said = capsys.readouterr()
            assert said.out == ""
            assert said.err.count("\n") == 1
            assert "hunter2" not in said.err
            assert run(["test-connection", address, "--output", "json"]) == 2
            assert json.loads(capsys.readouterr().out)["status"] == "Failed"

    def test_text_holds_no_control_characters(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        evil = "\x1b[31mred\x07\u202e"
        table = pa.table({evil: [evil, "x" * 5000]})
        pq.write_table(table, tmp_path / "a\u202eb.parquet")
        for command in ("browse", "schema", "preview"):
            assert run([command, str(tmp_path)]) == 0
            out = capsys.readouterr().out
            assert not {"\x1b", "\x07", "\u202e"} & set(out)
        assert "…" in out
        assert max(map(len, out.splitlines())) < 60

    def test_columns_that_have_no_room(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("crossdock.cli.session._UNFOLDED", 50)
        pq.write_table(pa.table({f"column{n}": ["value " * 3] for n in range(20)}), tmp_path / "a.parquet")
        assert run(["preview", str(tmp_path / "a.parquet")]) == 0
        said = capsys.readouterr()
        assert max(map(len, said.out.splitlines())) <= 50
        assert said.out.split("\n")[0].split() == ["column0", "column1"]
        assert "18 more columns: column2, " in said.err

    def test_a_copy_does_not_import_them(self, folder: Path, tmp_path: Path) -> None:
        code = (
            "import sys; from crossdock.cli.main import run; code = run(['copy', *sys.argv[1:]]);"
            "found = {'crossdock.interactive', 'crossdock.cli.look'} & set(sys.modules);"
            "sys.exit(code or ' '.join(found) or 0)"
        )
        command = [sys.executable, "-c", code, str(folder / "b.csv"), str(tmp_path / "b.parquet")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.stderr, done.returncode) == ("", 0)
