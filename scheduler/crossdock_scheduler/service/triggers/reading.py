"""Definitions of triggers, read: what is wrong with them is said before they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crossdock import AdfProperties

from ...pipeline.expressions.time_zones import zone_of
from ...pipeline.expressions.timestamps import DAYS, parse_timestamp
from ..errors import ApiError
from .recurrence import Recurrence
from .windows import Dependency, Windows

SCHEDULE, TUMBLING = "ScheduleTrigger", "TumblingWindowTrigger"
_FREQUENCIES = {each: each for each in ("Minute", "Hour", "Day", "Week", "Month", "Year")}
_WINDOWS = {each: each for each in ("Minute", "Hour", "Month")}
_MOST_INTERVAL, _MOST_AT_ONCE, _MOST_NEEDED = 1000, 50, 5
_LEAST_MINUTES = 5


@dataclass(frozen=True, slots=True)
class Starts:
    """A pipeline that a trigger starts, with parameters in which there may be expressions."""

    pipeline: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Schedule:
    recurrence: Recurrence
    pipelines: tuple[Starts, ...]


@dataclass(frozen=True, slots=True)
class Tumbling:
    """``retries``: how often a pipeline that failed is run again, ``wait`` after it has."""

    windows: Windows
    pipelines: tuple[Starts, ...]
    delay: timedelta
    at_once: int
    retries: int
    wait: timedelta
    needs: tuple[Dependency, ...]


def normal(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The definition as it is stored: its type spelt as here, and not whether it is started."""
    kind = AdfProperties(properties).text("type")
    return {
        **{key: value for key, value in properties.items() if key.lower() not in ("type", "runtimestate")},
        "type": {each.lower(): each for each in (SCHEDULE, TUMBLING)}.get(kind.lower(), kind),
    }


def read(properties: Mapping[str, Any]) -> Schedule | Tumbling | None:
    """A definition that ``normal`` has seen; None for a type that this service does not run.

    Raises ApiError with one sentence about the first thing that is wrong.
    """
    if properties["type"] not in (SCHEDULE, TUMBLING):
        return None
    found = AdfProperties(properties, "properties")
    result = _schedule(found) if properties["type"] == SCHEDULE else _tumbling(found)
    for remark in found.remarks():
        raise _wrong(remark.path, remark.message)
    return result


def _wrong(path: str, message: str) -> ApiError:
    return ApiError(400, f"{path} {message}.", "InvalidTrigger", path)


# -- schedules -------------------------------------------------------------------------------------------


def _schedule(found: AdfProperties) -> Schedule:
    inner = found.inner("typeProperties").inner("recurrence")
    zone = _zone(inner)
    frequency: Any = inner.choice("frequency", _FREQUENCIES) or _needed(inner, "frequency")
    interval = _between(inner, "interval", 1, _MOST_INTERVAL, 1)
    start = _moment(inner, "startTime", zone) or _needed(inner, "startTime")
    end = _moment(inner, "endTime", zone)
    schedule = inner.inner("schedule")
    _only(schedule, "weekDays", frequency, "Week")
    _only(schedule, "monthDays", frequency, "Month")
    _only(schedule, "monthlyOccurrences", frequency, "Month")
    recurrence = Recurrence(
        frequency, interval, start, end, zone,
        minutes=_numbers(schedule, "minutes", 0, 59), hours=_numbers(schedule, "hours", 0, 23),
        week_days=tuple(sorted({_day(schedule, "weekDays", each) for each in _list(schedule, "weekDays")})),
        month_days=_numbers(schedule, "monthDays", -31, 31),
        occurrences=tuple(_occurrences(schedule)),
    )  # fmt: skip
    if 0 in recurrence.month_days:
        raise _wrong(schedule.where("monthDays"), "must be days of 1 to 31, or of -1 to -31 from the end")
    if recurrence.at_or_after(start) is None:
        raise _wrong(inner.path, "is never due: it has no time between its start and its end")
    pipelines = found.get("pipelines") or []
    if not isinstance(pipelines, list):
        raise _wrong(found.where("pipelines"), "must be a list")
    return Schedule(recurrence, tuple(_starts(each, found.where("pipelines")) for each in pipelines))


def _only(schedule: AdfProperties, name: str, frequency: str, wanted: str) -> None:
    if schedule.get(name) and frequency != wanted:
        raise _wrong(schedule.where(name), f"is for the frequency {wanted} only, and this is {frequency}")


def _occurrences(schedule: AdfProperties) -> Iterator[tuple[int, int]]:
    path = schedule.where("monthlyOccurrences")
    for each in _list(schedule, "monthlyOccurrences"):
        if not isinstance(each, Mapping):
            raise _wrong(path, "must be objects with a day and which one of the month")
        one = AdfProperties(each, path)
        number = one.whole("occurrence") or 0
        if abs(number) > 5:
            raise _wrong(one.where("occurrence"), "must be 1 to 5, or -1 to -5 from the end of the month")
        yield _day(one, "day", one.get("day")), number


def _day(around: AdfProperties, name: str, value: Any) -> int:
    lowered = [each.lower() for each in DAYS]
    if not isinstance(value, str) or value.lower() not in lowered:
        raise _wrong(around.where(name), f"must be days such as Monday, not {value!r}")
    return lowered.index(value.lower())


