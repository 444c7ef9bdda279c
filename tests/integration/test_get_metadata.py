"""GetMetadata and Validation activities on files, Azurite and PostgreSQL."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient, ContentSettings
from one_activity import Json, OneActivity, dataset_of
from servers.azurite import Azurite
from tests.servers.postgres import Postgres

from crossdock import CancelledError, ConfigError, NotFoundError, TransientError

STORE = {"storeSettings": {"type": "FileServerReadSettings"}}


@pytest.fixture
def one(tmp_path: Path) -> OneActivity:
    return OneActivity(tmp_path)


def asked(*fields: str, **more: object) -> Json:
    return {"dataset": dataset_of("there"), "fieldList": list(fields), **STORE, **more}


def test_a_file(one: OneActivity) -> None:
    one.file("there", "in/a.csv", "DelimitedText", firstRowAsHeader=True)
    file = one.write("in/a.csv", "id,name\n1,x\n")
    os.utime(file, (1_700_000_000.75, 1_700_000_000.75))
    fields = ("exists", "itemName", "itemType", "size", "lastModified", "structure", "columnCount")
    assert one.run("GetMetadata", asked(*fields)) == {
        "exists": True,
        "itemName": "a.csv",
        "itemType": "File",
        "size": 12,
        "lastModified": "2023-11-14T22:13:20Z",
        "structure": [{"name": "id", "type": "String"}, {"name": "name", "type": "String"}],
        "columnCount": 2,
    }


def test_when_a_file_and_a_folder_were_made(one: OneActivity) -> None:
    one.file("there", "in/a.bin")
    one.write("in/a.bin", "x")
    for path in ("in/a.bin", "in/"):
        one.file("there", path)
        created = one.run("GetMetadata", asked("created"))["created"]
        assert abs(datetime.fromisoformat(created).timestamp() - time.time()) < 600


def test_a_folder_and_what_is_in_it(one: OneActivity) -> None:
    one.file("there", "in/")
    one.write("in/a.csv", "x")
    one.write("in/folder hello/b.csv", "x")
    found = one.run("GetMetadata", asked("itemName", "itemType", "childItems"))
    assert (found["itemName"], found["itemType"]) == ("in", "Folder")
    assert sorted(found["childItems"], key=lambda each: each["name"]) == [
        {"name": "a.csv", "type": "File"},
        {"name": "folder hello", "type": "Folder"},
    ]


def test_times_choose_among_files_and_leave_out_folders(one: OneActivity) -> None:
    one.file("there", "in/")
    for name, moment in (("old", 1_600_000_000), ("new", 1_700_000_000)):
        os.utime(one.write(f"in/{name}", "x"), (moment, moment))
    one.write("in/deeper/new", "x")
    settings = {"type": "FileServerReadSettings", "modifiedDatetimeStart": "2023-01-01T00:00:00Z",
                "modifiedDatetimeEnd": "2024-01-01T00:00:00Z"}  # fmt: skip
    found = one.run("GetMetadata", asked("childItems", storeSettings=settings))
    assert found == {"childItems": [{"name": "new", "type": "File"}]}


@pytest.mark.parametrize("path", ["in/none.csv", "none/", "in"])
def test_what_is_not_there_is_false_where_that_is_asked_and_else_an_error(
    one: OneActivity, path: str
) -> None:
    one.file("there", path)
    one.write("in/a.csv", "x")
    assert one.run("GetMetadata", asked("exists", "size")) == {"exists": False}
    with pytest.raises(NotFoundError, match="the activity 'it': there is nothing at"):
        one.run("GetMetadata", asked("itemName"))


def test_what_is_wrong_is_said_with_the_property(one: OneActivity) -> None:
    one.file("there", "in/")
    said = one.said("GetMetadata", asked("itemname", "sise", "structure"))
    assert said == [
        ("error", "fieldList: 'sise' is not known: did you mean 'size'?"),
        ("error", "fieldList: a file that is read as bytes has no structure and no columnCount"),
    ]
    assert one.said("GetMetadata", {"dataset": dataset_of("there"), "fieldList": []}) == [
        ("error", "fieldList: it must be a list of what is asked for")
    ]
    one.write("in/a", "x")
    with pytest.raises(ConfigError, match="the activity 'it': fieldList: a folder has no size"):
        one.run("GetMetadata", asked("size"))


@pytest.fixture
def container(
    one: OneActivity, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ContainerClient]:
    monkeypatch.setenv("SSL_CERT_FILE", str(azurite.ca))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with one.container(azurite) as made:
        location = {"type": "AzureBlobStorageLocation", "container": made.container_name}
        one.dataset("there", "Binary", "blobs", location=location | {"folderPath": "in", "fileName": "a.bin"})
        one.dataset("folder", "Binary", "blobs", location=location | {"folderPath": "in"})
        one.dataset("root", "Binary", "blobs", location=location)
        yield made


def test_blobs(one: OneActivity, container: ContainerClient) -> None:
    md5 = hashlib.md5(b"content", usedforsecurity=False).digest()
    settings = ContentSettings(content_md5=bytearray(md5))
    container.upload_blob("in/a.bin", b"content", content_settings=settings)
    container.upload_blob("in/deep/b.bin", b"")
    read = {"storeSettings": {"type": "AzureBlobStorageReadSettings"}}
    found = one.run("GetMetadata", asked("contentMD5", "size", "itemType", "lastModified") | read)
    changed = datetime.fromisoformat(found.pop("lastModified"))
    assert changed == container.get_blob_client("in/a.bin").get_blob_properties().last_modified
    assert found == {"contentMD5": base64.b64encode(md5).decode(), "size": 7, "itemType": "File"}
    folder = asked("exists", "itemName", "childItems") | read | {"dataset": dataset_of("folder")}
    assert one.run("GetMetadata", folder) == {
        "exists": True,
        "itemName": "in",
        "childItems": [{"name": "a.bin", "type": "File"}, {"name": "deep", "type": "Folder"}],
    }
    root = asked("itemName", "childItems", "lastModified") | read | {"dataset": dataset_of("root")}
    found = one.run("GetMetadata", root)
    assert (found["itemName"], found["childItems"]) == (
        container.container_name,
        [{"name": "in", "type": "Folder"}],
    )
    for name in ("in/a.bin", "in/deep/b.bin"):
        container.delete_blob(name)
    assert one.run("GetMetadata", folder) == {"exists": False}


def test_a_table(one: OneActivity, postgres: Postgres) -> None:
    url = postgres.create("metadata")
    try:
        one.postgres(url)
        postgres.run(
            "CREATE TABLE w (id int, amount numeric(9, 3), at timestamptz, ok bool, t text, b bytea)",
            "metadata",
        )
        one.dataset("there", "PostgreSqlV2Table", "postgres", schema="public", table="w")
        one.dataset("none", "PostgreSqlV2Table", "postgres", schema="public", table="v")
        found = one.run(
            "GetMetadata", {"dataset": dataset_of("there"), "fieldList": ["structure", "columnCount"]}
        )
        kinds = {each["name"]: each["type"] for each in found["structure"]}
        assert kinds == {
            "id": "Int32", "amount": "Decimal", "at": "DateTimeOffset", "ok": "Boolean", "t": "String",
            "b": "Byte[]",
        }  # fmt: skip
        assert found["columnCount"] == 6
        missing = {"dataset": dataset_of("none"), "fieldList": ["exists"]}
        assert one.run("GetMetadata", missing) == {"exists": False}
        said = one.said("GetMetadata", missing | {"fieldList": ["size"]})
        assert ("error", "fieldList: a table has no size, only structure, columnCount, exists") in said
        assert one.run("Validation", {"dataset": dataset_of("there"), "timeout": "0.00:00:05"}) == {
            "exists": True
        }
    finally:
        postgres.drop("metadata")


def valid(**more: object) -> Json:
    return {"dataset": dataset_of("there"), "sleep": 0, **more}


def test_validation_waits_until_the_file_is_large_enough(one: OneActivity) -> None:
    one.file("there", "in/a.bin")
    timer = threading.Timer(0.5, lambda: one.write("in/a.bin", "x" * 20))
    timer.start()
    found = one.run("Validation", valid(timeout="0.00:00:30", minimumSize=20))
    timer.join()
    assert (found["exists"], found["itemName"], found["size"]) == (True, "a.bin", 20)


def test_validation_says_what_is_lacking(one: OneActivity) -> None:
    one.file("there", "in/a.bin")
    with pytest.raises(
        TransientError, match=r"the activity 'it': timeout: in/a\.bin does not exist after 0 s"
    ):
        one.run("Validation", valid(timeout="00:00:00"))
    one.write("in/a.bin", "x")
    left: list[Mapping[str, Any]] = []  # what a failed one has as its output
    with pytest.raises(TransientError, match=r"in/a\.bin has 1 bytes, not 2"):
        one.run("Validation", valid(timeout="00:00:00", minimumSize=2), progress=left.append)
    assert [(each["exists"], each["size"]) for each in left] == [(True, 1)]
    said = one.said("Validation", valid(minimumSize=-1, timeout="soon"))
    assert [each for _, each in said] == [
        "minimumSize: it must not be below 0",
        "timeout: must be a span of time such as 02:00:00",
    ]


def test_validation_of_a_folder_looks_for_children(one: OneActivity) -> None:
    one.file("there", "in/")
    (one.data / "in").mkdir()
    assert one.run("Validation", valid(timeout="00:00:00"))["itemType"] == "Folder"
    assert one.run("Validation", valid(timeout="00:00:00", childItems=False))["childItems"] == []
    with pytest.raises(TransientError, match="in/ is empty"):
        one.run("Validation", valid(timeout="00:00:00", childItems=True))
    one.write("in/a", "x")
    found = one.run("Validation", valid(timeout="00:00:00", childItems=True))
    assert found["childItems"] == [{"name": "a", "type": "File"}]
    with pytest.raises(TransientError, match="in/ is not empty"):
        one.run("Validation", valid(timeout="00:00:00", childItems=False))


def test_validation_is_cancelled(one: OneActivity) -> None:
    one.file("there", "in/a.bin")
    cancel = threading.Event()
    timer = threading.Timer(0.3, cancel.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(CancelledError):
        one.run("Validation", valid(sleep=60), cancel=cancel)
    timer.join()
    assert time.monotonic() - began < 30
