"""``.../factories``: the factories themselves."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Query, Request, Response

from ..auth.roles import Role
from ..context import Contributor, Owner, Reader, signed_in_router
from ..definitions import factories
from ..definitions.matching import is_known
from ..errors import ApiError
from ..runs.ending import cancel_jobs
from ..runtimes import sharing
from .bodies import Body
from .paging import PAGE, after, page

SUBSCRIPTION = "/subscriptions/{subscription}"
LIST = "/providers/microsoft.datafactory/factories"
GROUP = SUBSCRIPTION + "/resourcegroups/{group}"
FACTORY = GROUP + LIST + "/{factory}"
_CHANGEABLE = ("tags", "identity")

router = signed_in_router("Factories")
IfMatch = Annotated[str | None, Header(alias="if-match")]
IfNoneMatch = Annotated[str | None, Header(alias="if-none-match")]
SkipToken = Annotated[str | None, Query(alias="$skiptoken")]


@router.put(FACTORY)
def put(  # noqa: PLR0917 - FastAPI's way of declaring a request
    subscription: str, group: str, factory: str, body: Body, call: Owner, if_match: IfMatch = None
) -> dict[str, Any]:
    if not call.principal.may(Role.OWNER, None):
        with call.write() as (connection, found):  # it is there, and theirs
            return factories.put(
                connection, subscription, group, found.name, body, if_match=if_match
            ).as_json()
    with call.change() as (connection, entry):
        made = factories.put(connection, subscription, group, factory, body, if_match=if_match)
        entry.factory_id = made.id
        return made.as_json()


@router.get(FACTORY)
def get(call: Reader, if_none_match: IfNoneMatch = None) -> Any:
    with call.read() as (_, factory):
        return Response(status_code=304) if is_known(if_none_match, factory.etag) else factory.as_json()


@router.patch(FACTORY)
def patch(body: Body, call: Contributor) -> dict[str, Any]:
    with call.write() as (connection, factory):
        changed = {key: body[key] for key in _CHANGEABLE if key in body}
        given = body.get("properties") or {}
        access = given.get("publicNetworkAccess") if isinstance(given, dict) else None
        properties = dict(factory.body.get("properties") or {})
        if access is not None:
            properties["publicNetworkAccess"] = access
        whole = {**factory.body, **changed, "properties": properties}
        return factories.put(connection, factory.subscription, factory.group, factory.name, whole).as_json()


@router.delete(FACTORY)
def delete(call: Owner) -> Response:
    """With all that is in it; what runs is stopped, and its runs are gone too."""
    try:
        with call.write() as (connection, factory):
            # Those of linked runtimes are in the queues of other factories.
            cancel_jobs(connection, factory.id)
            sharing.forget(connection, factory.name)
            factories.delete(connection, factory)
    except ApiError as error:
        if error.status != 404:
            raise
        return Response(status_code=204)
    return Response(status_code=200)


@router.get(GROUP + LIST)
def list_of_group(request: Request, call: Reader, skip: SkipToken = None) -> dict[str, Any]:
    return _listed(request, call, request.path_params["group"], skip)


@router.get(SUBSCRIPTION + LIST)
def list_of_subscription(request: Request, call: Reader, skip: SkipToken = None) -> dict[str, Any]:
    return _listed(request, call, None, skip)


def _listed(request: Request, call: Reader, group: str | None, skip: str | None) -> dict[str, Any]:
    subscription = request.path_params["subscription"]
    with call.service.database.read() as connection:
        mine = call.principal.factories(Role.READER)
        rows = factories.listed(connection, subscription, group, after(skip), PAGE + 1, ids=mine)
    return page(request, rows)