def _numbers(around: AdfProperties, name: str, least: int, most: int) -> tuple[int, ...]:
    found = _list(around, name)
    for each in found:
        if isinstance(each, bool) or not isinstance(each, int) or not least <= each <= most:
            raise _wrong(around.where(name), f"must be whole numbers of {least} to {most}, not {each!r}")
    return tuple(sorted(set(found)))


def _list(around: AdfProperties, name: str) -> Sequence[Any]:
    """One value may stand without a list."""
    found = around.get(name)
    return [] if found is None else found if isinstance(found, list) else [found]


# -- windows ---------------------------------------------------------------------------------------------


def _tumbling(found: AdfProperties) -> Tumbling:
    inner = found.inner("typeProperties")
    frequency: Any = inner.choice("frequency", _WINDOWS) or _needed(inner, "frequency")
    least = _LEAST_MINUTES if frequency == "Minute" else 1
    interval = _between(inner, "interval", least, 10**6)
    start = _moment(inner, "startTime", ZoneInfo("UTC")) or _needed(inner, "startTime")
    if frequency == "Month" and start.day > 28:
        raise _wrong(inner.where("startTime"), "must be on a day that every month has, 1 to 28")
    end = _moment(inner, "endTime", ZoneInfo("UTC"))
    retry = inner.inner("retryPolicy")
    if not isinstance(pipeline := found.get("pipeline"), Mapping):
        raise _wrong("properties.pipeline", "must say which pipeline the trigger starts")
    return Tumbling(
        Windows(frequency, interval, start, end), (_starts(pipeline, found.where("pipeline")),),
        delay=_span(inner, "delay") or timedelta(0),
        at_once=_between(inner, "maxConcurrency", 1, _MOST_AT_ONCE),
        retries=_between(retry, "count", 0, 10**6, 0),
        wait=timedelta(seconds=_between(retry, "intervalInSeconds", 0, 86_400, 30)),
        needs=tuple(_dependencies(inner)),
    )  # fmt: skip


def _dependencies(inner: AdfProperties) -> Iterator[Dependency]:
    given = inner.get("dependsOn") or []
    if not isinstance(given, list) or len(given) > _MOST_NEEDED:
        raise _wrong(inner.where("dependsOn"), f"must be a list of at most {_MOST_NEEDED} triggers")
    for index, each in enumerate(given):
        path = f"{inner.where('dependsOn')}[{index}]"
        if not isinstance(each, Mapping):
            raise _wrong(path, "must be an object")
        one = AdfProperties(each, path)
        name = one.inner("referenceTrigger").text("referenceName")
        offset, size = _span(one, "offset"), _span(one, "size")
        if not name and not one.text("type").lower().startswith("selfdependency"):
            raise _wrong(f"{path}.referenceTrigger", "must name a trigger")
        if not name and (offset is None or offset >= timedelta(0)):
            raise _wrong(f"{path}.offset", "must be negative: a window cannot wait for itself or later ones")
        if size is not None and size <= timedelta(0):
            raise _wrong(f"{path}.size", "must be a positive span of time")
        if not name and offset is not None and size is not None and offset + size > timedelta(0):
            raise _wrong(f"{path}.size", "reaches into the window itself, which would wait for its own end")
        yield Dependency(name, offset or timedelta(0), size)


def _span(around: AdfProperties, name: str) -> timedelta | None:
    text = around.text(name)
    unsigned = AdfProperties({name: text.removeprefix("-")}, around.path)
    found = unsigned.seconds(name)
    for remark in unsigned.remarks():
        raise _wrong(remark.path, remark.message)
    return None if found is None else timedelta(seconds=-found if text.startswith("-") else found)


# -- both ------------------------------------------------------------------------------------------------


def _starts(value: Any, path: str) -> Starts:
    one = AdfProperties(value if isinstance(value, Mapping) else {}, path)
    reference = one.inner("pipelineReference")
    name, parameters = reference.get("referenceName"), one.get("parameters")
    if not isinstance(name, str) or not name:
        raise _wrong(f"{path}.pipelineReference", "must name a pipeline")
    if parameters is not None and not isinstance(parameters, Mapping):
        raise _wrong(f"{path}.parameters", "must be an object")
    return Starts(name, dict(parameters or {}))


def _needed(around: AdfProperties, name: str) -> Any:
    for remark in around.remarks():
        raise _wrong(remark.path, remark.message)
    raise _wrong(around.where(name), "is missing")


def _between(around: AdfProperties, name: str, least: int, most: int, default: int | None = None) -> int:
    found = around.whole(name)
    if found is None:
        if default is None or around.get(name) is not None:
            _needed(around, name)
        return default or 0
    if not least <= found <= most:
        raise _wrong(around.where(name), f"must be {least} to {most}, not {found}")
    return found


def _zone(around: AdfProperties) -> ZoneInfo:
    name = around.text("timeZone", "UTC")
    try:
        return zone_of(name)
    except ValueError as error:
        raise _wrong(around.where("timeZone"), f"is wrong: the service {error}") from None


def _moment(around: AdfProperties, name: str, zone: ZoneInfo) -> datetime | None:
    """A time in UTC; one without a zone is the local time of the trigger's."""
    text = around.text(name)
    if not text:
        return None
    try:
        found = parse_timestamp(text)
        local = found.wall_clock()
        return local.replace(tzinfo=UTC if found.utc else zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong(
            around.where(name), f"must be a time such as 2026-03-15T13:00:00Z, not {text!r}"
        ) from None
