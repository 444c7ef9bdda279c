"""A node's side of the protocol without a node: what a test says, the service hears."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from crossdock_scheduler.wire.node import ALGORITHM, AUDIENCE


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public(key: ec.EllipticCurvePrivateKey) -> str:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode()


@dataclass
class NodeClient:
    """Signs in with keys of its own. ``http`` is a client without a token."""

    http: httpx.Client
    name: str = "node"
    signing: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    sealing: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    node_id: str = ""

    def register(self, auth_key: str, **more: Any) -> httpx.Response:
        asked = {
            "auth_key": auth_key, "name": self.name, "machine": "machine", "version": "0.1.0",
            "signing_key": public(self.signing), "sealing_key": public(self.sealing),
            "concurrent_jobs": 4, "most_jobs": 8,
            "vault": {"public_key": public(self.sealing), "private_key": "kept by the test"},
        }  # fmt: skip
        answer = self.http.post("/crossdock/v1/nodes/register", json=asked | more)
        if answer.status_code == 200:
            self.node_id = answer.json()["node_id"]
        return answer

    def token(self, **claims: Any) -> str:
        now = int(time.time())
        said = {"aud": AUDIENCE, "iat": now, "exp": now + 300} | claims
        return jwt.encode(said, self.signing, ALGORITHM, {"kid": self.node_id})

    def post(self, path: str, token: str = "", **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        return self.http.post(f"/crossdock/v1/nodes/{path}", json=body, headers=headers)

    def beat(self, **more: Any) -> httpx.Response:
        return self.post("heartbeat", **{"version": "0.1.0", "vault": 1} | more)

    def claim(self, want: int = 1, wait: float = 0.0) -> list[dict[str, Any]]:
        answer = self.post("claim", want=want, wait=wait)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["jobs"]
        return found
