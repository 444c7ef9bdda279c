"""Maps what SQL Server and its drivers say to crossdock's errors."""

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
    ThrottledError,
    TransientError,
)

from ..driver_errors import Rule, by_words

# Azure SQL asks clients to wait that long before they try again, and longer each time, up to a minute.
FIRST_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class _Meaning:
    kind: type[CrossdockError]
    text: str
    wait: float = 0.0


UNREACHED = "cannot be reached"
UNOPENED = "does not open the database"
_NO_BULK = 4834
TOO_LONG = "took longer than query_timeout, connect_timeout or write_batch_timeout"
_TRY_AGAIN = _Meaning(TransientError, "is not available for a moment", FIRST_WAIT)
_THROTTLED = _Meaning(ThrottledError, "is busy and asks for less", FIRST_WAIT)
_FULL = _Meaning(NoSpaceError, "has no space left")
_KEY = _Meaning(DataError, "refuses a row: its key exists already")
_LONG = _Meaning(DataError, "refuses a row: a value is too long for its column")
_ACCESS = _Meaning(AccessDeniedError, "does not allow that")
_SYNTAX = _Meaning(ConfigError, "does not understand the statement")
_UNKNOWN = _Meaning(
    NotSupportedError,
    "cannot say before which columns that gives; let a procedure call it with EXECUTE ... WITH RESULT SETS",
)
_KEPT = _Meaning(ConfigError, "cannot replace or empty what is no table, or what a foreign key refers to")
_BY_NUMBER: dict[int, _Meaning] = {
    1205: _Meaning(TransientError, "chose the statement as the victim of a deadlock"),
    1222: _Meaning(TransientError, "waited too long for a lock that somebody else has"),
    3960: _Meaning(TransientError, "saw a row change beneath the snapshot"),
    4060: _Meaning(TransientError, UNOPENED, FIRST_WAIT),
    **dict.fromkeys((926, 40197, 40613, 4221, 615, 10053, 10054, 10060, 233, 64), _TRY_AGAIN),
    **dict.fromkeys((40501, 49918, 49919, 49920, 10928, 10929), _THROTTLED),
    **dict.fromkeys((9002, 1105, 1101, 40544), _FULL),
    **dict.fromkeys((2627, 2601), _KEY),
    **dict.fromkeys((2628, 8152), _LONG),
    515: _Meaning(DataError, "refuses a row: a column without a value may not be null"),
    547: _Meaning(DataError, "refuses a row: a constraint forbids it"),
    8115: _Meaning(DataError, "cannot convert a value: it is too large for its type"),
    241: _Meaning(DataError, "cannot convert a value to a date or time"),
    245: _Meaning(DataError, "cannot convert a value"),
    8114: _Meaning(DataError, "cannot convert a value"),
    18456: _Meaning(AuthError, "refuses the login"),
    **dict.fromkeys((_NO_BULK, 229, 230, 262, 297, 300, 916, 3702, 6102), _ACCESS),
    208: _Meaning(NotFoundError, "lacks the table"),
    2812: _Meaning(NotFoundError, "lacks the procedure"),
    2715: _Meaning(NotFoundError, "lacks the type"),
    8169: _Meaning(DataError, "cannot convert a text to a uniqueidentifier"),
    **dict.fromkeys(range(9400, 9460), _Meaning(DataError, "cannot take a text as XML")),
    207: _Meaning(SchemaMismatchError, "lacks a column"),
    2714: _Meaning(AlreadyExistsError, "has a table of that name already"),
    2760: _Meaning(NotFoundError, "lacks the schema"),
    **dict.fromkeys(range(11501, 11536), _UNKNOWN),
    **dict.fromkeys((3705, 3726, 4708, 4712), _KEPT),
    3952: _Meaning(ConfigError, "does not allow isolation_level=Snapshot: ALLOW_SNAPSHOT_ISOLATION is off"),
    **dict.fromkeys((102, 105, 137, 156, 170), _SYNTAX),
    1702: _Meaning(NotSupportedError, "cannot hold that many columns"),
}
# What the driver says of its own, and what a login is refused with: no number comes with that.
_BY_TEXT: tuple[Rule, ...] = (
    # Its text ends with "The login failed."
    ("cannot open database", NotFoundError, "lacks the database, or the login may not open it"),
    ("login failed", AuthError, "refuses the login"),
    ("base table or view not found", NotFoundError, "lacks the table"),
    ("not currently available", TransientError, "is not available for a moment"),
    ("subject name does not match", AuthError, "shows the certificate of another host"),
    ("certificate", AuthError, "shows a certificate that this machine does not trust"),
    ("server is not found or not accessible", TransientError, UNREACHED),
    ("failed to connect to sql server", TransientError, UNREACHED),
    ("login timeout", TransientError, UNREACHED),
    ("unable to establish connection", TransientError, UNREACHED),
    ("timeout expired", TransientError, TOO_LONG),
    ("communication link failure", TransientError, "ended the connection"),
    ("tcp provider", TransientError, "ended the connection"),
    ("handshakes before login", TransientError, "ended the connection before the login"),
    ("connection is closed", TransientError, "ended the connection"),
    ("operation canceled", TransientError, "was told to stop"),
    ("not supported by", NotSupportedError, "or its driver cannot do that"),
)
_NUMBER = re.compile(r"Sql Error: (\d+): Class \d+: State \d+: (.*?)(?: on \S+ in .*)?$", re.DOTALL)
_BULK = re.compile(r"Sql Error: |Failed to connect to SQL Server")
_PREFIX = re.compile(r"^Driver Error: |(?:\[[^\]]*\])+(?=\S)")
_CONNECTION = re.compile(r"(connection|broken pipe|timed? ?out|unexpected eof|os error)", re.IGNORECASE)


