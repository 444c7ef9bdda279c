"""WebActivity against an HTTPS server: who it says it is, and whom it trusts."""

from __future__ import annotations

import base64
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.entra import SECRET, TENANT, Issuer, issuer
from tests.servers.tunnel import tunnel
from tests.servers.web_endpoint import DOMAIN, Answer, Endpoint
from web_calls import Caller, plain, trusted_endpoint

from crossdock import AccessDeniedError, AuthError, ConfigError, CrossdockError
from crossdock.redact import redacted
from crossdock_scheduler.pipeline.policy import Policy

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
