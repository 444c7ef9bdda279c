"""What blobs have beside their bytes: content headers, metadata, access tier; given, guessed and kept."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import (
    BlobClient,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
    StandardBlobTier,
)
from servers.azurite import ACCOUNT, KEY, Azurite

import crossdock
from crossdock import ConfigError, NotSupportedError
from crossdock_connectors.azure import attributes
from crossdock_connectors.azure.blob_store import BlobStore

LARGE = 30_000


@pytest.fixture
def options(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(BlobStore, "whole_limit", 10_000)
    return {
        "endpoint": azurite.url, "account_key": KEY, "ca_bundle": str(azurite.ca), "proxy": "",
        "server_copy": "false",  # Azurite has no Put Block From URL
    }  # fmt: skip


@pytest.fixture
def blobs(azurite: Azurite) -> Iterator[ContainerClient]:
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    with BlobServiceClient(azurite.url, credential, connection_verify=str(azurite.ca)) as client:
        container = client.create_container(f"a-{uuid.uuid4().hex}")
        yield container
        container.delete_container()


def up(blobs: ContainerClient, options: dict[str, str], path: Path, name: str, **settings: str) -> BlobClient:
    url = f"az://{blobs.container_name}/{name}"
    crossdock.copy(
        path, url, sink_options=options | settings, block_size=10_000, mode="overwrite",
        source_format="binary", sink_format="binary",
    )  # fmt: skip
    return blobs.get_blob_client(name)


def file(folder: Path, size: int) -> Path:
    (folder / "file").write_bytes(b"x" * size)
    return folder / "file"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.CSV", "text/csv"),
        ("a.json", "application/json"),
        ("d.html/a", "application/octet-stream"),
        ("a.parquet", "application/vnd.apache.parquet"),
        ("a.csv.gz", "application/gzip"),
        ("a.unknown", "application/octet-stream"),
    ],
)
def test_the_type_follows_the_extension(
    blobs: ContainerClient, options: dict[str, str], tmp_path: Path, name: str, kind: str
) -> None:
    for size in (5, LARGE):
        settings = up(blobs, options, file(tmp_path, size), name).get_blob_properties().content_settings
        assert (settings.content_type, settings.content_encoding) == (kind, None)


@pytest.mark.parametrize("size", [5, LARGE])
def test_metadata_that_was_set(
    blobs: ContainerClient, options: dict[str, str], tmp_path: Path, size: int
) -> None:
    import os

    path = file(tmp_path, size)
    os.utime(path, (1_700_000_000, 1_700_000_000.5))
    metadata = "Batch=7,changed=$$LASTMODIFIED"
    found = up(blobs, options, path, "a", metadata=metadata).get_blob_properties().metadata
    assert found.pop("crossdock_run")
    assert found == {"Batch": "7", "changed": "2023-11-14T22:13:20.500Z"}


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ("a-b=1", "metadata 'a-b'"),
        ("1a=1", "metadata '1a'"),
        ("crossdock_run=1", "metadata 'crossdock_run'"),
        ("a=ü", "the value of a is not"),
    ],
)
def test_metadata_that_no_blob_can_have(
    blobs: ContainerClient, options: dict[str, str], tmp_path: Path, metadata: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        up(blobs, options, file(tmp_path, 5), "a", metadata=metadata)
    assert caught.value.exit_code == 2
    assert list(blobs.list_blob_names(include=["uncommittedblobs"])) == []


@pytest.mark.parametrize("size", [5, LARGE])
def test_preserved_from_blob_to_blob(blobs: ContainerClient, options: dict[str, str], size: int) -> None:
    given = ContentSettings(
        content_type="text/x-mine", content_encoding="br", content_language="nb",
        content_disposition="attachment", cache_control="no-cache",
    )  # fmt: skip
    blobs.upload_blob(
        "in/a.csv",
        b"x" * size,
        metadata={"Origin": "here"},
        content_settings=given,
        standard_blob_tier=StandardBlobTier.COOL,
    )
    here = f"az://{blobs.container_name}"

    def copied(name: str, **settings: str) -> BlobClient:
        crossdock.copy(
            f"{here}/in/", f"{here}/{name}/", source_options=options, sink_options=options | settings,
            block_size=10_000,
        )  # fmt: skip
        return blobs.get_blob_client(f"{name}/a.csv")

    kept = copied("kept", preserve="Attributes", metadata="more=1").get_blob_properties()
    for name in (
        "content_type", "content_encoding", "content_language", "content_disposition", "cache_control",
    ):  # fmt: skip
        assert kept.content_settings[name] == given[name], name
    assert {k: v for k, v in kept.metadata.items() if k != "crossdock_run"} == {"Origin": "here", "more": "1"}
    assert str(kept.blob_tier) == "Cool"
    plain = copied("plain").get_blob_properties()
    assert (plain.content_settings.content_type, plain.content_settings.cache_control) == ("text/csv", None)
    assert list(plain.metadata) == ["crossdock_run"]


def test_a_file_has_no_attributes_of_a_blob(
    blobs: ContainerClient, options: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(NotSupportedError, match="file and azureblob have none in common"):
        up(blobs, options, file(tmp_path, 5), "a", preserve="Attributes")


def test_the_stamp_is_our_own_and_no_attribute() -> None:
    found = attributes.read({"x-ms-meta-crossdock_run": "x", "x-ms-meta-Mine": "y", "content-type": "a/b"})
    assert (found.metadata, found.headers, found.tier) == ({"Mine": "y"}, {"content_type": "a/b"}, None)


def test_a_tier_that_the_account_chose_is_not_kept() -> None:
    headers = {"x-ms-access-tier": "Hot", "x-ms-access-tier-inferred": "true"}
    assert attributes.read(headers).tier is None
    assert attributes.read({"x-ms-access-tier": "Cool"}).tier == "Cool"
