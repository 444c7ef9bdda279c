"""Another key for a runtime's vault: with what a node has to do for it, and as its command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import test_service_secrets as secrets
from servers.node import command, node, register
from servers.node_client import NodeClient
from servers.service import ServiceProcess
from servers.waiting import eventually
from test_service_secrets import CANARY, linked, put, secure, server, work

from crossdock import AuthError
from crossdock_scheduler.node.identity import Keys
from crossdock_scheduler.node.vault import Vault, made
from crossdock_scheduler.wire import node as wire

http, factory = secrets.http, secrets.factory
path = secrets.path


@dataclass
class Opener:
    """A node that has the vault as nodes do, and says what they would."""

    client: NodeClient
    vault: Vault

    @classmethod
    def of(cls, http: httpx.Client, server: httpx.Client, factory: str, folder: Path, name: str) -> Opener:
        client = NodeClient(server, name)
        keys = Keys(client.signing, client.sealing)
        key = http.post(path(factory, "/integrationRuntimes/here/listAuthKeys")).json()["authKey1"]
        answer = client.register(key, vault=made(keys).model_dump())
        folder.mkdir()
        return cls(client, Vault(folder, keys, answer.json()["guid"]))

    def beat(self) -> dict[str, Any]:
        """Until it is in step, or nobody has sealed the key to it."""
        said: dict[str, Any] = self.client.beat(vault=self.vault.version).json()
        if said["vault_key"] is None:
            return said
        self.vault.take(said["vault"], said["vault_key"])
        return self.beat()

    def shares(self) -> None:
        (wanting,) = self.beat()["wanting"]
        given = self.vault.shares([wire.Share(**wanting)])
        self.client.post("vault", version=self.vault.version, shares=[each.model_dump() for each in given])

    def asks(self) -> wire.Secrets:
        return wire.Secrets.model_validate_json(self.client.post("vault/secrets").content)

    def password(self, job: dict[str, Any]) -> str:
        found: str = linked(self.vault.opened(job))["password"]["value"]
        return found


def follow(who: Opener, given: wire.NextVault) -> httpx.Response:
    return who.client.post("vault/next", **json.loads(given.model_dump_json()))


def test_all_secrets_are_sealed_to_the_next_key(
    http: httpx.Client, factory: str, control_plane: ServiceProcess, tmp_path: Path
) -> None:
    with httpx.Client(base_url=control_plane.url, verify=control_plane.tls(), timeout=30) as plain:
        first = Opener.of(http, plain, factory, tmp_path / "a", "a")
        first.beat()
        second = Opener.of(http, plain, factory, tmp_path / "b", "b")
        second.beat()
        first.shares()
        second.beat()
        put(http, factory, server(password=secure(CANARY))).raise_for_status()
        put(http, factory, server(password=secure("another")), "other").raise_for_status()
        before = work(http, factory, first.client)
        late = first.vault.next(first.asks())
        put(http, factory, server(password=secure("changed")), "other").raise_for_status()
        refused = follow(first, late)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "VaultChanged")
        assert follow(first, first.vault.next(first.asks())).status_code == 200
        assert follow(first, late).status_code == 409
        # Who still has the key before takes no job, and is given the next one.
        assert second.client.claim() == []
        for each in (first, second):
            each.beat()
            assert (each.vault.version, each.password(before)) == (2, CANARY)
        after = work(http, factory, second.client)
        assert linked(after)["password"]["sealed"]["version"] == 2
        third = Opener.of(http, plain, factory, tmp_path / "c", "c")
        third.beat()
        second.shares()
        third.beat()
        kept = Vault.of(tmp_path / "b", second.vault.guid)
        assert (kept.version, list(kept.older)) == (2, [1])
        for each in (first, second, third):
            assert [each.password(job) for job in (before, after)] == [CANARY, CANARY]
        first.vault.older.clear()
        with pytest.raises(AuthError, match="version 1"):
            first.password(before)
    told = http.post(path(factory, "/integrationRuntimes/here/getStatus")).json()["properties"]
    assert told["typeProperties"]["secretsToGiveAgain"] == []
    log = http.get("/crossdock/v1/audit").json()["value"]
    done = [each["action"] for each in log if factory in each["target"]]
    assert {"NEXTVAULT", "SHAREVAULT"} <= set(done)


@pytest.mark.parametrize("control_plane", ["sqlite"], indirect=True)
def test_the_command(http: httpx.Client, factory: str, control_plane: ServiceProcess, tmp_path: Path) -> None:
    home = tmp_path / "home"
    key = http.post(path(factory, "/integrationRuntimes/here/listAuthKeys")).json()["authKey1"]
    register(home, control_plane, key, "a")

    def is_online() -> bool:
        answer = http.post(path(factory, "/integrationRuntimes/here/getStatus")).json()
        return bool(answer["properties"]["state"] == "Online")

    refused = command(home, "rotate-vault")
    assert (refused.returncode, "this node opens none" in refused.stderr) == (2, True)
    with node(home):
        eventually(is_online)
        put(http, factory, server(password=secure(CANARY))).raise_for_status()
        done = command(home, "rotate-vault")
        assert done.returncode == 0, done.stderr
        assert "version 2; 1 secrets" in done.stderr + done.stdout
        eventually(is_online)
    assert Vault.of(home / "node", json.loads((home / "node" / "node.json").read_text())["guid"]).version == 2
