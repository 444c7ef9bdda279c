"""The pairs that people copy most: the sample factory's pipelines through ``crossdock run``, as they are.

Settings lead its linked services to servers of the tests; no definition is changed.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.filedatalake import DataLakeServiceClient
from tests.servers import dfs_wire
from tests.servers.azurite import ACCOUNT, KEY, Azurite
from tests.servers.dfs import Lake
from tests.servers.sql_server import SqlServer, on_fake
from tests.servers.tds import PASSWORD, USER, TdsServer
from tests.servers.tunnel import tunnel

SAMPLE = Path(__file__).parents[1] / "factories" / "sample"
SECRETS = {"SQL_PASSWORD": PASSWORD, "STORE_KEY": KEY, "LAKE_KEY": dfs_wire.KEY}
Json = dict[str, Any]


@dataclass
class Site:
    """Where the sample's linked services lead to."""

    root: Path
    blobs: BlobServiceClient
    lake: DataLakeServiceClient
    server: SqlServer
    ca: Path

    @property
    def share(self) -> Path:
        return self.root / "share"

    def run(
        self, pipeline: str, *arguments: str, environment: dict[str, str] | None = None
    ) -> dict[str, Json]:
        """The runs of its activities, by name; all have succeeded."""
        command = [sys.executable, "-m", "crossdock", "run", str(SAMPLE), pipeline, "--output", "json"]
        ran = subprocess.run(
            [*command, "--settings", str(self.root / "settings.json"), *arguments],
            check=False, capture_output=True, text=True, timeout=100,
            env=os.environ | SECRETS | {"SSL_CERT_FILE": str(self.ca), "no_proxy": "*"} | (environment or {}),
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return {each["activityName"]: each for each in json.loads(ran.stdout)["activityRuns"]}

    def put(self, container: str, name: str, data: bytes) -> None:
        self.blobs.get_blob_client(container, name).upload_blob(data, overwrite=True)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        return [
            tuple(map(str, row)) for row in self.server.run(f"SELECT id, name FROM dbo.{table} ORDER BY id")
        ]


def credential(account: str, key: str) -> dict[str, str]:
    return {"account_name": account, "account_key": key}


@pytest.fixture
def site(tmp_path: Path, azurite: Azurite, lake: Lake, tds: TdsServer) -> Iterator[Site]:
    bundle = tmp_path / "authorities.pem"
    bundle.write_text("".join(each.read_text() for each in (azurite.ca, lake.ca, tds.ca)))
    server = f"Data Source=localhost,{tds.port};Initial Catalog=test;User ID={USER}"
    password, key = {"env": "SQL_PASSWORD"}, {"env": "STORE_KEY"}
    services = {
        "shopServer": {"connectionString": server, "password": password},
        "warehouse": {
            "server": f"localhost,{tds.port}",
            "database": "test",
            "userName": USER,
            "password": password,
        },
        "synapse": {"connectionString": server, "password": password},
        "landing": {
            "connectionString": f"AccountName={ACCOUNT};BlobEndpoint={azurite.url}",
            "accountKey": key,
        },
        "lake": {"url": lake.url, "accountKey": {"env": "LAKE_KEY"}},
        "share": {"host": str(tmp_path / "share")},
    }
    (tmp_path / "settings.json").write_text(json.dumps({"linkedServices": services}))
    (tmp_path / "share").mkdir()
    with (
        on_fake(tds) as sql,
        BlobServiceClient(azurite.url, credential(ACCOUNT, KEY), connection_verify=str(azurite.ca)) as blobs,
        DataLakeServiceClient(
            lake.url, credential(dfs_wire.ACCOUNT, dfs_wire.KEY), connection_verify=str(lake.ca)
        ) as files,
    ):
        made = Site(tmp_path, blobs, files, sql, bundle)
        for name in ("landing", "staging"):
            blobs.create_container(name)
        files.create_file_system("raw")
        sql.run(
            "CREATE TABLE dbo.orders (id int NOT NULL PRIMARY KEY, name nvarchar(20), changed nvarchar(20))"
        )
        try:
            yield made
        finally:
            for table in ("orders", "orders_copy", "events"):
                if f"dbo.{table}" in tds.database.tables():
                    sql.run(f"DROP TABLE dbo.{table}")
            blobs.delete_container("landing")
            blobs.delete_container("staging")
            files.delete_file_system("raw")


ORDERS = (
    "INSERT INTO dbo.orders (id, name, changed) VALUES (1, N'one', '2024-05-01'), (2, N'it''s', '2024-05-02')"
)
ROWS = [("1", "one"), ("2", "it's")]


def read(text: bytes, delimiter: str) -> list[list[str]]:
    return sorted(csv.reader(io.StringIO(text.decode()), delimiter=delimiter))


def test_files_to_files(site: Site) -> None:
    """DelimitedText to DelimitedText, Binary to Binary."""
    (site.share / "2024-05-01").mkdir()
    (site.share / "2024-05-01" / "orders.csv").write_text("id,name\n1,one\n")
    site.put("landing", "images/deep/a.bin", b"\0\1" * 5000)
    runs = site.run("files", "--param", "day=2024-05-01")
    text = site.blobs.get_blob_client("landing", "2024-05-01/orders.csv").download_blob().readall()
    assert read(text, ";") == [["1", "one"], ["id", "name"]]
    image = site.lake.get_file_client("raw", "images/deep/a.bin").download_file().readall()
    assert image == b"\0\1" * 5000
    verified = runs["Images to the lake"]["output"]["dataConsistencyVerification"]
    assert verified["VerificationResult"] == "Verified"


def test_tables_to_files(site: Site) -> None:
    """SqlServer to DelimitedText and to Parquet, AzureSql to DelimitedText."""
    site.server.run(ORDERS)
    site.run("unload")
    (blob,) = site.blobs.get_container_client("landing").list_blobs()
    lines = [["1", "one", "2024-05-01"], ["2", "it's", "2024-05-02"], ["id", "name", "changed"]]
    assert read(site.blobs.get_blob_client("landing", blob.name).download_blob().readall(), ";") == lines
    assert read((site.share / "out" / "orders.csv").read_bytes(), ",") == lines
    names = [each.name for each in site.lake.get_file_system_client("raw").get_paths()]
    (name,) = [each for each in names if each.endswith(".parquet")]
    found = pq.read_table(io.BytesIO(site.lake.get_file_client("raw", name).download_file().readall()))
    assert (name.rpartition("/")[0], found.column("name").to_pylist()) == ("shop/orders", ["one", "it's"])


def test_tables_to_tables(site: Site) -> None:
    """SqlServer to AzureSql, AzureSql to AzureSql."""
    site.server.run(ORDERS, "CREATE TABLE dbo.orders_copy (id int, name nvarchar(20), changed nvarchar(20))",
                    "INSERT INTO dbo.orders_copy (id, name) VALUES (9, N'old')")  # fmt: skip
    site.run("tables")
    assert site.rows("orders_copy") == ROWS
    orders = site.server.run("SELECT COUNT(*) AS n FROM dbo.orders")
    assert orders == [(2,)]


def test_files_to_tables(site: Site) -> None:
    """DelimitedText to AzureSql with a mapping, Json to AzureSql into a table that is made."""
    site.server.run("DROP TABLE dbo.orders", "CREATE TABLE dbo.orders (id int, amount decimal(9,2))")
    site.put("landing", "2024/orders.csv", b'id;total\n1;"1.50"\n2;22\n')
    (site.share / "events" / "deep").mkdir(parents=True)
    (site.share / "events" / "a.json").write_text('{"id": 1, "name": "one"}\n{"id": 2, "name": "it\'s"}\n')
    site.run("load", "--param", "folder=2024")
    amounts = site.server.run("SELECT id, amount FROM dbo.orders ORDER BY id")
    assert [tuple(map(str, row)) for row in amounts] == [("1", "1.50"), ("2", "22.00")]
    assert site.rows("events") == ROWS


def test_text_to_synapse(site: Site, azurite: Azurite, tds: TdsServer) -> None:
    """DelimitedText to SqlDW by a stage whose address is one of Azure's: the pool fetches it by COPY INTO."""
    host = f"{ACCOUNT}.blob.core.windows.net"
    settings = json.loads((site.root / "settings.json").read_text())
    services = settings["linkedServices"]
    services["synapse"]["connectionString"] = services["synapse"]["connectionString"].replace(
        "=test;", "=pool;"
    )
    services["landing"]["connectionString"] = f"AccountName={ACCOUNT};BlobEndpoint=https://{host}"
    (site.root / "settings.json").write_text(json.dumps(settings))
    tds.database.fetches(host, azurite.url, azurite.ca)
    site.server.run("CREATE SCHEMA stage", "CREATE TABLE stage.orders (id bigint, name varchar(20))")
    site.put("landing", "all/orders.csv", b"id;name\n1;one\n2;it's\n")
    try:
        with tunnel(azurite.port) as proxy:
            site.run("warehouse", environment={"https_proxy": proxy.url, "no_proxy": "localhost"})
        found = site.server.run("SELECT id, name FROM stage.orders ORDER BY id")
    finally:
        site.server.run("DROP TABLE stage.orders")
    assert [tuple(map(str, row)) for row in found] == ROWS
    assert tds.database.copies() == ["CREDENTIAL FILE_TYPE"]
    assert list(site.blobs.get_container_client("staging").list_blobs()) == []
