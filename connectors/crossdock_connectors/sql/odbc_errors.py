"""Maps what ODBC drivers say to crossdock's errors, by SQLSTATE."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crossdock import (
    AccessDeniedError,
    AlreadyExistsError,
    AuthError,
    ConfigError,
    CrossdockError,
    DataError,
    InternalError,
    NoSpaceError,
    NotFoundError,
    NotSupportedError,
    SchemaMismatchError,
    TransientError,
)

from ..driver_errors import by_state

# By SQLSTATE, the first prefix that fits: those of ODBC, and those of databases that pass on their own.
_STATES: tuple[tuple[str, type[CrossdockError]], ...] = (
    ("01000", ConfigError),  # the driver manager cannot load a driver
    ("0A", NotSupportedError),
    ("08", TransientError),
    ("21S", SchemaMismatchError),
    ("21", DataError),
    ("22", DataError),
    ("23", DataError),
    ("25006", AccessDeniedError),
    ("28", AuthError),
    ("3D", NotFoundError),
    ("3F", NotFoundError),
    ("40", TransientError),
    ("42S01", AlreadyExistsError),
    ("42S02", NotFoundError),
    ("42S21", SchemaMismatchError),
    ("42S22", SchemaMismatchError),
    ("42501", AccessDeniedError),
    ("42703", SchemaMismatchError),
    ("42804", SchemaMismatchError),
    ("42846", SchemaMismatchError),
    ("42P01", NotFoundError),
    ("42P07", AlreadyExistsError),
    ("42", ConfigError),
    ("44", DataError),
    ("53100", NoSpaceError),
    ("53", TransientError),
    ("54", NotSupportedError),
    ("55", TransientError),
    ("57", TransientError),
    ("58", TransientError),
    ("HYT", TransientError),
    ("HYC00", NotSupportedError),
    ("HY008", TransientError),
    ("IM001", NotSupportedError),
    ("IM", ConfigError),
    ("P0001", DataError),  # raised by a trigger
    ("S0001", AlreadyExistsError),  # those of ODBC 2
    ("S0002", NotFoundError),
    ("S0022", SchemaMismatchError),
    ("S1T00", TransientError),
)
# What the message tells more of, where drivers are not exact about the state: (states, words, error).
_WORDS: tuple[tuple[tuple[str, ...], re.Pattern[str], type[CrossdockError]], ...] = tuple(
    (states, re.compile(words, re.IGNORECASE), kind)
    for states, words, kind in (
        (
            ("01",),
            r"unexpected eof|(read|write) (from|to) the server|unable to connect|connection",
            TransientError,
        ),
        (("08", "HY", "S1", "42"), r"password|login failed|authentication|no pg_hba", AuthError),
        (("08",), r"certificate|ssl error|does not support ssl", AuthError),
        (("08", "42"), r"database .* does not exist|cannot open database|unknown database", NotFoundError),
        (("08",), r"could not translate host|name or service not known|unknown host", NotFoundError),
        (("42", "S1", "HY"), r"permission|denied|not allowed|privilege", AccessDeniedError),
        (("42", "S1", "HY"), r"deadlock|time-?out|timed out|lock request", TransientError),
        (("42", "S1", "HY"), r"invalid object name|no such table|unknown table", NotFoundError),
        (("HY", "S1"), r"connection|communication|socket|broken pipe", TransientError),
    )
)
_STATE = re.compile(r"State: (\w{5}), Native error: (-?\d+), Message: (.*)", re.DOTALL)
_BRACKETS = re.compile(r"^(?:\[[^\]]*\]\s*)+")
_TAIL = re.compile(r"(?: \(-?\d+\))?(?: \(SQL\w+\))?\Z|;?\s*Error while executing the query.*", re.DOTALL)
TOO_LARGE = "too large to be written into the allocated buffer"
_VALUES = (TOO_LARGE, "representable", "out of range", "overflow", "parse", "utf-16", "invalid utf")


@dataclass(frozen=True, slots=True)
class Said:
    """What a driver said. ``state`` is empty where it gave none."""

    state: str
    native: int
    message: str


def said(error: BaseException) -> Said | None:
    """None for an exception that neither pyodbc nor arrow-odbc raised."""
    module = type(error).__module__ or ""
    if module.startswith("pyodbc"):
        state = str(error.args[0]) if len(error.args) > 1 else ""
        text = str(error.args[-1]) if error.args else ""
        native = re.search(r"\((-?\d+)\)", text)
        return Said(state, int(native[1]) if native else 0, text)
    if module.startswith("arrow_odbc"):
        found = _STATE.search(str(error))
        return Said(found[1], int(found[2]), found[3]) if found else Said("", 0, str(error))
    return None


def fault(error: BaseException, where: str) -> CrossdockError | None:
    """The crossdock error for a driver's, met while working on ``where``; None for others."""
    found = said(error)
    if found is None:
        return None
    kind = kind_of(found)
    reason = _reason(found.message)
    return kind(f"{where}: {reason}", detail=f"{found.state}: {found.message}", hint=_hint(found))


def kind_of(found: Said) -> type[CrossdockError]:
    if not found.state:
        lower = found.message.lower()
        return DataError if any(words in lower for words in _VALUES) else InternalError
    for states, words, kind in _WORDS:
        if found.state.startswith(states) and words.search(found.message):
            return kind
    return by_state(found.state, _STATES)


def is_taken(error: BaseException) -> bool:
    """Whether a row was refused because its key exists, or something else of its name does."""
    return getattr(error, "detail", "").startswith(("23", "42S01", "42P07", "S0001"))


def _reason(text: str) -> str:
    """The driver's own sentence."""
    lines = text.strip().splitlines() or ["no message"]
    first = _TAIL.sub("", _BRACKETS.sub("", lines[0].strip())).strip().rstrip(".;")
    return first.removeprefix("ERROR: ").removeprefix("FATAL: ") or "no message"


def _hint(found: Said) -> str:
    if found.state == "01000" and "Can't open lib" in found.message:
        return "its library, or one that it needs, is not installed"
    return ""


def classify(error: BaseException) -> CrossdockError | None:
    """``ConnectorSpec.classify``: the connector's own calls have mapped theirs already."""
    return fault(error, "the ODBC data source")
