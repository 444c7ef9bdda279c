"""Roles, each of which may do all that the ones before it may."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """``READER`` sees, ``OPERATOR`` runs and stops, ``CONTRIBUTOR`` defines, ``OWNER`` sees keys, grants."""

    READER = 1
    OPERATOR = 2
    CONTRIBUTOR = 3
    OWNER = 4

    @classmethod
    def named(cls, name: str) -> Role:
        return cls[name.upper()]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sent a request. Without a factory's id the role holds for all of the service."""

    name: str
    role: Role
    factory_id: int | None = None

    def may(self, role: Role, factory_id: int | None) -> bool:
        return self.role >= role and self.factory_id in (None, factory_id)
