"""The runtime's vault on a node: opens the secrets of its jobs, and lets other nodes have its key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from crossdock import AuthError, ConfigError

from ..wire import node as wire
from ..wire.sealing import MASK, purpose_of, replaced, seal, unseal
from .identity import Keys, pem, public
from .keeping import keep, kept

VAULT = "vault.key"
_SHARING = "crossdock vault key"
# Of the keys before the vault's own: jobs that were queued then have secrets for them.
_MOST_OLDER = 3
_END = b"-----END PRIVATE KEY-----"


@dataclass
class Vault:
    """The key of the vault with the GUID, and its version; 0 as long as the node has none."""

    folder: Path
    keys: Keys
    guid: str
    version: int = 0
    key: ec.EllipticCurvePrivateKey | None = None
    older: dict[int, ec.EllipticCurvePrivateKey] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, guid: str) -> Vault:
        """As the node kept it."""
        found = cls(folder, Keys.of(folder), guid)
        if (content := kept(folder, VAULT)) is not None:
            said = json.loads(content)
            if said["guid"] == guid:
                found._have(said["version"], said["key"].encode())
        return found

    def take(self, version: int, sealed: str) -> None:
        """The key, as another node has sealed it to this one."""
        self._have(version, unseal(self.keys.sealing, sealed, _SHARING))
        said = {"guid": self.guid, "version": version, "key": self._content().decode()}
        keep(self.folder, VAULT, json.dumps(said).encode())

    def shares(self, wanting: Sequence[wire.Share]) -> list[wire.Share]:
        """The key, sealed to nodes that lack it."""
        return [] if self.key is None else _shared(self._content(), wanting)

    def next(self, there: wire.Secrets) -> wire.NextVault:
        """A new key in the place of this one, with all that is sealed to this one.

        Raises ConfigError where the node has not the vault's present key.
        """
        if self.key is None or there.version != self.version:
            raise ConfigError(
                f"the runtime's vault has version {there.version}, this node opens {self.version or 'none'}",
                hint="wait until crossdock node status says Online, or do it at another node",
            )
        key, purpose = ec.generate_private_key(ec.SECP256R1()), purpose_of(self.guid, self.version + 1)

        def resealed(each: wire.Sealed) -> wire.Resealed:
            plain = self._open({"version": self.version, "data": each.data})
            return wire.Resealed(id=each.id, was=each.data, data=seal(public(key), plain, purpose))

        return wire.NextVault(
            version=self.version, public_key=public(key),
            shares=_shared(pem(key) + self._content(), there.nodes),
            secrets=[resealed(each) for each in there.secrets],
        )  # fmt: skip

    def _have(self, version: int, content: bytes) -> None:
        first, *before = [_private(each + _END) for each in content.split(_END) if each.strip()]
        older = {} if self.key is None else {self.version: self.key}
        self.older |= older | {version - number: key for number, key in enumerate(before, 1)}
        self.version, self.key = version, first

    def _content(self) -> bytes:
        """The key and those before it, the newest first, as far as none is missing in between."""
        found = [] if self.key is None else [pem(self.key)]
        version = self.version - 1
        while version in self.older and len(found) <= _MOST_OLDER:
            found.append(pem(self.older[version]))
            version -= 1
        return b"".join(found)

    def opened(self, work: Mapping[str, Any]) -> dict[str, Any]:
        """The work with its secrets. Raises AuthError for one that this node cannot open."""
        found = dict(work)
        if (scope := found.pop("sealed_scope", None)) is not None:
            found["scope"] = json.loads(self._open(scope))
        found["definitions"] = [self._with_secrets(each) for each in found["definitions"]]
        return found

    def _with_secrets(self, definition: Mapping[str, Any]) -> Any:
        try:
            return replaced(definition, lambda secret, _: self._plain(secret))
        except AuthError as error:
            named = f"the {definition.get('kind')} {definition.get('name')!r}"
            raise AuthError(
                f"{named}: {error.message}",
                hint="where that vault is lost, put the definition again with its secrets",
            ) from error

    def _plain(self, secret: Mapping[str, Any]) -> Mapping[str, Any]:
        if "sealed" not in secret:
            return secret
        if secret["sealed"]["vault"] != self.guid:
            # Of the other end of a staged copy, which another runtime reaches.
            return {"type": "SecureString", "value": MASK}
        return {"type": "SecureString", "value": self._open(secret["sealed"]).decode()}

    def _open(self, sealed: Mapping[str, Any]) -> bytes:
        version = sealed["version"]
        key = self.key if version == self.version else self.older.get(version)
        if key is None:
            raise AuthError(
                f"the job's secrets are of version {version} of the runtime's vault, "
                f"this node has {self.version or 'none'}"
            )
        try:
            return unseal(key, sealed["data"], purpose_of(self.guid, version))
        except ValueError as error:
            raise AuthError(f"a secret of the job cannot be opened: {error}") from error


def made(keys: Keys) -> wire.Vault:
    """A new vault, for a runtime that has none."""
    key = ec.generate_private_key(ec.SECP256R1())
    return wire.Vault(public_key=public(key), private_key=seal(public(keys.sealing), pem(key), _SHARING))


def _shared(content: bytes, others: Sequence[wire.Share]) -> list[wire.Share]:
    return [wire.Share(node_id=each.node_id, key=seal(each.key, content, _SHARING)) for each in others]


def _private(content: bytes) -> ec.EllipticCurvePrivateKey:
    found = serialization.load_pem_private_key(content, None)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise AuthError("what was sealed to this node is no key of a vault")
    return found
