"""Every operation of the official client, one by one, and what it gets."""

from __future__ import annotations

import inspect
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.datafactory import DataFactoryManagementClient
from servers.service import SUBSCRIPTION, ServiceProcess
from test_service_definitions import GROUP, path
from test_service_runs import node_of

# Groups of the client's operations that the service has, and those that belong to what only Azure has.
HERE = {
    "factories", "exposure_control", "pipeline_runs", "activity_runs", "triggers", "trigger_runs",
    "integration_runtimes", "integration_runtime_nodes", "integration_runtime", "linked_services", "datasets",
    "pipelines", "credential_operations", "global_parameters", "operations",
}  # fmt: skip
AZURE_ONLY = {
    "data_flow_debug_session", "private_link_resources", "integration_runtime_object_metadata", "data_flows",
    "managed_virtual_networks", "managed_private_endpoints", "private_endpoint_connection",
    "private_end_point_connections", "change_data_capture",
}  # fmt: skip
WINDOW = {
    "lastUpdatedAfter": datetime.now(UTC) - timedelta(days=1),
    "lastUpdatedBefore": datetime.now(UTC) + timedelta(days=1),
}
RUNTIME = {"properties": {"type": "SelfHosted"}}
HOST = {"properties": {"type": "FileServer", "typeProperties": {"host": "files.example"}}}
LINK = {"referenceName": "o", "type": "LinkedServiceReference"}
FILES = {"properties": {"type": "Binary", "linkedServiceName": LINK, "typeProperties": {}}}
WAIT = {"name": "wait", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 60}}
PIPELINE = {"properties": {"activities": [WAIT]}}
CREDENTIAL = {"properties": {"type": "ManagedIdentity", "typeProperties": {"resourceId": "/r"}}}
GLOBALS = {"properties": {"p": {"type": "String", "value": "v"}}}
TRIGGER = {
    "properties": {
        "type": "ScheduleTrigger",
        "pipelines": [{"pipelineReference": {"type": "PipelineReference", "referenceName": "o"}}],
        "typeProperties": {
            "recurrence": {
                "frequency": "Day",
                "interval": 1,
                "startTime": "2030-01-01T00:00:00Z",
                "timeZone": "UTC",
            }
        },
    }
}


@dataclass
class World:
    """What calls refer to. ``run`` is a run that goes on, ``seen`` the operations that were called."""

    sdk: Any
    factory: str
    run: str = ""
    seen: set[str] = field(default_factory=set)

    def __call__(self, operation: str, *given: Any, **more: Any) -> Any:
        """Call one below the factory; what is listed is fetched, what goes on is waited for."""
        return self.bare(operation, GROUP, self.factory, *given, **more)

    def bare(self, operation: str, *given: Any, **more: Any) -> Any:
        self.seen.add(operation)
        group, name = operation.split(".")
        found = getattr(getattr(self.sdk, group), name)(*given, **more)
        if name.startswith("begin_"):
            return found.result()
        return list(found) if name.startswith("list") and hasattr(found, "by_page") else found

    def refused(self, operation: str, *given: Any, status: int = 400) -> None:
        with pytest.raises(HttpResponseError) as caught:
            self(operation, *given)
        assert caught.value.status_code == status
        assert caught.value.error.message


@pytest.fixture
def world(control_plane: ServiceProcess) -> Iterator[World]:
    with control_plane.sdk() as sdk:
        found = World(sdk, f"factory-{uuid.uuid4().hex[:12]}")
        made = found("factories.create_or_update", {"location": "here"})
        assert made.properties.provisioning_state == "Succeeded"
        yield found


def of_factories(world: World) -> None:
    assert world("factories.get").name == world.factory
    assert world("factories.update", {"tags": {"a": "b"}}).tags == {"a": "b"}
    assert world.factory in [each.name for each in world.bare("factories.list")]
    assert world.factory in [each.name for each in world.bare("factories.list_by_resource_group", GROUP)]
    repo = {"type": "FactoryGitHubConfiguration", "accountName": "a", "repositoryName": "r"}
    asked = {"factoryResourceId": path(world.factory), "repoConfiguration": repo}
    made = world.bare("factories.configure_factory_repo", "here", asked)
    assert made.properties.repo_configuration.account_name == "a"
    access = world("factories.get_data_plane_access", {"permissions": "r"})
    assert (access.policy.permissions, access.access_token) == ("r", "")
    world.refused(
        "factories.get_git_hub_access_token", {"gitHubAccessCode": "c", "gitHubAccessTokenBaseUrl": "u"}
    )
    feature = {"featureName": "ADFIntegrationRuntimeSharingRbac", "featureType": "Feature"}
    assert world.bare("exposure_control.get_feature_value", "here", feature).value == "True"
    assert world("exposure_control.get_feature_value_by_factory", {"featureName": "Other"}).value == "False"
    answers = world(
        "exposure_control.query_feature_values_by_factory", {"exposureControlRequests": [feature]}
    )
    assert [each.value for each in answers.exposure_control_responses] == ["True"]
    assert "Microsoft.DataFactory/factories/read" in [each.name for each in world.bare("operations.list")]


