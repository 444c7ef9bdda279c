"""Who the node is: its keys, which never leave the machine, and the service that knows it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from crossdock import ConfigError, NotFoundError

from ..wire.node import ALGORITHM, AUDIENCE, TOKEN_SECONDS
from .keeping import ANEW, CHOICE, forget_key, keep, kept, write

_VERSION = 1
FILE = "node.json"
COMPANY = "company.json"
SIGNING, SEALING = "signing.key", "sealing.key"
_FORGOTTEN = (FILE, "vault.key", SIGNING, SEALING, "proxy.json", COMPANY)


@dataclass(frozen=True, slots=True)
class Registered:
    """A node, as far as no key is needed. ``ca`` is the file by which it trusts the service; empty for the
    system's."""

    node_id: str
    name: str
    url: str
    factory: str
    runtime: str
    guid: str
    heartbeat: float
    lease: float
    ca: str


@dataclass(frozen=True, slots=True)
class Identity(Registered):
    """A registered node that can sign in."""

    signing: ec.EllipticCurvePrivateKey = field(repr=False)

    def token(self) -> str:
        """What the node signs in with for the next minutes."""
        now = int(time.time())
        said = {"aud": AUDIENCE, "iat": now, "exp": now + TOKEN_SECONDS}
        return jwt.encode(said, self.signing, ALGORITHM, {"kid": self.node_id})


@dataclass(frozen=True, slots=True)
class Keys:
    """P-256 keys: to sign in, and to open what is sealed to the node."""

    signing: ec.EllipticCurvePrivateKey = field(repr=False)
    sealing: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def of(cls, folder: Path) -> Keys:
        """The keys in a state folder; made where there are none."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(_key(folder, SIGNING), _key(folder, SEALING))


def public(key: ec.EllipticCurvePrivateKey) -> str:
    """The public half, PEM."""
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode()


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The private half, PEM."""
    kind, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, kind, none)


def registered(folder: Path) -> Registered:
    """Raises NotFoundError where no node is registered, ConfigError for a file that is not understood."""
    try:
        found: dict[str, Any] = json.loads((folder / FILE).read_bytes())
        if found.pop("version", None) == _VERSION:
            return Registered(**found)
    except FileNotFoundError:
        raise NotFoundError(
            f"no node is registered in {folder}", hint="register it with: crossdock node register KEY"
        ) from None
    except (ValueError, TypeError, AttributeError):
        pass
    raise ConfigError(f"{folder / FILE} is damaged, or of another release", hint=ANEW)


def load(folder: Path) -> Identity:
    """Raises as ``registered`` does, and ConfigError where its keys cannot be opened."""
    return Identity(**asdict(registered(folder)), signing=Keys.of(folder).signing)


def save(folder: Path, identity: Identity) -> None:
    """In one step: a node is registered or it is not."""
    said = {name: getattr(identity, name) for name in Registered.__dataclass_fields__}
    write(folder / FILE, json.dumps({"version": _VERSION, **said}, indent=2).encode())


def remains(folder: Path) -> bool:
    """Whether there is something to ``forget``."""
    return any((folder / name).exists() for name in (*_FORGOTTEN, CHOICE))


def forget(folder: Path) -> str | None:
    """The keys go too: who registers next is another node. Returns the place that was chosen for the key of
    the machine, which is forgotten too."""
    for name in _FORGOTTEN:
        (folder / name).unlink(missing_ok=True)
    return forget_key(folder)


def _key(folder: Path, name: str) -> ec.EllipticCurvePrivateKey:
    content = kept(folder, name)
    if content is None:
        content = pem(ec.generate_private_key(ec.SECP256R1()))
        keep(folder, name, content)
    found = serialization.load_pem_private_key(content, None)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{folder / name} holds no key of a node")
    return found
