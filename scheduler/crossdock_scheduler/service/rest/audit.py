"""``/crossdock/v1/audit``: who has changed what."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from ..audit.chain import as_json, rows
from ..auth.roles import Role
from ..context import Owner, signed_in_router
from ..errors import ApiError
from .factories import SkipToken
from .paging import PAGE, after, page

router = signed_in_router("Audit")


@router.get("/crossdock/v1/audit")
def listed(request: Request, call: Owner, skip: SkipToken = None) -> dict[str, Any]:
    """The newest first; an owner of one factory sees what was done in it."""
    text = after(skip)
    if text and not (text.isdecimal() and len(text) < 16):
        raise ApiError(400, "$skiptoken is not one that this service gave.", target="$skiptoken")
    with call.service.database.read() as connection:
        found = rows(connection, call.principal.factories(Role.OWNER), int(text) if text else None, PAGE + 1)
    return page(request, found, mark=lambda row: str(row.number), shown=as_json)
