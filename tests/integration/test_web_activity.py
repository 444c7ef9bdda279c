"""WebActivity against an HTTPS server: what that received, and what the activity's output is."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.web_endpoint import Answer, Endpoint, Received
from web_calls import Caller, plain, trusted_endpoint

from crossdock import CancelledError, CrossdockError
from crossdock_scheduler.pipeline.coverage import cover
from crossdock_scheduler.pipeline.definitions import load
from crossdock_scheduler.pipeline.policy import Policy
from crossdock_scheduler.pipeline.web import activity as web_activity
from crossdock_scheduler.pipeline.web import client

Json = dict[str, Any]
CANARY = "canary-of-the-web-1"


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    with trusted_endpoint(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def call(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


class TestCalls:
    def test_a_request_and_its_answer(self, call: Caller, endpoint: Endpoint) -> None:
        endpoint.answers["/x"] = Answer(201, {"a": [1], "b": {"c": None}}, {"X-Kept": "yes"})
        output = call(
            endpoint.url + "/x?q=@{pipeline().parameters.n}",
            "post",
            headers={"X-Number": "@pipeline().parameters.n", "Accept-Language": "en"},
            body={"n": "@pipeline().parameters.n", "text": "n is @{pipeline().parameters.n}"},
        )
        assert plain(output) == {"a": [1], "b": {"c": None}}
        assert output["ADFWebActivityResponseHeaders"]["X-Kept"] == "yes"
        assert output["ADFHttpStatusCodeInResponse"] == "201"
        assert output["effectiveIntegrationRuntime"] == "AutoResolveIntegrationRuntime"
        assert 0 <= output["executionDuration"] < 60
        (got,) = endpoint.received
        assert (got.method, got.path, got.json()) == ("POST", "/x?q=7", {"n": 7, "text": "n is 7"})
        assert (got.headers["X-Number"], got.headers["Accept-Language"]) == ("7", "en")
        assert got.headers["Content-Type"] == "application/json"
        assert got.headers["Host"] == f"127.0.0.1:{endpoint.port}"

    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
    def test_methods(self, call: Caller, endpoint: Endpoint, method: str) -> None:
        endpoint.answers["/"] = Answer(200, "done", {"Content-Type": "text/plain"})
        assert plain(call(endpoint.url, method, body="as it is")) == {"Response": "done"}
        sent = b"" if method == "GET" else b"as it is"
        assert [(got.method, got.body) for got in endpoint.received] == [(method, sent)]

    def test_a_call_without_a_body(self, call: Caller, endpoint: Endpoint) -> None:
        """Data Factory's designer asks for one, its API does not."""
        endpoint.answers["/"] = Answer(200, {"paused": True})
        assert plain(call(endpoint.url, "POST")) == {"paused": True}
        (got,) = endpoint.received
        assert (got.method, got.body, got.headers["Content-Length"]) == ("POST", b"", "0")
        report = cover(load(call.root))
        assert report.pipelines[0].supported

    @pytest.mark.parametrize(
        ("body", "output"),
        [
            ("", {"Response": ""}),
            ("[1]", {"Response": "[1]"}),
            ("{", {"Response": "{"}),
            ("{}", {}),
            ('\ufeff{"a": "\u00e9"}', {"a": "\u00e9"}),
        ],
    )
    def test_answers(self, call: Caller, endpoint: Endpoint, body: str, output: Json) -> None:
        endpoint.answers["/"] = Answer(200, body)
        assert plain(call(endpoint.url)) == output

    @pytest.mark.parametrize(
        ("status", "name"), [(404, "NotFound"), (500, "InternalServerError"), (304, "NotModified")]
    )
    def test_a_refusal(self, call: Caller, endpoint: Endpoint, status: int, name: str) -> None:
        endpoint.answers["/x"] = Answer(status, "" if status == 304 else "why it is so")
        with pytest.raises(CrossdockError, match=f"Response status code: '{name} - {status}'") as caught:
            call(endpoint.url + "/x?code=secret-in-the-query")
        assert caught.value.code == "2108"
        assert status == 304 or "why it is so" in caught.value.message
        assert "secret-in-the-query" not in str(caught.value)

    def test_an_answer_that_is_too_long(self, call: Caller, endpoint: Endpoint) -> None:
        endpoint.answers["/"] = Answer(200, "x" * (4 << 20))
        assert len(call(endpoint.url)["Response"]) == 4 << 20
        endpoint.answers["/"] = Answer(200, "x" * ((4 << 20) + 1))
        with pytest.raises(CrossdockError, match="more than 4 MiB") as caught:
            call(endpoint.url)
        assert caught.value.code == "2001"

    def test_an_answer_that_does_not_come(self, call: Caller, endpoint: Endpoint) -> None:
        endpoint.answers["/"] = Answer(200, "late", wait=3)
        started = time.monotonic()
        with pytest.raises(
            CrossdockError, match=r"did not answer within 1 seconds|cannot be reached"
        ) as caught:
            call(endpoint.url, httpRequestTimeout="00:00:01")
        assert caught.value.code == "2128"
        assert time.monotonic() - started < 3

    def test_cancelled(self, call: Caller, endpoint: Endpoint) -> None:
        endpoint.answers["/"] = Answer(200, "late", wait=3)
        threading.Timer(0.3, call.cancel.set).start()
        started = time.monotonic()
        with pytest.raises(CancelledError):
            call(endpoint.url)
        assert time.monotonic() - started < 2

    def test_nobody_there(self, call: Caller) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with pytest.raises(CrossdockError, match="cannot be reached") as caught:
                call(f"https://127.0.0.1:{unused.getsockname()[1]}/")
        assert caught.value.code == "2128"

    def test_datasets_and_linked_services_in_the_body(self, call: Caller, endpoint: Endpoint) -> None:
        """As they are defined, without their secrets."""
        endpoint.answers["/"] = Answer(200, {})
        password = {"type": "SecureString", "value": CANARY}
        call.put(
            "linkedService",
            "s",
            {"type": "FileServer", "typeProperties": {"host": "/x", "password": password}},
        )
        link = {"referenceName": "s", "type": "LinkedServiceReference"}
        call.put("dataset", "d", {"type": "Json", "linkedServiceName": link, "typeProperties": {}})
        call(
            endpoint.url, "POST", body={"a": 1}, linkedServices=[link],
            datasets=[{"referenceName": "d", "type": "DatasetReference"}],
        )  # fmt: skip
        sent = endpoint.received[0].json()
        assert sent["a"] == 1
        assert [(each["name"], each["properties"]["type"]) for each in sent["datasets"]] == [("d", "Json")]
        assert sent["linkedServices"][0]["properties"]["typeProperties"]["host"] == "/x"
        assert CANARY.encode() not in endpoint.received[0].body


