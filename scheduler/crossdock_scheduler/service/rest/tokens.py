"""``/crossdock/v1/tokens``: bearer tokens, each of which is a service principal as well."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import Response

from ..auth import tokens
from ..auth.requests import end_checked, name_checked, role_named
from ..auth.roles import Role
from ..context import Call, Owner, forbidden, signed_in_router
from ..definitions import factories
from ..errors import ApiError, not_found
from .bodies import Body

ALL = "/crossdock/v1/tokens"

router = signed_in_router("Tokens")


@router.get(ALL)
def listed(call: Owner) -> dict[str, Any]:
    """Those that the owner may revoke."""
    with call.service.database.read() as connection:
        found = tokens.listed(connection, call.principal.factories(Role.OWNER))
    return {"value": [each.as_json() for each in found]}


@router.post(ALL)
def create(body: Body, call: Owner) -> dict[str, Any]:
    """``{"name", "role", "factory"?, "expires"?}``; the answer alone has the token itself."""
    name, role = name_checked(body.get("name")), role_named(body.get("role"))
    expires = end_checked(body.get("expires"))
    with call.change() as (connection, entry):
        entry.factory_id = factory_id = _factory(connection, call, body.get("factory"))
        made, token = tokens.create(connection, name, role, factory_id, expires)
        entry.detail = {**made.as_json()}
    return {**made.as_json(), "token": token.get_secret_value()}


@router.delete(ALL + "/{token_id}")
def revoke(token_id: str, call: Owner) -> Response:
    with call.change() as (connection, entry):
        mine = tokens.listed(connection, call.principal.factories(Role.OWNER))
        found = next((each for each in mine if each.id == token_id.lower()), None)
        if found is None:
            raise not_found("token", token_id)
        if tokens.is_last_owner(connection, found):
            raise ApiError(
                409, "This is the last token of an owner of the whole service; create another first.",
                "LastOwner", token_id,
            )  # fmt: skip
        entry.factory_id, entry.detail = found.factory_id, found.as_json()
        tokens.delete(connection, found)
    return Response(status_code=204)


def _factory(connection: sa.Connection, call: Call, name: object) -> int | None:
    """The id of the factory that a token is to be for."""
    if name is None:
        found = None
    else:
        key = str(name).lower()
        found = factories.ids_of(connection, [key]).get(key)
        if found is None and call.principal.may(Role.OWNER, None):
            raise not_found("factory", str(name))
    if not call.principal.may(Role.OWNER, found):
        raise forbidden(call.principal, call.request)
    return found
