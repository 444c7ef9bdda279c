"""The service's log on stderr: lines for people, or one JSON object a line for machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum

from crossdock import redacted

from .watching import request_id


class LogFormat(StrEnum):
    """How the log is written."""

    JSON = "json"
    TEXT = "text"


class _AsJson(logging.Formatter):
    """``time``, ``level``, ``logger``, ``message``; in a request its ``request_id``; of an error ``error``.

    More fields are those of a record's ``event``.
    """

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if found := request_id.get():
            said["request_id"] = found
        if record.exc_info and record.exc_info[1] is not None:
            said["error"] = self.formatException(record.exc_info)
        more = {key: value for key, value in getattr(record, "event", {}).items() if key not in said}
        return redacted(json.dumps(said | more, default=str))


class _AsText(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        found = request_id.get()
        return redacted(super().format(record)) + (f" [request {found}]" if found else "")


def log_to_stderr(chosen: LogFormat) -> None:
    """From now on, for the whole process. Each record is one line in JSON; a text may have a trace below."""
    handler = logging.StreamHandler(sys.stderr)
    json_one = chosen is LogFormat.JSON
    handler.setFormatter(_AsJson() if json_one else _AsText("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("crossdock_scheduler").setLevel(logging.INFO)
