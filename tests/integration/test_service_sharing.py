"""Integration runtimes that are shared with other factories."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from servers.service import SUBSCRIPTION, ServiceProcess
from test_service_definitions import GROUP, path
from test_service_runs import activities, carry_out, copying_there, ended, node_of

from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.database.migrate import migrate
from crossdock_scheduler.service.definitions import factories, resources
from crossdock_scheduler.service.definitions.names import RUNTIME
from crossdock_scheduler.service.errors import ApiError
from crossdock_scheduler.service.runtimes import runtimes, sharing
from crossdock_scheduler.service.runtimes.keys import KeyMaker

SELF_HOSTED = {"properties": {"type": "SelfHosted"}}


@pytest.fixture
def sdk(control_plane: ServiceProcess) -> Iterator[Any]:
    with control_plane.sdk() as client:
        yield client


def new_factory(sdk: Any) -> str:
    name = f"factory-{uuid.uuid4().hex[:12]}"
    sdk.factories.create_or_update(GROUP, name, {"location": "near"})
    return name


@pytest.fixture
def owner(sdk: Any) -> str:
    """A factory with the runtime ``here``."""
    name = new_factory(sdk)
    sdk.integration_runtimes.create_or_update(GROUP, name, "here", SELF_HOSTED)
    return name


def linked(sdk: Any, owner: str, factory: str, name: str = "theirs") -> Any:
    info = {"authorizationType": "RBAC", "resourceId": path(owner, "/integrationRuntimes/here")}
    body = {"properties": {"type": "SelfHosted", "typeProperties": {"linkedInfo": info}}}
    return sdk.integration_runtimes.create_or_update(GROUP, factory, name, body)


def links(sdk: Any, owner: str) -> list[tuple[str, str]]:
    told = sdk.integration_runtimes.get_status(GROUP, owner, "here").properties.type_properties
    return [(each.data_factory_name, each.name) for each in told.links]


def state(sdk: Any, factory: str, name: str = "theirs") -> str:
    found: str = sdk.integration_runtimes.get_status(GROUP, factory, name).properties.state
    return found


def test_linked_by_resource_id(control_plane: ServiceProcess, sdk: Any, owner: str, tmp_path: Path) -> None:
    """A copy in another factory is done by the shared runtime's node, until the links are removed."""
    factory = new_factory(sdk)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.bin").write_bytes(b"content")
    linked(sdk, owner, factory, "here")
    assert links(sdk, owner) == [(factory, "here")]
    with node_of(control_plane, sdk, owner) as node:
        assert state(sdk, factory, "here") == "Online"
        told = sdk.integration_runtimes.get_monitoring_data(GROUP, factory, "here")
        assert [each.node_name for each in told.nodes] == ["node"]
        copying_there(sdk, factory, tmp_path / "source", tmp_path / "sink")
        run_id = sdk.pipelines.create_run(GROUP, factory, "copy").run_id
        assert carry_out(node, node.claim(wait=20)[0]).status_code == 200
        assert ended(sdk, factory, run_id).status == "Succeeded"
        assert (tmp_path / "sink" / "a.bin").read_bytes() == b"content"
        sdk.integration_runtimes.remove_links(GROUP, owner, "here", {"factoryName": factory})
        assert links(sdk, owner) == []
        assert state(sdk, factory, "here") == "AccessDenied"
        run_id = sdk.pipelines.create_run(GROUP, factory, "copy").run_id
        assert ended(sdk, factory, run_id).status == "Failed"
        failed = next(each for each in activities(sdk, factory, run_id) if each.status == "Failed")
        assert failed.error["errorCode"] == "AccessDenied"


def test_linked_by_key(sdk: Any, owner: str) -> None:
    factory = new_factory(sdk)
    keys = sdk.integration_runtimes.list_auth_keys(GROUP, owner, "here")

    def put(key: str) -> Any:
        info = {"authorizationType": "Key", "key": {"type": "SecureString", "value": key}}
        body = {"properties": {"type": "SelfHosted", "typeProperties": {"linkedInfo": info}}}
        return sdk.integration_runtimes.create_or_update(GROUP, factory, "theirs", body)

    key = keys.auth_key1
    wrong = key[:-9] + ("B" if key[-9] == "A" else "A") + key[-8:]
    with pytest.raises(HttpResponseError) as caught:
        put(wrong)
    assert caught.value.status_code == 403
    assert links(sdk, owner) == []
    made = put(keys.auth_key2)
    assert made["properties"]["typeProperties"]["linkedInfo"]["key"]["value"] == "**********"
    assert links(sdk, owner) == [(factory, "theirs")]
    # The mask keeps the link, also when the key that it was made with is none any more.
    sdk.integration_runtimes.regenerate_auth_key(GROUP, owner, "here", {"keyName": "authKey2"})
    put("**********")
    assert state(sdk, factory) == "NeedRegistration"


