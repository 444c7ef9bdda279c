"""Entries of the system's keyring: the Secret Service on Linux (GNOME Keyring, KWallet), the Keychain on
macOS, the Credential Locker on Windows, which DPAPI protects."""

from __future__ import annotations

import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crossdock import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_SERVICE = "crossdock node"


def secret(entry: str) -> bytes | None:
    """What the entry has; None without one. Raises ConfigError where the keyring is not there, or locked."""
    with _opened() as found:
        text = found.get_password(_SERVICE, entry)
        return None if text is None else b64decode(text, validate=True)


def put(entry: str, content: bytes) -> None:
    """Raises ConfigError as ``secret`` does, and for a keyring that does not give back what it is given."""
    with _opened() as found:
        found.set_password(_SERVICE, entry, b64encode(content).decode())
    if secret(entry) != content:
        raise ConfigError("the keyring of this system does not keep what it is given")


def forget(entry: str) -> None:
    """Without the entry nothing is done."""
    with _opened() as found:
        if found.get_password(_SERVICE, entry) is not None:
            found.delete_password(_SERVICE, entry)


@contextmanager
def _opened() -> Iterator[KeyringBackend]:
    try:
        yield _keyring()
    except ImportError:
        raise MissingDependencyError(
            "the keyring of this system needs a package; install it with: pip install 'crossdock[keyring]'"
        ) from None
    except Exception as error:
        # Each of the systems' libraries has errors of its own.
        raise ConfigError(
            f"the keyring of this system cannot be used: {error or type(error).__name__}",
            hint="it has to run and to be unlocked for the user whose node this is",
        ) from error


def _keyring() -> KeyringBackend:
    """The system's own, and never a file, whatever the library is configured to."""
    if sys.platform == "win32":
        from keyring.backends.Windows import WinVaultKeyring as Keyring
    elif sys.platform == "darwin":
        from keyring.backends.macOS import Keyring
    else:
        from keyring.backends.SecretService import Keyring
    # Asked for, it says why it is not there.
    if Keyring.priority < 1:
        raise RuntimeError("there is none")
    return Keyring()  # type: ignore[no-untyped-call]
