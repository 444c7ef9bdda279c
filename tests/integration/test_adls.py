"""ADLS Gen2 against a real HTTPS server: addresses, credentials, wrong ones, guards, listings."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.storage.filedatalake import (
    AccountSasPermissions,
    FileSystemSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_file_system_sas,
)
from servers.dfs_wire import ACCOUNT, KEY
from servers.lake_rig import LakeRig, read, write
from servers.tunnel import tunnel

from crossdock import (
    AccessDeniedError,
    AlreadyExistsError,
    Block,
    ConfigError,
    Location,
    ObjectAttributes,
    SourceChangedError,
    StageLostError,
    UploadRequest,
)
from crossdock_connectors.azure import adls_list
from crossdock_connectors.azure.address import place
from crossdock_connectors.azure.adls_store import AdlsStore
from crossdock_connectors.azure.adls_upload import BlobStage, Upload
from crossdock_connectors.azure.auth import with_credential
from crossdock_connectors.azure.blob_store import BlobStore
from crossdock_connectors.azure.checksum import Sealed
from crossdock_connectors.azure.config import AdlsConfig
from crossdock_connectors.azure.wire import Wire

WRONG_KEY = base64.b64encode(b"the key of somebody else").decode()
HOUR = timedelta(hours=1)


@pytest.fixture
def store(adls: LakeRig) -> Iterator[AdlsStore]:
    with closing(adls.open()) as store:
        yield store


class TestAddresses:
    @pytest.mark.parametrize(
        "form",
        [
            "abfss://{name}@{account}.dfs.core.windows.net/dir",
            "https://{account}.dfs.core.windows.net/{name}/dir",
        ],
    )
    def test_real_ones(self, adls: LakeRig, form: str) -> None:
        """Each request goes to the endpoint that it is for."""
        url = form.format(name=adls.name, account=ACCOUNT)
        with tunnel(adls.lake.port) as proxy:
            with closing(adls.open(url, endpoint=None, proxy=proxy.url)) as store:
                write(store, "a/x", b"content")
                store.put_whole(store.open_upload("y", UploadRequest("run", False, 2)), memoryview(b"me"))
                assert read(store, "a/x") == b"content"
                assert [info.path for page in store.list() for info in page] == ["a/x", "y"]
            assert set(proxy.hosts) == {f"{ACCOUNT}.{kind}.core.windows.net:443" for kind in ("dfs", "blob")}
        assert adls.read("dir/a/x") == b"content"

    def test_dfs_alone(self, adls: LakeRig) -> None:
        with tunnel(adls.lake.port) as proxy:
            options = {"endpoint": None, "proxy": proxy.url, "upload_through": "dfs"}
            with closing(adls.open(**options)) as store:
                write(store, "a/x", b"content")
                store.put_whole(store.open_upload("y", UploadRequest("run", False, 2)), memoryview(b"me"))
                assert read(store, "a/x") == b"content"
            assert set(proxy.hosts) == {f"{ACCOUNT}.dfs.core.windows.net:443"}

    def test_another_blob_endpoint(self, adls: LakeRig) -> None:
        with closing(adls.open(blob_endpoint="https://127.0.0.1:1/nobody")) as store:
            assert [*store.list()] == []
            assert store.blobs.wire.service.port == 1

    @pytest.mark.parametrize("url", ["abfss://account.dfs.core.windows.net/x", "abfss://@host/x"])
    def test_incomplete(self, adls: LakeRig, url: str) -> None:
        with pytest.raises(ConfigError, match="abfss://FILESYSTEM@ACCOUNT"):
            adls.open(url)


class TestCredentials:
    def test_sas_of_the_account(self, adls: LakeRig) -> None:
        sas = generate_account_sas(
            ACCOUNT,
            KEY,
            ResourceTypes(service=True, file_system=True, object=True),
            AccountSasPermissions(read=True, write=True, list=True, delete=True, create=True),
            datetime.now(UTC) + HOUR,
        )
        self._works(adls, {"account_key": None, "sas_token": sas})

    def test_sas_of_the_file_system(self, adls: LakeRig) -> None:
        letters = "racwdlmeop"
        permission = FileSystemSasPermissions.from_string(letters)
        sas = generate_file_system_sas(ACCOUNT, adls.name, KEY, permission, datetime.now(UTC) + HOUR)
        self._works(adls, {"account_key": None, "sas_token": sas})
        with closing(adls.open(f"{adls.url}/?{sas}", account_key=None)) as store:
            write(store, "z", b"by a SAS in the address")

    def _works(self, adls: LakeRig, given: dict[str, Any]) -> None:
        for through in ("blob", "dfs"):
            with closing(adls.open(**given, upload_through=through)) as store:
                write(store, "a b/ü", b"ours", overwrite=True)
                assert read(store, "a b/ü") == b"ours"
                assert [info.path for page in store.list() for info in page] == ["a b/ü"]
                store.make_folder("a b", ObjectAttributes(owner="me"))
                store.delete("a b/ü")

    def test_entra(self, adls: LakeRig) -> None:
        config = AdlsConfig.model_validate(adls.options)
        where = place(config, Location.parse(adls.url), "dfs")
        wire = Wire(where.service, with_credential(_Issuer()), config)
        blobs = BlobStore(wire, where)
        with closing(AdlsStore(wire, where, blobs, BlobStage(blobs, Sealed(wire)))) as store:
            write(store, "x", b"by token")
            assert read(store, "x") == b"by token"


class _Issuer:
    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        now = int(time.time())
        claims = {"aud": "https://storage.azure.com", "nbf": now - 60, "exp": now + 3600}
        parts = [{"alg": "none"}, claims]
        text = ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)
        return AccessToken(f"{text}.c2ln", now + 3600)


def _expired() -> str:
    return generate_file_system_sas(
        ACCOUNT, "any", KEY, FileSystemSasPermissions(write=True), datetime.now(UTC) - HOUR
    )


def _without_permission(name: str) -> str:
    return generate_file_system_sas(
        ACCOUNT, name, KEY, FileSystemSasPermissions(list=True), datetime.now(UTC) + HOUR
    )


class TestBadInput:
    """One sentence that says what to do, exit 2, no secret, nothing changed."""

    def _copy(self, adls: LakeRig, folder: Path, url: str, **over: str) -> str:
        (folder / "x").write_bytes(b"data")
        options = {name: value for name, value in (adls.options | over).items() if value}
        given = [part for name, value in options.items() for part in ("-k", f"{name}={value}")]
        done = subprocess.run(
            [sys.executable, "-m", "crossdock", "copy", str(folder / "x"), url, *given],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        for secret in (KEY, WRONG_KEY, "&sig="):
            assert secret not in done.stderr
        assert adls.files() == {}
        assert adls.staged() == []
        return " ".join(done.stderr.split())

    @pytest.mark.parametrize(
        ("over", "says"),
        [
            ({"account_key": WRONG_KEY}, "check the account key"),
            ({"account_key": "", "sas_token": _expired()}, "the SAS expired at"),
            ({"account_key": "", "sas_token": "sv=2021-12-02"}, "the SAS is not complete"),
            ({"ca_bundle": ""}, "not trusted here"),
        ],
    )
    def test_credentials(self, adls: LakeRig, tmp_path: Path, over: dict[str, str], says: str) -> None:
        assert says in self._copy(adls, tmp_path, f"{adls.url}/x", **over)

    def test_sas_without_permission(self, adls: LakeRig, tmp_path: Path) -> None:
        over = {"account_key": "", "sas_token": _without_permission(adls.name)}
        assert "the SAS the permissions it lacks" in self._copy(adls, tmp_path, f"{adls.url}/x", **over)

    def test_missing_file_system(self, adls: LakeRig, tmp_path: Path) -> None:
        url = f"abfss://missing@{ACCOUNT}.dfs.core.windows.net/x"
        assert "does not exist; create" in self._copy(adls, tmp_path, url)

    def test_no_file_system(self, adls: LakeRig, tmp_path: Path) -> None:
        url = f"abfss://{ACCOUNT}.dfs.core.windows.net/x"
        assert "abfss://FILESYSTEM@ACCOUNT" in self._copy(adls, tmp_path, url)

    @pytest.mark.parametrize("path", [".crossdock-run/x", "a/.crossdock-x"])
    def test_names_of_staged_data(self, adls: LakeRig, tmp_path: Path, path: str) -> None:
        assert "staged data" in self._copy(adls, tmp_path, f"{adls.url}/{path}")

    def test_through_a_file(self, adls: LakeRig, store: AdlsStore) -> None:
        adls.put("x")
        for whole in (True, False):
            with pytest.raises(AlreadyExistsError):
                _put(store, "x/y", whole=whole)
        assert adls.files() == {"x": b"theirs"}

    @pytest.mark.parametrize("whole", [True, False])
    @pytest.mark.parametrize("overwrite", [True, False])
    def test_a_folder_at_the_target(
        self, adls: LakeRig, store: AdlsStore, whole: bool, overwrite: bool
    ) -> None:
        adls.put("dir/x")
        with pytest.raises(AlreadyExistsError, match="folder"):
            _put(store, "dir", whole=whole, overwrite=overwrite)
        assert adls.files() == {"dir/x": b"theirs"}

    @pytest.mark.parametrize("whole", [True, False])
    def test_lease(self, adls: LakeRig, store: AdlsStore, whole: bool) -> None:
        adls.put("x")
        adls.client.get_file_client("x").acquire_lease()
        with pytest.raises(AccessDeniedError, match="lease"):
            _put(store, "x", whole=whole, overwrite=True)
        with pytest.raises(AccessDeniedError, match="lease"):
            store.delete("x")
        assert adls.read("x") == b"theirs"


def _put(store: AdlsStore, path: str, *, whole: bool, overwrite: bool = False) -> None:
    """``ours``, in one request or staged; nothing staged is left."""
    upload = store.open_upload(path, UploadRequest("run", overwrite, 4 if whole else None))
    try:
        if whole:
            store.put_whole(upload, memoryview(b"ours"))
        else:
            block = Block(0, 1, 0, 0, 4)
            store.write_block(upload, block, memoryview(b"ours"))
            store.commit(upload, [block])
    finally:
        store.abort(upload)


@pytest.mark.parametrize("through", ["blob", "dfs"])
class TestGuards:
    @pytest.fixture
    def store(self, adls: LakeRig, through: str) -> Iterator[AdlsStore]:
        with closing(adls.open(upload_through=through)) as store:
            yield store

    def test_somebody_else_in_between(self, adls: LakeRig, store: AdlsStore) -> None:
        """Overwriting, but not what appeared after we looked."""
        adls.put("x", b"old")
        upload, block = store.open_upload("x", UploadRequest("run", True)), Block(0, 1, 0, 0, 4)
        store.write_block(upload, block, memoryview(b"ours"))
        adls.put("x")
        with pytest.raises(StageLostError, match="changed by somebody else"):
            store.commit(upload, [block])
        store.abort(upload)
        assert adls.files() == {"x": b"theirs"}
        assert adls.staged() == []

    def test_somebody_else_after_the_commit(self, adls: LakeRig, store: AdlsStore) -> None:
        upload, block = store.open_upload("x", UploadRequest("run", True)), Block(0, 1, 0, 0, 4)
        store.write_block(upload, block, memoryview(b"ours"))
        store.commit(upload, [block])
        adls.put("x")
        with pytest.raises(StageLostError):
            store.commit(upload, [block])
        assert adls.read("x") == b"theirs"

    @pytest.mark.parametrize("splits", [1, 3])
    @pytest.mark.parametrize("known", [True, False])
    def test_a_commit_that_got_half_way(
        self, adls: LakeRig, store: AdlsStore, through: str, known: bool, splits: int
    ) -> None:
        """Killed when the staged file was complete and not renamed yet."""
        upload = store.open_upload("x", UploadRequest("run"))
        blocks = [Block(n, 1, 0, 0, 4, 4 * n if known else None) for n in range(splits)]
        for block in blocks:
            store.write_block(upload, block, memoryview(b"our%d" % block.split))
        store._stage.seal(Upload.decode(upload), blocks)
        assert [*store.list()] == []
        with closing(adls.open(upload_through=through)) as again:
            again.commit(upload, blocks)
            again.abort(upload)
        assert adls.files() == {"x": b"our0our1our2"[: 4 * splits]}
        assert adls.staged() == []

    @pytest.mark.parametrize("offset", [0, None])
    def test_a_late_block(self, adls: LakeRig, store: AdlsStore, through: str, offset: int | None) -> None:
        """A worker that was thought dead writes when all is over: nothing of it is seen, now or later."""
        upload, block = store.open_upload("x", UploadRequest("run")), Block(0, 1, 0, 0, 4, offset)
        store.write_block(upload, block, memoryview(b"ours"))
        store.abort(upload)
        if through == "dfs":
            with pytest.raises(StageLostError):
                store.write_block(upload, block, memoryview(b"late"))
        else:
            store.write_block(upload, block, memoryview(b"late"))
        assert set(adls.system.nodes) == {""}

    def test_folders_that_were_made_go_again(self, adls: LakeRig, store: AdlsStore) -> None:
        adls.client.create_directory("kept")
        uploads = [store.open_upload(f"kept/a/b/{n}", UploadRequest("run")) for n in "xy"]
        for upload in uploads:
            store.write_block(upload, Block(0, 1, 0, 0, 4), memoryview(b"ours"))
        store.commit(uploads[0], [Block(0, 1, 0, 0, 4)])
        store.abort(uploads[0])
        store.abort(uploads[1])
        assert adls.files() == {"kept/a/b/x": b"ours"}
        upload = store.open_upload("kept/c/d/x", UploadRequest("run"))
        store.write_block(upload, Block(0, 1, 0, 0, 4), memoryview(b"ours"))
        store.abort(upload)
        assert adls.folders() == {"kept", "kept/a", "kept/a/b"}

    def test_a_file_that_is_replaced_while_it_is_read(self, adls: LakeRig, store: AdlsStore) -> None:
        adls.put("x", b"a" * 100)
        with store.open_read("x", store.stat("x")) as reader:
            buffer = memoryview(bytearray(50))
            assert reader.read_into(0, buffer) == 50
            adls.put("x", b"b" * 100)
            with pytest.raises(SourceChangedError):
                reader.read_into(50, buffer)


class TestListing:
    def test_pages_and_folders(
        self, adls: LakeRig, store: AdlsStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Folders of several pages, in the order of whole paths."""
        monkeypatch.setattr(adls_list, "PAGE", 3)
        names = sorted(
            f"{a}/{b}{c}" for a in ("d", "d-1", "d.x/e", "z") for b in "abc" for c in ("", "-x", "/y")
        )
        names = [name for name in names if f"{name}/y" not in names]
        for name in names:
            self._make(adls, name)
        self._make(adls, "d/.crossdock-run.1")
        found = list(store.list())
        assert [info.path for page in found for info in page] == names
        assert max(len(page) for page in found) <= 3
        for after in (names[7], "d/", "d.", "zz"):
            wanted = [name for name in names if name > after]
            assert [info.path for page in store.list("", after) for info in page] == wanted
        wanted = [name for name in names if name.startswith("d.x/e/a")]
        assert [info.path for page in store.list("d.x/e/a") for info in page] == wanted

    def _make(self, adls: LakeRig, name: str) -> None:
        adls.system.new(name, folder=False)

    def test_folders_are_asked_for_at_once(self, adls: LakeRig, store: AdlsStore) -> None:
        """Only those that can hold wanted files."""
        for folder in range(20):
            self._make(adls, f"f{folder:02}/sub/x")
        adls.lake.account.requests.clear()
        assert len([info for page in store.list("f1", "f17/") for info in page]) == 3
        assert adls.lake.account.count("GET filesystem") == 1 + 2 * 3