def test_shared_before_it_is_linked(sdk: Any, owner: str) -> None:
    factory = new_factory(sdk)
    told = sdk.integration_runtimes.create_linked_integration_runtime(
        GROUP, owner, "here",
        {
            "name": "theirs", "subscriptionId": SUBSCRIPTION, "dataFactoryName": factory,
            "dataFactoryLocation": "far",
        },
    )  # fmt: skip
    assert [each.data_factory_location for each in told.properties.type_properties.links] == ["far"]
    linked(sdk, owner, factory)
    assert links(sdk, owner) == [(factory, "theirs")]
    with pytest.raises(HttpResponseError, match="uses it; remove its links first"):
        sdk.integration_runtimes.delete(GROUP, owner, "here")
    sdk.integration_runtimes.delete(GROUP, factory, "theirs")
    assert links(sdk, owner) == []
    sdk.integration_runtimes.delete(GROUP, owner, "here")


def test_linked_runtimes_have_nothing_of_their_own(sdk: Any, owner: str) -> None:
    factory = new_factory(sdk)
    linked(sdk, owner, factory)
    with pytest.raises(HttpResponseError, match="is linked: it has no nodes or keys"):
        sdk.integration_runtimes.list_auth_keys(GROUP, factory, "theirs")
    with pytest.raises(HttpResponseError, match="delete it first"):
        sdk.integration_runtimes.create_or_update(GROUP, factory, "theirs", SELF_HOSTED)
    with pytest.raises(HttpResponseError, match="of another factory"):
        linked(sdk, owner, owner)
    info = {"authorizationType": "RBAC", "resourceId": path(factory, "/integrationRuntimes/theirs")}
    body = {"properties": {"type": "SelfHosted", "typeProperties": {"linkedInfo": info}}}
    third = new_factory(sdk)
    with pytest.raises(HttpResponseError, match="is linked"):
        sdk.integration_runtimes.create_or_update(GROUP, third, "chain", body)


def test_job_of_a_deleted_factory_is_stopped(
    control_plane: ServiceProcess, sdk: Any, owner: str, tmp_path: Path
) -> None:
    factory = new_factory(sdk)
    (tmp_path / "source").mkdir()
    linked(sdk, owner, factory, "here")
    with node_of(control_plane, sdk, owner) as node:
        copying_there(sdk, factory, tmp_path / "source", tmp_path / "sink")
        sdk.pipelines.create_run(GROUP, factory, "copy")
        job = node.claim(wait=20)[0]
        sdk.factories.delete(GROUP, factory)
        # Whoever takes the name of the factory does not get its links.
        assert links(sdk, owner) == []
        beaten = node.beat(holding=[{"id": job["id"], "epoch": job["epoch"]}])
        assert beaten.json()["cancel"] == [job["id"]]


def test_only_what_is_shared_is_linked_and_as_often_as_allowed(tmp_path: Path) -> None:
    database = Database.embedded(tmp_path)
    migrate(database)
    rules = sharing.Rules(KeyMaker(b"x" * 32, "host:1"), lambda _: False, 2)
    info = {"authorizationType": "RBAC", "resourceId": path("owner", "/integrationRuntimes/here")}
    properties = {"type": "SelfHosted", "typeProperties": {"linkedInfo": info}}
    with database.write() as connection:
        owner = factories.put(connection, SUBSCRIPTION, GROUP, "owner", {})
        other = factories.put(connection, SUBSCRIPTION, GROUP, "other", {})
        shared = runtimes.of(
            connection, resources.put(connection, owner, RUNTIME, "here", {"type": "SelfHosted"})
        )
        with pytest.raises(ApiError) as refused:
            sharing.target_of(connection, other, "theirs", properties, rules)
        info["resourceId"] = path("nobody", "/integrationRuntimes/here")
        with pytest.raises(ApiError) as unknown:
            sharing.target_of(connection, other, "theirs", properties, rules)
        # Whether it is there is not told to those that it is not shared with.
        assert (refused.value.status, refused.value.code) == (unknown.value.status, unknown.value.code)
        info["resourceId"] = path("owner", "/integrationRuntimes/here")
        sharing.share(connection, shared, sharing.Linked(SUBSCRIPTION, "OTHER", "theirs"), rules.most)
        found = sharing.target_of(connection, other, "theirs", properties, rules)
        assert found is not None
        assert found.id == shared.id
        sharing.share(connection, shared, sharing.Linked(SUBSCRIPTION, "third", "a"), rules.most)
        sharing.share(connection, shared, sharing.Linked(SUBSCRIPTION, "third", "A"), rules.most)
        with pytest.raises(ApiError, match="has its 2 linked runtimes already"):
            sharing.share(connection, shared, sharing.Linked(SUBSCRIPTION, "third", "b"), rules.most)
    database.close()
