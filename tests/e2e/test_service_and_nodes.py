"""A service and nodes as processes: what becomes of copies when any of them is killed."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from servers.node import NodeProcess, command, node, register
from servers.service import SUBSCRIPTION, ServiceProcess, service
from servers.waiting import eventually

GROUP = "group"
FACTORY = "factory"
ALWAYS = {
    "lastUpdatedAfter": datetime.now(UTC) - timedelta(days=1),
    "lastUpdatedBefore": datetime.now(UTC) + timedelta(days=1),
}
ENDED = ("Succeeded", "Failed", "Cancelled")


# Agents are started and stopped, and leases run out.
pytestmark = pytest.mark.timeout(300)
# A node that is silent for so many seconds has lost its jobs.
LEASE = ("--lease", "15")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One for all tests here, each with a factory of the same name."""
    with service(tmp_path_factory.mktemp("service"), *LEASE) as found:
        yield found


def prepare(client: Any) -> None:
    client.factories.create_or_update(GROUP, FACTORY, {})
    runtime = {"properties": {"type": "SelfHosted"}}
    client.integration_runtimes.create_or_update(GROUP, FACTORY, "here", runtime)


@pytest.fixture
def sdk(server: ServiceProcess) -> Iterator[Any]:
    with server.sdk() as client:
        prepare(client)
        yield client
        client.factories.delete(GROUP, FACTORY)


@pytest.fixture
def registered(tmp_path: Path, server: ServiceProcess, sdk: Any) -> Callable[..., Path]:
    def make(name: str, runtime: str = "here") -> Path:
        key = sdk.integration_runtimes.list_auth_keys(GROUP, FACTORY, runtime).auth_key1
        register(tmp_path / name, server, key, name)
        return tmp_path / name

    return make


def copying(sdk: Any, source: Path, sink: Path, **more: Any) -> str:
    """Begin a run of a copy from one folder to another; returns its id."""
    via = {"referenceName": "here", "type": "IntegrationRuntimeReference"}
    for name, folder in (("source", source), ("sink", sink)):
        host = {"type": "FileServer", "connectVia": via, "typeProperties": {"host": str(folder)}}
        sdk.linked_services.create_or_update(GROUP, FACTORY, name, {"properties": host})
        link = {"referenceName": name, "type": "LinkedServiceReference"}
        location = {"location": {"type": "FileServerLocation"}}
        dataset = {"type": "Binary", "linkedServiceName": link, "typeProperties": location}
        sdk.datasets.create_or_update(GROUP, FACTORY, name, {"properties": dataset})
    copy = {
        "name": "copy",
        "type": "Copy",
        "inputs": [{"referenceName": "source", "type": "DatasetReference"}],
        "outputs": [{"referenceName": "sink", "type": "DatasetReference"}],
        "typeProperties": {
            "source": {
                "type": "BinarySource",
                "storeSettings": {"type": "FileServerReadSettings", "recursive": True},
            },
            "sink": {"type": "BinarySink", "storeSettings": {"type": "FileServerWriteSettings"}},
            **more,
        },
    }
    sdk.pipelines.create_or_update(GROUP, FACTORY, "copy", {"properties": {"activities": [copy]}})
    run_id: str = sdk.pipelines.create_run(GROUP, FACTORY, "copy").run_id
    return run_id


def status(sdk: Any, run_id: str) -> str:
    found: str = sdk.pipeline_runs.get(GROUP, FACTORY, run_id).status
    return found


def state(sdk: Any) -> str:
    found: str = sdk.integration_runtimes.get_status(GROUP, FACTORY, "here").properties.state
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def many(folder: Path, count: int = 5) -> dict[str, bytes]:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.bin").write_bytes(os.urandom(1000))
    return files(folder)


def worker_of(found: NodeProcess) -> list[int]:
    """The processes of the jobs that a node carries out."""
    children = Path(f"/proc/{found.process.pid}/task/{found.process.pid}/children").read_text().split()
    return [int(each) for each in children]


def test_copies_on_two_nodes(tmp_path: Path, sdk: Any, registered: Callable[..., Path]) -> None:
    wanted = many(tmp_path / "source")
    with node(registered("a")) as first, node(registered("b")):
        eventually(
            lambda: sdk.integration_runtimes.get_status(GROUP, FACTORY, "here").properties.state == "Online"
        )
        run_id = copying(sdk, tmp_path / "source", tmp_path / "sink")
        eventually(lambda: status(sdk, run_id) in ENDED)
        assert status(sdk, run_id) == "Succeeded"
        assert files(tmp_path / "sink") == wanted
        told = sdk.integration_runtimes.get_status(GROUP, FACTORY, "here").properties.type_properties
        assert [(each.node_name, each.status) for each in told.nodes] == [("a", "Online"), ("b", "Online")]
        assert first.stop() == 0
        told = sdk.integration_runtimes.get_status(GROUP, FACTORY, "here").properties
        assert (told.state, told.type_properties.nodes[0].status) == ("Limited", "Offline")


