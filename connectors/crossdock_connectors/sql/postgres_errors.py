"""Maps what PostgreSQL and its Arrow driver say to crossdock's errors, by SQLSTATE."""

from __future__ import annotations

import re

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
    UnreachableError,
)

from ..driver_errors import Rule, by_state, by_words

# By SQLSTATE, the longest prefix first. https://www.postgresql.org/docs/current/errcodes-appendix.html
_STATES: tuple[tuple[str, type[CrossdockError]], ...] = (
    ("0A", NotSupportedError),
    ("08", TransientError),
    ("21000", DataError),  # two rows with the same keys in one upsert
    ("22023", ConfigError),
    ("22", DataError),
    ("23", DataError),
    ("25006", AccessDeniedError),  # a read-only transaction or server
    ("25", InternalError),
    ("28", AuthError),
    ("2BP01", ConfigError),  # other objects depend on it
    ("3D000", NotFoundError),
    ("3F000", NotFoundError),
    ("40", TransientError),  # serialization failure, deadlock
    ("42501", AccessDeniedError),
    ("42P01", NotFoundError),
    ("42P07", AlreadyExistsError),
    ("42703", SchemaMismatchError),
    ("42804", SchemaMismatchError),
    ("42846", SchemaMismatchError),
    ("42", ConfigError),
    ("44", DataError),
    ("53100", NoSpaceError),
    ("53", TransientError),  # too many connections, out of memory
    ("54", NotSupportedError),
    ("55P03", TransientError),  # lock timeout
    ("55006", TransientError),
    ("55000", TransientError),
    ("57014", TransientError),  # statement timeout, or cancelled
    ("57", TransientError),  # admin shutdown, crash, starting up
    ("58", TransientError),
    ("72000", TransientError),
    ("P0001", DataError),  # raised by a trigger
)
# What libpq says before there is a session, without a SQLSTATE.
_CONNECTING: tuple[Rule, ...] = (
    ("password authentication failed", AuthError, "refuses the password"),
    ("no password supplied", AuthError, "asks for a password; give it with password=... or PGPASSWORD"),
    ("authentication failed", AuthError, "refuses the sign-in"),
    ("no pg_hba.conf entry", AuthError, "does not let this user in from here"),
    ("certificate verify failed", AuthError, "has a certificate that is not trusted; see sslrootcert"),
    ("could not read root certificate", ConfigError, "cannot be verified: sslrootcert is no certificate"),
    ("could not load root certificate", ConfigError, "cannot be verified: sslrootcert is no certificate"),
    ("root certificate file", ConfigError, "cannot be verified: there is no file of trusted certificates"),
    ("does not match host name", AuthError, "has a certificate for another name"),
    ("does not support ssl", AuthError, "does not encrypt; sslmode=disable does without"),
    ("unsupported protocol", AuthError, "does not speak TLS 1.2 or later"),
    ("alert protocol version", AuthError, "does not speak TLS 1.2 or later"),
    ("ssl error", AuthError, "cannot be talked to over TLS"),
    ("starting up", TransientError, "is starting up"),
    ("shutting down", TransientError, "is shutting down"),
    ("recovery mode", TransientError, "is in recovery"),
    ("too many clients", TransientError, "has too many connections"),
    ("remaining connection slots", TransientError, "has too many connections"),
    ("too many connections", TransientError, "has too many connections"),
    ("could not translate host name", UnreachableError, "cannot be found: no such host"),
    ("invalid sslmode", ConfigError, "cannot be connected to: sslmode is not known"),
    ("connection refused", TransientError, "refuses connections: is it running there?"),
    ("timeout expired", TransientError, "does not answer"),
    ("timed out", TransientError, "does not answer"),
    ("network is unreachable", TransientError, "cannot be reached"),
    ("no route to host", TransientError, "cannot be reached"),
    ("no such file or directory", NotFoundError, "has no such socket file"),
    ("server closed the connection", TransientError, "closed the connection"),
    ("terminating connection", TransientError, "ended the connection"),
    ("connection to server was lost", TransientError, "lost the connection"),
    ("no connection to the server", TransientError, "lost the connection"),
    ("ssl syscall error", TransientError, "lost the connection"),
    ("ssl connection has been closed", TransientError, "lost the connection"),
    ("could not receive data", TransientError, "lost the connection"),
    ("could not send data", TransientError, "lost the connection"),
)
_UNREACHED = (
    "connection refused",
    "timeout expired",
    "timed out",
    "network is unreachable",
    "no route to host",
)
# What ends a query that was going on, in a message without its SQLSTATE.
_READING: tuple[Rule, ...] = (
    ("statement timeout", TransientError, "ended the query: it took longer than query_timeout"),
    ("lock timeout", TransientError, "ended the query: it waited for a lock longer than lock_timeout"),
    ("canceling statement", TransientError, "ended the query: somebody cancelled it"),
    ("conflict with recovery", TransientError, "ended the query: it was in the way of replication"),
    ("could not serialize", TransientError, "ended the query: it cannot be serialized"),
    ("deadlock detected", TransientError, "ended the query: there was a deadlock"),
    ("no space left", NoSpaceError, "has no space left on its disk"),
    ("out of memory", TransientError, "is out of memory"),
)
_MISSING = re.compile(r'(database|role) "(.*)" does not exist')
_REASON = re.compile(r"(?:ERROR|FATAL):  (.*)")
_DETAIL = re.compile(r"(?:DETAIL|CONTEXT):  (.*)")


