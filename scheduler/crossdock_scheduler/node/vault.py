"""The runtime's vault on a node: opens the secrets of its jobs, and lets other nodes have its key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from crossdock import AuthError

from ..wire import node as wire
from ..wire.sealing import MASK, purpose_of, replaced, seal, unseal
from .identity import Keys, pem, public
from .keeping import keep, kept

VAULT = "vault.key"
_SHARING = "crossdock vault key"


@dataclass
class Vault:
    """The key of the vault with the GUID, and its version; 0 as long as the node has none."""

    folder: Path
    keys: Keys
    guid: str
    version: int = 0
    key: ec.EllipticCurvePrivateKey | None = None

    @classmethod
    def of(cls, folder: Path, guid: str) -> Vault:
        """As the node kept it."""
        found = cls(folder, Keys.of(folder), guid)
        if (content := kept(folder, VAULT)) is not None:
            said = json.loads(content)
            if said["guid"] == guid:
                found.version, found.key = said["version"], _private(said["key"].encode())
        return found

    def take(self, version: int, sealed: str) -> None:
        """The key, as another node has sealed it to this one."""
        content = unseal(self.keys.sealing, sealed, _SHARING)
        self.version, self.key = version, _private(content)
        said = {"guid": self.guid, "version": version, "key": content.decode()}
        keep(self.folder, VAULT, json.dumps(said).encode())

    def shares(self, wanting: Sequence[wire.Share]) -> list[wire.Share]:
        """The key, sealed to nodes that lack it."""
        if self.key is None:
            return []
        content = pem(self.key)
        return [wire.Share(node_id=each.node_id, key=seal(each.key, content, _SHARING)) for each in wanting]

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
        if self.key is None or sealed["version"] != self.version:
            raise AuthError(
                f"the job's secrets are of version {sealed['version']} of the runtime's vault, "
                f"this node has {self.version or 'none'}"
            )
        try:
            return unseal(self.key, sealed["data"], purpose_of(self.guid, self.version))
        except ValueError as error:
            raise AuthError(f"a secret of the job cannot be opened: {error}") from error


def made(keys: Keys) -> wire.Vault:
    """A new vault, for a runtime that has none."""
    key = ec.generate_private_key(ec.SECP256R1())
    return wire.Vault(public_key=public(key), private_key=seal(public(keys.sealing), pem(key), _SHARING))


def _private(content: bytes) -> ec.EllipticCurvePrivateKey:
    found = serialization.load_pem_private_key(content, None)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise AuthError("what was sealed to this node is no key of a vault")
    return found
