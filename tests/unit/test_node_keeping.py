"""A node's secrets at rest, and in backups: what was altered anywhere is refused whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from crossdock import AlreadyExistsError, AuthError, ConfigError, NotFoundError
from crossdock_scheduler.commands.node import node
from crossdock_scheduler.node import keeping
from crossdock_scheduler.node.backup import back_up, restore
from crossdock_scheduler.node.company import Company, company, keep_company
from crossdock_scheduler.node.identity import Identity, Keys, forget, load, pem, public, save
from crossdock_scheduler.node.permitted import Permitted, permit, permitted
from crossdock_scheduler.node.status import status_of
from crossdock_scheduler.node.vault import Vault
from crossdock_scheduler.wire.sealing import seal, sealed_secret

PASSWORD = "correct horse battery"  # noqa: S105 - of a backup that the tests make
GUID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A registered node that has the vault's key."""
    made = tmp_path / "node"
    keys = Keys.of(made)
    ca = tmp_path / "ca.pem"
    ca.write_text("the CA")
    save(made, Identity("id", "a", "https://host", "f", "r", GUID, 5.0, 30.0, str(ca), keys.signing))
    vault = Vault.of(made, GUID)
    key = ec.generate_private_key(ec.SECP256R1())
    vault.take(3, seal(public(keys.sealing), pem(key), "crossdock vault key"))
    return made


def secrets_of(folder: Path) -> tuple[bytes, bytes, int, bytes]:
    keys, vault = Keys.of(folder), Vault.of(folder, GUID)
    assert vault.key is not None
    return pem(keys.signing), pem(keys.sealing), vault.version, pem(vault.key)


def test_nothing_at_rest_is_plain(folder: Path) -> None:
    for path in folder.iterdir():
        assert b"PRIVATE" not in path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
    forget(folder)
    assert list(folder.iterdir()) == []


def test_files_of_another_machine_do_not_open(folder: Path, tmp_path: Path) -> None:
    (folder / keeping.KEY_FILE).write_bytes(bytes(32))
    with pytest.raises(ConfigError, match="does not open with the key of this machine"):
        load(folder)


def test_files_do_not_stand_for_each_other(folder: Path) -> None:
    (folder / "signing.key").write_bytes((folder / "sealing.key").read_bytes())
    with pytest.raises(ConfigError, match="does not open"):
        load(folder)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'{"version": 1, "by": "file", "data": "!"}', b"\xff"]
)
def test_damaged_files_are_refused(folder: Path, content: bytes) -> None:
    (folder / "signing.key").write_bytes(content)
    with pytest.raises(ConfigError, match="is damaged"):
        load(folder)


@pytest.fixture
def credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of systemd."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / keeping.CREDENTIAL).write_bytes(b"k" * 40)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))


@pytest.mark.usefixtures("credential")
def test_key_of_systemd_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Keys.of(tmp_path / "node")
    assert not (tmp_path / "node" / keeping.KEY_FILE).exists()
    assert pem(Keys.of(tmp_path / "node").signing) == pem(before.signing)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(ConfigError, match=f"need the systemd credential {keeping.CREDENTIAL}"):
        Keys.of(tmp_path / "node")


