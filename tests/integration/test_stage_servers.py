"""Staged copies over HTTPS: databases, blobs and a lake; no secret of a stage is kept."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from adbc_driver_postgresql import dbapi
from azure.storage.blob import BlobServiceClient, ContainerClient
from observing import Record, read_shelf
from servers.azurite import ACCOUNT, KEY, Azurite
from servers.lake_rig import LakeRig
from staged_tables import ROWS, WORDS, files, rows_of

import crossdock
from crossdock import api


@pytest.fixture
def container(azurite: Azurite) -> Iterator[ContainerClient]:
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    with BlobServiceClient(azurite.url, credential, connection_verify=str(azurite.ca)) as client:
        container = client.create_container(f"c-{uuid.uuid4().hex}")
        yield container
        container.delete_container()


@pytest.fixture
def blob_options(azurite: Azurite) -> dict[str, str]:
    return {"endpoint": azurite.url, "account_key": KEY, "ca_bundle": str(azurite.ca), "proxy": ""}


class TestServers:
    def test_sqlite_to_postgres(self, words: str, database: str, stage: Path) -> None:
        result = crossdock.copy(words, f"{database}#words", stage=stage, verify=True)
        with dbapi.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT * FROM words ORDER BY id")
            assert cursor.fetchall() == WORDS
        assert result.verified
        assert files(stage) == []

    def test_postgres_by_blob_to_sqlite(
        self, database: str, container: ContainerClient, blob_options: dict[str, str], tmp_path: Path
    ) -> None:
        with dbapi.connect(database, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE n AS SELECT i::bigint id, 'w' || i word FROM generate_series(1, 5000) i"
            )
        result = crossdock.copy(
            f"{database}#n",
            f"sqlite:///{tmp_path}/b.db",
            stage=f"az://{container.container_name}/staged",
            stage_options=blob_options,
            verify=True,
        )
        assert rows_of(tmp_path / "b.db", "n") == [(i, f"w{i}") for i in range(1, 5001)]
        assert result.hops[0].sink.connector == result.hops[1].source.connector == "azureblob"
        assert list(container.list_blobs(include=["uncommittedblobs"])) == []

    def test_failure_leaves_no_blocks_either(
        self, shelf: Path, container: ContainerClient, blob_options: dict[str, str]
    ) -> None:
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                "rows://here", f"shelf://{shelf}", stage=f"az://{container.container_name}",
                stage_options=blob_options, parallel_copies=2,
                source_options={"rows": "1000", "fail": "batch:RuntimeError", "fail_split": "5"},
            )  # fmt: skip
        assert list(container.list_blobs(include=["uncommittedblobs"])) == []

    def test_by_a_lake(self, adls: LakeRig, words: str, tmp_path: Path) -> None:
        crossdock.copy(
            words, f"sqlite:///{tmp_path}/b.db", stage=f"{adls.url}/staged", stage_options=adls.options,
            verify=True,
        )  # fmt: skip
        assert rows_of(tmp_path / "b.db") == WORDS
        assert [path.name for path in adls.client.get_paths()] in ([], ["staged"])


class TestSecrets:
    def test_none_is_kept_and_a_resumed_run_needs_them_again(  # noqa: PLR0917 - fixtures
        self,
        words: str,
        shelf: Path,
        sink_record: Record,
        container: ContainerClient,
        blob_options: dict[str, str],
        home: Path,
    ) -> None:
        stage = f"az://{container.container_name}/staged"
        fail = {"fail": "commit:RuntimeError", **sink_record.options}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                words, f"shelf://{shelf}", sink_options=fail, stage=stage, stage_options=blob_options,
                keep_staging=True, run_id="r",
            )  # fmt: skip
        kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
        assert KEY.encode() not in kept
        with pytest.raises(
            crossdock.AuthError, match=r"the stage's account_key \(--stage-option account_key="
        ) as caught:
            api.resume("r")
        assert caught.value.resumable
        with pytest.raises(crossdock.ConfigError, match="is not the stage of the run"):
            api.resume("r", stage="az://other/staged", stage_options={"account_key": KEY})
        api.resume("r", stage_options={"account_key": KEY})
        assert read_shelf(shelf, "words").num_rows == ROWS
        crossdock.stage_remove(f"{stage}/crossdock-stage-r", stage_options=blob_options)
        assert list(container.list_blobs()) == []

    def test_forget_needs_those_of_the_stage(
        self, words: str, shelf: Path, sink_record: Record, container: ContainerClient,
        blob_options: dict[str, str],
    ) -> None:  # fmt: skip
        fail = {"fail": "commit:RuntimeError", **sink_record.options}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                words, f"shelf://{shelf}", sink_options=fail, stage=f"az://{container.container_name}",
                stage_options=blob_options, keep_staging=True, run_id="r",
            )  # fmt: skip
        with pytest.raises(crossdock.AuthError, match="account_key"):
            api.forget("r")
        assert list(container.list_blobs())
        asked: list[str] = []

        def ask(what: str) -> str:
            asked.append(what)
            return KEY

        api.forget("r", ask=ask)
        assert asked == ["the stage's account_key"]
        assert list(container.list_blobs()) == []
