"""The store settings on Azure Blob Storage: what the engine does for every store it does for this one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient
from servers.azurite import ACCOUNT, KEY, Azurite

import crossdock

CONTENT = {"a.txt": b"a" * 10, "x/a.txt": b"x" * 20, "x/y/b.txt": b"y" * 3000, "z.dat": b""}


@pytest.fixture
def options(azurite: Azurite) -> dict[str, str]:
    return {"endpoint": azurite.url, "account_key": KEY, "ca_bundle": str(azurite.ca), "proxy": ""}


@pytest.fixture
def blobs(azurite: Azurite) -> Iterator[ContainerClient]:
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    with BlobServiceClient(azurite.url, credential, connection_verify=str(azurite.ca)) as client:
        container = client.create_container(f"c-{uuid.uuid4().hex}")
        for name, data in CONTENT.items():
            container.upload_blob(f"in/{name}", data)
        yield container
        container.delete_container()


def content_of(blobs: ContainerClient, folder: str) -> dict[str, bytes]:
    names = list(blobs.list_blob_names(name_starts_with=f"{folder}/"))
    return {name[len(folder) + 1 :]: blobs.download_blob(name).readall() for name in names}


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"recursive": "false"}, {"a.txt": "a.txt", "z.dat": "z.dat"}),
        (
            {"wildcard_folder_path": "?", "wildcard_file_name": "*.txt"},
            {n: n for n in ("x/a.txt", "x/y/b.txt")},
        ),
        ({"prefix": "x/y"}, {"y/b.txt": "x/y/b.txt"}),
        ({"file_list_path": "z.dat.list"}, {"x/a.txt": "x/a.txt", "z.dat": "z.dat"}),
    ],
)
def test_which_blobs(
    blobs: ContainerClient,
    options: dict[str, str],
    tmp_path: Path,
    settings: dict[str, str],
    wanted: dict[str, str],
) -> None:
    if "file_list_path" in settings:
        blobs.upload_blob("in/z.dat.list", b"z.dat\nx/a.txt\n")
    crossdock.copy(f"az://{blobs.container_name}/in", tmp_path / "out", source_options=options | settings)
    assert files_in(tmp_path / "out") == {name: CONTENT[path] for name, path in wanted.items()}


def test_a_list_from_the_root_of_the_store(
    blobs: ContainerClient, options: dict[str, str], tmp_path: Path
) -> None:
    blobs.upload_blob("lists/today", b"a.txt\n")
    source = f"az://{blobs.container_name}/in"
    given = options | {"file_list_path": "/lists/today"}
    crossdock.copy(source, tmp_path / "out", source_options=given)
    assert files_in(tmp_path / "out") == {"a.txt": CONTENT["a.txt"]}


def test_modified(blobs: ContainerClient, options: dict[str, str], tmp_path: Path) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    source = f"az://{blobs.container_name}/in"
    result = crossdock.copy(
        source, tmp_path / "none", source_options=options | {"modified_datetime_start": later}
    )
    assert result.files_read == 0
    crossdock.copy(source, tmp_path / "all", source_options=options | {"modified_datetime_end": later})
    assert files_in(tmp_path / "all") == CONTENT


@pytest.mark.parametrize("block", [None, 1000])
def test_flattened_and_merged(
    blobs: ContainerClient, options: dict[str, str], tmp_path: Path, block: int | None
) -> None:
    """Small ones in one request each, too."""
    for name, data in CONTENT.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    to = f"az://{blobs.container_name}"
    for behavior in ("FlattenHierarchy", "MergeFiles"):
        settings = options | {"copy_behavior": behavior}
        crossdock.copy(
            tmp_path / "in", f"{to}/{behavior}/", sink_options=settings, block_size=block, verify=True
        )
    assert content_of(blobs, "FlattenHierarchy") == {n.replace("/", "~1"): d for n, d in CONTENT.items()}
    assert content_of(blobs, "MergeFiles") == {"in.txt": b"".join(CONTENT[name] for name in sorted(CONTENT))}


def test_partitions(blobs: ContainerClient, options: dict[str, str], tmp_path: Path) -> None:
    for year in (2023, 2024):
        blobs.upload_blob(f"lake/year={year}/part.csv", f"id\n{year}1\n{year}2\n".encode())
    crossdock.copy(
        f"az://{blobs.container_name}/lake",
        tmp_path / "all.parquet",
        source_options=options | {"enable_partition_discovery": "true", "partition_root_path": "/lake"},
    )
    rows = pq.read_table(tmp_path / "all.parquet").to_pylist()
    assert rows == [{"id": y * 10 + n, "year": str(y)} for y in (2023, 2024) for n in (1, 2)]


def test_moved(blobs: ContainerClient, options: dict[str, str], tmp_path: Path) -> None:
    given: dict[str, Any] = options | {"delete_files_after_completion": "true", "wildcard_file_name": "*.txt"}
    crossdock.copy(f"az://{blobs.container_name}/in", tmp_path / "out", source_options=given, verify=True)
    texts = {name: data for name, data in CONTENT.items() if name.endswith(".txt")}
    assert files_in(tmp_path / "out") == texts
    assert content_of(blobs, "in") == {"z.dat": b""}
