"""Values and parameters in statements of T-SQL."""

from __future__ import annotations

from collections.abc import Mapping

from crossdock import ConfigError

from .identifiers import MSSQL


def assignments(parameters: Mapping[str, str | int | float | bool | None], *, raw: bool = False) -> str:
    """Parameters of a procedure, as EXEC takes them. ``raw``: the values are SQL already."""
    return ", ".join(
        f"@{checked(name)} = {value if raw else _literal(value)}" for name, value in parameters.items()
    )


def checked(name: str) -> str:
    """The name of a procedure's parameter."""
    bare = name.removeprefix("@")
    if not bare or not bare.replace("_", "a").isalnum():
        raise ConfigError(f"{name!r} is no name of a parameter")
    return bare


def _literal(value: str | float | bool | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value))
    return MSSQL.text(value) if isinstance(value, str) else repr(value)
