"""What the service puts right, and what it refuses: types, references, texts that cannot be kept."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.datafactory import models
from servers.service import ServiceProcess
from test_service_definitions import GROUP, path

HOST = {"type": "FileServer", "typeProperties": {"host": "files.example"}}
LINK = {"referenceName": "store", "type": "LinkedServiceReference"}
FILES = {"type": "Binary", "linkedServiceName": LINK, "typeProperties": {}}
SETTINGS = {"storeSettings": {"type": "FileServerReadSettings"}}


@pytest.fixture
def sdk(control_plane: ServiceProcess) -> Iterator[Any]:
    with control_plane.sdk() as client:
        yield client


@pytest.fixture
def http(control_plane: ServiceProcess) -> Iterator[httpx.Client]:
    with control_plane.client() as client:
        yield client


@pytest.fixture
def factory(sdk: Any) -> str:
    name = f"factory-{uuid.uuid4().hex[:12]}"
    sdk.factories.create_or_update(GROUP, name, {})
    return name


def refused(sdk_call: Any, *given: Any) -> str:
    with pytest.raises(HttpResponseError) as caught:
        sdk_call(*given)
    assert caught.value.status_code == 400
    return str(caught.value)


def with_files(sdk: Any, factory: str) -> None:
    sdk.linked_services.create_or_update(GROUP, factory, "store", {"properties": HOST})
    sdk.datasets.create_or_update(GROUP, factory, "files", {"properties": FILES})


def test_typed_models_of_the_client_get_their_types(sdk: Any, factory: str) -> None:
    runtime = models.IntegrationRuntimeResource(
        properties=models.SelfHostedIntegrationRuntime(description="d")
    )
    assert "type" not in runtime.as_dict()["properties"]
    made = sdk.integration_runtimes.create_or_update(GROUP, factory, "here", runtime)
    assert made["properties"] == {"type": "SelfHosted", "description": "d"}
    assert sdk.integration_runtimes.list_auth_keys(GROUP, factory, "here").auth_key1.startswith("IR@")
    identity = models.ManagedIdentityCredential(resource_id="/x")
    credential = models.CredentialResource(properties=identity)
    made = sdk.credential_operations.create_or_update(GROUP, factory, "c", credential)
    assert made["properties"]["type"] == "ManagedIdentity"


def test_typed_activities_get_their_types(sdk: Any, factory: str) -> None:
    with_files(sdk, factory)
    files = models.DatasetReference(type="DatasetReference", reference_name="files")
    store = models.FileServerReadSettings()
    inner = models.WaitActivity(name="inner", wait_time_in_seconds=1)
    listed = [
        models.WaitActivity(name="wait", wait_time_in_seconds=1),
        models.CopyActivity(
            name="copy", inputs=[files], outputs=[files], source=models.BinarySource(store_settings=store),
            sink=models.BinarySink(store_settings=models.FileServerWriteSettings()),
        ),
        models.GetMetadataActivity(name="metadata", dataset=files, field_list=["exists"]),
        models.LookupActivity(name="lookup", dataset=files, source=models.JsonSource()),
        models.ForEachActivity(
            name="each", items_property=models.Expression(type="Expression", value="@createArray(1)"),
            activities=[inner],
        ),
    ]  # fmt: skip
    assert {each.as_dict()["type"] for each in listed} == {"Execution", "Container"}
    sdk.pipelines.create_or_update(GROUP, factory, "p", models.PipelineResource(activities=listed))
    found = sdk.pipelines.get(GROUP, factory, "p")["properties"]["activities"]
    assert [each["type"] for each in found] == ["Wait", "Copy", "GetMetadata", "Lookup", "ForEach"]
    assert found[4]["typeProperties"]["activities"][0]["type"] == "Wait"


def test_types_that_may_be_several_are_asked_for(sdk: Any, factory: str) -> None:
    with_files(sdk, factory)
    server = models.LinkedServiceResource(properties=models.SqlServerLinkedService(connection_string="x"))
    told = refused(sdk.linked_services.create_or_update, GROUP, factory, "sql", server)
    assert "linked service 'sql' does not say its type" in told
    assert "model.type = 'SqlServer'" in told
    files = models.DatasetReference(type="DatasetReference", reference_name="files")
    # It may be one that deletes: that is not guessed.
    unclear = models.PipelineResource(activities=[models.GetMetadataActivity(name="what", dataset=files)])
    told = refused(sdk.pipelines.create_or_update, GROUP, factory, "p", unclear)
    assert "activity 'what' of the pipeline 'p' does not say its type" in told
    assert [each.name for each in sdk.pipelines.list_by_factory(GROUP, factory)] == []


def test_references_to_nothing_are_refused(sdk: Any, factory: str) -> None:
    with_files(sdk, factory)
    wrong = {**FILES, "linkedServiceName": {**LINK, "referenceName": "stor"}}
    told = refused(sdk.datasets.create_or_update, GROUP, factory, "d", {"properties": wrong})
    assert "invalid reference 'stor'" in told
    assert "the dataset 'd' refers to the linked service 'stor', which does not exist" in told
    assert "did you mean 'store'" in told
    via = {"referenceName": "AutoResolveIntegrationRuntime", "type": "IntegrationRuntimeReference"}
    always = {"properties": {**HOST, "connectVia": via}}
    sdk.linked_services.create_or_update(GROUP, factory, "cloud", always)
    # Something that this release does not know is kept.
    other = {"properties": {"type": "MyOwn", "typeProperties": {"a": {"referenceName": "x", "type": "Odd"}}}}
    assert (
        sdk.linked_services.create_or_update(GROUP, factory, "own", other)["properties"]
        == other["properties"]
    )


def test_what_is_referred_to_stays(sdk: Any, factory: str) -> None:
    with_files(sdk, factory)
    told = refused(sdk.linked_services.delete, GROUP, factory, "STORE")
    assert "cannot be deleted since it is referenced by the dataset 'files'" in told
    assert sdk.linked_services.get(GROUP, factory, "store").name == "store"
    sdk.datasets.delete(GROUP, factory, "files")
    sdk.linked_services.delete(GROUP, factory, "store")
    assert list(sdk.linked_services.list_by_factory(GROUP, factory)) == []


def test_broken_pipelines_are_refused(sdk: Any, factory: str) -> None:
    def told(name: str, *activities: Any) -> str:
        body = {"properties": {"activities": list(activities)}}
        return refused(sdk.pipelines.create_or_update, GROUP, factory, name, body)

    wait = {"name": "wait", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 1}}
    after = [{"activity": "wiat", "dependencyConditions": ["Succeeded"]}]
    assert "wiat" in told("p", wait, {**wait, "name": "two", "dependsOn": after})
    assert "wait" in told("p", wait, wait)
    itself = {"referenceName": "p", "type": "PipelineReference"}
    call = {"name": "call", "type": "ExecutePipeline", "typeProperties": {"pipeline": itself}}
    assert "in a circle" in told("p", call)
    bad = {**wait, "typeProperties": {"waitTimeInSeconds": "@add(1"}}
    assert "pipeline 'p'" in told("p", bad)
    assert list(sdk.pipelines.list_by_factory(GROUP, factory)) == []


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\\uDFFF x"])
def test_texts_that_cannot_be_kept(http: httpx.Client, factory: str, text: str) -> None:
    for body in (
        f'{{"properties": {{"type": "X", "a": ["{text}"]}}}}',
        f'{{"properties": {{"type": "X", "{text}": 1}}}}',
    ):
        answer = http.put(path(factory, "/linkedservices/x"), content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")
    whole = http.put(
        path(factory, "/linkedservices/x"), content='{"properties": {"type": "\\\\u0000 \\ud83d\\ude00"}}'
    )
    assert (whole.status_code, whole.json()["properties"]["type"]) == (200, "\\u0000 \U0001f600")


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", "/datasets/a%00b"),
        ("GET", "/datasets/a%FFb"),
        ("PUT", "/datasets/a%00b"),
        ("GET", "/datasets?$skiptoken=%00"),
        ("GET", "/datasets?$skiptoken=AA=="),
        ("GET", "/datasets?$skiptoken=%FF"),
        ("POST", "/pipelineruns/a%00/cancel"),
        ("PUT", f"/datasets/{'x' * 261}"),
        ("PUT", f"/integrationruntimes/{'x' * 64}"),
        ("PUT", "/integrationruntimes/ab"),
        ("PUT", f"/credentials/{'x' * 128}"),
        ("PUT", "/pipelines/a:b"),
    ],
)
def test_addresses_that_cannot_be(http: httpx.Client, factory: str, method: str, rest: str) -> None:
    answer = http.request(method, path(factory) + rest, json={"properties": {"type": "Any"}})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]


def test_numbers_beyond_all_bounds(http: httpx.Client, factory: str) -> None:
    for number in ("1e999", "-1e999", "9" * 5000):
        body = f'{{"properties": {{"type": "X", "a": {number}}}}}'
        assert http.put(path(factory, "/linkedservices/x"), content=body).status_code == 400
    assert (
        http.patch(
            path(factory, "/integrationruntimes/x/nodes/n"), json={"concurrentJobsLimit": 10**30}
        ).status_code
        == 404
    )
