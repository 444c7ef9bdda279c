"""Options of databases as Data Factory writes them: words, spans of time, parameters of procedures."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator

_SPAN = re.compile(r"(?:(\d+)\.)?(\d+):(\d\d):(\d\d)")


def word(value: Any) -> Any:
    """``StoredProcedure``, as Data Factory writes it, is ``stored_procedure``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", value).lower() if isinstance(value, str) else value


def seconds(value: Any) -> Any:
    """``02:00:00``, as Data Factory writes a span of time, is 7200."""
    if isinstance(value, str) and (found := _SPAN.fullmatch(value.strip())):
        days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return value


def _parameters(value: Any) -> Any:
    """JSON, with plain values or as Data Factory writes them: ``{"name": {"value": "7", "type": "Int"}}``."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError('it is no JSON as {"name": "value"}') from None
    if not isinstance(value, dict):
        return value
    return {name: _plain(name, each) for name, each in value.items()}


def _plain(name: str, given: Any) -> Any:
    if not isinstance(given, dict) or not given.keys() <= {"value", "type"}:
        return given
    value = given.get("value")
    if isinstance(value, str) and str(given.get("type")).lower() in ("datetime", "date"):
        # With a T the server reads it the same, whatever a session's DATEFORMAT is.
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"the moment {name} is not written as 2024-12-31T23:59:59") from None
        return moment.isoformat(timespec="auto" if moment.microsecond % 1000 else "milliseconds")
    return value


Parameters = Annotated[dict[str, str | int | float | bool | None], BeforeValidator(_parameters)]
