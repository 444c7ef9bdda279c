"""Wrong requests to Azure by the command line: one sentence, exit code 2, nothing left, no secret told."""

from __future__ import annotations

import base64
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from azure_cli import Cli, Ended
from azure_rig import Rig
from servers.azurite import ACCOUNT, KEY
from servers.network_faults import status

NEW = "env:SAS"
CANARY = "CanarySecretThatNobodyMaySee"
WRONG_KEY = base64.b64encode(CANARY.encode()).decode()


@pytest.fixture
def shell(cli: Cli) -> Cli:
    cli.environment |= {"WRONG_KEY": WRONG_KEY}
    return cli


def _sas(**over: Any) -> str:
    given: dict[str, Any] = {
        "permission": AccountSasPermissions(read=True, write=True, list=True, create=True),
        "expiry": datetime.now(UTC) + timedelta(hours=1),
    } | over
    types = ResourceTypes(object=True, container=True)
    return str(generate_account_sas(ACCOUNT, KEY, types, **given))


def _refused(shell: Cli, ended: Ended, *says: str, resumable: bool = False) -> None:
    """One sentence with these words, the same in the answer; no secret anywhere.

    A run is only kept where what is wrong can be put right at the service; the sentence is then followed by
    how to go on.
    """
    assert ended.code == 2, ended
    sentence, *hint = ended.err.splitlines()
    assert sentence.startswith("crossdock: ")
    for word in says:
        assert word in sentence
    error = ended.answer["error"]
    assert error["message"] in sentence
    assert error["failureType"] == "UserError"
    kept = b"".join(path.read_bytes() for path in shell.home.rglob("*") if path.is_file())
    for secret in (CANARY, WRONG_KEY, KEY, "sig="):
        assert secret not in ended.out + ended.err
        assert secret.encode() not in kept
    assert bool(list((shell.home / "runs").glob("*.db"))) == bool(hint) == resumable


def _up(shell: Cli, path: Path, *more: str, url: str = "", **over: str | None) -> Ended:
    where = url or f"{shell.rig.url}/new"
    return shell.run("copy", path, where, *shell.options("-k", **over), *more, "--output", "json")


class TestCredentials:
    @pytest.fixture(autouse=True)
    def _unchanged(self, rig: Rig) -> Any:
        rig.put(b"theirs", "old")
        yield
        assert rig.names() == ["old"]
        assert rig.read("old") == b"theirs"

    def test_wrong_key(self, shell: Cli) -> None:
        ended = _up(shell, shell.rig.file(), account_key="env:WRONG_KEY")
        _refused(shell, ended, "credentials")

    def test_wrong_key_for_a_source(self, shell: Cli) -> None:
        options = shell.options("-s", account_key="env:WRONG_KEY")
        ended = shell.run("copy", f"{shell.rig.url}/old", "back", *options, "--output", "json")
        _refused(shell, ended, "credentials")
        assert not (shell.rig.folder / "back").exists()

    def test_in_the_words_of_azure(self, shell: Cli) -> None:
        message = "The MAC signature found in the HTTP request is not the same as any computed signature"
        shell.rig.proxy.fail("", status(403, "AuthenticationFailed", message), times=None)
        _refused(shell, _up(shell, shell.rig.file()), "check the account key")

    def test_no_key(self, shell: Cli) -> None:
        shell.environment["NO_KEY"] = f"{CANARY}!"
        _refused(shell, _up(shell, shell.rig.file(), account_key="env:NO_KEY"), "key is not complete")

    def test_expired_sas(self, shell: Cli) -> None:
        shell.environment["SAS"] = _sas(expiry=datetime.now(UTC) - timedelta(minutes=1))
        ended = _up(shell, shell.rig.file(), account_key=None, sas_token=NEW)
        _refused(shell, ended, "the SAS expired at", "give a new one")

    def test_sas_of_tomorrow(self, shell: Cli) -> None:
        begins = datetime.now(UTC) + timedelta(days=1)
        shell.environment["SAS"] = _sas(start=begins, expiry=begins + timedelta(hours=1))
        ended = _up(shell, shell.rig.file(), account_key=None, sas_token=NEW)
        _refused(shell, ended, "not valid before")

    def test_sas_that_may_not_write(self, shell: Cli) -> None:
        shell.environment["SAS"] = _sas(permission=AccountSasPermissions(read=True, list=True))
        ended = _up(shell, shell.rig.file(), account_key=None, sas_token=NEW)
        _refused(shell, ended, "permissions", resumable=True)

    def test_nobody(self, shell: Cli) -> None:
        ended = _up(shell, shell.rig.file(), account_key=None, auth="anonymous")
        _refused(shell, ended)

    def test_clock_that_is_off(self, shell: Cli) -> None:
        refusal = status(403, "AuthenticationFailed", "Too old", Date="Mon, 01 Jun 2020 00:00:00 GMT")
        shell.rig.proxy.fail("", refusal, times=None)
        _refused(shell, _up(shell, shell.rig.file()), "clock is", "minutes ahead", "set the clock")

    def test_lease(self, shell: Cli) -> None:
        lease = shell.rig.blob("old").acquire_lease()
        try:
            for size in (5_000, 9 << 20):
                url = f"{shell.rig.url}/old"
                ended = _up(shell, shell.rig.file(size), "--mode", "overwrite", url=url)
                _refused(shell, ended, "lease of another program", "end or break", resumable=True)
        finally:
            lease.release()


