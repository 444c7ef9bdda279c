"""Runs into Azure Blob Storage: two at once into one blob, and a resume when the blocks are gone."""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient
from observing import Record
from servers.azurite import ACCOUNT, KEY, Azurite

import crossdock
from crossdock import api

SIZE, BLOCK = 40 << 18, 1 << 18


@pytest.fixture
def options(azurite: Azurite) -> dict[str, Any]:
    return {"endpoint": azurite.url, "account_key": KEY, "ca_bundle": str(azurite.ca), "proxy": ""}


@pytest.fixture
def container(azurite: Azurite) -> Iterator[ContainerClient]:
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    with BlobServiceClient(azurite.url, credential, connection_verify=str(azurite.ca)) as client:
        container = client.create_container(f"c-{uuid.uuid4().hex}")
        yield container
        container.delete_container()


def content(number: int) -> bytes:
    return Random(number).randbytes(SIZE)


@pytest.mark.parametrize("mode", ["error", "overwrite"])
def test_two_runs_into_one_blob(
    tmp_path: Path, container: ContainerClient, options: dict[str, Any], mode: str
) -> None:
    """The first commit discards the other's blocks: whoever ends well is whole, and the loser says why."""
    outcomes: list[Any] = [None, None]

    def copy(number: int) -> None:
        source = tmp_path / f"source{number}"
        source.write_bytes(content(number))
        try:
            outcomes[number] = crossdock.copy(
                source,
                f"az://{container.container_name}/it.bin",
                sink_options=options,
                mode=mode,
                block_size=BLOCK,
                parallel_copies=2,
                bandwidth="8MB/s",
            )
        except crossdock.CrossdockError as error:
            outcomes[number] = error

    threads = [threading.Thread(target=copy, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [number for number in range(2) if isinstance(outcomes[number], crossdock.CopyResult)]
    assert won, outcomes
    found = container.download_blob("it.bin").readall()
    assert found in [content(number) for number in won]
    if mode == "error":
        (winner,) = won
        assert isinstance(outcomes[1 - winner], crossdock.AlreadyExistsError)


@pytest.mark.parametrize("days", [6, 8])
def test_resuming_when_the_blocks_have_expired(
    tmp_path: Path,
    container: ContainerClient,
    options: dict[str, Any],
    source_record: Record,
    days: int,
) -> None:
    """The service keeps uncommitted blocks for a week: later, none of them is relied on."""
    again = days > 7
    source = tmp_path / "it.bin"
    source.write_bytes(content(1))
    with pytest.raises(crossdock.InternalError):
        crossdock.copy(
            f"hooked://{source}",
            f"az://{container.container_name}/it.bin",
            source_options=source_record.options | {"fail": "read:RuntimeError", "fail_skip": "12"},
            sink_options=options,
            block_size=BLOCK,
            parallel_copies=1,
            run_id="r",
        )
    done = api.show("r").splits_done
    assert done == 12
    with closing(sqlite3.connect(tmp_path / "home" / "runs" / "r.db")) as journal, journal:
        journal.execute("UPDATE run SET value = ? WHERE key = 'staged'", (str(time.time() - days * 86400),))
    source_record.clear()
    result = api.resume("r", sink_options={"account_key": KEY, "proxy": ""})
    assert container.download_blob("it.bin").readall() == content(1)
    assert source_record.count("opened") == (40 if again else 28)
    assert result.splits_skipped == (0 if again else 12)
    assert any("keeps staged data for 7 days only" in note for note in result.notes) == again
