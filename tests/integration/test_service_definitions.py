"""What is defined through the REST API, with the official client and without."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from servers.service import SUBSCRIPTION, ServiceProcess

GROUP = "group"
DATASET = {
    "properties": {
        "type": "Binary",
        "typeProperties": {"location": {"type": "FileServerLocation"}, "something": ["unknown", None, 1.5]},
    }
}


@pytest.fixture
def factory() -> str:
    return f"factory-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def sdk(control_plane: ServiceProcess) -> Iterator[Any]:
    with control_plane.sdk() as client:
        yield client


@pytest.fixture
def http(control_plane: ServiceProcess) -> Iterator[httpx.Client]:
    with control_plane.client() as client:
        yield client


def path(factory: str, rest: str = "") -> str:
    return (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.DataFactory"
        f"/factories/{factory}{rest}"
    )


def test_life_of_a_factory(sdk: Any, factory: str) -> None:
    made = sdk.factories.create_or_update(GROUP, factory, {"location": "here", "tags": {"a": "b"}})
    assert made.id == path(factory)
    assert (made.location, made.tags, made.properties.provisioning_state) == ("here", {"a": "b"}, "Succeeded")
    assert sdk.factories.update(GROUP, factory, {"tags": {"c": "d"}}).tags == {"c": "d"}
    assert sdk.factories.get(GROUP, factory).tags == {"c": "d"}
    assert factory in [each.name for each in sdk.factories.list()]
    assert factory in [each.name for each in sdk.factories.list_by_resource_group(GROUP)]
    sdk.factories.delete(GROUP, factory)
    sdk.factories.delete(GROUP, factory)
    with pytest.raises(ResourceNotFoundError):
        sdk.factories.get(GROUP, factory)


def test_name_in_another_place_is_taken(sdk: Any, factory: str) -> None:
    sdk.factories.create_or_update(GROUP, factory, {"tags": {"owner": "first"}})
    with pytest.raises(ResourceExistsError, match="is taken"):
        sdk.factories.create_or_update("other", factory, {})
    with pytest.raises(ResourceNotFoundError):
        sdk.factories.get("other", factory)
    assert sdk.factories.get(GROUP, factory).tags == {"owner": "first"}


def test_definitions_come_back_as_they_were_put(sdk: Any, factory: str) -> None:
    sdk.factories.create_or_update(GROUP, factory, {})
    made = sdk.datasets.create_or_update(GROUP, factory, "Orders", DATASET)
    assert made.id == path(factory, "/datasets/Orders")
    assert made["properties"] == DATASET["properties"]
    found = sdk.datasets.get(GROUP, factory.upper(), "oRDERS")
    assert (found.name, found.etag, found["properties"]) == ("Orders", made.etag, DATASET["properties"])
    sdk.datasets.delete(GROUP, factory, "ORDERS")
    assert list(sdk.datasets.list_by_factory(GROUP, factory)) == []


def test_those_who_change_at_once_are_told_apart(http: httpx.Client, factory: str) -> None:
    """Of those who have seen one ETag the first is heard; what is new is made once, whoever comes first."""

    def at_once(method: str, where: str, **more: Any) -> list[httpx.Response]:
        with ThreadPoolExecutor(6) as pool:
            return list(pool.map(lambda _: http.request(method, path(factory, where), **more), range(6)))

    assert {each.status_code for each in at_once("PUT", "", json={})} == {200}
    assert {each.status_code for each in at_once("PUT", "/datasets/new", json=DATASET)} == {200}
    for where, body in (("/datasets/new", DATASET), ("", {"tags": {"a": "b"}})):
        known = http.get(path(factory, where)).json()
        etag = known.get("etag") or known["eTag"]
        found = at_once("PUT", where, json=body, headers={"If-Match": etag})
        assert sorted(each.status_code for each in found) == [200, *[412] * 5]
    wait = {"name": "wait", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 0}}
    http.put(path(factory, "/pipelines/p"), json={"properties": {"activities": [wait]}}).raise_for_status()
    found = at_once("POST", "/pipelines/p/createRun", headers={"x-ms-client-request-id": str(uuid.uuid4())})
    assert {each.status_code for each in found} == {200}
    assert len({each.json()["runId"] for each in found}) == 1


def test_etags_guard(sdk: Any, factory: str) -> None:
    sdk.factories.create_or_update(GROUP, factory, {})
    first = sdk.pipelines.create_or_update(GROUP, factory, "p", {"properties": {"activities": []}})
    known = {"etag": first.etag, "match_condition": MatchConditions.IfModified}
    assert sdk.pipelines.get(GROUP, factory, "p", **known) is None
    second = sdk.pipelines.create_or_update(GROUP, factory, "p", {"properties": {"description": "2"}})
    assert second.etag != first.etag
    stale = {"etag": first.etag, "match_condition": MatchConditions.IfNotModified}
    with pytest.raises(HttpResponseError) as caught:
        sdk.pipelines.create_or_update(GROUP, factory, "p", {"properties": {"description": "3"}}, **stale)
    assert caught.value.status_code == 412
    assert sdk.pipelines.get(GROUP, factory, "p").description == "2"


def test_lists_come_in_pages(sdk: Any, http: httpx.Client, factory: str) -> None:
    sdk.factories.create_or_update(GROUP, factory, {})
    names = [f"d{number:03}" for number in range(203)]
    for name in names:
        assert http.put(path(factory, f"/datasets/{name}"), json=DATASET).status_code == 200
    assert [each.name for each in sdk.datasets.list_by_factory(GROUP, factory)] == names
    first = http.get(path(factory, "/datasets")).json()
    assert len(first["value"]) == 100
    assert http.get(path(factory, "/datasets"), params={"$skiptoken": "~"}).status_code == 400


def test_words_of_paths_have_no_case(http: httpx.Client, factory: str) -> None:
    assert http.put(path(factory), json={}).status_code == 200
    assert http.put(path(factory, "/datasets/Mixed"), json=DATASET).status_code == 200
    shouted = path(factory, "/datasets/Mixed").upper()
    assert http.get(shouted).json()["name"] == "Mixed"
    assert http.get(path(factory, "/DataSets/mixed/")).json()["name"] == "Mixed"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "InvalidRequestContent"),
        (b"[]", "InvalidRequestContent"),
        (b'{"properties": 1}', "InvalidRequestContent"),
        (b'{"properties": {"a": NaN}}', "InvalidRequestContent"),
        (b'{"properties": ' + b'{"a":' * 200 + b"1" + b"}" * 201, "InvalidRequestContent"),
        (b"[" * 200_000, "InvalidRequestContent"),
    ],
    ids=["broken", "a list", "no object", "no number", "deep", "very deep"],
)
def test_bodies_that_are_none(http: httpx.Client, factory: str, content: bytes, code: str) -> None:
    http.put(path(factory), json={})
    answer = http.put(path(factory, "/datasets/d"), content=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert http.get(path(factory, "/datasets/d")).status_code == 404


def test_huge_body(http: httpx.Client, factory: str) -> None:
    http.put(path(factory), json={})
    for ask in (
        lambda: http.put(path(factory, "/datasets/d"), content=b" " * (5 << 20)),
        # Nobody has to sign in for that.
        lambda: http.post("/crossdock/v1/nodes/register", content=b" " * (1 << 20)),
    ):
        answer = ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize("name", ["a<b", "a*b", "a:b", "a&b", "a" * 261, "a%00b"])
def test_names_that_are_none(http: httpx.Client, factory: str, name: str) -> None:
    http.put(path(factory), json={})
    answer = http.put(path(factory, f"/datasets/{name}"), json=DATASET)
    assert answer.status_code in (400, 404)
    assert "error" in answer.json()


def test_wrong_method_and_unknown_path(http: httpx.Client, factory: str) -> None:
    http.put(path(factory), json={})
    assert http.post(path(factory, "/datasets/d")).json()["error"]["code"] == "MethodNotAllowed"
    assert http.get(path(factory, "/nothing/d")).json()["error"]["code"] == "NotFound"


@pytest.mark.parametrize("token", ["", "cdk_wrong"])
def test_nobody_without_a_token(control_plane: ServiceProcess, factory: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=control_plane.url, verify=control_plane.tls(), headers=headers) as client:
        answer = client.put(path(factory), json={})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["error"]["code"] == "AuthenticationFailed"
