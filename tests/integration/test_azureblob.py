"""Azure Blob Storage against Azurite over HTTPS: credentials, wrong ones, guards, foreign blocks, copies."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob import (
    AccountSasPermissions,
    BlobBlock,
    BlobServiceClient,
    ResourceTypes,
    generate_account_sas,
)
from servers.azurite import ACCOUNT, KEY, Azurite

import crossdock
from crossdock import (
    AlreadyExistsError,
    AuthError,
    Block,
    ConfigError,
    CrossdockError,
    InternalError,
    Location,
    NotFoundError,
    NotSupportedError,
    ObjectInfo,
    SourceChangedError,
    StageLostError,
    UploadRequest,
    UserError,
)
from crossdock_connectors.azure.address import place
from crossdock_connectors.azure.auth import with_credential
from crossdock_connectors.azure.blob import SPEC
from crossdock_connectors.azure.blob_store import BlobReader, BlobStore
from crossdock_connectors.azure.config import BlobConfig
from crossdock_connectors.azure.wire import Wire

WRONG_KEY = base64.b64encode(b"the key of somebody else").decode()


@pytest.fixture
def options(azurite: Azurite) -> dict[str, Any]:
    return {"endpoint": azurite.url, "account_key": KEY, "ca_bundle": str(azurite.ca), "proxy": ""}


@pytest.fixture
def client(azurite: Azurite) -> Iterator[BlobServiceClient]:
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    with BlobServiceClient(azurite.url, credential, connection_verify=str(azurite.ca)) as client:
        yield client


@pytest.fixture
def container(client: BlobServiceClient) -> Iterator[str]:
    name = f"c-{uuid.uuid4().hex}"
    client.create_container(name, public_access="blob")
    yield name
    client.delete_container(name)


def _open(container: str, options: dict[str, Any]) -> BlobStore:
    assert SPEC.open_store is not None
    config = SPEC.config.model_validate(options)
    store = SPEC.open_store(config, Location.parse(f"az://{container}"))
    assert isinstance(store, BlobStore)
    return store


@pytest.fixture
def store(container: str, options: dict[str, Any]) -> Iterator[BlobStore]:
    with closing(_open(container, options)) as store:
        yield store


def _read(store: BlobStore, path: str) -> bytes:
    with store.open_read(path) as reader:
        buffer = bytearray(reader.info.size)
        assert reader.read_into(0, memoryview(buffer)) == len(buffer)
    return bytes(buffer)


def _write(store: BlobStore, path: str, data: bytes, *, overwrite: bool = False) -> None:
    upload = store.open_upload(path, UploadRequest("run", overwrite))
    block = Block(0, 1, 0, 0, len(data))
    store.write_block(upload, block, memoryview(data))
    store.commit(upload, [block])


def _sas(**over: Any) -> str:
    given: dict[str, Any] = {
        "account_key": KEY,
        "resource_types": ResourceTypes(object=True, container=True),
        "permission": AccountSasPermissions(read=True, write=True, list=True, delete=True, create=True),
        "expiry": datetime.now(UTC) + timedelta(hours=1),
    }
    return str(generate_account_sas(ACCOUNT, **given | over))


class TestCredentials:
    def test_sas(self, container: str, options: dict[str, Any]) -> None:
        del options["account_key"]
        with closing(_open(container, options | {"sas_token": _sas()})) as store:
            _write(store, "a b/ü", b"by sas")
            assert _read(store, "a b/ü") == b"by sas"
            assert [info.path for page in store.list("a b/") for info in page] == ["a b/ü"]

    def test_connection_string(self, container: str, options: dict[str, Any]) -> None:
        text = f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={options['endpoint']}"
        given = {"connection_string": text, "ca_bundle": options["ca_bundle"], "proxy": ""}
        with closing(_open(container, given)) as store:
            _write(store, "x", b"by connection string")
            assert _read(store, "x") == b"by connection string"

    def test_entra_and_renewed_tokens(self, container: str, options: dict[str, Any]) -> None:
        issuer = _Issuer()
        config = BlobConfig.model_validate(options)
        where = place(config, Location.parse(f"az://{container}"))
        wire = Wire(where.service, with_credential(issuer), config)
        with closing(BlobStore(wire, where)) as store:
            _write(store, "x", b"by token")
            assert issuer.issued == 1
            issuer.seconds = 3600
            wire.signer.policy._token = issuer.get_token()  # type: ignore[union-attr]
            assert _read(store, "x") == b"by token"

    def test_anonymous(self, container: str, options: dict[str, Any], store: BlobStore) -> None:
        _write(store, "x", b"public")
        del options["account_key"]
        with closing(_open(container, options | {"auth": "anonymous"})) as reader:
            assert _read(reader, "x") == b"public"
            with pytest.raises(UserError):
                _write(reader, "y", b"not allowed")
        assert [info.path for page in store.list() for info in page] == ["x"]

    def test_environment(
        self, container: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
        monkeypatch.setenv("SSL_CERT_FILE", options["ca_bundle"])
        with closing(_open(container, {"endpoint": options["endpoint"], "proxy": ""})) as store:
            _write(store, "x", b"by environment")
            assert _read(store, "x") == b"by environment"


class _Issuer:
    """Issues the tokens that Azurite takes with ``--oauth basic``: it looks at times and audience only."""

    def __init__(self) -> None:
        self.issued, self.seconds = 0, 3600

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.issued += 1
        now = int(datetime.now(UTC).timestamp())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
            "nbf": now - 60, "iat": now - 60, "exp": now + self.seconds,
        }  # fmt: skip
        parts = [{"alg": "none", "typ": "JWT"}, claims]
        text = ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)
        return AccessToken(f"{text}.c2ln", now + self.seconds)


class TestBadInput:
    """One sentence, no secret, nothing left behind."""

    def _refused(
        self, container: str, options: dict[str, Any], kind: type[CrossdockError], says: str
    ) -> None:
        with closing(_open(container, options)) as store, pytest.raises(kind, match=says) as caught:
            _write(store, "x", b"data")
        text = f"{caught.value} {caught.value.detail}"
        for secret in (KEY, WRONG_KEY, "sig="):
            assert secret not in text

    def test_wrong_key(self, container: str, options: dict[str, Any], store: BlobStore) -> None:
        options["account_key"] = WRONG_KEY
        self._refused(container, options, AuthError, "credentials|signature")
        assert list(store.list()) == []

    def test_key_that_is_no_key(self, container: str, options: dict[str, Any]) -> None:
        options["account_key"] = "not base64!"
        with pytest.raises(ConfigError, match="account key is not"):
            _open(container, options)

    def test_sas_without_permission(self, container: str, options: dict[str, Any]) -> None:
        del options["account_key"]
        options["sas_token"] = _sas(permission=AccountSasPermissions(read=True))
        self._refused(container, options, UserError, "SAS the permissions")

    def test_wrong_ca(self, container: str, options: dict[str, Any]) -> None:
        del options["ca_bundle"]
        self._refused(container, options, ConfigError, "certificate of 127.0.0.1 is not trusted.*ca_bundle")

    def test_missing_container(self, options: dict[str, Any]) -> None:
        self._refused("missing-container", options, NotFoundError, "container that does not exist")
        with closing(_open("missing-container", options)) as store, pytest.raises(NotFoundError):
            list(store.list())

    def test_no_such_host(self, options: dict[str, Any]) -> None:
        options["endpoint"] = "https://no-such-account.blob.invalid"
        self._refused(
            "landing", options | {"account": "contoso"}, CrossdockError, "no-such-account.blob.invalid"
        )

    def test_lease(self, container: str, options: dict[str, Any], client: BlobServiceClient) -> None:
        blob = client.get_blob_client(container, "x")
        blob.upload_blob(b"theirs")
        lease = blob.acquire_lease()
        with closing(_open(container, options)) as store:
            with pytest.raises(UserError, match="lease"):
                _write(store, "x", b"ours", overwrite=True)
            with pytest.raises(UserError, match="lease"):
                store.put_whole(store.open_upload("x", UploadRequest("run", True, 4)), memoryview(b"ours"))
        assert blob.download_blob().readall() == b"theirs"
        lease.release()


class TestFolders:
    """Blobs that other programs put where a folder is."""

    def test_marks_of_folders_are_no_files(
        self, container: str, options: dict[str, Any], client: BlobServiceClient, tmp_path: Path
    ) -> None:
        for name in ("sub", "sub/deeper"):
            client.get_blob_client(container, name).upload_blob(b"", metadata={"hdi_isfolder": "true"})
        for name in ("", "slash/"):
            client.get_blob_client(container, f"{name}empty").upload_blob(b"", metadata={"other": "true"})
        client.get_blob_client(container, "slash/").upload_blob(b"")
        client.get_blob_client(container, "sub/deeper/f").upload_blob(b"data")
        result = crossdock.copy(f"az://{container}", tmp_path / "out", source_options=options)
        found = {str(p.relative_to(tmp_path / "out")) for p in tmp_path.glob("out/**/*") if p.is_file()}
        assert found == {"empty", "slash/empty", "sub/deeper/f"}
        assert (tmp_path / "out/sub/deeper/f").read_bytes() == b"data"
        assert result.status == "Succeeded"

    def test_a_blob_with_bytes_is_never_left_out(
        self, container: str, options: dict[str, Any], client: BlobServiceClient, tmp_path: Path
    ) -> None:
        """Its name may end in a slash, which a disk cannot have."""
        for name in ("in/dir/", "in/dir/f"):
            client.get_blob_client(container, name).upload_blob(name.encode())
        with pytest.raises(ConfigError, match="'dir/' is not the path of a file"):
            crossdock.copy(f"az://{container}/in", tmp_path / "out", source_options=options)
        given = {"source_options": options, "sink_options": options}
        assert crossdock.copy(f"az://{container}/in", f"az://{container}/to", **given).files_written == 2
        there = client.get_blob_client(container, "to/dir/")
        assert there.download_blob().readall() == b"in/dir/"

    def test_a_prefix_that_a_run_has_emptied(
        self,
        container: str,
        options: dict[str, Any],
        client: BlobServiceClient,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The rest is gone by somebody else's hand: that is a file that vanished, not a lost source."""
        for n in range(3):
            client.get_blob_client(container, f"in/f{n}").upload_blob(b"x" * 100)
        given = {"source_options": options | {"delete_files_after_completion": "true"}, "parallel_copies": 1}
        real = BlobStore.open_read

        def stops(store: BlobStore, path: str, info: ObjectInfo | None = None) -> BlobReader:
            if path.endswith("f2"):
                raise RuntimeError("stopped")
            return real(store, path, info)

        monkeypatch.setattr(BlobStore, "open_read", stops)
        with pytest.raises(InternalError):
            crossdock.copy(f"az://{container}/in", tmp_path / "out", run_id="r", **given)
        monkeypatch.setattr(BlobStore, "open_read", real)
        left = client.get_container_client(container)
        assert [blob.name for blob in left.list_blobs()] == ["in/f2"]
        left.delete_blob("in/f2")
        result = crossdock.resume("r", source_options={"account_key": KEY})
        assert result.files_skipped == 1
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["f0", "f1"]


