"""The connector on crossdock's conformance kit, against moto's S3."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import boto3
import crossdock_obstore
import pytest
from crossdock_obstore import SPEC, open_store
from moto.server import ThreadedMotoServer
from obstore.exceptions import GenericError, PermissionDeniedError, PreconditionError

import crossdock
from crossdock import AlreadyExistsError, ConfigError, Location, ObjectStore, StageLostError
from crossdock.contract import StoreContract

KEYS = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """An S3 on loopback; its address."""
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


class TestS3(StoreContract):
    spec = SPEC
    driver_errors = (
        GenericError("the connection was reset"),
        PermissionDeniedError("no"),
        PreconditionError("another version"),
    )

    @pytest.fixture
    def s3(self, server: str) -> Any:
        """The bucket as another program sees it."""
        key = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        bucket = boto3.resource("s3", endpoint_url=server, **key).Bucket(f"b-{uuid.uuid4().hex}")
        bucket.create()
        type(self).options = {"endpoint": server, **KEYS}
        type(self).bucket = bucket
        return bucket

    @pytest.fixture
    def url(self, s3: Any) -> str:
        return f"obstore+s3://{s3.name}/some folder"

    def inventory(self, url: str) -> Collection[str]:
        return sorted(each.key for each in self.bucket.objects.all())

    def change(self, url: str, path: str, data: bytes) -> None:
        self.bucket.put_object(Key=f"some folder/{path}", Body=data)

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_multipart_upload_is_guarded(
        self, store: ObjectStore, url: str, overwrite: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is too large for one request: joined from its blocks, once, and not over somebody's change."""
        monkeypatch.setattr(crossdock_obstore, "WHOLE", 0)
        splits = (bytes(5_000_000), b"y" * 5_000_001)
        if overwrite:
            self.put(store, "x", b"old")
        pieces = self.cut(*splits)
        upload = self.stage(store, "x", pieces, overwrite=overwrite)
        blocks = [block for block, _ in pieces]
        store.commit(upload, blocks)
        store.commit(upload, blocks)
        assert self.get(store, "x") == b"".join(splits)
        late = self.stage(store, "z", pieces, overwrite=overwrite)
        looked = crossdock_obstore.ObstoreStore._guard

        def look(each: crossdock_obstore.ObstoreStore, begun: dict[str, Any]) -> None:
            """Somebody writes as soon as the commit has looked for the first time."""
            looked(each, begun)
            self.change(url, "z", b"theirs")

        monkeypatch.setattr(crossdock_obstore.ObstoreStore, "_guard", look)
        with self.raises(StageLostError if overwrite else AlreadyExistsError):
            store.commit(late, blocks)
        assert self.get(store, "z") == b"theirs"

    @property
    def block_size(self) -> int:
        return 1_000_000 if self._name.startswith("test_a_multipart") else super().block_size


def test_a_copy_there_and_back(server: str, tmp_path: Path) -> None:
    """Through the engine, as somebody has it who installed the plugin; several blocks, verified."""
    key = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    boto3.resource("s3", endpoint_url=server, **key).create_bucket(Bucket="landing")
    options, data = {"endpoint": server, **KEYS}, bytes(range(256)) * 4096
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "large.bin").write_bytes(data)
    (tmp_path / "in" / "small.bin").write_bytes(b"small")
    there, home = "obstore+s3://landing/data/", tmp_path / "home"
    sent = crossdock.copy(
        tmp_path / "in", there, sink_options=options, block_size="256KiB", verify=True, home=home
    )
    assert (sent.files_written, sent.verified) == (2, True)
    crossdock.copy(there, tmp_path / "out", source_options=options, home=home)
    assert (tmp_path / "out" / "large.bin").read_bytes() == data
    assert (tmp_path / "out" / "small.bin").read_bytes() == b"small"


@pytest.mark.parametrize(
    ("address", "options", "sentence"),
    [
        ("obstore+s3:///folder", {}, "needs a bucket"),
        ("obstore+gs://bucket", {"region": "eu"}, "region"),
        ("obstore+az://container", {}, "ccount"),
    ],
)
def test_what_is_wrong_is_said(
    address: str, options: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(ConfigError, match=sentence):
        open_store(SPEC.config.model_validate(options), Location.parse(address))