def of_definitions(world: World) -> None:
    for group, body in (
        ("linked_services", HOST), ("datasets", FILES), ("pipelines", PIPELINE),
        ("credential_operations", CREDENTIAL), ("global_parameters", GLOBALS),
    ):  # fmt: skip
        made = world(f"{group}.create_or_update", "o", body)
        assert (made.name, made["properties"]) == ("o", body["properties"])
        assert world(f"{group}.get", "o").etag == made.etag
        assert [each.name for each in world(f"{group}.list_by_factory")] == ["o"]
        world(f"{group}.create_or_update", "gone", body)
        world(f"{group}.delete", "gone")
        world.refused(f"{group}.get", "gone", status=404)


def of_runs(world: World) -> None:
    first = world("pipelines.create_run", "o").run_id
    assert world("pipeline_runs.get", first).pipeline_name == "o"
    assert [each.run_id for each in world("pipeline_runs.query_by_factory", WINDOW).value] == [first]
    world("pipeline_runs.cancel", first, is_recursive=True)
    assert world("activity_runs.query_by_pipeline_run", first, WINDOW).continuation_token is None


def of_triggers(world: World) -> None:
    made = world("triggers.create_or_update", "t", TRIGGER)
    assert made["properties"]["runtimeState"] == "Stopped"
    assert world("triggers.get", "t").etag == made.etag
    assert [each.name for each in world("triggers.list_by_factory")] == ["t"]
    assert [each.name for each in world("triggers.query_by_factory", {}).value] == ["t"]
    world("triggers.begin_start", "t")
    assert world("triggers.get", "t")["properties"]["runtimeState"] == "Started"
    world("triggers.begin_stop", "t")
    assert world("trigger_runs.query_by_factory", WINDOW).value == []
    world.refused("trigger_runs.rerun", "t", "nobody", status=404)
    world.refused("trigger_runs.cancel", "t", "nobody", status=404)
    # A schedule listens to no events.
    world.refused("triggers.begin_subscribe_to_events", "t")
    world("triggers.begin_unsubscribe_from_events", "t")
    assert world("triggers.get_event_subscription_status", "t").status == "Disabled"
    world("triggers.delete", "t")


def of_runtimes(world: World) -> None:
    made = world("integration_runtimes.create_or_update", "here", RUNTIME)
    assert world("integration_runtimes.get", "here").etag == made.etag
    assert [each.name for each in world("integration_runtimes.list_by_factory")] == ["here"]
    assert world("integration_runtimes.update", "here", {"autoUpdate": "Off"}).name == "here"
    assert world("integration_runtimes.get_status", "here").properties.state == "NeedRegistration"
    keys = world("integration_runtimes.list_auth_keys", "here")
    again = world("integration_runtimes.regenerate_auth_key", "here", {"keyName": "authKey2"})
    assert (again.auth_key1, again.auth_key2 != keys.auth_key2) == (None, True)
    assert world("integration_runtimes.get_connection_info", "here").is_identity_cert_exprired is False
    assert world("integration_runtimes.get_monitoring_data", "here").nodes == []
    assert world("integration_runtimes.list_outbound_network_dependencies_endpoints", "here").value == []
    assert world("integration_runtimes.sync_credentials", "here") is None
    assert world("integration_runtimes.upgrade", "here") is None
    for each in ("begin_start", "begin_stop"):
        world.refused(f"integration_runtimes.{each}", "here")
    world.refused("integration_runtime.begin_enable_interactive_query", "here", {"autoTerminationMinutes": 5})
    world.refused("integration_runtime.begin_disable_interactive_query", "here")
    linked = {
        "name": "x1x",
        "subscriptionId": SUBSCRIPTION,
        "dataFactoryName": "other",
        "dataFactoryLocation": "",
    }
    told = world("integration_runtimes.create_linked_integration_runtime", "here", linked)
    assert [each.data_factory_name for each in told.properties.type_properties.links] == ["other"]
    assert world("integration_runtimes.remove_links", "here", {"factoryName": "other"}) is None


def of_nodes(world: World, server: ServiceProcess) -> None:
    with node_of(server, world.sdk, world.factory):
        assert world("integration_runtime_nodes.get", "here", "node").node_name == "node"
        changed = world("integration_runtime_nodes.update", "here", "node", {"concurrentJobsLimit": 2})
        assert changed.concurrent_jobs_limit == 2
        assert world("integration_runtime_nodes.get_ip_address", "here", "node").ip_address == "127.0.0.1"
        world("integration_runtime_nodes.delete", "here", "node")
        world.refused("integration_runtime_nodes.get", "here", "node", status=404)
    world("integration_runtimes.delete", "here")


def test_every_operation(world: World, control_plane: ServiceProcess) -> None:
    parts: list[Callable[[World], None]] = [of_factories, of_definitions, of_runs, of_triggers, of_runtimes]
    for part in parts:
        part(world)
    of_nodes(world, control_plane)
    world("factories.delete")
    assert world.seen == set(_offered())


def _offered() -> Iterator[str]:
    """The operations that the client has."""
    source = inspect.getsource(DataFactoryManagementClient.__init__)
    groups = set(re.findall(r"self\.(\w+) = \w*Operations\(", source))
    assert groups == HERE | AZURE_ONLY
    for group in HERE:
        found = re.search(rf"self\.{group} = (\w+)\(", source)
        assert found is not None
        kind = getattr(inspect.getmodule(DataFactoryManagementClient), found[1])
        for name, _ in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_"):
                yield f"{group}.{name}"


def test_the_page_names_every_operation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "rest.md").read_text()
    assert {each for each in _offered() if f"`{each}`" not in page} == set()
