"""Signing in to Entra ID at a token endpoint, and credentials that run out in mid-copy (F11)."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from azure_cli import Cli
from azure_rig import BLOCKS, Rig
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from servers.azurite import ACCOUNT, KEY
from servers.entra import SECRET, TENANT, Issuer, issuer
from servers.fault_proxy import Exchange
from servers.network_faults import meanwhile, refusal, status

import crossdock
from crossdock import AuthError, ConfigError
from crossdock_connectors.azure import errors

BLOCK = "PUT comp=block"


@pytest.fixture
def entra(tmp_path: Path) -> Iterator[Issuer]:
    folder = tmp_path / "entra"
    folder.mkdir()
    with issuer(folder) as found:
        yield found


@pytest.fixture
def signed_in(rig: Rig, entra: Issuer, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """The rig without a key: a service principal signs in. Both servers' CAs are in one file."""
    both = rig.folder / "both.pem"
    both.write_bytes(rig.proxy.ca.read_bytes() + entra.ca.read_bytes())
    for name, value in entra.principal.items():
        monkeypatch.setenv(name, value)
    del rig.options["account_key"]
    rig.options |= {"account": ACCOUNT, "auth": "entra", "ca_bundle": str(both)}
    return rig


def _sas(seconds: float) -> str:
    return str(
        generate_account_sas(
            ACCOUNT,
            KEY,
            ResourceTypes(object=True, container=True),
            AccountSasPermissions(read=True, write=True, list=True, create=True),
            datetime.now(UTC) + timedelta(seconds=seconds),
        )
    )


class TestSignIn:
    def test_service_principal(self, signed_in: Rig, entra: Issuer) -> None:
        path = signed_in.file()
        signed_in.up(path, parallel_copies=3)
        assert signed_in.read() == path.read_bytes()
        assert {asked["grant_type"] for asked in entra.asked} == {"client_credentials"}
        assert len(entra.asked) == 1, "all stores of a copy share a token"

    def test_managed_identity(self, signed_in: Rig, entra: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in entra.principal:
            monkeypatch.delenv(name)
        for name, value in entra.managed.items():
            monkeypatch.setenv(name, value)
        path = signed_in.file()
        signed_in.up(path)
        assert signed_in.read() == path.read_bytes()
        assert {asked["resource"] for asked in entra.asked} == {"https://storage.azure.com"}

    def test_workload_identity(self, signed_in: Rig, entra: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AZURE_CLIENT_SECRET")
        for name, value in entra.workload(signed_in.folder / "token").items():
            monkeypatch.setenv(name, value)
        path = signed_in.file()
        signed_in.up(path)
        assert signed_in.read() == path.read_bytes()
        assert "client_assertion" in entra.asked[0]

    def test_a_wrong_secret(self, signed_in: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AZURE_CLIENT_SECRET", "WRONG-SECRET")
        with pytest.raises(AuthError, match=r"signing in to Entra ID failed \(AADSTS7000215\)") as caught:
            signed_in.up(signed_in.file())
        assert "WRONG-SECRET" not in f"{caught.value} {caught.value.detail}"
        assert signed_in.names() == []

    def test_an_authority_that_is_not_trusted(self, signed_in: Rig) -> None:
        signed_in.options["ca_bundle"] = str(signed_in.proxy.ca)
        with pytest.raises(ConfigError, match=r"sign-in service is not trusted here.*ca_bundle"):
            signed_in.up(signed_in.file())
        assert signed_in.names() == []

    def test_the_challenge_of_another_tenant(self, signed_in: Rig, entra: Issuer) -> None:
        """The service says 401 and where to sign in: the request is sent again with a new token."""
        path = signed_in.file()
        where = f"Bearer authorization_uri={entra.authority}/adfs resource_id=https://storage.azure.com"
        signed_in.proxy.fail(BLOCK, status(401, "InvalidAuthenticationInfo", WWW_Authenticate=where), nth=2)
        result = signed_in.up(path)
        assert signed_in.read() == path.read_bytes()
        assert result.retries == 0
        assert signed_in.proxy.count(BLOCK) == BLOCKS + 1


class TestOptions:
    """Who signs in is said by options, as linked services say it: nothing is in the environment."""

    @pytest.fixture(autouse=True)
    def named(self, signed_in: Rig, entra: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in entra.principal.keys() - {"AZURE_AUTHORITY_HOST"}:
            monkeypatch.delenv(name)
        # A key of somebody else's does not count where an identity is named.
        monkeypatch.setenv("AZURE_STORAGE_KEY", "b3RoZXI=")
        signed_in.options |= {"auth": "auto", "tenant_id": TENANT, "client_id": "app"}

    def test_a_secret(self, signed_in: Rig, entra: Issuer) -> None:
        signed_in.options["client_secret"] = SECRET
        path = signed_in.file()
        signed_in.up(path, parallel_copies=3)
        assert signed_in.read() == path.read_bytes()
        assert [(asked["client_id"], asked["client_secret"]) for asked in entra.asked] == [("app", SECRET)]

    @pytest.mark.parametrize("form", ["pem", "pfx"])
    def test_a_certificate(self, signed_in: Rig, entra: Issuer, form: str) -> None:
        made = trustme.CA().issue_cert("app.example", key_type=trustme.KeyType.RSA)
        pem = made.private_key_and_cert_chain_pem.bytes()
        entra.certificate = x509.load_pem_x509_certificate(made.cert_chain_pems[0].bytes())
        text = pem.decode()
        if form == "pfx":
            key = serialization.load_pem_private_key(pem, None)
            lock = serialization.BestAvailableEncryption(b"locked")
            data = pkcs12.serialize_key_and_certificates(b"app", key, entra.certificate, None, lock)  # type: ignore[arg-type]
            text = base64.b64encode(data).decode()
            signed_in.options |= {"client_certificate_password": "locked"}
        signed_in.options["client_certificate"] = text
        path = signed_in.file()
        signed_in.up(path)
        assert signed_in.read() == path.read_bytes()
        assert "client_assertion" in entra.asked[0]

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"client_certificate": "bm8="}, "client_certificate is no certificate with an RSA key"),
            ({"client_secret": SECRET, "tenant_id": None}, "tenant_id and client_id"),
            ({}, "the application 'app' needs client_secret"),
        ],
    )
    def test_what_does_not_go_together(self, signed_in: Rig, given: dict[str, Any], says: str) -> None:
        signed_in.options |= given
        signed_in.options = {name: value for name, value in signed_in.options.items() if value is not None}
        with pytest.raises(ConfigError, match=says):
            signed_in.up(signed_in.file())

    @pytest.mark.parametrize(
        ("name", "parameter"),
        [("9f1c2d3e-0000-4000-8000-00000000000a", "client_id"), ("/subscriptions/s/x", "mi_res_id")],
    )
    def test_a_managed_identity(
        self, signed_in: Rig, entra: Issuer, monkeypatch: pytest.MonkeyPatch, name: str, parameter: str
    ) -> None:
        for variable, value in entra.managed.items():
            monkeypatch.setenv(variable, value)
        del signed_in.options["client_id"], signed_in.options["tenant_id"]
        signed_in.options["managed_identity"] = name
        path = signed_in.file()
        signed_in.up(path)
        assert signed_in.read() == path.read_bytes()
        assert {asked[parameter] for asked in entra.asked} == {name}


