"""Request bodies: JSON objects of bounded size and depth."""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from ..errors import ApiError

MOST_BYTES = 4 << 20
_MOST_DEPTH = 100
# Bodies beyond this size would hold up the event loop while they are read.
_LARGE = 1 << 16
# How JSON writes what texts of the database cannot have: NUL, and halves of surrogate pairs.
_SUSPICIOUS = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


async def raw_body(request: Request, most: int = MOST_BYTES) -> bytes:
    """A body as it came. Raises ApiError for one that is too large."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise ApiError(413, f"The body is larger than {most >> 20} MiB.")
        chunks.append(chunk)
    return b"".join(chunks)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not JSON.", "InvalidRequestContent") from None
    if not isinstance(found, dict):
        raise ApiError(400, "The body must be a JSON object.", "InvalidRequestContent")
    if _deep(found):
        raise ApiError(
            400, f"The body is nested more than {_MOST_DEPTH} levels deep.", "InvalidRequestContent"
        )
    if _SUSPICIOUS.search(raw) and not _can_be_kept(found):
        raise ApiError(
            400, "The body has a text with U+0000 or half of a surrogate pair.", "InvalidRequestContent"
        )
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _finite(number: str) -> float:
    found = float(number)
    if math.isinf(found):
        raise ValueError(number)
    return found


def _can_be_kept(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value)
    if isinstance(value, dict):
        return all(_can_be_kept(each) for each in (*value, *value.values()))
    return not isinstance(value, list) or all(_can_be_kept(each) for each in value)


def _deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MOST_DEPTH):
        inner = [each for each in level if isinstance(each, (dict, list))]
        if not inner:
            return False
        level = [one for each in inner for one in (each.values() if isinstance(each, dict) else each)]
    return True


async def object_of(request: Request) -> dict[str, Any]:
    raw = await raw_body(request)
    return await run_in_threadpool(_parsed, raw) if len(raw) > _LARGE else _parsed(raw)


async def object_or_nothing(request: Request) -> dict[str, Any]:
    raw = await raw_body(request)
    return _parsed(raw) if raw.strip() else {}


Body = Annotated[dict[str, Any], Depends(object_of)]
# Clients send some requests without a body, or with Content-Length 0.
MaybeBody = Annotated[dict[str, Any], Depends(object_or_nothing)]