class TestGuards:
    def test_whole_is_not_written_over_anything(self, store: BlobStore, client: BlobServiceClient) -> None:
        upload = store.open_upload("x", UploadRequest("run", False, 4))
        client.get_blob_client(store.place.container, "x").upload_blob(b"theirs")
        with pytest.raises(AlreadyExistsError):
            store.put_whole(upload, memoryview(b"ours"))
        assert _read(store, "x") == b"theirs"

    def test_whole_twice_is_once(self, store: BlobStore) -> None:
        """The first answer was lost: the second call finds the first one's blob."""
        upload = store.open_upload("x", UploadRequest("run", False, 4))
        store.put_whole(upload, memoryview(b"ours"))
        first = store.stat("x")
        store.put_whole(upload, memoryview(b"ours"))
        assert store.stat("x") == first

    def test_somebody_else_in_between(self, store: BlobStore, client: BlobServiceClient) -> None:
        """Overwriting, but not what appeared after we looked."""
        blob = client.get_blob_client(store.place.container, "x")
        blob.upload_blob(b"old")
        upload = store.open_upload("x", UploadRequest("run", True))
        block = Block(0, 1, 0, 0, 4)
        store.write_block(upload, block, memoryview(b"ours"))
        blob.set_blob_metadata({"changed": "yes"})
        with pytest.raises(StageLostError, match="somebody else"):
            store.commit(upload, [block])
        assert _read(store, "x") == b"old"

    @pytest.mark.parametrize("width", [8, 12, 24, 48])
    def test_foreign_blocks_are_never_committed(
        self, store: BlobStore, client: BlobServiceClient, width: int
    ) -> None:
        """Left by a program that died: its names are shorter, as long as ours, longer."""
        blob = client.get_blob_client(store.place.container, "x")
        for number in range(3):
            name = f"{number:0{width}}"  # the SDK encodes it
            blob.stage_block(name, b"THEIRS")
        pieces = [(Block(0, 1, i, i * 4, 4), b"%04d" % i) for i in range(20)]
        upload = store.open_upload("x", UploadRequest("run"))
        for block, data in pieces:
            store.write_block(upload, block, memoryview(data))
        store.commit(upload, [block for block, _ in pieces])
        assert _read(store, "x") == b"".join(data for _, data in pieces)
        _, uncommitted = blob.get_block_list("all")
        assert uncommitted == []

    def test_foreign_blocks_with_names_too_short_for_ours(
        self, store: BlobStore, client: BlobServiceClient
    ) -> None:
        client.get_blob_client(store.place.container, "x").stage_block("1", b"THEIRS")
        with pytest.raises(NotSupportedError, match="unfinished upload of another program"):
            store.open_upload("x", UploadRequest("run"))

    def test_a_blob_that_is_replaced_while_it_is_read(
        self, store: BlobStore, client: BlobServiceClient
    ) -> None:
        blob = client.get_blob_client(store.place.container, "x")
        blob.upload_blob(b"a" * 100)
        with store.open_read("x", store.stat("x")) as reader:
            buffer = memoryview(bytearray(50))
            assert reader.read_into(0, buffer) == 50
            blob.upload_blob(b"b" * 100, overwrite=True)
            with pytest.raises(SourceChangedError):
                reader.read_into(50, buffer)

    def test_a_blob_of_other_blocks(self, store: BlobStore, client: BlobServiceClient) -> None:
        """Written by the SDK in blocks of its own; ours replaces it whole."""
        blob = client.get_blob_client(store.place.container, "x")
        names = [base64.b64encode(b"%024d" % i).decode() for i in range(3)]
        for name in names:
            blob.stage_block(name, b"theirs")
        blob.commit_block_list([BlobBlock(name) for name in names])
        _write(store, "x", b"ours", overwrite=True)
        assert _read(store, "x") == b"ours"


