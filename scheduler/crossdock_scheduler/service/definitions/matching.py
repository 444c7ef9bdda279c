"""If-Match and If-None-Match, as Data Factory's clients send them: with and without quotes."""

from __future__ import annotations

from ..errors import ApiError


def _tags(header: str) -> set[str]:
    return {each.strip().removeprefix("W/").strip('"') for each in header.split(",")}


def check_etag(if_match: str | None, current: str | None) -> None:
    """Raises ApiError where the object is not, or not any more, what the client has seen."""
    if if_match is None or (current is not None and _tags(if_match) & {"*", current}):
        return
    raise ApiError(
        412, "The ETag in If-Match is not that of the object: it was changed since, or is not there."
    )


def is_known(if_none_match: str | None, current: str) -> bool:
    """Whether the client has this version already."""
    return if_none_match is not None and bool(_tags(if_none_match) & {"*", current})
