"""``crossdock service token``: who may use the service, for whoever may read its state folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossdock import ConfigError
from crossdock.cli import options
from crossdock.cli.session import Output

from .service_state import DatabaseOption, SecretFileOption, StateOption, place_of

if TYPE_CHECKING:
    from ..service.auth.tokens import Token

token = typer.Typer(help="Bearer tokens of the service, at the machine itself.", no_args_is_help=True)


_TARGET = "crossdock service token"


@token.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is known by: whose it is, or what for.")],
    *,
    role: Annotated[str, typer.Option(help="owner, contributor, operator or reader.")],
    factory: Annotated[str, typer.Option(help="For this factory only. Default: for all.")] = "",
    days: Annotated[int | None, typer.Option(min=1, max=36500, help="It runs out after so many.")] = None,
    state: StateOption = None,
    database: DatabaseOption = None,
    secret_file: SecretFileOption = None,
    output: options.OutputOption = Output.TEXT,
) -> None:
    """Create a token, which is printed once. Its id is the client id of a service principal as well."""
    session = options.session_of(context)
    session.command = "service token create"
    place = place_of(state, database, secret_file)
    from ..service.at_machine import changing
    from ..service.auth import tokens
    from ..service.auth.requests import name_checked, role_named
    from ..service.definitions.factories import ids_of
    from ..service.errors import ApiError

    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    try:
        checked, wanted = name_checked(name), role_named(role)
    except ApiError as error:
        raise ConfigError(error.message) from None
    with changing(place, "CREATE", _TARGET) as (connection, entry):
        if factory:
            entry.factory_id = ids_of(connection, [factory.lower()]).get(factory.lower())
            if entry.factory_id is None:
                raise ConfigError(f"there is no factory {factory!r}")
        made, plain = tokens.create(connection, checked, wanted, entry.factory_id, expires)
        entry.detail = made.as_json()
    if session.json:
        session.show_json({**made.as_json(), "token": plain.get_secret_value()})
    else:
        session.say(f"the token {made.id}, which is not shown again, on the next line")
        session.show(plain.get_secret_value())


@token.command("list")
def list_tokens(
    context: typer.Context,
    *,
    state: StateOption = None,
    database: DatabaseOption = None,
    secret_file: SecretFileOption = None,
    output: options.OutputOption = Output.TEXT,
) -> None:
    """List the tokens: what they are for, never what they are."""
    session = options.session_of(context)
    session.command = "service token list"
    place = place_of(state, database, secret_file)
    from ..service.at_machine import opened
    from ..service.auth import tokens

    with opened(place) as (found, _), found.read() as connection:
        listed = tokens.listed(connection, None)
    if session.json:
        session.show_json({"tokens": [each.as_json() for each in listed]})
    else:
        session.show(_table(listed))


def _table(listed: Any) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("ID", "NAME", "ROLE", "FACTORY", "EXPIRES"):
        table.add_column(heading, no_wrap=True)
    for each in listed:
        table.add_row(each.id, each.name, each.role.name.lower(), each.factory or "all", _end(each))
    return table


def _end(each: Token) -> str:
    return (
        f"{each.expires:%Y-%m-%d %H:%M}" + ("" if each.holds else " (is over)") if each.expires else "never"
    )


@token.command()
def revoke(
    context: typer.Context,
    *,
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Of the tokens.", show_default=False)],
    state: StateOption = None,
    database: DatabaseOption = None,
    secret_file: SecretFileOption = None,
    output: options.OutputOption = Output.TEXT,
) -> None:
    """Revoke tokens: from now on they open nothing. Without any owner's, the next start prints a new one."""
    session = options.session_of(context)
    session.command = "service token revoke"
    place = place_of(state, database, secret_file)
    from ..service.at_machine import changing
    from ..service.auth import tokens

    with changing(place, "REVOKE", _TARGET) as (connection, entry):
        known = {each.id: each for each in tokens.listed(connection, None)}
        if missing := [each for each in ids if each.lower() not in known]:
            raise ConfigError(f"there is no token {', '.join(missing)}; nothing is revoked")
        found = [known[each.lower()] for each in ids]
        entry.detail = {"tokens": [each.as_json() for each in found]}
        for each in found:
            tokens.delete(connection, each)
    if session.json:
        session.show_json({"revoked": [each.id for each in found]})
    else:
        session.show(f"revoked {', '.join(each.id for each in found)}")
