"""What is asked for when a token is created: by the API and on the command line alike."""

from __future__ import annotations

from datetime import datetime

from ... import clock
from ..errors import ApiError
from .roles import Role
from .tokens import NAME_LENGTH


def role_named(name: object) -> Role:
    try:
        return Role.named(str(name))
    except KeyError:
        known = ", ".join(each.name.lower() for each in Role)
        raise ApiError(400, f"role must be one of {known}.", target="role") from None


def name_checked(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= NAME_LENGTH or not name.isprintable():
        raise ApiError(400, f"name must be a text of 1 to {NAME_LENGTH} printable characters.", target="name")
    return name


def end_checked(end: object) -> datetime | None:
    """When a token runs out; None for never."""
    if end is None:
        return None
    try:
        found = datetime.fromisoformat(str(end))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or found.year > 9998:
        raise ApiError(
            400, "expires must be a time with its zone, such as 2030-01-01T00:00:00Z.", target="expires"
        )
    if found <= clock.moment():
        raise ApiError(400, "expires must be in the future.", target="expires")
    return found
