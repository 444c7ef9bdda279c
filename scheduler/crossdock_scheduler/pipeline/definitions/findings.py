"""What is to be said about a definition, and where it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from crossdock import AdfRemark

Severity = Literal["error", "unsupported", "note"]
NOT_CONFIGURED = "NotConfigured"
"""The code of a note about what this machine is to be told before an activity runs on it."""
_ORDER = {"error": 0, "unsupported": 1, "note": 2}


@dataclass(frozen=True, slots=True)
class Place:
    """A file, and in it a JSON path or, where the text is no JSON, a line and a column (from 1)."""

    file: str
    path: str = ""
    line: int = 0
    column: int = 0

    def at(self, path: str) -> Place:
        return Place(self.file, path)

    def __str__(self) -> str:
        if self.line:
            return f"{self.file}:{self.line}:{self.column}"
        return f"{self.file}: {self.path}" if self.path else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say. ``owner`` is who it is about (``pipeline 'daily'``), ``activity`` the name of one.

    ``error``: the definition is wrong, nothing is run. ``unsupported``: this release cannot do it.
    ``note``: it makes no difference, or only one that is said.
    """

    severity: Severity
    code: str
    message: str
    place: Place
    owner: str = ""
    activity: str = ""

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"severity": self.severity, "code": self.code, "message": self.message}
        if self.owner:
            found["owner"] = self.owner
        if self.activity:
            found["activity"] = self.activity
        found["file"] = self.place.file
        if self.place.line:
            return found | {"line": self.place.line, "column": self.place.column}
        return found | {"path": self.place.path}

    def __str__(self) -> str:
        activity = f", activity {self.activity!r}" if self.activity else ""
        return f"{self.owner}{activity}: {self.message}" if self.owner else self.message


def of_remark(remark: AdfRemark, place: Place, owner: str, activity: str = "") -> Finding:
    """A remark about a key as a finding about the file that it stands in."""
    name = remark.path.rpartition(".")[2]
    code = "InvalidValue" if remark.severity == "error" else "NotHonoured"
    return Finding(remark.severity, code, f"{name}: {remark.message}", place.at(remark.path), owner, activity)


def distinct(findings: Iterable[Finding]) -> list[Finding]:
    """Each once, by file, the worst first."""
    once = dict.fromkeys(findings)
    return sorted(once, key=lambda each: (_ORDER[each.severity], each.place.file))