class TestCopies:
    """The engine with the store: what is read back is what was there."""

    @pytest.fixture(autouse=True)
    def _home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CROSSDOCK_HOME", str(tmp_path / "home"))

    def test_there_and_back(self, tmp_path: Path, container: str, options: dict[str, Any]) -> None:
        files = {"a/small": b"x" * 10_000, "a/b/empty": b"", "large": bytes(range(256)) * 80_000}
        for name, data in files.items():
            (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "from" / name).write_bytes(data)
        there = f"az://{container}/dir/"
        size = {"block_size": 4 << 20}
        crossdock.copy(f"{tmp_path}/from/", there, sink_options=options, verify=True, **size)
        crossdock.copy(there, f"{tmp_path}/back/", source_options=options, **size)
        back = {
            str(p.relative_to(tmp_path / "back")): p.read_bytes()
            for p in (tmp_path / "back").rglob("*")
            if p.is_file()
        }
        assert back == files

    def test_an_object_that_exists(
        self, tmp_path: Path, container: str, options: dict[str, Any], store: BlobStore
    ) -> None:
        _write(store, "x", b"theirs")
        (tmp_path / "x").write_bytes(b"ours")
        with pytest.raises(AlreadyExistsError):
            crossdock.copy(str(tmp_path / "x"), f"az://{container}/x", sink_options=options)
        assert _read(store, "x") == b"theirs"
        crossdock.copy(str(tmp_path / "x"), f"az://{container}/x", sink_options=options, mode="overwrite")
        assert _read(store, "x") == b"ours"
