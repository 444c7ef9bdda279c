"""Tokens and factories for tests of who may do what."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from .service import SUBSCRIPTION, ServiceProcess

GROUP = "group"


def path(factory: str, rest: str = "") -> str:
    return (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.DataFactory"
        f"/factories/{factory}{rest}"
    )


@dataclass(frozen=True)
class Made:
    """A token as the service answered it."""

    id: str
    token: str


def make_factory(plane: ServiceProcess) -> str:
    name = f"factory-{uuid.uuid4().hex[:12]}"
    with plane.client() as client:
        assert client.put(path(name), json={}).status_code == 200
    return name


def make_token(plane: ServiceProcess, role: str, factory: str | None = None, **more: Any) -> Made:
    """Made by the service's first owner."""
    wanted = {"name": f"{role} of {factory or 'all'}", "role": role, "factory": factory, **more}
    with plane.client() as client:
        answer = client.post("/crossdock/v1/tokens", json=wanted)
        assert answer.status_code == 200, answer.text
    return Made(answer.json()["id"], answer.json()["token"])
