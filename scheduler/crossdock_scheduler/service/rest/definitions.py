"""Objects that are only defined: put, got, listed and deleted alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from ..context import Call, Contributor, Reader, signed_in_router
from ..definitions import keeping, resources
from ..definitions.factories import FactoryRow
from ..definitions.matching import is_known
from ..definitions.names import CREDENTIAL, DATASET, GLOBAL_PARAMETERS, LINKED_SERVICE, PIPELINE, Kind
from ..definitions.resources import Resource
from ..errors import ApiError
from .bodies import Body
from .factories import FACTORY, IfMatch, IfNoneMatch, SkipToken
from .paging import PAGE, after, page

KINDS = (LINKED_SERVICE, DATASET, PIPELINE, CREDENTIAL, GLOBAL_PARAMETERS)


def properties_of(body: dict[str, Any]) -> dict[str, Any]:
    """The definition in a body. Raises ApiError where it has none."""
    found = body.get("properties")
    if not isinstance(found, dict):
        raise ApiError(
            400, "The body must have an object 'properties'.", "InvalidRequestContent", "properties"
        )
    return found


class Keeping:
    """How objects of a kind are put and deleted."""

    def put(
        self, call: Call, connection: sa.Connection, factory: FactoryRow, kind: Kind, *,
        name: str, properties: Mapping[str, Any], if_match: str | None,
    ) -> Resource:  # fmt: skip
        return keeping.put(
            connection, factory, kind, name, properties, keeper=call.service.keeper, if_match=if_match
        )

    def delete(self, connection: sa.Connection, factory: FactoryRow, kind: Kind, name: str) -> bool:
        return keeping.delete(connection, factory, kind, name)


def routes(kind: Kind, kept: Keeping | None = None) -> APIRouter:
    """The four operations of a kind."""
    how = kept or Keeping()
    router = signed_in_router(kind.segment)
    one = f"{FACTORY}/{kind.segment.lower()}/{{name}}"

    @router.put(one, operation_id=f"put_{kind.segment}")
    def put(name: str, body: Body, call: Contributor, if_match: IfMatch = None) -> dict[str, Any]:
        with call.write() as (connection, factory):
            return how.put(
                call, connection, factory, kind, name=name, properties=properties_of(body), if_match=if_match
            ).as_json()

    @router.get(one, operation_id=f"get_{kind.segment}")
    def get(name: str, call: Reader, if_none_match: IfNoneMatch = None) -> Any:
        with call.read() as (connection, factory):
            found = resources.find(connection, factory, kind, name)
        return Response(status_code=304) if is_known(if_none_match, found.etag) else found.as_json()

    @router.delete(one, operation_id=f"delete_{kind.segment}")
    def delete(name: str, call: Contributor) -> Response:
        with call.write() as (connection, factory):
            there = how.delete(connection, factory, kind, name)
        return Response(status_code=200 if there else 204)

    @router.get(f"{FACTORY}/{kind.segment.lower()}", operation_id=f"list_{kind.segment}")
    def listed(request: Request, call: Reader, skip: SkipToken = None) -> dict[str, Any]:
        with call.read() as (connection, factory):
            rows = resources.listed(connection, factory, kind, after(skip), PAGE + 1)
        return page(request, rows)

    return router
