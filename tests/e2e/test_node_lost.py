"""A node is lost after it has committed and before the service has heard of it: each row is there once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from servers.azurite import ACCOUNT, KEY, Azurite
from servers.node import SILENT, node, register
from servers.postgres import Postgres
from servers.service import service
from servers.waiting import eventually

GROUP, FACTORY, ROWS = "group", "factory", 500
VIA = {"referenceName": "here", "type": "IntegrationRuntimeReference"}
COPIES = ("rows", "merged", "blobs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What is copied: five files."""
    for name in ("source", "merging", "sink"):
        (tmp_path / name).mkdir()
    for number in range(5):
        for name in ("source", "merging"):
            (tmp_path / name / f"{number}.txt").write_text(f"{number}\n" * 100)
    return tmp_path


@pytest.fixture
def blobs(azurite: Azurite) -> Iterator[BlobServiceClient]:
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    with BlobServiceClient(azurite.url, credential=credential, connection_verify=str(azurite.ca)) as client:
        yield client


def dataset(sdk: Any, name: str, kind: str, link: str, properties: dict[str, Any]) -> dict[str, str]:
    reference = {"referenceName": link, "type": "LinkedServiceReference"}
    made = {"type": kind, "linkedServiceName": reference, "typeProperties": properties}
    sdk.datasets.create_or_update(GROUP, FACTORY, name, {"properties": made})
    return {"referenceName": name, "type": "DatasetReference"}


def linked(sdk: Any, name: str, kind: str, properties: dict[str, Any]) -> None:
    made = {"type": kind, "connectVia": VIA, "typeProperties": properties}
    sdk.linked_services.create_or_update(GROUP, FACTORY, name, {"properties": made})


def pipeline(sdk: Any, name: str, kind: str, **more: Any) -> None:
    activity = {"name": name, "type": kind, **more}
    sdk.pipelines.create_or_update(GROUP, FACTORY, name, {"properties": {"activities": [activity]}})


def define(sdk: Any, folder: Path, database: str, azurite: Azurite) -> None:
    """``rows`` are added to a table; ``merged`` files become one and are deleted; ``blobs`` are files that
    are copied into a container that is called like the database; ``script`` adds a row."""
    where, _, name = database.removeprefix("postgresql://postgres@").partition("/")
    host, _, port = where.partition(":")
    parts = {"server": host, "port": int(port), "database": name, "username": "postgres"}
    linked(sdk, "server", "PostgreSqlV2", parts | {"sslMode": 0})
    linked(sdk, "files", "FileServer", {"host": str(folder)})
    key = {"type": "SecureString", "value": KEY}
    account = f"AccountName={ACCOUNT};BlobEndpoint={azurite.url}"
    linked(sdk, "store", "AzureBlobStorage", {"connectionString": account, "accountKey": key})
    ends = {
        each: dataset(sdk, each, "PostgreSqlV2Table", "server", {"schema": "public", "table": each})
        for each in ("origin", "target")
    }
    for each in ("source", "merging", "sink"):
        location = {"location": {"type": "FileServerLocation", "folderPath": each}}
        ends[each] = dataset(sdk, each, "Binary", "files", location)
    location = {"location": {"type": "AzureBlobStorageLocation", "container": name.replace("_", "-")}}
    ends["blobs"] = dataset(sdk, "blobs", "Binary", "store", location)
    read = {"type": "FileServerReadSettings", "recursive": True}
    files: dict[str, Any] = {"type": "BinarySource", "storeSettings": read}
    deleted = files | {"storeSettings": read | {"deleteFilesAfterCompletion": True}}
    write = {"type": "FileServerWriteSettings", "copyBehavior": "MergeFiles"}
    copies = {
        "rows": ("origin", "target", {"type": "PostgreSqlV2Source"}, {"type": "AzurePostgreSqlSink"}),
        "merged": ("merging", "sink", deleted, {"type": "BinarySink", "storeSettings": write}),
        "blobs": ("source", "blobs", files, {"type": "BinarySink"}),
    }
    for each, (source, sink, reading, writing) in copies.items():
        how = {"source": reading, "sink": writing}
        pipeline(sdk, each, "Copy", inputs=[ends[source]], outputs=[ends[sink]], typeProperties=how)
    reference = {"referenceName": "server", "type": "LinkedServiceReference"}
    adds = {"scripts": [{"type": "NonQuery", "text": "INSERT INTO noted VALUES (1)"}]}
    pipeline(sdk, "script", "Script", linkedServiceName=reference, typeProperties=adds)