def is_the_drivers(error: BaseException) -> bool:
    """Whether a driver raised it: mssql-python, or the library of its bulk copy."""
    module = type(error).__module__ or ""
    return module.startswith(("mssql_python", "mssql_py_core")) or bool(_BULK.search(str(error)))


def fault(error: BaseException, where: str, number: int = 0) -> CrossdockError | None:
    """The crossdock error for one of the drivers', met while working on ``where``; None for others.

    ``number``: the server's number of the error, where it is known: mssql-python's exceptions lack it.
    """
    if isinstance(error, CrossdockError) or not is_the_drivers(error):
        return None
    text = str(error)
    said = getattr(error, "ddbc_error", "") or getattr(error, "driver_error", "") or text
    if found := _NUMBER.search(text):
        number, said = int(found[1]), found[2]
    reason = _PREFIX.sub("", said).strip().rstrip(".") or "no message"
    return by_text(number, reason, where, text)


def by_text(number: int, reason: str, where: str, text: str) -> CrossdockError:
    """The error for one of the server's numbers, else for what a driver says of its own."""
    if number not in _BY_NUMBER and (rule := by_words(text, _BY_TEXT)):
        return _made(_Meaning(rule[1], rule[2]), where, reason, text)
    return by_number(number, reason, where, text)


def by_number(number: int, reason: str, where: str, detail: str = "") -> CrossdockError:
    """The error for one of the server's numbers."""
    if meaning := _BY_NUMBER.get(number):
        return _made(meaning, where, reason, detail)
    known = f" (error {number})" if number else ""
    return InternalError(f"{where} failed: {reason}{known}", detail=detail)


def _made(meaning: _Meaning, where: str, reason: str, detail: str) -> CrossdockError:
    message = f"{where} {meaning.text} ({reason.rstrip('.')})"
    if issubclass(meaning.kind, TransientError):
        return meaning.kind(message, first_wait=meaning.wait, detail=detail)
    return meaning.kind(message, detail=detail, hint=_hint(meaning.kind, detail))


def bulk_fault(error: BaseException, where: str) -> CrossdockError | None:
    """As ``fault``, for what the bulk copy raises: plain exceptions with a text."""
    if isinstance(error, CrossdockError):
        return None
    if found := fault(error, where):
        return found
    text = str(error)
    if isinstance(error, ValueError | TypeError):
        return SchemaMismatchError(f"{where} cannot take the rows: {text}", detail=text)
    if isinstance(error, RuntimeError):
        kind = TransientError if _CONNECTION.search(text) else InternalError
        return kind(f"{where} could not be loaded: {text}", detail=text)
    return None


def refuses_bulk(error: BaseException) -> bool:
    """Whether the server takes no bulk copy from this login, or from nobody."""
    found = _NUMBER.search(str(error))
    if not found:
        return False
    number, said = int(found[1]), found[2].lower()
    return number == _NO_BULK or ("bulk" in said and _BY_NUMBER.get(number) is _SYNTAX)


def _hint(kind: type[CrossdockError], text: str) -> str:
    if kind is AuthError and "certificate" in text.lower():
        return "set SSL_CERT_FILE to the file of the authority's certificate"
    return ""


def classify(error: BaseException) -> CrossdockError | None:
    """``ConnectorSpec.classify``: the connector's own calls have mapped theirs already."""
    return fault(error, "SQL Server")