class TestPlaces:
    def test_container_that_is_missing(self, shell: Cli) -> None:
        missing = "az://missing-container"
        _refused(shell, _up(shell, shell.rig.file(), url=f"{missing}/x"), "container", "create")
        options = (*shell.options("-s"), "--output", "json")
        _refused(shell, shell.run("copy", f"{missing}/x", "back", *options), "not exist")
        _refused(shell, shell.run("copy", f"{missing}/d/", "back", *options), "not exist")
        assert not (shell.rig.folder / "back").exists()

    def test_account_that_is_missing(self, shell: Cli) -> None:
        host = "no-such-account.blob.invalid"
        try:
            socket.getaddrinfo(host, 443)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                pytest.skip("nobody here knows whether a name exists")
        ended = _up(shell, shell.rig.file(), endpoint=f"https://{host}", account="contoso")
        _refused(shell, ended, f"there is no host {host}", "check the account's name")

    def test_name_that_is_no_host(self, shell: Cli) -> None:
        ended = _up(shell, shell.rig.file(), endpoint="https://a..b", account="contoso")
        _refused(shell, ended, "a..b")

    def test_wrong_ca(self, shell: Cli) -> None:
        _refused(shell, _up(shell, shell.rig.file(), ca_bundle=None), "certificate", "ca_bundle=FILE")

    def test_ca_that_is_none(self, shell: Cli) -> None:
        _refused(
            shell, _up(shell, shell.rig.file(), ca_bundle="nowhere.pem"), "nowhere.pem", "cannot be read"
        )

    def test_unencrypted(self, shell: Cli) -> None:
        ended = _up(shell, shell.rig.file(), endpoint="http://127.0.0.1:1/acc")
        _refused(shell, ended, "unencrypted", "use https")

    def test_proxy_that_is_none(self, shell: Cli) -> None:
        shell.environment["PROXY"] = f"socks5://me:{CANARY}@127.0.0.1:1"
        _refused(shell, _up(shell, shell.rig.file(), proxy="env:PROXY"), "the proxy is not")


class TestNames:
    @pytest.mark.parametrize("name", ["../x", "a/../../x", "a/./x", "a\x01b", "a\nb", "a\x7fb"])
    def test_of_the_address(self, shell: Cli, name: str) -> None:
        ended = _up(shell, shell.rig.file(), url=f"{shell.rig.url}/{name}")
        _refused(shell, ended, "no '.'")
        assert shell.rig.names() == []

    def test_of_a_file(self, shell: Cli) -> None:
        """None of the files is sent, for one cannot be."""
        for name in ("d/a", "d/b\x02c", "d/z"):
            shell.rig.file(100, name)
        ended = _up(shell, shell.rig.folder / "d", url=f"{shell.rig.url}/d/")
        _refused(shell, ended, "control characters")
        assert shell.rig.names() == []

    def test_too_long(self, shell: Cli) -> None:
        ended = _up(shell, shell.rig.file(), url=f"{shell.rig.url}/{'long/' * 210}x")
        _refused(shell, ended, "longer than the 1024 characters")

    @pytest.mark.parametrize("name", ["../../evil", "a/../../evil"])
    def test_of_a_blob(self, shell: Cli, name: str) -> None:
        """It does not lead out of the folder that it is copied to."""
        shell.rig.put(b"evil", "d/harmless")

        def rename(exchange: Any) -> None:
            answer = exchange.forward()
            answer.body = answer.body.replace(b"<Name>d/harmless<", f"<Name>d/{name}<".encode())
            answer.headers = [("Content-Length", str(len(answer.body)))]
            exchange.reply(answer)

        shell.rig.proxy.fail("GET comp=list", rename, times=None)
        out = shell.rig.folder / "deep" / "out"
        ended = shell.run("copy", f"{shell.rig.url}/d/", out, *shell.options("-s"), "--output", "json")
        _refused(shell, ended, "evil")
        assert not list(shell.rig.folder.rglob("evil"))


class TestBlocks:
    def test_more_than_there_may_be(self, shell: Cli) -> None:
        path = shell.rig.folder / "sparse"
        with path.open("wb") as file:
            file.truncate((50_000 * 4 << 20) + 1)
        _refused(shell, _up(shell, path, "-k", "block_size_in_mb=4"), "50,001 blocks", "choose")
        assert shell.rig.names() == []