@pytest.mark.timeout(300)
def test_committed_and_lost(
    folder: Path,
    postgres: Postgres,
    database: str,
    azurite: Azurite,
    blobs: BlobServiceClient,
) -> None:
    name = database.rpartition("/")[2]
    container = name.replace("_", "-")
    postgres.run(f"CREATE TABLE origin AS SELECT i FROM generate_series(1, {ROWS}) i", name)
    postgres.run("CREATE TABLE target (i int)", name)
    postgres.run("CREATE TABLE noted (i int)", name)
    blobs.create_container(container)
    trust = {"SSL_CERT_FILE": str(azurite.ca), "no_proxy": "*"}
    (folder / "service").mkdir()
    with service(folder / "service", "--lease", "15") as server, server.sdk() as sdk:
        sdk.factories.create_or_update(GROUP, FACTORY, {})
        sdk.integration_runtimes.create_or_update(
            GROUP, FACTORY, "here", {"properties": {"type": "SelfHosted"}}
        )
        key = sdk.integration_runtimes.list_auth_keys(GROUP, FACTORY, "here").auth_key1
        define(sdk, folder, database, azurite)
        for each in "ab":
            register(folder / each, server, key, each)
        with node(folder / "a", program=SILENT, **trust) as first, node(folder / "b", **trust) as second:
            eventually(lambda: _state(sdk) == "Online")  # both have the vault's key
            second.stop()
            runs = {
                each: sdk.pipelines.create_run(GROUP, FACTORY, each).run_id for each in (*COPIES, "script")
            }
            done = folder / "a" / "done"
            eventually(lambda: done.exists() and done.read_text().count("\n") == len(runs))
            assert done.read_text().count("succeeded") == len(runs)
            first.kill()
        _check_once(postgres, name, folder)
        assert not list((folder / "merging").iterdir())
        written = {each.name: each.etag for each in blobs.get_container_client(container).list_blobs()}
        with node(folder / "b", **trust):
            eventually(lambda: all(_ended(sdk, each) for each in runs.values()), 150)
            assert {name: _ended(sdk, each) for name, each in runs.items()} == (
                dict.fromkeys(COPIES, "Succeeded") | {"script": "Failed"}
            )
        _check_once(postgres, name, folder)
        assert _activity(sdk, runs["rows"]).output["rowsCopied"] == ROWS
        assert (
            "was lost, and nobody knows whether it was done"
            in _activity(sdk, runs["script"]).error["message"]
        )
        assert {
            each.name: each.etag for each in blobs.get_container_client(container).list_blobs()
        } == written, "blobs that were there were written again"
    assert len(written) == 5
    assert postgres.run("SELECT tablename FROM pg_tables WHERE tablename LIKE '%crossdock%'", name) == []
    assert [each.name for each in (folder / "sink").iterdir() if each.name.startswith(".")] == []


def _check_once(postgres: Postgres, database: str, folder: Path) -> None:
    assert postgres.run("SELECT count(*), count(DISTINCT i) FROM target", database) == [(ROWS, ROWS)]
    assert postgres.run("SELECT count(*) FROM noted", database) == [(1,)]
    (merged,) = (each for each in (folder / "sink").iterdir() if not each.name.startswith("."))
    assert sorted(merged.read_text().split()) == sorted(str(i) for i in range(5) for _ in range(100))


def _activity(sdk: Any, run_id: str) -> Any:
    now = datetime.now(UTC)
    window = {"lastUpdatedAfter": now - timedelta(days=1), "lastUpdatedBefore": now + timedelta(days=1)}
    (found,) = sdk.activity_runs.query_by_pipeline_run(GROUP, FACTORY, run_id, window).value
    return found


def _state(sdk: Any) -> str:
    found: str = sdk.integration_runtimes.get_status(GROUP, FACTORY, "here").properties.state
    return found


def _ended(sdk: Any, run_id: str) -> str:
    found: str = sdk.pipeline_runs.get(GROUP, FACTORY, run_id).status
    return "" if found in {"Queued", "InProgress"} else found
