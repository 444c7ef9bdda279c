"""Copies with ADLS Gen2 at one end or both: bytes, tables, folders, access, the service's own copies."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from azure.storage.blob import BlobServiceClient
from servers.azurite import ACCOUNT, KEY, Azurite
from servers.dfs import Lake
from servers.lake_rig import LakeRig, lake_rig

import crossdock
from crossdock_connectors.azure.adls_store import AdlsStore
from crossdock_connectors.azure.blob_store import BlobStore

MIB = 1 << 20
ACL = "user::rwx,user:someone:r-x,group::r-x,mask::r-x,other::---"
DEFAULTS = ",default:user::rwx,default:group::---,default:other::---"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than this is written in blocks."""
    monkeypatch.setattr(AdlsStore, "whole_limit", 20_000)
    monkeypatch.setattr(BlobStore, "whole_limit", 20_000)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """Below ``tmp_path/from``."""
    random = Random(1)
    sizes = {"a/small": 10_000, "a/b/empty": 0, "a-b/x": 3, "large": 5 * MIB + 77, "ü/z z": 20_001}
    found = {name: random.randbytes(size) for name, size in sizes.items()}
    for name, data in found.items():
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_bytes(data)
    return found


@pytest.fixture
def other(lake: Lake) -> Iterator[LakeRig]:
    with lake_rig(lake) as rig:
        yield rig


@pytest.fixture
def blobs(azurite: Azurite) -> Iterator[tuple[str, dict[str, Any]]]:
    """An address on Azurite and its options."""
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    options = {"endpoint": azurite.url, "account_key": KEY, "ca_bundle": str(azurite.ca), "proxy": ""}
    with BlobServiceClient(azurite.url, credential, connection_verify=str(azurite.ca)) as client:
        name = f"c-{uuid.uuid4().hex}"
        client.create_container(name)
        yield f"az://{name}", options
        client.delete_container(name)


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class TestBytes:
    @pytest.mark.parametrize("through", ["blob", "dfs"])
    def test_there_and_back(
        self, tmp_path: Path, adls: LakeRig, files: dict[str, bytes], through: str
    ) -> None:
        options = adls.options | {"upload_through": through}
        there, size = f"{adls.url}/dir/", {"block_size": MIB, "parallel_copies": 4}
        result = crossdock.copy(f"{tmp_path}/from/", there, sink_options=options, verify=True, **size)
        assert result.files_written == len(files)
        assert adls.files() == {f"dir/{name}": data for name, data in files.items()}
        assert adls.staged() == []
        crossdock.copy(there, f"{tmp_path}/back/", source_options=options, **size)
        assert files_in(tmp_path / "back") == files

    def test_small_files_take_one_request_each(self, tmp_path: Path, adls: LakeRig) -> None:
        (tmp_path / "many").mkdir()
        for number in range(40):
            (tmp_path / "many" / f"{number:02}").write_bytes(b"x" * number)
        adls.lake.account.requests.clear()
        crossdock.copy(f"{tmp_path}/many/", f"{adls.url}/many/", sink_options=adls.options)
        assert adls.lake.account.count("PUT") == 40
        assert len(adls.lake.account.requests) <= 40 + 4, adls.lake.account.requests

    def test_large_files_are_staged_and_renamed(self, tmp_path: Path, adls: LakeRig) -> None:
        (tmp_path / "x").write_bytes(Random(2).randbytes(3 * MIB))
        adls.lake.account.requests.clear()
        crossdock.copy(tmp_path / "x", f"{adls.url}/a/x", sink_options=adls.options, block_size=MIB)
        count = adls.lake.account.count
        assert (count("PUT block"), count("PUT blocklist"), count("PUT rename")) == (3, 1, 1)
        assert count("DELETE") == 0

    def test_an_object_that_exists(self, tmp_path: Path, adls: LakeRig, files: dict[str, bytes]) -> None:
        adls.put("dir/large")
        with pytest.raises(crossdock.AlreadyExistsError):
            crossdock.copy(f"{tmp_path}/from/", f"{adls.url}/dir/", sink_options=adls.options)
        assert adls.files() == {"dir/large": b"theirs"}
        crossdock.copy(f"{tmp_path}/from/", f"{adls.url}/dir/", sink_options=adls.options, mode="overwrite")
        assert adls.read("dir/large") == files["large"]

    def test_moved(self, tmp_path: Path, adls: LakeRig) -> None:
        for name in ("a", "b/c"):
            adls.put(f"dir/{name}", name.encode())
        options = adls.options | {"delete_files_after_completion": "true"}
        crossdock.copy(f"{adls.url}/dir/", f"{tmp_path}/back/", source_options=options)
        assert files_in(tmp_path / "back") == {"a": b"a", "b/c": b"b/c"}
        assert adls.files() == {}


