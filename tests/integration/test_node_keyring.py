"""The key of the machine in the keyring of the system: GNOME Keyring's, by the Secret Service."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers.secret_service import MISSING, bus, secret_service
from servers.waiting import eventually
from typer.testing import CliRunner

from crossdock import ConfigError
from crossdock_scheduler.commands.node import node
from crossdock_scheduler.node import keeping, os_keyring
from crossdock_scheduler.node.backup import back_up, restore
from crossdock_scheduler.node.identity import SEALING, SIGNING, Identity, Keys, forget, load, pem, save
from crossdock_scheduler.node.proxy import FILE, Proxy, proxy_of, set_proxy

PROXY = Proxy("custom", "proxy", 3128, "me", "the password of the proxy")
PASSWORD = "correct horse battery"  # noqa: S105 - of a backup that the tests make
KEPT = (SIGNING, SEALING, FILE)

# The library leaves its socket open where the bus does not answer.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _no_sockets_for_others() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    """One that is unlocked; what is closed is it."""
    if MISSING:
        pytest.skip(f"{' and '.join(MISSING)} is not installed")
    with bus() as (folder, address):
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        with ExitStack() as running:
            running.enter_context(secret_service(folder, address))
            eventually(works, 20)
            yield running


def works() -> bool:
    try:
        return os_keyring.secret("nobody's") is None
    except ConfigError:
        return False


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a node with keys and a proxy, under a key in a file."""
    made = tmp_path / "node"
    Keys.of(made)
    set_proxy(made, PROXY)
    return made


def secrets_of(folder: Path) -> tuple[bytes, bytes, Proxy]:
    keys = Keys.of(folder)
    return pem(keys.signing), pem(keys.sealing), proxy_of(folder)


def moved(folder: Path, place: str) -> None:
    done = CliRunner().invoke(node, ["machine-key", place, "--state", str(folder)])
    if done.exception:
        raise done.exception


def entry(folder: Path) -> str:
    return str(json.loads((folder / keeping.CHOICE).read_text())["entry"])


def registered(folder: Path) -> bytes:
    """Its key."""
    key = Keys.of(folder).signing
    save(folder, Identity("id", "a", "https://host", "f", "r", "guid", 5.0, 30.0, "", key))
    return pem(key)


def unregistered(folder: Path, *more: str) -> str:
    done = CliRunner().invoke(node, ["unregister", *more, "--state", str(folder)])
    if done.exception:
        raise done.exception
    return done.output


def places(folder: Path) -> set[str]:
    return {json.loads((folder / name).read_text())["by"] for name in KEPT}


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_there_and_back(folder: Path, keyring: ExitStack) -> None:
    before = secrets_of(folder)
    moved(folder, "keyring")
    assert (places(folder), keeping.place(folder)) == ({"keyring"}, "keyring")
    assert not (folder / keeping.KEY_FILE).exists()
    assert secrets_of(folder) == before
    key, name = os_keyring.secret(entry(folder)), entry(folder)
    assert key is not None
    assert len(key) == 32
    assert not any(key in each for each in contents(folder).values())
    moved(folder, "file")
    assert (places(folder), secrets_of(folder)) == ({"file"}, before)
    assert os_keyring.secret(name) is None
    moved(folder, "keyring")
    name = entry(folder)
    forget(folder)
    assert os_keyring.secret(name) is None
    assert not any(each.suffix in {".key", ".json"} for each in folder.iterdir())


def test_nothing_is_taken_in_its_place(
    folder: Path, keyring: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's keyring, then none at all: what is kept does not open, and nothing more is kept."""
    moved(folder, "keyring")
    before = contents(folder)
    os_keyring.forget(entry(folder))
    for why in ("has no key for the node", "the keyring of this system cannot be used"):
        for use in (Keys.of, proxy_of, lambda where: set_proxy(where, Proxy("none"))):
            with pytest.raises(ConfigError, match=why):
                use(folder)
        keyring.close()
    assert contents(folder) == before


def test_one_that_is_not_there_is_not_chosen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("keyring")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={folder}/nothing")
    before = contents(folder)
    with pytest.raises(ConfigError, match="the keyring of this system cannot be used"):
        moved(folder, "keyring")
    with pytest.raises(ConfigError, match=f"need the systemd credential {keeping.CREDENTIAL}"):
        moved(folder, "systemd")
    after = contents(folder)
    assert {name: after[name] for name in before} == before
    assert keeping.CHOICE not in after


@pytest.mark.parametrize("kept", range(len(KEPT)))
def test_broken_off_it_is_done_again(
    folder: Path, keyring: ExitStack, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """However many are encrypted anew by then, each opens."""
    before, keep, left = secrets_of(folder), keeping.keep, [kept]

    def some(*given: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        keep(*given)  # type: ignore[arg-type]

    for place in ("keyring", "file"):
        left[0] = kept
        with monkeypatch.context() as patched:
            patched.setattr(keeping, "keep", some)
            with pytest.raises(KeyboardInterrupt):
                keeping.move(folder, place, KEPT)
        assert secrets_of(folder) == before
        moved(folder, place)
        assert (places(folder), secrets_of(folder)) == ({place}, before)


def test_without_its_entry_a_node_is_restored(folder: Path, keyring: ExitStack, tmp_path: Path) -> None:
    before = registered(folder)
    back_up(folder, tmp_path / "backup", PASSWORD)
    moved(folder, "keyring")
    os_keyring.forget(entry(folder))
    for use in (load, unregistered):
        with pytest.raises(ConfigError, match="has no key for the node") as refused:
            use(folder)
        assert "crossdock node unregister --force" in str(refused.value.hint)
    assert "crossdock node machine-key keyring" in unregistered(folder, "--force")
    restore(folder, tmp_path / "backup", PASSWORD)
    assert (load(folder).node_id, pem(load(folder).signing)) == ("id", before)


def test_one_that_keeps_something_else_is_not_chosen(
    folder: Path, keyring: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, secret, put = contents(folder), os_keyring.secret, list[str]()

    def other(name: str) -> bytes | None:
        put.append(name)
        return None if secret(name) is None else b"another"

    with monkeypatch.context() as patched:
        patched.setattr(os_keyring, "secret", other)
        with pytest.raises(ConfigError, match="does not keep what it is given"):
            keeping.move(folder, "keyring", KEPT)
    assert contents(folder) == before
    assert [os_keyring.secret(each) for each in set(put)] == [None]


def test_an_entry_that_was_not_chosen_yet_is_known(
    folder: Path, keyring: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, put = secrets_of(folder), os_keyring.put

    def ended(name: str, content: bytes) -> None:
        put(name, content)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os_keyring, "put", ended)
        with pytest.raises(KeyboardInterrupt):
            keeping.move(folder, "keyring", KEPT)
    made = os_keyring.secret(entry(folder))
    assert made is not None
    assert (keeping.place(folder), secrets_of(folder)) == ("file", before)
    moved(folder, "keyring")
    assert (os_keyring.secret(entry(folder)), secrets_of(folder)) == (made, before)
