"""Lists a page at a time, with the address of the next."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from fastapi import Request

from ..errors import ApiError

PAGE = 100


def after(token: str | None) -> str:
    """Where a page begins. Raises ApiError for a token that is none of ours."""
    try:
        found = base64.b64decode((token or "").encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise ApiError(400, "$skiptoken is not one that this service gave.", target="$skiptoken") from None
    if "\0" in found:
        raise ApiError(400, "$skiptoken is not one that this service gave.", target="$skiptoken")
    return found


def _name(row: Any) -> str:
    return str(row.name.lower())


def _as_json(row: Any) -> dict[str, Any]:
    return dict(row.as_json())


def page(
    request: Request,
    rows: Sequence[Any],
    *,
    mark: Callable[[Any], str] = _name,
    shown: Callable[[Any], dict[str, Any]] = _as_json,
) -> dict[str, Any]:
    """The answer for rows of which at most PAGE + 1 were asked for. ``mark`` is where the next begins."""
    found: dict[str, Any] = {"value": [shown(row) for row in rows[:PAGE]]}
    if len(rows) > PAGE:
        token = base64.urlsafe_b64encode(mark(rows[PAGE - 1]).encode()).decode()
        base = str(request.url.replace(query=""))
        version = quote(request.query_params.get("api-version", ""))
        found["nextLink"] = f"{base}?api-version={version}&$skiptoken={quote(token)}"
    return found
