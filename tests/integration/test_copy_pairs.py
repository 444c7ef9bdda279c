"""The pairs that people copy most, as Data Factory defines them, between files and a SQL Server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
from tests.servers.sql_server import SqlServer
from tests.servers.tds import PASSWORD

from crossdock_scheduler.pipeline.copy import plan_copy
from crossdock_scheduler.pipeline.definitions import load
from crossdock_scheduler.pipeline.definitions.activities import activities
from crossdock_scheduler.pipeline.expressions import Scope

Json = dict[str, Any]


class Factory:
    """A folder of definitions: the server under three linked services, and a folder of files."""

    def __init__(self, root: Path, server: SqlServer) -> None:
        if server.fake is None:
            pytest.skip("the definitions have the sign-in of our own server")
        self.root, self.files, self.server = root / "factory", root / "files", server
        self.files.mkdir()
        parts = urlsplit(server.address)
        text = (
            f"Data Source={parts.hostname},{parts.port};Initial Catalog={parts.path.strip('/')};"
            f"User ID={parts.username}"
        )
        password = {"type": "SecureString", "value": PASSWORD}
        for kind in ("SqlServer", "AzureSqlDatabase"):
            self.put(
                "linkedService",
                kind,
                {"type": kind, "typeProperties": {"connectionString": text, "password": password}},
            )
        self.put(
            "linkedService", "files", {"type": "FileServer", "typeProperties": {"host": str(self.files)}}
        )

    def put(self, kind: str, name: str, properties: Json) -> None:
        file = self.root / kind / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"name": name, "properties": properties}))

    def table(self, name: str, kind: str, table: str) -> None:
        service = {
            "SqlServerTable": "SqlServer",
            "AzureSqlTable": "AzureSqlDatabase",
        }
        self.dataset(name, kind, service[kind], {"schema": self.server.schema, "table": table})

    def file(self, name: str, kind: str, path: str, **properties: Any) -> None:
        folder, _, file = path.rpartition("/")
        location = {"type": "FileServerLocation", "folderPath": folder, "fileName": file}
        self.dataset(name, kind, "files", {"location": location, **properties})

    def dataset(self, name: str, kind: str, service: str, properties: Json) -> None:
        link = {"referenceName": service, "type": "LinkedServiceReference"}
        self.put("dataset", name, {"type": kind, "linkedServiceName": link, "typeProperties": properties})

    def run(self, source: Json, sink: Json, **more: Any) -> None:
        """Carry out a copy from the dataset ``source`` to the dataset ``sink``."""
        activity = {
            "name": "Copy",
            "type": "Copy",
            "typeProperties": {"source": source, "sink": sink, **more},
            "inputs": [{"referenceName": "source", "type": "DatasetReference"}],
            "outputs": [{"referenceName": "sink", "type": "DatasetReference"}],
        }
        self.put("pipeline", "p", {"activities": [activity]})
        factory = load(self.root)
        pipeline = factory.find("pipeline", "p")
        assert pipeline is not None
        plan, findings = plan_copy(factory, pipeline, activities(pipeline)[0], scope=Scope())
        assert [str(each) for each in findings if each.severity != "note"] == []
        assert plan is not None
        plan.run(home=self.root / "home")


@pytest.fixture
def factory(sql_server: SqlServer, tmp_path: Path) -> Factory:
    made = Factory(tmp_path, sql_server)
    sql_server.run(
        "CREATE TABLE {s}.orders (id int NOT NULL PRIMARY KEY, name nvarchar(20), total decimal(9,2))",
        "INSERT INTO {s}.orders (id, name, total) "
        "VALUES (1, N'one', 1.50), (2, N'it''s', 22.00), (3, NULL, NULL)",
    )
    return made


ROWS = [(1, "one", "1.50"), (2, "it's", "22.00"), (3, None, None)]


def rows(factory: Factory, table: str) -> list[tuple[Any, ...]]:
    found = factory.server.run(f"SELECT id, name, total FROM {{s}}.{table} ORDER BY id")
    return [(row[0], row[1], None if row[2] is None else f"{row[2]:.2f}") for row in found]


@pytest.mark.parametrize("kind", ["SqlServer", "AzureSql"])
def test_a_table_to_text(factory: Factory, kind: str) -> None:
    factory.table("source", f"{kind}Table", "orders")
    factory.file("sink", "DelimitedText", "out/orders.csv", columnDelimiter="|", firstRowAsHeader=True)
    factory.run({"type": f"{kind}Source"}, {"type": "DelimitedTextSink"})
    lines = (factory.files / "out" / "orders.csv").read_text().replace('"', "").split()
    assert sorted(lines) == ["1|one|1.50", "2|it's|22.00", "3||", "id|name|total"]


def test_a_query_to_parquet(factory: Factory) -> None:
    factory.table("source", "SqlServerTable", "orders")
    factory.file("sink", "Parquet", "out/orders.parquet")
    query = {"value": f"SELECT id, name FROM [{factory.server.schema}].[orders]", "type": "Expression"}
    factory.run({"type": "SqlServerSource", "sqlReaderQuery": query}, {"type": "ParquetSink"})
    found = pq.read_table(factory.files / "out" / "orders.parquet").sort_by("id")
    assert found.to_pydict() == {"id": [1, 2, 3], "name": ["one", "it's", None]}


@pytest.mark.parametrize("kinds", [("SqlServer", "AzureSql"), ("AzureSql", "AzureSql")])
def test_a_table_to_a_table_that_is_made(factory: Factory, kinds: tuple[str, str]) -> None:
    factory.table("source", f"{kinds[0]}Table", "orders")
    factory.table("sink", f"{kinds[1]}Table", "copied")
    sink = {"type": f"{kinds[1]}Sink", "tableOption": "autoCreate", "writeBatchSize": 2}
    factory.run({"type": f"{kinds[0]}Source"}, sink, validateDataConsistency=True)
    assert rows(factory, "copied") == ROWS


def test_text_to_a_table_with_a_mapping(factory: Factory) -> None:
    factory.server.run("CREATE TABLE {s}.loaded (id bigint, name nvarchar(20), total float)")
    (factory.files / "in.csv").write_text('Key,Word,Sum\n1,one,1.5\n2,"it\'s",22.0\n3,,\n')
    factory.file("source", "DelimitedText", "in.csv", firstRowAsHeader=True)
    factory.table("sink", "AzureSqlTable", "loaded")
    pairs = [("Key", "id"), ("Word", "name"), ("Sum", "total")]
    mappings = [{"source": {"name": a, "type": "String"}, "sink": {"name": b}} for a, b in pairs]
    translator = {"type": "TabularTranslator", "mappings": mappings}
    factory.run({"type": "DelimitedTextSource"}, {"type": "AzureSqlSink"}, translator=translator)
    assert rows(factory, "loaded") == ROWS


def test_json_is_merged_into_a_table(factory: Factory) -> None:
    lines = [{"id": 2, "name": "two"}, {"id": 4, "name": "four"}]
    (factory.files / "in.json").write_text("".join(json.dumps(each) + "\n" for each in lines))
    factory.server.run("CREATE TABLE {s}.merged (id bigint NOT NULL PRIMARY KEY, name nvarchar(20))",
                       "INSERT INTO {s}.merged (id, name) VALUES (1, N'one'), (2, N'old')")  # fmt: skip
    factory.file("source", "Json", "in.json")
    factory.table("sink", "AzureSqlTable", "merged")
    sink = {
        "type": "AzureSqlSink",
        "writeBehavior": "upsert",
        "upsertSettings": {"useTempDB": True, "keys": ["id"]},
    }
    factory.run({"type": "JsonSource"}, sink)
    found = factory.server.run("SELECT id, name FROM {s}.merged ORDER BY id")
    assert [tuple(row) for row in found] == [(1, "one"), (2, "two"), (4, "four")]