class TestAsynchronous:
    def test_the_location_of_a_202_is_asked_until_the_answer_is_there(
        self, call: Caller, endpoint: Endpoint
    ) -> None:
        left = [2]

        def status(_: Received) -> Answer:
            left[0] -= 1
            more = {"Location": "/status", "Retry-After": "0"}
            return Answer(202, {"state": "running"}, more) if left[0] else Answer(200, {"state": "done"})

        endpoint.answers |= {
            "/start": Answer(202, "", {"Location": "/status", "Retry-After": "0"}),
            "/status": status,
        }
        login = {"type": "Basic", "username": "me", "password": "a-password"}
        assert plain(call(endpoint.url + "/start", "POST", body={}, authentication=login)) == {
            "state": "done"
        }
        assert [(got.method, got.path) for got in endpoint.received] == [
            ("POST", "/start"), ("GET", "/status"), ("GET", "/status"),
        ]  # fmt: skip
        assert len({got.headers["Authorization"] for got in endpoint.received}) == 1
        assert call.seen == [{"status": "InProgress"}] * 2

    def test_it_is_the_output_where_that_is_turned_off(self, call: Caller, endpoint: Endpoint) -> None:
        endpoint.answers["/start"] = Answer(202, {"id": 1}, {"Location": "/status"})
        assert plain(call(endpoint.url + "/start", turnOffAsync=True)) == {"id": 1}
        assert len(endpoint.received) == 1

    def test_a_failure_in_the_end(self, call: Caller, endpoint: Endpoint) -> None:
        endpoint.answers["/start"] = Answer(202, "", {"Location": "/gone", "Retry-After": "0"})
        with pytest.raises(CrossdockError, match="NotFound - 404"):
            call(endpoint.url + "/start")

    def test_cancelled_while_it_waits(
        self, call: Caller, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(web_activity, "FIRST_WAIT", 60)
        endpoint.answers["/start"] = Answer(202, "", {"Location": "/start"})
        threading.Timer(0.5, call.cancel.set).start()
        with pytest.raises(CancelledError):
            call(endpoint.url + "/start")


class TestAhead:
    @pytest.mark.parametrize(
        ("properties", "told"),
        [
            (
                {"url": "ftp://x", "method": "GET"},
                "url: the url must be an address that begins with https://",
            ),
            ({"url": "https://me:pass@x/", "method": "GET"}, "url: the url holds a login"),
            ({"url": "https://10.0.0.1/", "method": "GET"}, "10.0.0.1 is a private one"),
            ({"url": "https://x"}, "method: a method is needed"),
            ({"url": "https://x", "method": "TRACE"}, "'TRACE' is not supported"),
            ({"url": "https://x", "method": "GET", "httpRequestTimeout": "01:00:00"}, "between 00:00:01 and"),
            (
                {"url": "https://x", "method": "GET", "authentication": {"type": "MSI"}},
                "authentication MSI needs it",
            ),
            (
                {"url": "https://x", "method": "GET", "authentication": {"type": "Magic"}},
                "'Magic' is not supported",
            ),
            (
                {"url": "https://x", "method": "GET", "somethingElse": 1},
                "somethingElse is not supported here",
            ),
        ],
    )
    def test_what_is_wrong_is_said_before_a_run(self, call: Caller, properties: Json, told: str) -> None:
        call.write("WebActivity", properties)
        report = cover(load(call.root), Policy(private=False))
        assert [each for each in report.findings if told in str(each)], [
            str(each) for each in report.findings
        ]
        assert not report.pipelines[0].supported

    def test_one_that_is_right(self, call: Caller) -> None:
        own = {
            "type": "UserAssignedManagedIdentity",
            "resource": "r",
            "credential": {"referenceName": "c", "type": "CredentialReference"},
        }
        call.put("credential", "c", {"type": "ManagedIdentity", "typeProperties": {}})
        runtime = {"referenceName": "AutoResolveIntegrationRuntime", "type": "IntegrationRuntimeReference"}
        call.write(
            "WebActivity",
            {
                "url": {"value": "@concat('https://', pipeline().parameters.n)", "type": "Expression"},
                "method": "POST", "headers": {}, "body": "x", "authentication": own, "connectVia": runtime,
                "datasets": [], "linkedServices": [], "disableCertValidation": False, "turnOffAsync": False,
                "httpRequestTimeout": "00:10:00",
            },
        )  # fmt: skip
        report = cover(load(call.root))
        assert report.pipelines[0].supported, [str(each) for each in report.findings]

    def test_the_limit_of_an_answer(self) -> None:
        assert client.MOST_BYTES == 4 << 20
