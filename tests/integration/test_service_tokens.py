"""Bearer tokens of the service: made, used, revoked; and service principals, with Microsoft's own clients."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, ManagedIdentityCredential
from azure.mgmt.datafactory import DataFactoryManagementClient
from servers.service import SUBSCRIPTION, ServiceProcess, service
from servers.tenants import GROUP, Made, make_factory, make_token, path

TOKENS = "/crossdock/v1/tokens"
TENANT = "11111111-1111-1111-1111-111111111111"


def test_life_of_a_token(control_plane: ServiceProcess) -> None:
    factory = make_factory(control_plane)
    made = make_token(control_plane, "contributor", factory)
    with control_plane.client(made.token) as its, control_plane.client() as owner:
        assert its.get(path(factory)).status_code == 200
        listed = {each["id"]: each for each in owner.get(TOKENS).json()["value"]}
        assert (listed[made.id]["role"], listed[made.id]["factory"]) == ("contributor", factory)
        assert made.token not in owner.get(TOKENS).text
        assert owner.delete(f"{TOKENS}/{made.id.upper()}").status_code == 204
        assert its.get(path(factory)).status_code == 401
        assert owner.delete(f"{TOKENS}/{made.id}").status_code == 404


def test_token_that_runs_out(control_plane: ServiceProcess) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    made = make_token(control_plane, "reader", expires=soon.isoformat())
    with control_plane.client(made.token) as client:
        answer = client.get("/subscriptions")
        assert answer.status_code == 200 or datetime.now(UTC) >= soon
        time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()))
        assert client.get("/subscriptions").status_code == 401


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"role": "owner"}, "name"),
        ({"name": "a\nb", "role": "owner"}, "name"),
        ({"name": "x" * 128, "role": "owner"}, "name"),
        ({"name": "x", "role": "king"}, "role"),
        ({"name": "x"}, "role"),
        ({"name": "x", "role": "owner", "expires": "2020-01-01T00:00:00Z"}, "expires"),
        ({"name": "x", "role": "owner", "expires": "2099-01-01T00:00:00"}, "expires"),
        ({"name": "x", "role": "owner", "expires": 7}, "expires"),
    ],
)
def test_tokens_that_are_none(control_plane: ServiceProcess, body: dict[str, object], target: str) -> None:
    with control_plane.client() as client:
        before = client.get(TOKENS).json()
        answer = client.post(TOKENS, json=body)
        assert (answer.status_code, answer.json()["error"]["target"]) == (400, target)
        assert client.get(TOKENS).json() == before


def test_owner_of_one_factory_grants_no_more(control_plane: ServiceProcess) -> None:
    mine, other = make_factory(control_plane), make_factory(control_plane)
    made = make_token(control_plane, "owner", mine)
    foreign = make_token(control_plane, "reader", other)
    with control_plane.client(made.token) as client:
        wanted = {"name": "x", "role": "owner"}
        for factory in (None, other, "there-is-none"):
            refused = client.post(TOKENS, json={**wanted, "factory": factory})
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "AuthorizationFailed")
        assert client.post(TOKENS, json={**wanted, "factory": mine.upper()}).status_code == 200
        assert {each["factory"] for each in client.get(TOKENS).json()["value"]} == {mine}
        assert client.delete(f"{TOKENS}/{foreign.id}").status_code == 404
    with control_plane.client(foreign.token) as client:
        assert client.get(path(other)).status_code == 200


def credential(plane: ServiceProcess, client_id: str, secret: str, tenant: str) -> ClientSecretCredential:
    return ClientSecretCredential(
        tenant, client_id, secret, authority=plane.url, disable_instance_discovery=True,
        connection_verify=str(plane.ca),
    )  # fmt: skip


@pytest.mark.parametrize("tenant", [TENANT, "adfs"])
def test_service_principal_drives_the_official_client(control_plane: ServiceProcess, tenant: str) -> None:
    factory = make_factory(control_plane)
    made = make_token(control_plane, "contributor", factory)
    with (
        credential(control_plane, made.id, made.token, tenant) as signed,
        DataFactoryManagementClient(
            signed, SUBSCRIPTION, base_url=control_plane.url, connection_verify=str(control_plane.ca)
        ) as client,
    ):
        put = client.pipelines.create_or_update(GROUP, factory, "p", {"properties": {"activities": []}})
        assert put.name == "p"
        assert [each.name for each in client.factories.list()] == [factory]
        with control_plane.client() as owner:
            assert owner.delete(f"{TOKENS}/{made.id}").status_code == 204
        # The JWT has not run out, but whom it names is gone.
        with pytest.raises(ClientAuthenticationError):
            client.pipelines.get(GROUP, factory, "p")


def test_wrong_secret(control_plane: ServiceProcess) -> None:
    made, other = (make_token(control_plane, "reader") for _ in range(2))
    for secret in ("cdk_wrong", other.token):
        with (
            credential(control_plane, made.id, secret, TENANT) as signed,
            pytest.raises(ClientAuthenticationError, match="client id or its secret is not known"),
        ):
            signed.get_token("https://management.azure.com/.default")


def test_managed_identity(control_plane: ServiceProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_token(control_plane, "reader")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{control_plane.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", made.token)
    with ManagedIdentityCredential(connection_verify=str(control_plane.ca)) as signed:
        token = signed.get_token("https://management.azure.com/.default").token
    with control_plane.client(token) as client:
        assert client.get("/subscriptions").status_code == 200


def _issued(plane: ServiceProcess, made: Made) -> str:
    wanted = {"grant_type": "client_credentials", "client_id": made.id, "client_secret": made.token}
    with httpx.Client(base_url=plane.url, verify=plane.tls()) as client:
        return str(client.post("/adfs/oauth2/token", data=wanted).json()["access_token"])


def test_jwts_that_others_made(control_plane: ServiceProcess) -> None:
    made = make_token(control_plane, "owner")
    good = _issued(control_plane, made)
    claims = jwt.decode(good, options={"verify_signature": False})
    header = jwt.get_unverified_header(good)
    head, body, signature = good.split(".")
    public = httpx.get(f"{control_plane.url}/adfs/discovery/keys", verify=control_plane.tls()).json()["keys"][
        0
    ]
    key = jwt.PyJWK(public)
    assert jwt.decode(good, key, algorithms=["ES256"], audience="crossdock")["sub"] == made.id
    forged = {
        "unsigned": jwt.encode(claims, None, "none", headers={"kid": header["kid"]}),
        "signed with the public key": jwt.encode(
            claims, (public["x"] + public["y"]).encode(), "HS256", headers={"kid": header["kid"]}
        ),
        "changed": f"{head}.{body[:-2]}AA.{signature}",
        "without a signature": f"{head}.{body}.",
        "nothing of the kind": "a.b.c",
    }
    for what, token in forged.items():
        with control_plane.client(token) as client:
            assert client.get("/subscriptions").status_code == 401, what
    with control_plane.client(good) as client:
        assert client.get("/subscriptions").status_code == 200


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "x", "password": "y"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "invalid_request"),
        ({"grant_type": "client_credentials", "client_id": "x"}, "invalid_request"),
    ],
)
def test_requests_for_tokens_that_are_none(
    control_plane: ServiceProcess, form: dict[str, str], code: str
) -> None:
    with httpx.Client(base_url=control_plane.url, verify=control_plane.tls()) as client:
        answer = client.post(f"/{TENANT}/oauth2/v2.0/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (400, code)


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crossdock", "service", *arguments],
        env=os.environ | {"CROSSDOCK_HOME": str(home)}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def test_lost_token_is_made_anew_at_the_machine(tmp_path: Path) -> None:
    assert run(tmp_path, "token", "list").returncode == 2
    assert not (tmp_path / "service").exists()
    with service(tmp_path) as plane, plane.client() as client:
        assert client.put(path("mine"), json={}).status_code == 200
        done = run(tmp_path, "token", "create", "found again", "--role", "owner", "--days", "1")
        assert done.returncode == 0, done.stderr
        with plane.client(done.stdout.strip()) as again:
            assert again.get(path("mine")).status_code == 200
            listed = json.loads(run(tmp_path, "token", "list", "--output", "json").stdout)["tokens"]
            ids = {each["name"]: each["id"] for each in listed}
            wrong = run(tmp_path, "token", "revoke", ids["administrator"], "nothing")
            assert (wrong.returncode, "there is no token nothing" in wrong.stderr) == (2, True)
            assert client.get(path("mine")).status_code == 200
            assert run(tmp_path, "token", "revoke", ids["administrator"]).returncode == 0
            assert client.get(path("mine")).status_code == 401
            last = again.delete(f"{TOKENS}/{ids['found again']}")
            assert (last.status_code, last.json()["error"]["code"]) == (409, "LastOwner")
            changes = again.get("/crossdock/v1/audit").json()["value"]
            actions = [each["action"] for each in changes if each["outcome"] == "Succeeded"]
            assert actions == ["REVOKE", "CREATE", "PUT", "CREATE"]
        for options, said in (
            (["x", "--role", "king"], "role must be one of"),
            (["x", "--role", "owner", "--factory", "nowhere"], "there is no factory 'nowhere'"),
        ):
            done = run(tmp_path, "token", "create", *options)
            assert (done.returncode, done.stdout) == (2, "")
            assert said in done.stderr