@pytest.mark.usefixtures("credential")
def test_key_that_is_none_is_not_chosen(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    Keys.of(folder)
    (folder / keeping.KEY_FILE).write_bytes(b"short")
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    with pytest.raises(ConfigError, match="is no key of a machine"):
        keeping.move(folder, "file", ("signing.key", "sealing.key"))
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


@pytest.mark.usefixtures("credential")
def test_what_a_key_opens_is_on_the_disk_anew_before_the_key_goes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace, unlink = os.fsync, Path.replace, Path.unlink

    def synced(descriptor: int) -> None:
        done.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def replaced(path: Path, target: Path) -> Path:
        done.append(f"to {target.name}")
        return replace(path, target)

    def unlinked(path: Path, *, missing_ok: bool = False) -> None:
        done.append(f"not {path.name}")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(Path, "unlink", unlinked)
    keeping.move(folder, "systemd", ("signing.key",))
    assert done[-3:] == ["to signing.key", folder.name, f"not {keeping.KEY_FILE}"]


def unregistered(folder: Path, *more: str) -> str:
    done = CliRunner().invoke(node, ["unregister", *more, "--state", str(folder)])
    if done.exception:
        raise done.exception
    return done.output


@pytest.mark.usefixtures("credential")
def test_node_without_its_credential_is_seen_and_restored(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(folder, tmp_path / "backup", PASSWORD)
    before = secrets_of(folder)
    keeping.move(folder, "systemd", ("signing.key", "sealing.key", "vault.key"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert status_of(folder).as_json()["name"] == "a"
    with pytest.raises(ConfigError, match="need the systemd credential"):
        unregistered(folder)
    said = unregistered(folder, "--force")
    assert "a is no node of r in f any more" in said
    assert "crossdock node machine-key systemd" in said
    restore(folder, tmp_path / "backup", PASSWORD)
    assert (load(folder).node_id, secrets_of(folder)) == ("id", before)


@pytest.mark.parametrize("left", ["node.json", "signing.key", keeping.CHOICE])
def test_what_is_damaged_is_forgotten_when_forced(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_bytes(b"{")
    with pytest.raises((ConfigError, NotFoundError)):
        unregistered(tmp_path)
    assert "is deleted" in unregistered(tmp_path, "--force")
    assert not (tmp_path / left).exists()
    with pytest.raises(NotFoundError):
        unregistered(tmp_path, "--force")


def test_backup_has_what_jobs_may_reach(folder: Path, tmp_path: Path) -> None:
    allowed = Permitted(private=False, networks=("10.1.2.0/24",), roots=("/data",))
    back_up(folder, tmp_path / "plain", PASSWORD)
    permit(folder, allowed)
    keep_company(folder, Company(alone=True))
    back_up(folder, tmp_path / "backup", PASSWORD)
    restore(tmp_path / "other", tmp_path / "backup", PASSWORD)
    assert permitted(tmp_path / "other") == allowed
    assert company(tmp_path / "other") == Company(alone=True)
    restore(tmp_path / "third", tmp_path / "plain", PASSWORD)
    assert permitted(tmp_path / "third") == Permitted()
    permit(tmp_path / "fourth", Permitted(roots=()))
    restore(tmp_path / "fourth", tmp_path / "backup", PASSWORD)
    assert permitted(tmp_path / "fourth") == Permitted(roots=())


def test_folders_of_the_agent_widen_no_policy(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "out").symlink_to("/")
    permit(folder, Permitted(roots=(str(data),)))
    for wider in ("/", str(tmp_path), str(data / "out")):
        found = CliRunner().invoke(node, ["start", "--allow-path", wider, "--state", str(folder)])
        assert "outside of what is allowed" in str(found.exception)
    assert permitted(folder).narrowed([str(data / "a")]).roots == (str(data / "a"),)
    assert permitted(folder).narrowed(None).roots == (str(data),)
    assert Permitted().narrowed(["/data"]).roots == ("/data",)


def test_backup_is_the_node_on_another_machine(folder: Path, tmp_path: Path) -> None:
    known = back_up(folder, tmp_path / "backup", PASSWORD)
    file = (tmp_path / "backup").read_bytes()
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    assert not any(each in file for each in (b"PRIVATE", b"https://host", PASSWORD.encode()))
    other = tmp_path / "other"
    found = restore(other, tmp_path / "backup", PASSWORD)
    assert secrets_of(other) == secrets_of(folder)
    assert (found.node_id, found.name, load(other).url) == (known.node_id, "a", "https://host")
    assert Path(load(other).ca).read_text() == "the CA"
    assert Path(load(other).ca).parent == other
    with pytest.raises(AlreadyExistsError, match="is registered"):
        restore(other, tmp_path / "backup", PASSWORD)


def test_altered_backups_change_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crossdock_scheduler.wire import backup

    monkeypatch.setattr(backup, "_COST", 14)
    back_up(folder, tmp_path / "backup", PASSWORD)
    file, other = (tmp_path / "backup").read_bytes(), tmp_path / "other"
    header = 16 + 1 + 15 + 3 + 16 + 12
    # Each byte of the header, the first and last of the content, and of its tag.
    places = [*range(header), header, len(file) // 2, len(file) - 17, len(file) - 16, len(file) - 1]
    broken = [file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :] for at in places]
    broken += [file[:at] for at in (0, 1, 16, header - 1, header, header + 1, len(file) - 1)]
    broken += [file + b"\0", b"PK\x03\x04" + file, json.dumps({"identity": {}}).encode()]
    for number, content in enumerate(broken):
        (tmp_path / "broken").write_bytes(content)
        with pytest.raises(ConfigError, match=r"cannot be restored: "):
            restore(other, tmp_path / "broken", PASSWORD)
        assert not other.exists(), number
    for password in ("", PASSWORD[:-1], PASSWORD + " "):
        with pytest.raises(ConfigError, match="the password is wrong, or the file is damaged"):
            restore(other, tmp_path / "backup", password)
    service = backup.sealed("service", b"{}", PASSWORD)
    (tmp_path / "broken").write_bytes(service)
    with pytest.raises(ConfigError, match="no backup of a node"):
        restore(other, tmp_path / "broken", PASSWORD)
    assert not other.exists()


def test_backup_needs_a_node_and_a_password(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        back_up(tmp_path / "nothing", tmp_path / "backup", PASSWORD)
    with pytest.raises(ConfigError, match="at least 8 characters"):
        back_up(folder, tmp_path / "backup", "short")
    assert not (tmp_path / "backup").exists()


def test_secret_of_a_lost_vault_is_named(folder: Path) -> None:
    """Nobody opens it: whoever reads the error knows which linked service to put again."""
    vault = Vault.of(folder, GUID)
    assert vault.key is not None
    definitions = [
        {"kind": "linkedService", "name": name, "properties": {"typeProperties": {"password": secret}}}
        for name, secret in (
            ("kept", sealed_secret(GUID, 3, public(vault.key), "word")),
            ("sql", sealed_secret(GUID, 2, public(vault.key), "word")),
        )
    ]
    opened = vault.opened({"definitions": definitions[:1]})["definitions"][0]["properties"]
    assert opened["typeProperties"]["password"]["value"] == "word"
    with pytest.raises(AuthError, match=r"the linkedService 'sql': .* version 2 .* has 3"):
        vault.opened({"definitions": definitions})