def is_drivers(error: BaseException) -> bool:
    """Whether the driver raised it."""
    return type(error).__module__.startswith("adbc_driver_manager")


def state_of(error: BaseException) -> str:
    """The SQLSTATE; empty where the server gave none."""
    return str(getattr(error, "sqlstate", None) or "")


def fault(error: BaseException, where: str, *, first: bool = False) -> CrossdockError | None:
    """The crossdock error for one of the driver's, met while working on ``where``; None for others.

    ``first``: the server has never answered before.
    """
    if not is_drivers(error):
        return None
    text, state = str(error), state_of(error)
    if state:
        kind = by_state(state, _STATES)
        return kind(f"{where}: {_reason(text)}", detail=f"{state}: {text}")
    return _without_state(error, text, where, first)


def _without_state(error: BaseException, text: str, where: str, first: bool) -> CrossdockError:
    absent: type[CrossdockError]
    if missing := _MISSING.search(text):
        absent = NotFoundError if missing[1] == "database" else AuthError
        return absent(f"{where}: there is no {missing[1]} {missing[2]!r}", detail=text)
    if rule := by_words(text, _CONNECTING):
        words, kind, meaning = rule
        known = UnreachableError if first and words in _UNREACHED else kind
        return known(f"{where} {meaning}", detail=text)
    if type(error).__name__ == "NotSupportedError":
        return NotSupportedError(f"{where}: {_reason(text)}", detail=text)
    if type(error).__name__ == "OperationalError":
        # A dead connection often says nothing at all.
        return TransientError(f"{where} lost the connection", detail=text)
    return InternalError(f"{where} failed: {_reason(text)}", detail=text)


def _reason(text: str) -> str:
    """PostgreSQL's own sentence, with the row or key that it tells."""
    found = _REASON.search(text)
    lines = text.strip().splitlines()
    reason = found[1] if found else (lines[0] if lines else "no message")
    more = _DETAIL.search(text)
    return f"{reason} ({more[1].rstrip('.')})" if more else reason


def classify(error: BaseException) -> CrossdockError | None:
    """``ConnectorSpec.classify``: the connector's own calls have mapped theirs already."""
    return fault(error, "PostgreSQL")


def stream_error(text: str, where: str) -> CrossdockError:
    """As ``fault`` for the text alone: an Arrow stream keeps nothing else of the driver's error.

    What is not known is a value that could not be computed or converted.
    """
    if rule := by_words(text, _CONNECTING, _READING):
        return rule[1](f"{where} {rule[2]}", detail=text)
    return DataError(f"{where}: {_reason(text)}", detail=text)