def test_failing_copy_says_why(tmp_path: Path, sdk: Any, registered: Callable[..., Path]) -> None:
    with node(registered("a")):
        run_id = copying(sdk, tmp_path / "nothing", tmp_path / "sink")
        eventually(lambda: status(sdk, run_id) in ENDED)
    found = sdk.pipeline_runs.get(GROUP, FACTORY, run_id)
    assert found.status == "Failed"
    assert "nothing" in found.message


def test_policy_of_the_node_holds(tmp_path: Path, sdk: Any, registered: Callable[..., Path]) -> None:
    many(tmp_path / "source")
    home = registered("a")
    with node(home):
        # While it runs: it holds for the jobs that begin after it.
        changed = command(home, "policy", "--allow-path", str(tmp_path / "elsewhere"))
        assert changed.returncode == 0, changed.stderr
        run_id = copying(sdk, tmp_path / "source", tmp_path / "sink")
        eventually(lambda: status(sdk, run_id) in ENDED)
    found = sdk.pipeline_runs.get(GROUP, FACTORY, run_id)
    assert (found.status, "outside of what is allowed" in found.message) == ("Failed", True)
    assert not (tmp_path / "sink").exists()


def test_service_restarts_while_a_node_works(tmp_path: Path) -> None:
    wanted = many(tmp_path / "source", 200)
    home, state = tmp_path / "a", tmp_path / "service"
    state.mkdir()
    with service(state, *LEASE) as first, first.sdk() as sdk:
        prepare(sdk)
        register(home, first, sdk.integration_runtimes.list_auth_keys(GROUP, FACTORY, "here").auth_key1, "a")
        with node(home):
            run_id = copying(sdk, tmp_path / "source", tmp_path / "sink")
            eventually(lambda: status(sdk, run_id) != "Queued")
            first.kill()
            options = ["--port", first.url.rpartition(":")[2], *LEASE]
            with service(state, *options, token=first.token) as again, again.sdk() as client:
                eventually(lambda: status(client, run_id) in ENDED)
                assert status(client, run_id) == "Succeeded"
    assert files(tmp_path / "sink") == wanted


def test_crash_of_a_worker_is_that_copys(tmp_path: Path, sdk: Any, registered: Callable[..., Path]) -> None:
    wanted = many(tmp_path / "source")
    (tmp_path / "sink").mkdir()
    with node(registered("a")) as found:
        os.kill(found.process.pid, signal.SIGSTOP)
        run_id = copying(sdk, tmp_path / "source", tmp_path / "sink")
        os.kill(found.process.pid, signal.SIGCONT)
        eventually(lambda: bool(worker_of(found)))
        for each in worker_of(found):
            # Another signal would leave nothing of its memory either.
            assert resource.prlimit(each, resource.RLIMIT_CORE) == (0, 0)
            assert int(Path(f"/proc/{each}/coredump_filter").read_text(), 16) == 0
            os.kill(each, signal.SIGKILL)
        eventually(lambda: status(sdk, run_id) in ENDED)
        assert status(sdk, run_id) == "Failed"
        assert "signal 9" in sdk.pipeline_runs.get(GROUP, FACTORY, run_id).message
        again = sdk.pipelines.create_run(GROUP, FACTORY, "copy").run_id
        eventually(lambda: status(sdk, again) in ENDED)
        assert status(sdk, again) == "Succeeded"
    assert files(tmp_path / "sink") == wanted


def test_stop_waits_for_jobs_or_ends_them(
    tmp_path: Path, sdk: Any, registered: Callable[[str], Path]
) -> None:
    many(tmp_path / "source")
    home = registered("a")
    with node(home) as found:
        copying(sdk, tmp_path / "source", tmp_path / "sink")
        eventually(lambda: bool(worker_of(found)))
        workers = worker_of(found)
        for each in workers:
            os.kill(each, signal.SIGSTOP)
        waited = command(home, "stop", "--wait", "1")
        assert (waited.returncode, "it waits for its jobs" in waited.stderr) == (1, True)
        assert found.process.poll() is None
        assert command(home, "stop", "--now", "--wait", "50").returncode == 0
        found.process.wait(5)
        assert not any(Path(f"/proc/{each}").exists() for each in workers)


def test_killed_nodes_job_goes_on_elsewhere(
    tmp_path: Path, sdk: Any, registered: Callable[..., Path]
) -> None:
    wanted = many(tmp_path / "source")
    with node(registered("a")) as first:
        home = registered("b")
        with node(home):
            # It has the key of the runtime's vault from the first.
            eventually(lambda: state(sdk) == "Online")
        run_id = copying(sdk, tmp_path / "source", tmp_path / "sink")
        eventually(lambda: bool(worker_of(first)))
        workers = worker_of(first)
        first.process.kill()
        for each in workers:
            os.kill(each, signal.SIGKILL)
    with node(home):
        eventually(lambda: status(sdk, run_id) in ENDED, within=90)
    assert status(sdk, run_id) == "Succeeded"
    assert files(tmp_path / "sink") == wanted