class TestBetweenServices:
    def test_blob_and_back(
        self, tmp_path: Path, adls: LakeRig, blobs: tuple[str, dict[str, Any]], files: dict[str, bytes]
    ) -> None:
        """Through this machine: neither service knows the other's certificate, nor does Azurite fetch."""
        url, options = blobs
        crossdock.copy(f"{tmp_path}/from/", f"{url}/dir/", sink_options=options)
        both = {"source_options": options, "sink_options": adls.options}
        result = crossdock.copy(f"{url}/dir/", f"{adls.url}/dir/", block_size=MIB, verify=True, **both)
        assert any("could not fetch from" in note for note in result.notes)
        assert adls.files() == {f"dir/{name}": data for name, data in files.items()}
        both = {"source_options": adls.options, "sink_options": options}
        crossdock.copy(f"{adls.url}/dir/", f"{url}/back/", block_size=MIB, **both)
        crossdock.copy(f"{url}/back/", f"{tmp_path}/back/", source_options=options)
        assert files_in(tmp_path / "back") == files

    def test_the_service_fetches_from_blob(
        self,
        *,
        tmp_path: Path,
        azurite: Azurite,
        adls: LakeRig,
        blobs: tuple[str, dict[str, Any]],
        files: dict[str, bytes],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        url, options = blobs
        trusting = ssl.create_default_context(cafile=str(azurite.ca))
        monkeypatch.setattr(adls.lake.account, "trust", trusting)
        crossdock.copy(f"{tmp_path}/from/", f"{url}/dir/", sink_options=options)
        adls.lake.account.requests.clear()
        both = {"source_options": options, "sink_options": adls.options}
        crossdock.copy(f"{url}/dir/large", f"{adls.url}/large", block_size=MIB, **both)
        assert adls.read("large") == files["large"]
        assert adls.lake.account.count("PUT block from url") == 6
        assert adls.lake.account.count("PUT block") == 0

    def test_the_service_copies_within(
        self, tmp_path: Path, adls: LakeRig, other: LakeRig, files: dict[str, bytes]
    ) -> None:
        crossdock.copy(f"{tmp_path}/from/", f"{adls.url}/dir/", sink_options=adls.options)
        adls.lake.account.requests.clear()
        both = {"source_options": adls.options, "sink_options": other.options}
        crossdock.copy(f"{adls.url}/dir/", f"{other.url}/dir/", block_size=MIB, **both)
        assert other.files() == {f"dir/{name}": data for name, data in files.items()}
        assert adls.lake.account.count("PUT block from url", ".crossdock-") == 6 + 3
        assert adls.lake.account.count("PUT block") == 0


class TestTables:
    @pytest.mark.parametrize("through", ["blob", "dfs"])
    def test_formats(
        self, tmp_path: Path, adls: LakeRig, blobs: tuple[str, dict[str, Any]], through: str
    ) -> None:
        """CSV here, Parquet on ADLS, CSV on Blob, Parquet on ADLS, and back: the same rows."""
        rows = 60_000
        table = pa.table({"id": range(rows), "text": [f"row {n}" for n in range(rows)]})
        for name in ("x", "y"):
            (tmp_path / "csv").mkdir(exist_ok=True)
            pyarrow.csv.write_csv(table, tmp_path / "csv" / f"{name}.csv")
        url, blob = blobs
        lake = adls.options | {"upload_through": through}
        size = {"block_size": 200_000, "parallel_copies": 4}
        crossdock.copy(
            f"{tmp_path}/csv/", f"{adls.url}/pq/", sink_format="parquet", sink_options=lake, **size
        )
        assert sorted(adls.files()) == ["pq/x.parquet", "pq/y.parquet"]
        assert pq.read_table(pa.BufferReader(adls.read("pq/x.parquet"))).sort_by("id").equals(table)
        crossdock.copy(
            f"{adls.url}/pq/*.parquet", f"{url}/csv/", sink_format="csv",
            source_options=adls.options, sink_options=blob, **size,
        )  # fmt: skip
        crossdock.copy(
            f"{url}/csv/x.csv", f"{adls.url}/again.parquet", source_options=blob, sink_options=lake
        )
        crossdock.copy(f"{adls.url}/again.parquet", tmp_path / "again.parquet", source_options=adls.options)
        assert pq.read_table(tmp_path / "again.parquet").sort_by("id").equals(table)
        assert adls.staged() == []


class TestPreserve:
    def test_access_of_files_and_folders(self, adls: LakeRig, other: LakeRig) -> None:
        adls.put("dir/sub/large", b"x" * 50_000)
        adls.put("dir/small", b"y")
        adls.client.create_directory("dir/empty")
        folder = adls.client.get_directory_client("dir/sub")
        folder.set_access_control(acl=ACL + DEFAULTS, owner="someone", group="some")
        for name in ("dir/sub/large", "dir/small"):
            file = adls.client.get_file_client(name)
            file.set_access_control(acl=ACL, owner=f"owner of {name}", group="some")
            file.set_metadata({"batch": "7"})
        adls.client.get_directory_client("dir/empty").set_access_control(permissions="0700")
        self._copy(adls, other, {"preserve": "ACL,Owner,Group", "empty_folders": "true"})
        for name in ("dir/sub/large", "dir/small"):
            found = other.client.get_file_client(name).get_access_control()
            assert (found["acl"], found["owner"]) == (ACL, f"owner of {name}")
            assert other.client.get_file_client(name).get_file_properties().metadata.get("batch") is None
        there = other.client.get_directory_client("dir/sub").get_access_control()
        assert (there["acl"], there["owner"], there["group"]) == (ACL + DEFAULTS, "someone", "some")
        empty = other.client.get_directory_client("dir/empty").get_access_control()
        assert empty["permissions"] == "rwx------"

    def test_no_more_than_was_asked_for(self, adls: LakeRig, other: LakeRig) -> None:
        adls.put("dir/x", b"x" * 50_000)
        file = adls.client.get_file_client("dir/x")
        file.set_access_control(acl=ACL, owner="someone")
        file.set_metadata({"batch": "7"})
        self._copy(adls, other, {"preserve": "Attributes"})
        copied = other.client.get_file_client("dir/x")
        assert copied.get_file_properties().metadata["batch"] == "7"
        found = copied.get_access_control()
        assert (found["owner"], "someone" in found["acl"]) == ("$superuser", False)

    def test_a_folder_without_files_is_left_out(self, adls: LakeRig, other: LakeRig) -> None:
        adls.put("dir/x")
        adls.client.create_directory("dir/empty")
        self._copy(adls, other, {"preserve": "ACL"})
        assert other.folders() == {"dir"}

    def test_nobody_sees_a_file_without_its_access(self, adls: LakeRig, other: LakeRig) -> None:
        """Access is set before the rename."""
        for name, size in (("large", 50_000), ("small", 1)):
            adls.put(f"dir/{name}", b"x" * size)
        adls.lake.account.requests.clear()
        self._copy(adls, other, {"preserve": "ACL"})
        asked = [
            (o, p) for o, p, _ in adls.lake.account.requests if o in ("PATCH setAccessControl", "PUT rename")
        ]
        for name in ("large", "small"):
            at = asked.index(("PUT rename", f"dir/{name}"))
            assert any("/.crossdock-" in path for _, path in asked[:at])
        files_asked = [path for operation, path in asked if operation.startswith("PATCH") and path != "dir"]
        assert len(files_asked) == 2
        assert all("/.crossdock-" in path for path in files_asked)
        assert other.staged() == []

    def test_from_blob(
        self, tmp_path: Path, adls: LakeRig, blobs: tuple[str, dict[str, Any]], azurite: Azurite
    ) -> None:
        url, options = blobs
        (tmp_path / "x").write_bytes(b"x" * 50_000)
        options["server_copy"] = "false"
        sink = options | {"metadata": "batch=7"}
        crossdock.copy(tmp_path / "x", f"{url}/x", sink_options=sink)
        kept = adls.options | {"preserve": "Attributes"}
        crossdock.copy(f"{url}/x", f"{adls.url}/x", source_options=options, sink_options=kept)
        assert adls.client.get_file_client("x").get_file_properties().metadata["batch"] == "7"
        with pytest.raises(crossdock.NotSupportedError, match="preserve=ACL: azureblob has none"):
            self._refused(url, adls, options)

    def _refused(self, url: str, adls: LakeRig, options: dict[str, Any]) -> None:
        kept = adls.options | {"preserve": "ACL"}
        crossdock.copy(f"{url}/x", f"{adls.url}/y", source_options=options, sink_options=kept)

    def _copy(self, adls: LakeRig, other: LakeRig, kept: dict[str, str]) -> None:
        crossdock.copy(
            f"{adls.url}/dir/", f"{other.url}/dir/", source_options=adls.options,
            sink_options=other.options | kept, block_size=20_000,
        )  # fmt: skip


class TestEmptyFolders:
    @pytest.mark.parametrize("there", [True, False])
    def test_to_and_from_local_files(self, tmp_path: Path, adls: LakeRig, there: bool) -> None:
        empty = {"empty_folders": "true"}
        if there:
            (tmp_path / "from" / "a" / "empty").mkdir(parents=True)
            (tmp_path / "from" / "x").write_bytes(b"x")
            crossdock.copy(f"{tmp_path}/from/", f"{adls.url}/dir/", sink_options=adls.options | empty)
            assert adls.folders() == {"dir", "dir/a", "dir/a/empty"}
        else:
            adls.client.create_directory("dir/a/empty")
            adls.put("dir/x")
            crossdock.copy(
                f"{adls.url}/dir/", f"{tmp_path}/to/", source_options=adls.options, sink_options=empty
            )
            assert (tmp_path / "to" / "a" / "empty").is_dir()

    def test_not_to_blob(self, adls: LakeRig, blobs: tuple[str, dict[str, Any]]) -> None:
        adls.put("dir/x")
        url, options = blobs
        with pytest.raises(crossdock.NotSupportedError, match="azureblob has no folders"):
            crossdock.copy(
                f"{adls.url}/dir/", f"{url}/", source_options=adls.options,
                sink_options=options | {"empty_folders": "true"},
            )  # fmt: skip
