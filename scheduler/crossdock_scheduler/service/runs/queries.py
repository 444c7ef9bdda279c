"""What ``queryPipelineRuns`` and ``queryActivityruns`` ask, and their answers a page at a time."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from ...pipeline.run.records import restored_activity, restored_pipeline
from ..database.tables import activity_runs, pipeline_runs
from ..definitions.factories import FactoryRow, timestamp
from ..errors import ApiError

PAGE = 100
_RUN_FIELDS = {
    "pipelinename": "pipelineName", "status": "status", "runstart": "runStart", "runend": "runEnd",
    "rungroupid": "runGroupId", "triggername": "invokedBy",
}  # fmt: skip
_ACTIVITY_FIELDS = {
    "activityname": "activityName", "activitytype": "activityType", "status": "status",
    "activityrunstart": "activityRunStart", "activityrunend": "activityRunEnd",
    "pipelinename": "pipelineName",
}  # fmt: skip
_OPERATORS: dict[str, Callable[[str, set[str]], bool]] = {
    "equals": lambda value, wanted: value in wanted,
    "notequals": lambda value, wanted: value not in wanted,
    "in": lambda value, wanted: value in wanted,
    "notin": lambda value, wanted: value not in wanted,
}
Row = dict[str, Any]


def pipeline_json(row: Any) -> Row:
    """PipelineRun of the REST API: values of parameters are texts."""
    found = restored_pipeline(row.record).as_json()
    found["parameters"] = {name: _text(value) for name, value in found["parameters"].items()}
    found |= {"status": row.status, "lastUpdated": _moment(row.updated), "annotations": []}
    found["isLatest"] = row.superseded_by is None
    if row.cancelling and row.ended is None:
        found["status"] = "Canceling"
    return found


def pipeline_runs_of(connection: sa.Connection, factory: FactoryRow, asked: Mapping[str, Any]) -> Row:
    query = sa.select(pipeline_runs).where(pipeline_runs.c.factory_id == factory.id)
    rows = connection.execute(query.where(*window(pipeline_runs.c.updated, asked)))
    return page_of([pipeline_json(row) for row in rows], asked, _RUN_FIELDS, "runStart", "runId")


def activity_runs_of(connection: sa.Connection, run_id: str, asked: Mapping[str, Any]) -> Row:
    query = sa.select(activity_runs.c.record).where(activity_runs.c.pipeline_run_id == run_id)
    rows = connection.execute(query.where(*window(activity_runs.c.updated, asked))).scalars()
    found = [restored_activity(each).as_json() for each in rows]
    return page_of(found, asked, _ACTIVITY_FIELDS, "activityRunStart", "activityRunId")


def window(column: sa.Column[Any], asked: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    after, before = (_seconds(asked, name) for name in ("lastUpdatedAfter", "lastUpdatedBefore"))
    return [column >= after, column <= before]


def _seconds(asked: Mapping[str, Any], name: str) -> float:
    try:
        found = datetime.fromisoformat(str(asked[name]))
        return found.timestamp()
    except (KeyError, ValueError, OverflowError):
        raise ApiError(400, f"{name} must be a time.", target=name) from None


def page_of(
    rows: list[Row], asked: Mapping[str, Any], fields: Mapping[str, str], order: str, key: str
) -> Row:
    for each in _objects(asked, "filters"):
        rows = _filtered(rows, each, fields)
    rows.sort(key=lambda row: (str(row[order]), str(row[key])))
    for each in _objects(asked, "orderBy"):
        field = _field(each.get("orderBy"), fields)
        rows.sort(key=lambda row: str(row.get(field)), reverse=str(each.get("order")).upper() == "DESC")
    start = _start(asked.get("continuationToken"))
    found: Row = {"value": rows[start : start + PAGE]}
    if len(rows) > start + PAGE:
        found["continuationToken"] = base64.b64encode(str(start + PAGE).encode()).decode()
    return found


def _objects(asked: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    given = asked.get(name) or []
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        raise ApiError(400, f"{name} must be a list of objects.", target=name)
    return given


def _filtered(rows: list[Row], asked: Mapping[str, Any], fields: Mapping[str, str]) -> list[Row]:
    if str(asked.get("operand")).lower() == "latestonly":
        wanted = {str(each).lower() for each in _list(asked.get("values"))}
        return [row for row in rows if row.get("isLatest", True)] if "true" in wanted else rows
    field = _field(asked.get("operand"), fields)
    matches = _OPERATORS.get(str(asked.get("operator")).lower())
    if matches is None:
        raise ApiError(400, f"operator must be one of {', '.join(_OPERATORS)}.", target="filters")
    wanted = {str(each).lower() for each in _list(asked.get("values"))}
    return [row for row in rows if matches(_compared(row.get(field)), wanted)]


def _list(values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise ApiError(400, "A filter needs a list of values.", target="filters")
    return values


def _compared(value: Any) -> str:
    return str(value.get("name") if isinstance(value, Mapping) else value).lower()


def _field(operand: Any, fields: Mapping[str, str]) -> str:
    found = fields.get(str(operand).lower())
    if found is None:
        raise ApiError(400, f"{operand!r} is no operand; it is one of {', '.join(fields)}.", target="operand")
    return found


def _start(token: Any) -> int:
    try:
        return int(base64.b64decode(str(token), validate=True)) if token else 0
    except (binascii.Error, ValueError):
        raise ApiError(400, "continuationToken is not one that this service gave.") from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _moment(seconds: float) -> str:
    return timestamp(datetime.fromtimestamp(seconds, UTC))
