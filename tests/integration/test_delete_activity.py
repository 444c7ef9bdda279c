"""Delete activities: what is gone, what is not, and what the log says."""

from __future__ import annotations

import csv
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient
from azure.storage.filedatalake import FileSystemClient
from one_activity import Json, OneActivity, dataset_of
from servers import dfs_wire
from servers.azurite import Azurite
from servers.dfs import Lake

import crossdock
from crossdock import AccessDeniedError, CancelledError, NotFoundError, TransientError

TREE = ["A/1.txt", "B/4.txt", "B/5.csv", "B/C/6.txt", "B/C/7.csv", "B/D/8.txt"]


@pytest.fixture
def one(tmp_path: Path) -> OneActivity:
    made = OneActivity(tmp_path)
    for path in TREE:
        made.write(path, path)
    return made


def gone(**settings: object) -> Json:
    return {
        "dataset": dataset_of("there"),
        "storeSettings": {"type": "FileServerReadSettings", **settings},
        "enableLogging": False,
    }


def left(one: OneActivity) -> list[str]:
    return [each for each in one.files() if not each.endswith("/")]


@pytest.mark.parametrize(
    ("path", "recursive", "deleted", "folders"),
    [
        ("B/", False, ["B/4.txt", "B/5.csv"], ["A/", "B/", "B/C/", "B/D/"]),
        ("B/", True, [each for each in TREE if each.startswith("B")], ["A/"]),
        ("B/*.txt", False, ["B/4.txt"], ["A/", "B/", "B/C/", "B/D/"]),
        ("B/*.txt", True, ["B/4.txt", "B/C/6.txt", "B/D/8.txt"], ["A/", "B/", "B/C/", "B/D/"]),
        ("B/4.txt", True, ["B/4.txt"], ["A/", "B/", "B/C/", "B/D/"]),
    ],
)
def test_the_documented_table(
    one: OneActivity, path: str, recursive: bool, deleted: list[str], folders: list[str]
) -> None:
    """https://learn.microsoft.com/azure/data-factory/delete-activity has it."""
    one.file("there", path)
    found = one.run("Delete", gone(recursive=recursive))
    assert left(one) == [each for each in TREE if each not in deleted]
    assert [each for each in one.files() if each.endswith("/")] == folders
    assert (found["filesDeleted"], found["recursive"], found["isWildcardUsed"]) == (
        len(deleted),
        recursive,
        "*" in path,
    )
    assert found["datasetName"] == "there"


def test_not_recursive_is_the_default_and_old_definitions_say_it_outside_of_the_settings(
    one: OneActivity,
) -> None:
    one.file("there", "B/")
    assert one.run("Delete", {"dataset": dataset_of("there")})["filesDeleted"] == 2
    assert left(one) == ["A/1.txt", "B/C/6.txt", "B/C/7.csv", "B/D/8.txt"]
    assert one.run("Delete", {"dataset": dataset_of("there"), "recursive": True})["filesDeleted"] == 3
    assert one.files() == ["A/", "A/1.txt"]


def test_wildcards_times_and_a_prefix_choose(one: OneActivity) -> None:
    one.file("there", "")
    for path, moment in (("B/4.txt", 1_500_000_000), ("B/C/6.txt", 1_700_000_000)):
        os.utime(one.data / path, (moment, moment))
    chosen = {"wildcardFolderPath": "B*", "wildcardFileName": "*.txt"}
    before = {"modifiedDatetimeEnd": "2020-01-01T00:00:00Z"}
    one.run("Delete", gone(recursive=True, **chosen, **before))
    assert left(one) == [each for each in TREE if each != "B/4.txt"]
    assert one.run("Delete", gone(recursive=True, **chosen, **before))["filesDeleted"] == 0
    assert one.run("Delete", gone(recursive=True, **chosen))["filesDeleted"] == 2
    assert left(one) == ["A/1.txt", "B/5.csv", "B/C/7.csv"]
    assert one.run("Delete", gone(recursive=True, **chosen))["filesDeleted"] == 0


def test_a_list_names_the_files(one: OneActivity) -> None:
    one.file("there", "")
    with pytest.raises(NotFoundError, match="the file list"):
        one.run("Delete", gone(fileListPath="list.txt"))
    one.write("list.txt", "A/1.txt\nB/C/7.csv\n")
    assert one.run("Delete", gone(fileListPath="list.txt"))["filesDeleted"] == 2
    assert left(one) == ["B/4.txt", "B/5.csv", "B/C/6.txt", "B/D/8.txt", "list.txt"]


def test_the_folder_of_the_linked_service_stays(one: OneActivity) -> None:
    one.file("there", "")
    assert one.run("Delete", gone(recursive=True))["filesDeleted"] == len(TREE)
    assert one.files() == []
    assert one.data.is_dir()


def test_what_is_missing_is_an_error_and_what_is_empty_is_not(one: OneActivity) -> None:
    for path in ("none/", "none.txt"):
        one.file("there", path)
        with pytest.raises(NotFoundError, match="the activity 'it': "):
            one.run("Delete", gone(recursive=True))
    (one.data / "empty").mkdir()
    one.file("there", "empty/")
    assert one.run("Delete", gone(recursive=True))["filesDeleted"] == 0
    assert "empty/" not in one.files()


