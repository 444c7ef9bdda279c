"""Many small files to Azure Blob Storage: one request each, and nobody's blob is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure_rig import Rig
from servers.network_faults import reply_lost

import crossdock
from crossdock import AlreadyExistsError, CopyResult
from crossdock.prepare import automatic_parallel
from crossdock_connectors.azure import blob_list
from crossdock_connectors.azure.blob import SPEC

FILES = 12


@pytest.fixture
def folder(rig: Rig) -> Path:
    for number in range(FILES):
        rig.file(100 + number, f"in/{number:02d}", seed=number)
    return rig.folder / "in"


def written(rig: Rig, folder: Path) -> bool:
    return all(rig.read(f"out/{path.name}") == path.read_bytes() for path in folder.iterdir())


def test_one_request_a_file(rig: Rig, folder: Path) -> None:
    rig.up(folder, "out/")
    assert written(rig, folder)
    assert rig.proxy.count("PUT") == FILES
    assert rig.proxy.count() <= FILES + 2, [f"{s.method} {s.path} {s.query}" for s in rig.proxy.all()]


def test_one_that_exists_stops_all_before_any_data(rig: Rig, folder: Path) -> None:
    rig.put(b"theirs", "out/07")
    with pytest.raises(AlreadyExistsError, match="07 exists already"):
        rig.up(folder, "out/")
    assert rig.names() == ["out/07"]
    assert rig.read("out/07") == b"theirs"


def test_one_that_nobody_looked_for_is_not_replaced(
    rig: Rig, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies behind the first page of the listing: the write itself refuses it."""
    monkeypatch.setattr(blob_list, "PAGE", 2)
    for name in ("out/+1", "out/+2", "out/+3", "out/07"):
        rig.put(b"theirs", name)
    with pytest.raises(AlreadyExistsError, match="out/07 exists already; use --mode overwrite"):
        rig.up(folder, "out/")
    assert rig.read("out/07") == b"theirs"


def test_a_write_whose_answer_was_lost_is_our_own(rig: Rig, folder: Path) -> None:
    rig.proxy.fail("PUT", reply_lost, nth=5)
    rig.up(folder, "out/")
    assert written(rig, folder)
    assert (rig.proxy.count("PUT"), rig.proxy.count("HEAD")) == (FILES + 1, 1)


def test_credentials_that_may_only_write(rig: Rig, folder: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
    from servers.azurite import ACCOUNT, KEY

    sas = generate_account_sas(
        ACCOUNT, KEY, ResourceTypes(object=True), AccountSasPermissions(create=True, write=True),
        datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip
    options = {name: value for name, value in rig.options.items() if name != "account_key"}
    crossdock.copy(folder, f"{rig.url}/out/", sink_options=options | {"sas_token": sas}, parallel_copies=1)
    assert written(rig, folder)


def planned(result: CopyResult) -> int:
    """How many copies may work at the same time; how many do depends on the machine."""
    assert result.plan is not None
    return int(result.plan["parallelCopies"])


def test_more_requests_at_once_than_cores(rig: Rig, folder: Path) -> None:
    """A network's latency is waited for by several; tables need the cores."""
    suited = max(automatic_parallel(), SPEC.capabilities.parallel or 0)
    assert planned(rig.up(folder, "out/", parallel_copies="auto", dry_run=True)) == suited
    few = rig.up(
        folder, "few/", parallel_copies="auto", options={"max_concurrent_connections": "3"}, dry_run=True
    )
    assert planned(few) == min(3, suited)
    assert rig.up(folder, "out/", parallel_copies="auto").parallel_copies <= suited
    rig.put(b"a\n1\n", "t.csv")
    rows = rig.down(rig.folder / "t.parquet", "t.csv", parallel_copies="auto", block_size=None)
    assert rows.parallel_copies <= automatic_parallel()


def test_a_download_takes_blocks_that_suit_the_service(rig: Rig) -> None:
    """A local disk is faster with larger ones, which would take more memory and be less parallel."""
    size = (SPEC.capabilities.best_block or 0) + 1
    rig.put(bytes(size))
    rig.down(rig.folder / "back", block_size=None)
    assert rig.proxy.count("GET !comp") == 2
