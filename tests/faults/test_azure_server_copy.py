"""Copies within Azure: the service fetches by itself, and where it cannot the bytes go through us."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure_rig import BLOCK, BLOCKS, SIZE, Rig
from servers.dfs import Lake
from servers.dfs_wire import ACCOUNT, KEY
from servers.fault_proxy import Exchange
from servers.network_faults import refusal, status

import crossdock
from crossdock import NotFoundError, SourceChangedError
from crossdock_connectors.azure.http1 import Connection

DATA = Random(7).randbytes(SIZE)


@dataclass
class Passed:
    """Bytes of bodies that went through this process."""

    sent: int = 0
    got: int = 0


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Passed:
    counted, send, read_into = Passed(), Connection.send, Connection.read_into

    def sending(connection: Connection, head: bytes, body: Any) -> None:
        counted.sent += len(body or b"")
        send(connection, head, body)

    def reading(connection: Connection, buffer: memoryview) -> int:
        got = read_into(connection, buffer)
        counted.got += got
        return got

    monkeypatch.setattr(Connection, "send", sending)
    monkeypatch.setattr(Connection, "read_into", reading)
    return counted


@dataclass
class Two:
    """Two containers of one account, whose service can fetch."""

    client: BlobServiceClient
    lake: Lake
    names: tuple[str, str]

    def copy(self, source: str = "x", sink: str = "y", **given: Any) -> crossdock.CopyResult:
        options = {"endpoint": self.lake.url, "account_key": KEY, "ca_bundle": str(self.lake.ca), "proxy": ""}
        return crossdock.copy(
            f"az://{self.names[0]}/{source}", f"az://{self.names[1]}/{sink}", block_size=BLOCK,
            parallel_copies=1, **{"source_options": options, "sink_options": options} | given,
        )  # fmt: skip

    def read(self, name: str = "y") -> bytes:
        return self.client.get_blob_client(self.names[1], name).download_blob().readall()

    @property
    def fetched(self) -> int:
        return self.lake.account.count("PUT block from url")


@pytest.fixture
def two(lake: Lake) -> Iterator[Two]:
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    with BlobServiceClient(lake.url, credential, connection_verify=str(lake.ca)) as client:
        names = (f"from-{uuid.uuid4().hex}", f"to-{uuid.uuid4().hex}")
        for name in names:
            client.create_container(name)
        client.get_blob_client(names[0], "x").upload_blob(DATA)
        lake.account.requests.clear()
        yield Two(client, lake, names)


class TestTheServiceFetches:
    def test_no_byte_comes_through_this_machine(self, two: Two, passed: Passed) -> None:
        result = two.copy()
        assert passed.sent + passed.got < 5000, passed
        assert (result.bytes_written, result.notes) == (SIZE, [])
        assert two.fetched == BLOCKS
        assert two.read() == DATA

    def test_verified(self, two: Two) -> None:
        """What was fetched is read back, and the source with it."""
        assert two.copy(verify=True).verified
        assert two.read() == DATA

    def test_a_folder(self, two: Two, passed: Passed) -> None:
        expected = {"in/a": b"", "in/b/c": b"1", "in/d": DATA}
        for name, data in expected.items():
            two.client.get_blob_client(two.names[0], name).upload_blob(data)
        passed.sent = passed.got = 0
        two.copy("in/", "out/")
        assert passed.sent + passed.got < 8000, passed
        assert {name: two.read(name.replace("in/", "out/")) for name in expected} == expected

    def test_a_source_that_changes_is_no_mixture(self, two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
        from crossdock_connectors.azure.blob_store import BlobStore

        real, calls = BlobStore.copy_block, []

        def then_change(store: BlobStore, *given: Any) -> None:
            real(store, *given)
            calls.append(given)
            if len(calls) == 2:
                two.client.get_blob_client(two.names[0], "x").upload_blob(b"z" * SIZE, overwrite=True)

        monkeypatch.setattr(BlobStore, "copy_block", then_change)
        with pytest.raises(SourceChangedError):
            two.copy()
        assert not two.client.get_blob_client(two.names[1], "y").exists()


class TestTheServiceCannotFetch:
    """Azurite cannot at all; others refuse for reasons of their own."""

    def copied(self, rig: Rig, **given: Any) -> crossdock.CopyResult:
        rig.put(DATA, "from")
        rig.proxy.forget()
        result = crossdock.copy(
            f"{rig.url}/from", f"{rig.url}/x", source_options=rig.options, sink_options=rig.options,
            block_size=BLOCK, parallel_copies=1, **given,
        )  # fmt: skip
        assert rig.read() == DATA
        return result

    def test_an_emulator(self, rig: Rig) -> None:
        result = self.copied(rig)
        assert len(result.notes) == 1
        assert result.notes[0].startswith("the bytes went through this machine: ")
        assert "could not fetch from" in result.notes[0]
        fetches = [seen for seen in rig.proxy.all("PUT comp=block") if "x-ms-copy-source" in seen.headers]
        assert len(fetches) == 1, "it is asked once, not for each block"

    @pytest.mark.parametrize("code", [400, 401, 403, 404, 409])
    def test_a_source_that_the_service_may_not_read(self, rig: Rig, code: int) -> None:
        def refuse(exchange: Exchange) -> None:
            if "x-ms-copy-source" in exchange.seen.headers:
                exchange.reply(refusal(code, "CannotVerifyCopySource"))
            else:
                exchange.reply(exchange.forward())

        rig.proxy.fail("PUT comp=block", refuse, times=None)
        assert "went through this machine" in self.copied(rig).notes[0]
        assert rig.proxy.count("PUT comp=block") == BLOCKS + 1

    def test_a_service_that_fails_for_a_moment(self, rig: Rig) -> None:
        """That is no refusal: it is asked again, and only then says what Azurite says."""
        rig.proxy.fail("PUT comp=block", status(503, "CannotVerifyCopySource"))
        result = self.copied(rig)
        fetches = [seen for seen in rig.proxy.all("PUT comp=block") if "x-ms-copy-source" in seen.headers]
        assert (len(fetches), result.retries) == (2, 1)

    def test_a_source_that_is_gone(self, rig: Rig) -> None:
        def gone(exchange: Exchange) -> None:
            rig.blob("from").delete_blob()
            exchange.reply(refusal(404, "CannotVerifyCopySource"))

        rig.proxy.fail("PUT comp=block", gone)
        with pytest.raises(NotFoundError):
            self.copied(rig)

    def test_not_asked_where_it_is_switched_off(self, rig: Rig) -> None:
        rig.options["server_copy"] = "false"
        assert self.copied(rig).notes == []
        assert rig.proxy.count("PUT comp=block") == BLOCKS


def test_what_the_service_fetched_is_not_fetched_again(
    two: Two, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Resumed after a failure, only the missing blocks are asked for."""
    from crossdock_connectors.azure.blob_store import BlobStore

    monkeypatch.setenv("CROSSDOCK_HOME", str(tmp_path))
    real, calls = BlobStore.copy_block, []

    def then_fail(store: BlobStore, *given: Any) -> None:
        if len(calls) == 4:
            raise crossdock.AuthError("the SAS has expired")
        calls.append(given)
        real(store, *given)

    monkeypatch.setattr(BlobStore, "copy_block", then_fail)
    with pytest.raises(crossdock.AuthError) as caught:
        two.copy()
    monkeypatch.setattr(BlobStore, "copy_block", real)
    before = two.fetched
    secret = {"account_key": KEY, "proxy": ""}
    assert caught.value.run_id
    crossdock.resume(caught.value.run_id, source_options=secret, sink_options=secret)
    assert two.fetched - before == BLOCKS - 4
    assert two.read() == DATA
