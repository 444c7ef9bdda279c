"""Integration runtimes with the official client, and the protocol of their nodes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from servers.node_client import NodeClient
from servers.service import ServiceProcess
from servers.tenants import path

GROUP = "group"
RUNTIME = {"properties": {"type": "SelfHosted", "description": "here"}}


@pytest.fixture
def sdk(control_plane: ServiceProcess) -> Iterator[Any]:
    with control_plane.sdk() as client:
        yield client


@pytest.fixture
def factory(sdk: Any) -> str:
    name = f"factory-{uuid.uuid4().hex[:12]}"
    sdk.factories.create_or_update(GROUP, name, {})
    sdk.integration_runtimes.create_or_update(GROUP, name, "runtime", RUNTIME)
    return name


@pytest.fixture
def node(control_plane: ServiceProcess) -> Iterator[NodeClient]:
    with httpx.Client(base_url=control_plane.url, verify=control_plane.tls(), timeout=30) as http:
        yield NodeClient(http)


def key_of(sdk: Any, factory: str, number: int = 1) -> str:
    keys = sdk.integration_runtimes.list_auth_keys(GROUP, factory, "runtime")
    found: str = keys.auth_key1 if number == 1 else keys.auth_key2
    return found


def status(sdk: Any, factory: str) -> Any:
    return sdk.integration_runtimes.get_status(GROUP, factory, "runtime")


def test_life_of_a_runtime(sdk: Any, factory: str) -> None:
    found = sdk.integration_runtimes.get(GROUP, factory, "RunTime")
    assert (found.name, found.properties.description) == ("runtime", "here")
    changed = sdk.integration_runtimes.update(
        GROUP, factory, "runtime", {"autoUpdate": "On", "updateDelayOffset": '"PT19H"'}
    )
    assert changed.etag == found.etag
    told = status(sdk, factory).properties
    assert (told.state, told.type_properties.auto_update) == ("NeedRegistration", "On")
    assert told.type_properties.update_delay_offset == "PT19H"
    with pytest.raises(HttpResponseError, match="duration"):
        sdk.integration_runtimes.update(GROUP, factory, "runtime", {"updateDelayOffset": "soon"})
    sdk.integration_runtimes.delete(GROUP, factory, "runtime")
    with pytest.raises(ResourceNotFoundError):
        status(sdk, factory)


def test_auth_keys(sdk: Any, factory: str, control_plane: ServiceProcess) -> None:
    first, second = key_of(sdk, factory), key_of(sdk, factory, 2)
    kind, guid, named, endpoint, last = first.split("@")
    assert (kind, named) == ("IR", factory)
    assert endpoint == "ServiceEndpoint=" + control_plane.url.removeprefix("https://")
    assert (uuid.UUID(guid), len(last)) == (uuid.UUID(second.split("@")[1]), 44)
    made = sdk.integration_runtimes.regenerate_auth_key(GROUP, factory, "runtime", {"keyName": "authKey2"})
    assert (made.auth_key1, made.auth_key2 != second) == (None, True)
    assert key_of(sdk, factory) == first


def only_node(sdk: Any, factory: str) -> tuple[str, str]:
    """Its status, and why it is that."""
    (only,) = status(sdk, factory).as_dict()["properties"]["typeProperties"]["nodes"]
    return only["status"], only["statusReason"]


def test_registering(sdk: Any, factory: str, node: NodeClient) -> None:
    key = key_of(sdk, factory, 2)
    answer = node.register(key)
    assert (answer.json()["factory"], answer.json()["runtime"]) == (factory, "runtime")
    assert only_node(sdk, factory) == ("Initializing", "it has not been heard of yet")
    capabilities = {"relay": True, "remote_access": False}
    assert node.beat(capabilities=capabilities, load={"cpu": 12, "memory": 1000}).status_code == 200
    told = status(sdk, factory).properties
    assert (told.state, told.type_properties.version) == ("Online", "0.1.0")
    (only,) = told.type_properties.nodes
    assert (only.node_name, only.is_active_dispatcher, only.concurrent_jobs_limit) == ("node", True, 4)
    assert (only.capabilities["serviceBusConnected"], only.capabilities["httpsPortEnabled"]) == (
        "True",
        "False",
    )
    (load,) = sdk.integration_runtimes.get_monitoring_data(GROUP, factory, "runtime").nodes
    assert (load.cpu_utilization, load.available_memory_in_mb, load.concurrent_jobs_running) == (12, 1000, 0)
    assert sdk.integration_runtime_nodes.get_ip_address(GROUP, factory, "runtime", "NODE").ip_address
    assert only_node(sdk, factory) == ("Online", "")
    node.beat(state="stopping")
    assert status(sdk, factory).properties.state == "Offline"
    assert only_node(sdk, factory) == ("Offline", "its agent was stopped")


def test_keys_made_anew_let_nobody_in(sdk: Any, factory: str, node: NodeClient) -> None:
    old = key_of(sdk, factory)
    sdk.integration_runtimes.regenerate_auth_key(GROUP, factory, "runtime", {"keyName": "authKey1"})
    foreign = f"IR@{uuid.uuid4()}@{factory}@ServiceEndpoint=x@{'A' * 43}="
    for key in (old, foreign, "no key", old[:-5] + "AAAA="):
        answer = node.register(key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthKey")
    assert not status(sdk, factory).properties.type_properties.nodes
    assert node.register(key_of(sdk, factory)).status_code == 200


def test_same_machine_is_the_same_node(sdk: Any, factory: str, node: NodeClient) -> None:
    key = key_of(sdk, factory)
    node.register(key)
    first = node.node_id
    sdk.integration_runtime_nodes.update(GROUP, factory, "runtime", "node", {"concurrentJobsLimit": 2})
    node.beat()
    node.register(key)
    assert node.node_id == first
    found = sdk.integration_runtime_nodes.get(GROUP, factory, "runtime", "node")
    assert found.concurrent_jobs_limit == 2
    other = NodeClient(node.http)
    answer = other.register(key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "NodeNameInUse")
    node.beat(state="stopping")
    assert other.register(key).status_code == 200
    assert other.node_id != first
    assert node.beat().status_code == 401


def test_as_many_nodes_as_the_runtime_may_have(control_plane: ServiceProcess, sdk: Any, factory: str) -> None:
    """However many come at once."""
    key, at = key_of(sdk, factory), path(factory, "/integrationRuntimes/runtime")
    with control_plane.client() as http, ThreadPoolExecutor(8) as pool:
        for wrong in (0, -1, True, "2", 1.5, 10**9):
            assert http.patch(at, json={"nodeLimit": wrong}).status_code == 400
        assert http.patch(at, json={"nodeLimit": 2}).status_code == 200
        coming = [NodeClient(http, f"node-{number}") for number in range(8)]
        codes = [answer.status_code for answer in pool.map(lambda each: each.register(key), coming)]
        assert sorted(codes) == [200] * 2 + [409] * 6
        told = status(sdk, factory).properties
        assert len(told.nodes) == 2
        (again,) = [each for each in coming if each.name == told.nodes[0].node_name]
        assert again.register(key).status_code == 200
        assert http.patch(at, json={"nodeLimit": None}).status_code == 200
        assert NodeClient(http, "one-more").register(key).status_code == 200


def test_limits_of_nodes(sdk: Any, factory: str, node: NodeClient) -> None:
    node.register(key_of(sdk, factory))
    for limit in (0, 9, True, "4"):
        body = {"concurrentJobsLimit": limit}
        with pytest.raises(HttpResponseError, match="concurrentJobsLimit"):
            sdk.integration_runtime_nodes.update(GROUP, factory, "runtime", "node", body)
    sdk.integration_runtime_nodes.delete(GROUP, factory, "runtime", "node")
    sdk.integration_runtime_nodes.delete(GROUP, factory, "runtime", "node")
    with pytest.raises(ResourceNotFoundError):
        sdk.integration_runtime_nodes.get(GROUP, factory, "runtime", "node")
    assert node.beat().status_code == 401


def test_a_node_with_another_version_than_most_is_limited(sdk: Any, factory: str, node: NodeClient) -> None:
    key = key_of(sdk, factory)
    for each, version in ((node, "1"), (NodeClient(node.http, "b"), "2"), (NodeClient(node.http, "c"), "1")):
        each.register(key)
        assert each.beat(version=version).status_code == 200
    told = status(sdk, factory).properties
    assert (told.state, told.type_properties.version) == ("Limited", "1")
    found = {each.node_name: each.status for each in told.type_properties.nodes}
    assert found == {"node": "Online", "b": "Limited", "c": "Online"}
    one = sdk.integration_runtime_nodes.get(GROUP, factory, "runtime", "b")
    assert (one.status, one["statusReason"]) == ("Limited", "it has the version 2, most nodes have 1")


def test_tokens_that_are_not_the_nodes(sdk: Any, factory: str, node: NodeClient) -> None:
    node.register(key_of(sdk, factory))
    stranger = NodeClient(node.http, node_id=node.node_id)
    now = time.time()
    for token, said in (
        (stranger.token(), "signature"),
        (node.token(exp=now - 1000), "clock"),
        (node.token(iat=now + 1000), "clock"),
        (node.token(aud="another"), "signature"),
        (node.token(exp=now + 9000), "600 seconds"),
        ("nonsense", "no token"),
        (sdk._config.credential.token, "no token"),
    ):
        answer = node.post("heartbeat", token, version="1")
        code = "ClockSkew" if said == "clock" else "AuthenticationFailed"
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
        assert said in answer.json()["error"]["message"]


def test_nodes_tokens_are_for_nodes(
    sdk: Any, factory: str, node: NodeClient, control_plane: ServiceProcess
) -> None:
    node.register(key_of(sdk, factory))
    with control_plane.sdk(node.token()) as other, pytest.raises(HttpResponseError) as caught:
        other.factories.get(GROUP, factory)
    assert caught.value.status_code == 401


def test_waiting_for_a_job_that_does_not_come(sdk: Any, factory: str, node: NodeClient) -> None:
    node.register(key_of(sdk, factory))
    begun = time.monotonic()
    assert node.claim(wait=1.5) == []
    assert time.monotonic() - begun >= 1.5
    answer = node.post(f"jobs/{uuid.uuid4()}/finish", epoch=1, outcome="succeeded")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "LeaseLost")


def give_a_job(sdk: Any, factory: str) -> None:
    """To a node of the runtime."""
    pipeline = {"activities": [{"name": "w", "type": "WebActivity", "typeProperties": {
        "method": "GET", "url": "https://127.0.0.1:1/", "connectVia": {
            "referenceName": "runtime", "type": "IntegrationRuntimeReference"}}}]}  # fmt: skip
    sdk.pipelines.create_or_update(GROUP, factory, "p", {"properties": pipeline})
    sdk.pipelines.create_run(GROUP, factory, "p")


def test_a_claim_that_nobody_waits_for_any_more_gets_no_job(sdk: Any, factory: str, node: NodeClient) -> None:
    """A node that has given a claim up, as on a way that it took for lost, gets the job by its next one."""
    node.register(key_of(sdk, factory))
    assert node.beat().status_code == 200
    headers = {"Authorization": f"Bearer {node.token()}"}
    path = "/crossdock/v1/nodes/claim"
    with pytest.raises(httpx.ReadTimeout):
        node.http.post(path, json={"want": 1, "wait": 30}, headers=headers, timeout=1.5)
    give_a_job(sdk, factory)
    (job,) = node.claim(wait=20)
    assert job["epoch"] == 1


def test_a_node_has_nothing_of_another_runtime(
    control_plane: ServiceProcess, sdk: Any, factory: str, node: NodeClient
) -> None:
    """Neither its jobs nor the key of its vault, though it knows their ids."""
    sdk.integration_runtimes.create_or_update(GROUP, factory, "other", RUNTIME)
    other = NodeClient(node.http, "node")
    node.register(key_of(sdk, factory))
    keys = sdk.integration_runtimes.list_auth_keys(GROUP, factory, "other")
    other.register(keys.auth_key1)
    newcomer = NodeClient(node.http, "new")
    newcomer.register(key_of(sdk, factory))
    for each in (node, other, newcomer):
        assert each.beat(vault=0 if each is newcomer else 1).status_code == 200
    given = {"version": 1, "shares": [{"node_id": newcomer.node_id, "key": "of another"}]}
    assert other.post("vault", **given).status_code == 200  # it is passed over
    assert newcomer.beat(vault=0).json()["vault_key"] is None
    assert other.beat(holding=[{"id": str(uuid.uuid4()), "epoch": 1}]).json()["lost"] != []
    assert node.post("vault", **{**given, "shares": [{**given["shares"][0], "key": "k"}]}).status_code == 200
    assert newcomer.beat(vault=0).json()["vault_key"] == "k"
    give_a_job(sdk, factory)
    (job,) = node.claim(wait=30)
    assert other.claim() == []
    said = {"epoch": job["epoch"], "outcome": "succeeded", "result": {"output": {}}}
    assert other.post(f"jobs/{job['id']}/finish", **said).status_code == 409
    assert node.post(f"jobs/{job['id']}/finish", **said).status_code == 200
