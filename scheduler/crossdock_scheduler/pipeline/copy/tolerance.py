"""What a copy does about rows and files that do not fit, and the log that says which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from crossdock import AdfProperties

from ..planning.ends import End, Ends

_FILES = {"fileMissing": "missing", "fileForbidden": "forbidden", "dataInconsistency": "inconsistent"}
_OLDER = ("logStorageSettings", "redirectIncompatibleRowSettings")
_LEVELS = {"Info": "info", "Warning": "warning"}
FOLDER = "copyactivity-logs"


def skipping(properties: AdfProperties, *, tabular: bool) -> dict[str, Any]:
    """What is left out, as options of ``crossdock.copy``."""
    found: dict[str, Any] = {}
    if properties.flag("enableSkipIncompatibleRow") and tabular:
        found["skip_rows"] = True
        if properties.inner("sink").get("sqlWriterStoredProcedureName"):
            properties.refuse("enableSkipIncompatibleRow", "a stored procedure gets all rows, or none")
    files = properties.inner("skipErrorFile")
    if files:
        # Files that have vanished are skipped unless that is turned off.
        wanted = [reason for key, reason in _FILES.items() if _flag(files, key, key == "fileMissing")]
        found["skip_files"] = ",".join(wanted) or "none"
    if files.flag("invalidFileName"):
        files.refuse("invalidFileName", "a name that the sink cannot have ends the copy")
    return found


def _flag(settings: AdfProperties, key: str, default: bool) -> bool:
    value = settings.flag(key)
    return default if value is None else value


def log_of(properties: AdfProperties, ends: Ends, activity: str) -> tuple[End | None, dict[str, Any]]:
    """The folder of the activity's log, below which each of its runs has one, and the log's options."""
    settings = properties.inner("logSettings")
    if settings.flag("enableCopyActivityLog"):
        how = settings.inner("copyActivityLogSettings")
        found = _level(how)
        where = settings.inner("logLocationSettings")
        ignored: tuple[str, ...] = _OLDER
    else:
        settings.ignore_all()
        found, where, ignored = {}, AdfProperties({}), ()
        for name in _OLDER:
            older = properties.inner(name)
            if not older or where:
                continue
            # Rows that are left out are what the oldest form is for.
            if name == _OLDER[1] and not properties.flag("enableSkipIncompatibleRow"):
                older.ignore_all()
                continue
            where, found = older, _level(older)
    for name in ignored:
        properties.inner(name).ignore_all()
    if not where:
        return None, {}
    end = ends.folder("log", where)
    if end is not None:
        end = replace(end, address=f"{end.address.rstrip('/')}/{FOLDER}/{quote(activity)}/")
    return end, found


def _level(settings: AdfProperties) -> dict[str, Any]:
    found: dict[str, Any] = {"log_level": settings.choice("logLevel", _LEVELS, "warning")}
    if settings.flag("enableReliableLogging"):
        found["log_reliable"] = True
    return found


def of_run(log: End, activity_run_id: str, *, secrets: bool) -> Mapping[str, Any]:
    """What ``crossdock.copy`` takes: the folder of one run."""
    return {
        "log": f"{log.address}{quote(activity_run_id)}/",
        "log_options": log.given(secrets=secrets),
    }
