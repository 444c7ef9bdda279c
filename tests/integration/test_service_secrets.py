"""Secrets in the service: sealed to the nodes of a runtime, masked in answers, in the clear nowhere."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers.node_client import NodeClient, public
from servers.service import ServiceProcess, service
from test_service_definitions import path

from crossdock_scheduler.wire.sealing import MASK, purpose_of, sealed_secret, unseal

CANARY = "canary-271828"
GROUP = "group"
RUNTIME = {"properties": {"type": "SelfHosted"}}
STRING = f"Server=sql;Database=d;User ID=u;Password={CANARY}"


@pytest.fixture
def http(control_plane: ServiceProcess) -> Iterator[httpx.Client]:
    with control_plane.client() as client:
        yield client


@pytest.fixture
def factory(http: httpx.Client) -> str:
    name = f"factory-{uuid.uuid4().hex[:12]}"
    http.put(path(name), json={}).raise_for_status()
    http.put(path(name, "/integrationRuntimes/here"), json=RUNTIME).raise_for_status()
    return name


@pytest.fixture
def node(control_plane: ServiceProcess) -> Iterator[NodeClient]:
    with httpx.Client(base_url=control_plane.url, verify=control_plane.tls(), timeout=30) as client:
        yield NodeClient(client)


def register(http: httpx.Client, factory: str, node: NodeClient, runtime: str = "here") -> str:
    """The GUID of the runtime, of which the node is the first."""
    key = http.post(path(factory, f"/integrationRuntimes/{runtime}/listAuthKeys")).json()["authKey1"]
    answer = node.register(key)
    node.beat()
    guid: str = answer.json()["guid"]
    return guid


def server(**properties: Any) -> dict[str, Any]:
    return {"properties": {"type": "SqlServer", "typeProperties": properties}}


def secure(value: str) -> dict[str, str]:
    return {"type": "SecureString", "value": value}


def put(http: httpx.Client, factory: str, body: dict[str, Any], name: str = "sql") -> httpx.Response:
    return http.put(path(factory, f"/linkedservices/{name}"), json=body)


def work(http: httpx.Client, factory: str, node: NodeClient, **parameters: Any) -> dict[str, Any]:
    """What a node gets for a stored procedure through the linked service ``sql``."""
    link = {"referenceName": "sql", "type": "LinkedServiceReference"}
    call = {
        "name": "call", "type": "SqlServerStoredProcedure", "linkedServiceName": link,
        "typeProperties": {"storedProcedureName": "p"},
    }  # fmt: skip
    declared = {name: {"type": "SecureString"} for name in parameters}
    body = {"properties": {"activities": [call], "parameters": declared}}
    http.put(path(factory, "/pipelines/p"), json=body).raise_for_status()
    http.post(path(factory, "/pipelines/p/createRun"), json=parameters).raise_for_status()
    (job,) = node.claim(wait=20)
    found: dict[str, Any] = job["work"]
    return found


def linked(found: dict[str, Any]) -> dict[str, Any]:
    (properties,) = [e["properties"] for e in found["definitions"] if e["kind"] == "linkedService"]
    inner: dict[str, Any] = properties["typeProperties"]
    return inner


def opened(node: NodeClient, guid: str, sealed: dict[str, Any]) -> str:
    return unseal(node.sealing, sealed["data"], purpose_of(guid, 1)).decode()


def test_masked_in_answers_and_sealed_for_nodes(http: httpx.Client, factory: str, node: NodeClient) -> None:
    guid = register(http, factory, node)
    answer = put(http, factory, server(server="s", password=secure(CANARY), connectionString=STRING))
    assert answer.status_code == 200
    for each in (
        answer,
        http.get(path(factory, "/linkedservices/sql")),
        http.get(path(factory, "/linkedservices")),
    ):
        assert CANARY not in each.text
        assert MASK in each.text
    told = answer.json()["properties"]["typeProperties"]
    assert (told["password"], told["connectionString"]) == (secure(MASK), secure(MASK))
    assert told["encryptedCredential"]
    got = work(http, factory, node)
    assert CANARY not in json.dumps(got)
    assert opened(node, guid, linked(got)["password"]["sealed"]) == CANARY
    assert opened(node, guid, linked(got)["connectionString"]["sealed"]) == STRING


def test_secret_before_the_first_node(http: httpx.Client, factory: str, node: NodeClient) -> None:
    put(http, factory, server(password=secure(CANARY))).raise_for_status()
    guid = register(http, factory, node)
    sealed = linked(work(http, factory, node))["password"]["sealed"]
    assert opened(node, guid, sealed) == CANARY


def test_echoed_mask_keeps_the_secret(http: httpx.Client, factory: str, node: NodeClient) -> None:
    guid = register(http, factory, node)
    put(http, factory, server(server="old", password=secure(CANARY)))
    body = http.get(path(factory, "/linkedservices/sql")).json()
    body["properties"]["typeProperties"]["server"] = "new"
    assert put(http, factory, body).status_code == 200
    found = linked(work(http, factory, node))
    assert (found["server"], opened(node, guid, found["password"]["sealed"])) == ("new", CANARY)


def test_mask_with_nothing_behind_it(http: httpx.Client, factory: str) -> None:
    answer = put(http, factory, server(password=secure(MASK)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "SecretMissing")
    assert http.get(path(factory, "/linkedservices/sql")).status_code == 404


def test_mask_of_another_runtimes_secret(http: httpx.Client, factory: str, node: NodeClient) -> None:
    register(http, factory, node)
    put(http, factory, server(password=secure(CANARY)))
    http.put(path(factory, "/integrationRuntimes/there"), json=RUNTIME)
    register(http, factory, NodeClient(node.http), "there")
    body = server(password=secure(MASK))
    body["properties"]["connectVia"] = {"referenceName": "there", "type": "IntegrationRuntimeReference"}
    answer = put(http, factory, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "SealedElsewhere")


def test_sealed_at_the_client(http: httpx.Client, factory: str, node: NodeClient) -> None:
    guid = register(http, factory, node)
    sealed = sealed_secret(guid, 1, public(node.sealing), CANARY)
    assert put(http, factory, server(password=sealed)).status_code == 200
    assert opened(node, guid, linked(work(http, factory, node))["password"]["sealed"]) == CANARY
    foreign = sealed_secret(str(uuid.uuid4()), 1, public(node.sealing), CANARY)
    assert put(http, factory, server(password=foreign)).json()["error"]["code"] == "SealedElsewhere"


def test_secure_parameters_of_a_run(http: httpx.Client, factory: str, node: NodeClient) -> None:
    guid = register(http, factory, node)
    put(http, factory, server(server="s"))
    got = work(http, factory, node, key=CANARY)
    assert CANARY not in json.dumps(got)
    assert json.loads(opened(node, guid, got["sealed_scope"]))["parameters"] == {"key": CANARY}
    runs = http.post(
        path(factory, "/queryPipelineRuns"),
        json={"lastUpdatedAfter": "2020-01-01T00:00:00Z", "lastUpdatedBefore": "2100-01-01T00:00:00Z"},
    )
    assert CANARY not in runs.text


def test_node_that_cannot_open_the_vault_gets_no_job(
    http: httpx.Client, factory: str, node: NodeClient
) -> None:
    register(http, factory, node)
    put(http, factory, server(password=secure(CANARY)))
    other = NodeClient(node.http, "other")
    key = http.post(path(factory, "/integrationRuntimes/here/listAuthKeys")).json()["authKey2"]
    other.register(key)
    assert other.beat(vault=0).json()["vault_key"] is None
    state = http.post(path(factory, "/integrationRuntimes/here/getStatus")).json()["properties"]
    assert state["state"] == "Limited"
    assert state["typeProperties"]["nodes"][1]["capabilities"]["credentialInSync"] == "False"
    work(http, factory, node)
    http.post(path(factory, "/pipelines/p/createRun")).raise_for_status()
    assert other.claim(wait=1.5) == []
    (wanting,) = node.beat().json()["wanting"]
    assert wanting["key"] == public(other.sealing)
    given = {"version": 1, "shares": [{"node_id": other.node_id, "key": "sealed by the test"}]}
    assert other.post("vault", **given).json()["error"]["code"] == "VaultChanged"
    assert node.post("vault", **given).status_code == 200
    assert other.beat(vault=0).json()["vault_key"] == "sealed by the test"
    other.beat(vault=1)
    assert len(other.claim(wait=20)) == 1


def test_no_canary_in_any_file(tmp_path: Path) -> None:
    with service(tmp_path) as found, found.client() as http:
        http.put(path("factory"), json={})
        http.put(path("factory", "/integrationRuntimes/here"), json=RUNTIME)
        put(http, "factory", server(password=secure(CANARY), connectionString=STRING), "before")
        with httpx.Client(base_url=found.url, verify=found.tls(), timeout=30) as client:
            node = NodeClient(client)
            register(http, "factory", node)
            put(http, "factory", server(password=secure(CANARY)))
            work(http, "factory", node, key=CANARY)
        put(http, "factory", server(password=secure(MASK)), "none")
    kept = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert len(kept) > 3
    assert [each for each in kept if CANARY.encode() in each.read_bytes()] == []


def test_lost_vault_is_begun_anew(
    http: httpx.Client, factory: str, node: NodeClient, control_plane: ServiceProcess
) -> None:
    """All nodes that opened it are gone: a new one makes the next vault; what was sealed is given again."""
    guid = register(http, factory, node)
    link = server(connectionString="Server=sql;User ID=u", password=secure(CANARY))
    assert put(http, factory, link).status_code == 200
    reset = f"/crossdock/v1{path(factory, '/integrationRuntimes/here/resetVault')}"
    refused = http.post(reset)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "VaultNotLost")
    node.post("leave").raise_for_status()
    second = NodeClient(node.http, "second")
    register(http, factory, second)
    beaten = second.beat(vault=0).json()
    assert (beaten["vault"], beaten["vault_key"], beaten["vault_wanted"]) == (1, None, False)
    assert second.claim() == []
    done = http.post(reset)
    assert done.json() == {"version": 2, "secretsToGiveAgain": ["sql"]}
    # Nobody can read or keep the old secret; one that is given now waits for the next vault.
    masked = put(http, factory, server(connectionString="Server=sql;User ID=u", password=secure(MASK)))
    assert (masked.status_code, masked.json()["error"]["code"]) == (400, "SecretLost")
    assert second.beat(vault=0).json()["vault_wanted"] is True
    made = {"public_key": public(second.sealing), "private_key": "kept by the test"}
    second.post("vault/new", **made).raise_for_status()
    beaten = second.beat(vault=0).json()
    assert (beaten["vault"], beaten["vault_key"], beaten["vault_wanted"]) == (2, made["private_key"], False)
    assert again(http, factory) == ["sql"]
    assert put(http, factory, link).status_code == 200
    assert again(http, factory) == []
    second.beat(vault=2)
    sealed = linked(work(http, factory, second))["password"]["sealed"]
    assert unseal(second.sealing, sealed["data"], purpose_of(guid, 2)).decode() == CANARY
    log = http.get("/crossdock/v1/audit").json()["value"]
    assert any(factory in str(each).lower() and "resetvault" in str(each).lower() for each in log)
    assert any(factory in str(each).lower() and "NEWVAULT" in str(each) for each in log)


def again(http: httpx.Client, factory: str) -> list[str]:
    """Linked services whose secrets are lost, as the runtime's status has them."""
    told = http.post(path(factory, "/integrationRuntimes/here/getStatus")).json()
    found: list[str] = told["properties"]["typeProperties"]["secretsToGiveAgain"]
    return found