class TestTokens:
    def test_one_that_runs_out_is_renewed(self, signed_in: Rig, entra: Issuer) -> None:
        entra.seconds = 2
        path = signed_in.file()
        signed_in.proxy.fail(BLOCK, meanwhile(lambda: time.sleep(3), after=True), nth=3)
        result = signed_in.up(path)
        assert signed_in.read() == path.read_bytes()
        assert result.retries == 0
        assert len(entra.asked) > 1

    def test_one_that_cannot_be_renewed(
        self, signed_in: Rig, entra: Issuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The secret was changed in mid-copy: one sentence, and a resumed run goes on with the new one."""
        entra.seconds = 2

        def change() -> None:
            entra.secret = "a new secret"  # noqa: S105
            time.sleep(3)

        path = signed_in.file()
        signed_in.proxy.fail(BLOCK, meanwhile(change, after=True), nth=3)
        with pytest.raises(AuthError, match="signing in to Entra ID failed") as caught:
            signed_in.up(path)
        assert caught.value.resumable
        assert caught.value.run_id
        assert SECRET not in f"{caught.value} {caught.value.detail}"
        monkeypatch.setenv("AZURE_CLIENT_SECRET", "a new secret")
        signed_in.proxy.forget()
        crossdock.resume(caught.value.run_id)
        assert signed_in.read() == path.read_bytes()
        assert signed_in.proxy.count(BLOCK) == BLOCKS - 3

    @pytest.mark.parametrize("deaf", [False, True], ids=["busy", "deaf"])
    def test_the_issuer_fails_for_a_while(
        self, signed_in: Rig, entra: Issuer, monkeypatch: pytest.MonkeyPatch, deaf: bool
    ) -> None:
        monkeypatch.setattr(errors, "SIGN_IN_WAIT", 1.0)
        entra.seconds, entra.deaf = 2, deaf

        def fail() -> None:
            entra.busy = 5  # more often than the SDK tries by itself
            time.sleep(3)

        path = signed_in.file()
        signed_in.proxy.fail(BLOCK, meanwhile(fail, after=True), nth=3)
        result = signed_in.up(path)
        assert signed_in.read() == path.read_bytes()
        assert entra.busy == 0
        assert result.retries > 0


class TestSas:
    def test_one_that_runs_out(self, rig: Rig, cli: Cli) -> None:
        """One sentence and exit code 2; with a new SAS the run goes on where it stopped."""
        path = rig.file(12 << 20)
        rig.proxy.fail(BLOCK, meanwhile(lambda: time.sleep(6), after=True), nth=5)
        old, new = rig.folder / "old", _sas(3600)
        old.write_text(_sas(6))
        options = cli.options("-k", account_key=None, sas_token=f"@{old}", read_timeout="20")
        ended = cli.run(
            "copy", path, f"{rig.url}/x", *options,
            "--block-size", "1MiB", "--parallel-copies", "1", "--run-id", "r",
        )  # fmt: skip
        assert ended.code == 2, ended
        said = ended.err.splitlines()
        assert "the SAS" in said[0]
        assert "expired" in said[0]
        assert "crossdock runs resume r" in said[1]
        assert "sig=" not in ended.err + ended.out
        sent = len([seen for seen in rig.proxy.all(BLOCK) if seen.status == 201])
        rig.proxy.forget()
        cli.environment["NEW_SAS"] = new
        ended = cli.resume("r", "-k", "sas_token=env:NEW_SAS")
        assert ended.code == 0, ended
        assert rig.read() == path.read_bytes()
        assert rig.proxy.count(BLOCK) == 12 - sent

    @pytest.fixture
    def in_a_file(self, rig: Rig) -> Path:
        """The SAS is in a file, and is good for a few seconds."""
        path = rig.folder / "sas"
        path.write_text(_sas(6) + "\n")
        del rig.options["account_key"]
        rig.options |= {"sas_token_file": str(path), "read_timeout": "20"}
        return path

    def test_one_that_is_renewed_in_its_file(self, rig: Rig, in_a_file: Path) -> None:
        path = rig.file()

        def renew() -> None:
            in_a_file.write_text(_sas(3600))
            time.sleep(7)

        rig.proxy.fail(BLOCK, meanwhile(renew, after=True), nth=3)
        result = rig.up(path)
        assert rig.read() == path.read_bytes()
        assert result.retries == 0
        assert rig.proxy.count(BLOCK) == BLOCKS

    def test_one_that_is_renewed_too_late(self, rig: Rig, in_a_file: Path) -> None:
        """It is used as long as it lasts; then the copy stops, and goes on when there is a new one."""
        path = rig.file()
        rig.proxy.fail(BLOCK, meanwhile(lambda: time.sleep(7), after=True), nth=3)
        with pytest.raises(AuthError, match=r"has expired at .*; resume with a new one") as caught:
            rig.up(path)
        assert caught.value.run_id
        in_a_file.write_text(_sas(3600))
        rig.proxy.forget()
        crossdock.resume(caught.value.run_id)
        assert rig.read() == path.read_bytes()
        assert rig.proxy.count(BLOCK) == BLOCKS - 3

    def test_in_the_address(self, rig: Rig, cli: Cli) -> None:
        """A new SAS as an option takes the place of the one in the address."""
        path = rig.file(12 << 20)
        rig.proxy.fail(BLOCK, status(403, "AuthorizationFailure"), nth=5)
        given: dict[str, Any] = {"account_key": None}
        address = f"az://{rig.container}/x?{_sas(3600)}"
        ended = cli.run(
            "copy", path, address, *cli.options("-k", **given), "--block-size", "1MiB", "--run-id", "r"
        )
        assert ended.code == 2, ended
        assert "sig=" not in ended.err + ended.out
        cli.environment["NEW_SAS"] = _sas(3600)
        ended = cli.resume("r", "-k", "sas_token=env:NEW_SAS")
        assert ended.code == 0, ended
        assert rig.read() == path.read_bytes()


class TestClock:
    @pytest.mark.parametrize(("minutes", "says"), [(-20, "20 minutes ahead of"), (20, "20 minutes behind")])
    def test_off_by_more_than_the_service_takes(self, rig: Rig, minutes: int, says: str) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)

        def refuse(exchange: Exchange) -> None:
            message = "Server failed to authenticate the request. Request date header too old"
            bodyless = exchange.seen.method == "HEAD"
            exchange.reply(refusal(403, "AuthenticationFailed", message, bodyless, Date=date))

        rig.proxy.fail("", refuse, times=None)
        with pytest.raises(AuthError, match=f"clock is {says} the service's; set the clock"):
            rig.up(rig.file())
        rig.proxy.heal()
        assert rig.names() == []
