"""Maps what SQLite and its Arrow driver say to crossdock's errors."""

from __future__ import annotations

import re

from crossdock import (
    AccessDeniedError,
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

from ..driver_errors import Rule, by_words

# The driver passes on SQLite's text and no code of its own, so the text has to tell.
_MEANING: tuple[Rule, ...] = (
    ("database is locked", TransientError, "is in use by somebody else; trying again may help"),
    ("table is locked", TransientError, "is in use by somebody else; trying again may help"),
    ("schema has changed", TransientError, "was changed at this moment"),
    ("disk is full", NoSpaceError, "cannot be written: no space is left on the disk"),
    ("readonly database", AccessDeniedError, "may not be written to"),
    ("not authorized", AccessDeniedError, "may not be accessed"),
    ("unable to open database", AccessDeniedError, "cannot be opened; is its folder writable?"),
    ("failed to open", NotFoundError, "cannot be opened; is it a file that exists?"),
    ("file is not a database", DataError, "is not an SQLite database"),
    ("file is encrypted", DataError, "is not an SQLite database, or an encrypted one"),
    ("malformed", DataError, "is damaged"),
    ("disk i/o error", DataError, "cannot be read or written: disk I/O error"),
    ("no such table", NotFoundError, "lacks a table"),
    ("no such column", SchemaMismatchError, "lacks a column"),
    ("constraint failed", DataError, "refuses a row"),
    ("out of range of int64", DataError, "cannot hold an integer of 2**63 or more"),
    ("string or blob too big", DataError, "cannot hold a value of that length"),
    ("too many columns", NotSupportedError, "cannot hold that many columns"),
    ("too many terms", NotSupportedError, "cannot hold that many columns"),
    ("syntax error", ConfigError, "does not understand the query"),
    ("incomplete input", ConfigError, "does not understand the query"),
)
# The text says "out of memory" for a file that cannot be opened.
_OPENING = ("failed to open", "unable to open database")
_DRIVER = re.compile(r"^[A-Z_]+: (\[SQLite\] )?(Failed to [a-z ]+: )?|^\[SQLite\] ")


def fault(error: BaseException, where: str) -> CrossdockError | None:
    """The crossdock error for one of the driver's, met while working on ``where``; None for others."""
    text = str(error)
    if not type(error).__module__.startswith("adbc_driver_manager") and "[SQLite]" not in text:
        return None
    first = text.strip().splitlines()[0] if text.strip() else "no message"
    reason = _DRIVER.sub("", first)
    if rule := by_words(text, _MEANING):
        words, kind, meaning = rule
        told = f" ({reason})" if reason.lower() != words and words not in _OPENING else ""
        return kind(f"{where} {meaning}{told}", detail=text)
    return InternalError(f"{where} failed: {first}", detail=text)


def classify(error: BaseException) -> CrossdockError | None:
    """``ConnectorSpec.classify``: the connector's own calls have mapped theirs already."""
    return fault(error, "the SQLite database")
