"""WebActivity against an HTTPS server: what that received, and what the activity's output is."""

from __future__ import annotations

import base64
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.entra import SECRET, TENANT, Issuer, issuer
from tests.servers.tunnel import tunnel
from tests.servers.web_endpoint import DOMAIN, Answer, Endpoint, Received
from web_calls import Caller, plain, trusted_endpoint

from crossdock import AccessDeniedError, AuthError, CancelledError, ConfigError, CrossdockError
from crossdock.redact import redacted
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
def entra(tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    folder = tmp_path / "entra"
    folder.mkdir()
    with issuer(folder) as found:
        endpoint.ca.write_bytes(endpoint.ca.read_bytes() + found.ca.read_bytes())
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", found.authority)
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


class TestAuthentication:
    def test_basic(self, call: Caller, endpoint: Endpoint) -> None:
        endpoint.answers["/"] = Answer(200, {})
        password = {"type": "SecureString", "value": CANARY}
        call(endpoint.url, authentication={"type": "Basic", "username": "me", "password": password})
        encoded = base64.b64encode(f"me:{CANARY}".encode()).decode()
        assert endpoint.received[0].headers["Authorization"] == f"Basic {encoded}"
        assert redacted(f"{CANARY} {encoded}") == "*** ***"

    def test_a_client_certificate(self, call: Caller, endpoint: Endpoint) -> None:
        endpoint.answers["/"] = Answer(200, {})
        own = {"type": "ClientCertificate", "pfx": endpoint.pfx(CANARY), "password": CANARY}
        call(endpoint.url, authentication=own)
        assert endpoint.received[0].client == "client"
        call(endpoint.url)
        assert endpoint.received[1].client == ""
        with pytest.raises(CrossdockError, match="its password is wrong") as caught:
            call(endpoint.url, authentication=own | {"password": "another"})
        assert caught.value.code == "2113"

    @pytest.mark.parametrize("where", ["activity", "credential"])
    def test_a_service_principal(self, call: Caller, endpoint: Endpoint, entra: Issuer, where: str) -> None:
        endpoint.answers["/"] = Answer(200, {})
        secret = {"type": "SecureString", "value": SECRET}
        own = {"type": "ServicePrincipal", "resource": "https://api.example"}
        if where == "activity":
            own |= {"userTenant": TENANT, "username": "app", "password": secret}
        else:
            principal = {"servicePrincipalId": "app", "tenant": TENANT, "servicePrincipalKey": secret}
            call.put("credential", "c", {"type": "ServicePrincipal", "typeProperties": principal})
            own["credential"] = {"referenceName": "c", "type": "CredentialReference"}
        call(endpoint.url, authentication=own)
        token = endpoint.received[0].headers["Authorization"].removeprefix("Bearer ")
        assert token in entra.issued
        assert entra.asked[0]["scope"].split()[0] == "https://api.example/.default"
        assert token not in redacted(f"sent {token}")

    @pytest.mark.parametrize("kind", ["MSI", "UserAssignedManagedIdentity"])
    def test_a_managed_identity(
        self, call: Caller, endpoint: Endpoint, entra: Issuer, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        for name, value in entra.managed.items():
            monkeypatch.setenv(name, value)
        endpoint.answers["/"] = Answer(200, {})
        call.put(
            "credential",
            "c",
            {"type": "ManagedIdentity", "typeProperties": {"resourceId": "/subscriptions/1"}},
        )
        own = {"type": kind, "resource": "https://api.example/"}
        if kind != "MSI":
            own["credential"] = {"referenceName": "c", "type": "CredentialReference"}
        call(endpoint.url, authentication=own)
        assert endpoint.received[0].headers["Authorization"].removeprefix("Bearer ") in entra.issued
        asked = entra.asked[0]
        assert (asked["resource"], asked.get("mi_res_id")) == (
            "https://api.example", "/subscriptions/1" if kind != "MSI" else None,
        )  # fmt: skip

    def test_a_wrong_secret(self, call: Caller, endpoint: Endpoint, entra: Issuer) -> None:
        own = {
            "type": "ServicePrincipal",
            "resource": "r",
            "userTenant": TENANT,
            "username": "app",
            "password": CANARY,
        }
        with pytest.raises(AuthError, match="signing in to Entra ID failed") as caught:
            call(endpoint.url, authentication=own)
        assert CANARY not in "".join(traceback.format_exception(caught.value))
        assert endpoint.received == []


class TestTrust:
    def test_a_certificate_that_is_not_trusted(
        self, call: Caller, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        endpoint.answers["/"] = Answer(200, {"a": 1})
        with pytest.raises(CrossdockError, match="certificate is not trusted"):
            call(endpoint.url)
        assert endpoint.received == []
        assert plain(call(endpoint.url, disableCertValidation=True)) == {"a": 1}

    def test_a_certificate_of_another_host(
        self, call: Caller, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The name counts, though the connection is made to an address."""
        endpoint.answers["/"] = Answer(200, {})
        call(endpoint.named("x"))
        assert endpoint.received[0].headers["Host"] == f"x.{DOMAIN}:{endpoint.port}"
        with pytest.raises(CrossdockError, match="certificate is not trusted"):
            call(f"https://localhost:{endpoint.port}/")
        assert len(endpoint.received) == 1

    def test_private_addresses_are_refused_at_the_address(self, call: Caller, endpoint: Endpoint) -> None:
        endpoint.answers["/"] = Answer(200, {})
        policy = Policy(private=False)
        with pytest.raises(ConfigError, match=r"127.0.0.1 is a private one"):
            call(endpoint.url, policy=policy)
        with pytest.raises(AccessDeniedError, match=rf"'x.{DOMAIN}': the address 127.0.0.1 is a private one"):
            call(endpoint.named("x"), policy=policy)
        assert endpoint.received == []

    def test_a_name_is_looked_up_once(
        self, call: Caller, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A server of names that changes its answer after the check reaches nothing that was not checked."""
        looked_up, asked = socket.getaddrinfo, []

        class Second(Policy):
            def address(self, text: str) -> str:
                return "" if text == "127.0.0.2" else super().address(text)

        def changing(host: Any, *arguments: Any, **more: Any) -> Any:
            if not str(host).endswith(DOMAIN):
                return looked_up(host, *arguments, **more)
            asked.append(host)
            return looked_up("127.0.0.2" if len(asked) == 1 else "127.0.0.1", *arguments, **more)

        monkeypatch.setattr(socket, "getaddrinfo", changing)
        with pytest.raises(CrossdockError, match="cannot be reached"):
            call(endpoint.named("x"), policy=Second(private=False))
        assert endpoint.received == []
        assert len(asked) == 1

    def test_a_redirect_to_a_private_address(
        self, call: Caller, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each address on the way is checked: here the first is allowed, which a policy of its own says."""
        endpoint.answers["/"] = Answer(302, "", {"Location": endpoint.named("inside") + "/secret"})
        endpoint.answers["/secret"] = Answer(200, {"inside": True})
        assert plain(call(endpoint.named("open"))) == {"inside": True}

        class Outside(Policy):
            def address(self, text: str) -> str:
                return "" if len(endpoint.received) == 2 else super().address(text)

        with pytest.raises(AccessDeniedError, match=r"'inside.*private"):
            call(endpoint.named("open"), policy=Outside(private=False))
        assert [got.path for got in endpoint.received] == ["/", "/secret", "/"]

    def test_through_a_proxy(self, call: Caller, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
        """It looks names up itself; where addresses are restricted it is told the one that was checked."""

        class Open(Policy):
            def address(self, text: str) -> str:
                return ""

        endpoint.answers["/"] = Answer(200, {"a": 1})
        with tunnel(endpoint.port) as proxy:
            for name in ("https_proxy", "HTTPS_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            for name in ("no_proxy", "NO_PROXY"):
                monkeypatch.delenv(name, raising=False)
            assert plain(call(endpoint.named("x"))) == {"a": 1}
            assert plain(call(endpoint.named("x"), policy=Open(private=False))) == {"a": 1}
            with pytest.raises(AccessDeniedError):
                call(endpoint.named("x"), policy=Policy(private=False))
            assert proxy.hosts == [f"x.{DOMAIN}:{endpoint.port}", f"127.0.0.1:{endpoint.port}"]
            monkeypatch.setenv("NO_PROXY", f".{DOMAIN}")
            monkeypatch.setenv("no_proxy", f".{DOMAIN}")
            call(endpoint.named("x"))
            assert len(proxy.hosts) == 2

    def test_credentials_stay_at_their_host(self, call: Caller, endpoint: Endpoint) -> None:
        endpoint.answers["/"] = Answer(307, "", {"Location": endpoint.named("other") + "/there"})
        endpoint.answers["/near"] = Answer(307, "", {"Location": "/there"})
        endpoint.answers["/there"] = Answer(200, {})
        own = {
            "body": {"a": 1}, "headers": {"X-Api-Key": CANARY, "Accept": "a/b"},
            "authentication": {"type": "Basic", "username": "me", "password": CANARY},
        }  # fmt: skip
        call(endpoint.named("one"), "POST", **own)
        call(endpoint.named("one") + "/near", "POST", **own)
        _, elsewhere, _, near = endpoint.received
        assert (elsewhere.json(), elsewhere.headers["Accept"]) == ({"a": 1}, "a/b")
        assert {"Authorization", "X-Api-Key"} & elsewhere.headers.keys() == set()
        assert {"Authorization", "X-Api-Key"} <= near.headers.keys()

    def test_redirects(self, call: Caller, endpoint: Endpoint) -> None:
        endpoint.answers["/"] = Answer(303, "", {"Location": "/there"})
        endpoint.answers["/there"] = Answer(200, {})
        call(endpoint.url, "POST", body={"a": 1})
        assert [(got.method, got.body) for got in endpoint.received] == [("POST", b'{"a": 1}'), ("GET", b"")]
        endpoint.answers["/"] = Answer(302, "", {"Location": "/"})
        with pytest.raises(CrossdockError, match="redirects without end"):
            call(endpoint.url)
        endpoint.answers["/"] = Answer(302, "", {"Location": "http://127.0.0.1:1/"})
        with pytest.raises(CrossdockError, match="without encryption"):
            call(endpoint.url)


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
