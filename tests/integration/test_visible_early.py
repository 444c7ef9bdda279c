"""Objects that one request writes and shows: killed before the journal knew, they are known again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient
from servers.azurite import ACCOUNT, KEY, Azurite

import crossdock
from crossdock import api

NAMES = [f"{number:02}.bin" for number in range(6)]
KILLED = """
import json, os, signal, sys
import crossdock
from crossdock.journal import Journal
calls, real = 0, Journal.add_receipts
def add_receipts(self, done):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, done)
Journal.add_receipts = add_receipts
source, sink = sys.argv[1:3]
options = json.loads(os.environ["OPTIONS"])
crossdock.copy(source, sink, sink_options=options, parallel_copies=1, run_id="r")
"""


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


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode() * 500)
    return folder


def visible(container: ContainerClient) -> dict[str, bytes]:
    return {blob.name: container.download_blob(blob.name).readall() for blob in container.list_blobs()}


def kill(source: Path, container: ContainerClient, options: dict[str, Any], nth: int) -> None:
    """Kill a copy when so many objects can be seen; the journal has a receipt for all but the last."""
    command = [sys.executable, "-c", KILLED, f"{source}/", f"az://{container.container_name}/", str(nth)]
    environment = os.environ | {"OPTIONS": json.dumps(options)}
    done = subprocess.run(command, env=environment, check=False, timeout=60)
    assert done.returncode == -9
    assert len(visible(container)) == nth
    shown = api.show("r")
    assert (shown.units_visible, shown.splits_done) == (nth - 1, nth - 1)


@pytest.mark.parametrize("nth", [1, 4])
def test_resuming_knows_its_own_object(
    source: Path, container: ContainerClient, options: dict[str, Any], nth: int
) -> None:
    """In mode ``error``: it exists, and it is ours."""
    kill(source, container, options, nth)
    before = {blob.name: blob.etag for blob in container.list_blobs()}
    result = api.resume("r", sink_options={"account_key": KEY, "proxy": ""})
    assert (result.splits_skipped, result.files_written) == (nth - 1, len(NAMES))
    assert visible(container) == {name: (source / name).read_bytes() for name in NAMES}
    assert {blob.name: blob.etag for blob in container.list_blobs() if blob.name in before} == before


def test_somebody_elses_object_is_refused(
    source: Path, container: ContainerClient, options: dict[str, Any]
) -> None:
    kill(source, container, options, 2)
    container.upload_blob(NAMES[1], b"theirs", overwrite=True)
    with pytest.raises(crossdock.AlreadyExistsError):
        api.resume("r", sink_options={"account_key": KEY, "proxy": ""})
    assert visible(container)[NAMES[1]] == b"theirs"
    assert api.show("r").units_visible == 1


def test_giving_up_says_what_can_be_seen(
    source: Path, container: ContainerClient, options: dict[str, Any]
) -> None:
    """Also where no receipt says so: the sink is asked."""
    kill(source, container, options, 1)
    (source / NAMES[0]).write_bytes(b"another version")
    with pytest.raises(crossdock.SourceChangedError) as caught:
        api.resume("r", sink_options={"account_key": KEY, "proxy": ""})
    assert not caught.value.resumable
    assert caught.value.run_id == "r"
    shown = api.show("r")
    assert (shown.units_visible, shown.units_total, shown.state) == (1, len(NAMES), "failed")
    from crossdock.cli.runs import _details

    grid = _details(shown)
    texts = [str(cell) for column in grid.columns for cell in column._cells]
    assert f"1 of {len(NAMES)} units can be seen at the sink" in texts
