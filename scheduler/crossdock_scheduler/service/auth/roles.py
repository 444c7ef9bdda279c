"""Roles, each of which may do all that the ones before it may, and who has them."""

from __future__ import annotations

from collections.abc import Sequence
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
        """Raises KeyError for a name of none."""
        return cls[name.upper()]


@dataclass(frozen=True, slots=True)
class Grant:
    """A role for one factory; without a factory's id, for all of the service."""

    role: Role
    factory_id: int | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sent a request. ``id`` tells those apart who have the same name."""

    id: str
    name: str
    grants: tuple[Grant, ...]

    def may(self, role: Role, factory_id: int | None) -> bool:
        """Whether there is the role for the factory; for all of them where that is None."""
        return any(each.role >= role and each.factory_id in (None, factory_id) for each in self.grants)

    def somewhere(self, role: Role) -> bool:
        """Whether there is the role for anything."""
        return any(each.role >= role for each in self.grants)

    def factories(self, role: Role) -> Sequence[int] | None:
        """The ids of the factories for which there is the role; None for all of them."""
        if self.may(role, None):
            return None
        return [each.factory_id for each in self.grants if each.role >= role and each.factory_id is not None]
