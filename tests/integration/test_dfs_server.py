"""The test server of ADLS Gen2 is one to the official clients: what they write, they read back."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import (
    BlobBlock,
    BlobSasPermissions,
    BlobServiceClient,
    ContentSettings,
    generate_blob_sas,
)
from azure.storage.filedatalake import (
    DataLakeServiceClient,
    FileSasPermissions,
    FileSystemClient,
    generate_file_sas,
)
from servers.dfs import Lake
from servers.dfs_wire import ACCOUNT, KEY

WRONG_KEY = base64.b64encode(b"the key of somebody else").decode()


def client_of(lake: Lake, credential: Any) -> DataLakeServiceClient:
    return DataLakeServiceClient(lake.url, credential, connection_verify=str(lake.ca), retry_total=0)


@pytest.fixture
def system(lake: Lake) -> Iterator[FileSystemClient]:
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    with client_of(lake, credential) as service:
        client = service.create_file_system(f"fs-{uuid.uuid4().hex}")
        yield client
        client.delete_file_system()


@pytest.fixture
def blobs(lake: Lake) -> Iterator[BlobServiceClient]:
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    with BlobServiceClient(lake.url, credential, connection_verify=str(lake.ca), retry_total=0) as client:
        yield client


class TestFiles:
    def test_append_and_flush(self, system: FileSystemClient) -> None:
        file = system.create_file("dir/x")
        assert file.get_file_properties().size == 0
        file.append_data(b"world", 6)
        file.append_data(b"hello ", 0)
        assert file.download_file().readall() == b""
        with pytest.raises(HttpResponseError) as caught:
            file.flush_data(12)
        assert caught.value.error_code == "InvalidFlushPosition"
        file.flush_data(11)
        assert file.download_file().readall() == b"hello world"
        assert file.download_file(6, 3).readall() == b"wor"
        with pytest.raises(HttpResponseError):
            file.append_data(b"again", 0)
        file.append_data(b"!", 11, flush=True)
        assert file.download_file().readall() == b"hello world!"

    def test_a_gap_is_refused(self, system: FileSystemClient) -> None:
        file = system.create_file("x")
        file.append_data(b"later", 10)
        with pytest.raises(HttpResponseError):
            file.flush_data(15)

    def test_upload_and_properties(self, system: FileSystemClient) -> None:
        file = system.get_file_client("a b/ü")
        file.upload_data(b"x" * 100_000, overwrite=True, metadata={"batch": "7"}, chunk_size=30_000)
        first = file.get_file_properties()
        assert (first.size, first.metadata) == (100_000, {"batch": "7"})
        file.set_metadata({"batch": "8"})
        second = file.get_file_properties()
        assert second.metadata == {"batch": "8"}
        assert second.etag != first.etag
        file.upload_data(b"y", overwrite=True)
        assert file.get_file_properties().etag != second.etag

    def test_conditions(self, system: FileSystemClient) -> None:
        file = system.create_file("x")
        seen = file.get_file_properties().etag
        file.upload_data(b"new", overwrite=True)
        with pytest.raises(ResourceModifiedError):
            file.download_file(etag=seen, match_condition=MatchConditions.IfNotModified)
        with pytest.raises(ResourceModifiedError):
            file.delete_file(etag=seen, match_condition=MatchConditions.IfNotModified)
        with pytest.raises(ResourceExistsError):
            file.create_file(match_condition=MatchConditions.IfMissing)
        assert file.download_file().readall() == b"new"

    def test_lease(self, system: FileSystemClient) -> None:
        file = system.create_file("x")
        lease = file.acquire_lease()
        with pytest.raises(HttpResponseError) as caught:
            file.delete_file()
        assert caught.value.error_code == "LeaseIdMissing"
        file.delete_file(lease=lease)

    def test_not_found(self, system: FileSystemClient) -> None:
        with pytest.raises(ResourceNotFoundError):
            system.get_file_client("nothing").download_file()
        with pytest.raises(ResourceNotFoundError):
            system.get_file_client("nothing").delete_file()
        gone = system.get_file_client("x")
        with pytest.raises(ResourceNotFoundError):
            gone.append_data(b"x", 0)


class TestDirectories:
    def test_listing(self, system: FileSystemClient) -> None:
        for name in ("a/b", "a/c/d", "a-b", "a.b", "z/ü"):
            system.create_file(name)
        system.create_directory("a/empty")
        paths = list(system.get_paths("/"))
        assert [p.name for p in paths] == [
            "a", "a/b", "a/c", "a/c/d", "a/empty", "a-b", "a.b", "z", "z/ü",
        ]  # fmt: skip
        assert [p.name for p in paths if p.is_directory] == ["a", "a/c", "a/empty", "z"]
        assert [p.name for p in system.get_paths("a", recursive=False)] == ["a/b", "a/c", "a/empty"]
        assert [p.name for p in system.get_paths("/", max_results=2)] == [p.name for p in paths]
        with pytest.raises(ResourceNotFoundError):
            list(system.get_paths("nothing"))

    def test_rename_of_a_directory(self, system: FileSystemClient) -> None:
        for number in range(3):
            system.get_file_client(f"stage/part-{number}").upload_data(b"%d" % number, overwrite=True)
        system.get_directory_client("stage").rename_directory(f"{system.file_system_name}/done")
        assert [p.name for p in system.get_paths("/")] == [
            "done", "done/part-0", "done/part-1", "done/part-2",
        ]  # fmt: skip
        assert system.get_file_client("done/part-2").download_file().readall() == b"2"

    def test_rename_of_a_file(self, system: FileSystemClient) -> None:
        source, target = system.create_file("from"), system.create_file("to")
        source.upload_data(b"new", overwrite=True)
        seen = target.get_file_properties().etag
        to = f"{system.file_system_name}/to"
        with pytest.raises(ResourceExistsError):
            source.rename_file(to, match_condition=MatchConditions.IfMissing)
        target.upload_data(b"theirs", overwrite=True)
        with pytest.raises(ResourceModifiedError):
            source.rename_file(to, etag=seen, match_condition=MatchConditions.IfNotModified)
        with pytest.raises(HttpResponseError) as caught:
            source.rename_file(to, source_etag='"0x0"', source_match_condition=MatchConditions.IfNotModified)
        assert caught.value.error_code == "SourceConditionNotMet"
        assert target.download_file().readall() == b"theirs"
        source.rename_file(to)
        assert target.download_file().readall() == b"new"
        with pytest.raises(ResourceNotFoundError):
            source.get_file_properties()
        with pytest.raises(ResourceNotFoundError):
            target.rename_file(f"{system.file_system_name}/missing/folder/x")

    def test_delete(self, system: FileSystemClient) -> None:
        system.create_file("a/b/c")
        system.get_directory_client("a").delete_directory()
        assert list(system.get_paths("/")) == []

    def test_access_control(self, system: FileSystemClient) -> None:
        folder = system.create_directory("dir")
        folder.set_access_control(acl="user::rwx,group::r-x,other::---,default:user:someone:rw-,"
                                  "default:user::rwx,default:group::r-x,default:other::---")  # fmt: skip
        below = system.create_file("dir/x")
        assert "user:someone:rw-" in below.get_access_control()["acl"]
        file = system.create_file("y")
        file.set_access_control(owner="me", group="us", permissions="0640")
        found = file.get_access_control()
        assert (found["owner"], found["group"], found["permissions"]) == ("me", "us", "rw-r-----")
        acl = "user::rw-,user:someone:r--,group::r--,mask::r--,other::---"
        file.set_access_control(acl=acl)
        found = file.get_access_control()
        assert (found["acl"], found["permissions"]) == (acl, "rw-r-----+")


class TestBlobs:
    def test_blocks_and_the_same_file(self, system: FileSystemClient, blobs: BlobServiceClient) -> None:
        blob = blobs.get_blob_client(system.file_system_name, "deep/er/x")
        names = [f"{i:08}" for i in range(3)]
        for name in names:
            blob.stage_block(name, name.encode())
        with pytest.raises(ResourceNotFoundError):
            blob.get_blob_properties()
        blob.commit_block_list(
            [BlobBlock(name) for name in names],
            content_settings=ContentSettings(content_type="text/plain"),
            metadata={"a": "1"},
        )
        file = system.get_file_client("deep/er/x")
        assert file.download_file().readall() == "".join(names).encode()
        found = file.get_file_properties()
        assert (found.metadata, found.content_settings.content_type) == ({"a": "1"}, "text/plain")
        assert [p.name for p in system.get_paths("/")] == ["deep", "deep/er", "deep/er/x"]
        with pytest.raises(HttpResponseError) as caught:
            blob.commit_block_list([BlobBlock("never-sent")])
        assert caught.value.error_code == "InvalidBlockList"

    def test_upload_download_list(self, system: FileSystemClient, blobs: BlobServiceClient) -> None:
        container = blobs.get_container_client(system.file_system_name)
        container.upload_blob("a/x", bytes(range(256)) * 100, validate_content=True)
        container.upload_blob("a/y", b"")
        assert container.download_blob("a/x", 10, 20).readall() == bytes(range(10, 30))
        assert container.download_blob("a/y").readall() == b""
        assert [b.name for b in container.list_blobs(results_per_page=1)] == ["a", "a/x", "a/y"]
        assert [b.name for b in container.walk_blobs()] == ["a/"]
        with pytest.raises(ResourceExistsError):
            container.upload_blob("a/x", b"")
        container.delete_blob("a/x")
        assert [b.name for b in container.list_blobs("a/")] == ["a/y"]

    def test_copies_from_a_url(self, system: FileSystemClient, blobs: BlobServiceClient) -> None:
        name = system.file_system_name
        source = blobs.get_blob_client(name, "from")
        source.upload_blob(b"0123456789")
        sas = generate_blob_sas(
            ACCOUNT, name, "from", account_key=KEY, permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )  # fmt: skip
        url, etag = f"{source.url}?{sas}", source.get_blob_properties().etag
        pinned = {"source_etag": etag, "source_match_condition": MatchConditions.IfNotModified}
        target = blobs.get_blob_client(name, "to")
        for block, at in (("b1", 5), ("b2", 0)):
            target.stage_block_from_url(block, url, at, 5)
        target.commit_block_list([BlobBlock("b1"), BlobBlock("b2")])
        assert target.download_blob().readall() == b"5678901234"
        target.upload_blob_from_url(url, overwrite=True, **pinned)
        assert target.download_blob().readall() == b"0123456789"
        copied = blobs.get_blob_client(name, "copied")
        assert copied.start_copy_from_url(url)["copy_status"] == "success"
        assert copied.download_blob().readall() == b"0123456789"
        source.upload_blob(b"changed", overwrite=True)
        with pytest.raises(HttpResponseError) as caught:
            target.upload_blob_from_url(url, overwrite=True, **pinned)
        assert caught.value.status_code == 412
        with pytest.raises(HttpResponseError) as caught:
            target.stage_block_from_url("b3", source.url, 0, 5)
        assert caught.value.error_code == "CannotVerifyCopySource"


class TestAccess:
    def test_wrong_key(self, lake: Lake, system: FileSystemClient) -> None:
        with client_of(lake, {"account_name": ACCOUNT, "account_key": WRONG_KEY}) as service:
            other = service.get_file_system_client(system.file_system_name)
            with pytest.raises(ClientAuthenticationError) as caught:
                other.create_file("x")
            assert caught.value.error_code == "AuthenticationFailed"
            with pytest.raises(ClientAuthenticationError):
                other.get_file_client("x").get_file_properties()

    def test_sas(self, lake: Lake, system: FileSystemClient) -> None:
        system.get_file_client("dir/x").upload_data(b"data", overwrite=True)

        def opened(**over: Any) -> Any:
            given: dict[str, Any] = {
                "credential": KEY, "permission": FileSasPermissions(read=True),
                "expiry": datetime.now(UTC) + timedelta(hours=1),
            }  # fmt: skip
            sas = generate_file_sas(ACCOUNT, system.file_system_name, "dir", "x", **given | over)
            with client_of(lake, sas) as service:
                return service.get_file_client(system.file_system_name, "dir/x").download_file().readall()

        assert opened() == b"data"
        with pytest.raises(ClientAuthenticationError):
            opened(credential=WRONG_KEY)
        with pytest.raises(ClientAuthenticationError) as caught:
            opened(expiry=datetime.now(UTC) - timedelta(minutes=1))
        assert "time frame" in str(caught.value)
        with pytest.raises(HttpResponseError) as caught:
            opened(permission=FileSasPermissions(delete=True))
        assert caught.value.error_code == "AuthorizationPermissionMismatch"

    def test_missing_file_system(self, lake: Lake) -> None:
        with client_of(lake, {"account_name": ACCOUNT, "account_key": KEY}) as service:
            with pytest.raises(ResourceNotFoundError) as caught:
                service.get_file_system_client("missing").create_file("x")
            assert caught.value.error_code == "FilesystemNotFound"