def test_runtime_whose_vault_is_lost(
    server: ServiceProcess, sdk: Any, registered: Callable[..., Path]
) -> None:
    """Its only node is gone: another one is given jobs when it has made a new vault."""
    command(registered("a"), "unregister")
    with node(registered("b")), server.client() as client:
        eventually(lambda: state(sdk) == "Limited")
        place = f"subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}/providers/Microsoft.DataFactory"
        path = f"/crossdock/v1/{place}/factories/{FACTORY}/integrationRuntimes/here/resetVault"
        assert client.post(path).json() == {"version": 2, "secretsToGiveAgain": []}
        eventually(lambda: state(sdk) == "Online")


def between(sdk: Any, stage: Path, source: Path, sink: Path) -> str:
    """Begin a staged copy of CSV to Parquet from the runtime ``here`` to ``there``; returns the run's id."""
    sdk.integration_runtimes.create_or_update(GROUP, FACTORY, "there", {"properties": {"type": "SelfHosted"}})
    for name, folder, runtime in (
        ("source", source, "here"),
        ("sink", sink, "there"),
        ("stage", stage, "here"),
    ):
        via = {"referenceName": runtime, "type": "IntegrationRuntimeReference"}
        host = {"type": "FileServer", "connectVia": via, "typeProperties": {"host": str(folder)}}
        sdk.linked_services.create_or_update(GROUP, FACTORY, name, {"properties": host})
    location = {"location": {"type": "FileServerLocation"}}
    for name, kind, more in (
        ("source", "DelimitedText", {"firstRowAsHeader": True}),
        ("sink", "Parquet", {"location": {"type": "FileServerLocation", "fileName": "all.parquet"}}),
    ):
        link = {"referenceName": name, "type": "LinkedServiceReference"}
        dataset = {"type": kind, "linkedServiceName": link, "typeProperties": {**location, **more}}
        sdk.datasets.create_or_update(GROUP, FACTORY, name, {"properties": dataset})
    link = {"referenceName": "stage", "type": "LinkedServiceReference"}
    copy = {
        "name": "copy",
        "type": "Copy",
        "inputs": [{"referenceName": "source", "type": "DatasetReference"}],
        "outputs": [{"referenceName": "sink", "type": "DatasetReference"}],
        "typeProperties": {
            "source": {
                "type": "DelimitedTextSource",
                "storeSettings": {"type": "FileServerReadSettings", "wildcardFileName": "*.csv"},
            },
            "sink": {"type": "ParquetSink", "storeSettings": {"type": "FileServerWriteSettings"}},
            "enableStaging": True,
            "stagingSettings": {"linkedServiceName": link, "path": "staged"},
        },
    }
    sdk.pipelines.create_or_update(GROUP, FACTORY, "between", {"properties": {"activities": [copy]}})
    run_id: str = sdk.pipelines.create_run(GROUP, FACTORY, "between").run_id
    return run_id


def test_staged_copy_between_two_runtimes(tmp_path: Path, sdk: Any, registered: Callable[..., Path]) -> None:
    """Neither node may touch what the other one copies."""
    source, sink, stage = (tmp_path / name for name in ("source", "sink", "stage"))
    for each in (source, sink, stage):
        each.mkdir()
    (source / "a.csv").write_text("id,name\n1,one\n2,two\n")
    run_id = between(sdk, stage, source, sink)
    first = ["--allow-path", str(source), "--allow-path", str(stage)]
    second = ["--allow-path", str(sink), "--allow-path", str(stage)]
    with node(registered("a"), *first), node(registered("b", "there"), *second):
        eventually(lambda: status(sdk, run_id) in ENDED)
    found = sdk.pipeline_runs.get(GROUP, FACTORY, run_id)
    assert found.status == "Succeeded", found.message
    table = pq.read_table(sink / "all.parquet")
    assert table.to_pydict() == {"id": ["1", "2"], "name": ["one", "two"]}
    assert not [each for each in stage.rglob("*") if each.is_file()]
    (told,) = sdk.activity_runs.query_by_pipeline_run(GROUP, FACTORY, run_id, ALWAYS).value
    assert (told.output["rowsRead"], told.output["rowsCopied"]) == (2, 2)
    assert len(told.output["executionDetails"]) == 2


def test_wrong_keys_and_services(tmp_path: Path, server: ServiceProcess, sdk: Any) -> None:
    home = tmp_path / "home"
    good = sdk.integration_runtimes.list_auth_keys(GROUP, FACTORY, "here").auth_key1
    ca = ["--ca", str(server.ca)]
    bad = good[:-6] + ("AAAAA=" if good[-6:-1] != "AAAAA" else "BBBBB=")
    nobody = good.replace(server.url.removeprefix("https://"), "localhost:1")
    for key, options, said in (
        ("", ca, "not of the form"),
        ("nonsense", ca, "not of the form"),
        (bad, ca, "The auth key is not valid"),
        (nobody, ca, "cannot be reached"),
        (good, [], "its certificate is not trusted"),
        (good, ["--ca", str(tmp_path / "none.pem")], "is no file of certificates"),
    ):
        done = command(home, "register", *options, key=key or " ")
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("crossdock: Failed to register this Integration Runtime node! ")
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
        assert good.split("@")[-1] not in done.stderr
    done = command(home, "start")
    assert (done.returncode, "no node is registered" in done.stderr) == (2, True)