def test_the_log_names_every_file(one: OneActivity, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    one.service("logs", "FileServer", host=str(logs))
    one.file("there", "B/")
    place = {
        "linkedServiceName": {"referenceName": "logs", "type": "LinkedServiceReference"},
        "path": "of/delete",
    }
    found = one.run(
        "Delete", gone(recursive=True) | {"enableLogging": True, "logStorageSettings": place}, run_id="run-7"
    )
    file = logs / "of" / "delete" / "run-7.csv"
    assert found["logPath"].endswith("/logs/of/delete/run-7.csv")
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [(each["Name"], each["Category"], each["Status"], each["Error"]) for each in rows] == [
        (name, "File", "Deleted", "") for name in ("4.txt", "5.csv", "C/6.txt", "C/7.csv", "D/8.txt")
    ]
    said = one.said("Delete", gone() | {"enableLogging": True})
    assert ("error", "logStorageSettings: a log needs a linked service and a path") in said


def test_others_are_deleted_where_one_cannot_be_and_the_log_says_which(
    one: OneActivity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crossdock_connectors.stores.file_store import FileStore

    delete = FileStore.delete

    def refusing(store: FileStore, path: str) -> None:
        if path == "C/6.txt":
            raise AccessDeniedError("no right to delete C/6.txt")
        delete(store, path)

    monkeypatch.setattr(FileStore, "delete", refusing)
    one.file("there", "B/")
    one.service("logs", "FileServer", host=str(tmp_path))
    place = {"linkedServiceName": {"referenceName": "logs", "type": "LinkedServiceReference"}, "path": "logs"}
    with pytest.raises(AccessDeniedError, match="the activity 'it': no right to delete"):
        one.run("Delete", gone(recursive=True) | {"enableLogging": True, "logStorageSettings": place})
    assert left(one) == ["A/1.txt", "B/C/6.txt"]
    rows = list(csv.reader((tmp_path / "logs" / "run-1.csv").read_text().splitlines()))
    assert ["C/6.txt", "File", "Failed", "no right to delete C/6.txt"] in rows


def test_a_file_is_tried_again_after_a_transient_error(
    one: OneActivity, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crossdock_connectors.stores.file_store import FileStore

    delete, tried = FileStore.delete, []

    def failing(store: FileStore, path: str) -> None:
        tried.append(path)
        if tried.count(path) < 3:
            raise TransientError("for a moment")
        delete(store, path)

    monkeypatch.setattr(FileStore, "delete", failing)
    one.file("there", "B/4.txt")
    assert one.run("Delete", gone())["filesDeleted"] == 1
    assert tried == ["4.txt"] * 3
    assert left(one) == [each for each in TREE if each != "B/4.txt"]


def test_nothing_is_deleted_once_it_is_cancelled(one: OneActivity) -> None:
    one.file("there", "B/")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        one.run("Delete", gone(recursive=True), cancel=cancel)
    assert left(one) == TREE


@pytest.fixture
def container(
    one: OneActivity, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ContainerClient]:
    monkeypatch.setenv("SSL_CERT_FILE", str(azurite.ca))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with one.container(azurite) as made:
        for path in TREE:
            made.upload_blob(path, path.encode())
        location = {"type": "AzureBlobStorageLocation", "container": made.container_name, "folderPath": "B"}
        one.dataset("there", "Binary", "blobs", location=location)
        one.dataset("file", "Binary", "blobs", location=location | {"fileName": "4.txt"})
        yield made


def test_blobs_are_gone_and_others_not(one: OneActivity, container: ContainerClient) -> None:
    def names() -> list[str]:
        return sorted(each.name for each in container.list_blobs())

    settings = {"storeSettings": {"type": "AzureBlobStorageReadSettings", "recursive": True}}
    assert one.run("Delete", {"dataset": dataset_of("file"), **settings})["filesDeleted"] == 1
    assert names() == [each for each in TREE if each != "B/4.txt"]
    place = {
        "linkedServiceName": {"referenceName": "blobs", "type": "LinkedServiceReference"},
        "path": f"{container.container_name}/log",
    }
    logged = settings | {"enableLogging": True, "logStorageSettings": place}
    assert one.run("Delete", {"dataset": dataset_of("there"), **logged})["filesDeleted"] == 4
    assert names() == ["A/1.txt", "log/run-1.csv"]
    with pytest.raises(NotFoundError):
        one.run("Delete", {"dataset": dataset_of("there"), **settings})


def test_a_directory_of_a_data_lake_goes_with_all_in_it(lake: Lake) -> None:
    name, (account, key) = f"fs-{uuid.uuid4().hex}", (dfs_wire.ACCOUNT, dfs_wire.KEY)
    options = {"endpoint": lake.url, "account_key": key, "ca_bundle": str(lake.ca), "proxy": ""}
    address = f"abfss://{name}@{account}.dfs.core.windows.net/B/"
    credential = {"account_name": account, "account_key": key}
    with FileSystemClient(lake.url, name, credential, connection_verify=str(lake.ca)) as client:
        client.create_file_system()
        for path in TREE:
            client.get_file_client(path).upload_data(path.encode(), overwrite=True)
        assert crossdock.stat(address, source_options=options).kind == "folder"
        assert crossdock.delete(address, source_options=options | {"recursive": "true"}) == 5
        assert sorted(path.name for path in client.get_paths()) == ["A", "A/1.txt"]
        client.delete_file_system()
