"""Every error that crossdock raises, grouped by what the engine does about it.

    CrossdockError
    ├── UserError                 stop; one sentence for the user; exit 2
    │   ├── ConfigError           an option, address or request that makes no sense
    │   ├── MissingDependencyError  the connector's extra is not installed
    │   ├── AuthError             credentials missing, wrong or expired
    │   ├── AccessDeniedError     credentials are fine, permission is not
    │   ├── NotFoundError         the thing that was named does not exist
    │   ├── UnreachableError      the server that was named has never answered
    │   ├── AlreadyExistsError    the sink exists and the mode is ``error``
    │   ├── NotSupportedError     this connector cannot do that
    │   ├── SchemaMismatchError   columns or types of the two sides do not fit
    │   └── NoSpaceError          the sink is full; staged data is removed; exit 1
    ├── TransientError            the same split again, after ``retry_after`` seconds
    │   ├── ThrottledError        the server asked for less
    │   └── ShortReadError        fewer bytes arrived than were promised
    ├── DataError                 the data itself; exit 2
    │   ├── SourceChangedError    the source changed while it was read; exit 1
    │   └── VerificationError     what was read back is not what was read; exit 1
    ├── StageLostError            staged data is gone: the unit is planned and carried again
    ├── CancelledError            somebody asked the run to stop; exit 130
    └── InternalError             anything unclassified; exit 1

A connector maps its driver's exceptions in one function, ``ConnectorSpec.classify``.
"""

from __future__ import annotations

from typing import ClassVar

from .redact import redacted


class CrossdockError(Exception):
    """Base of all errors.

    ``message`` is one sentence for the user (what, where, what to do). Secrets that this process knows
    are hidden in all texts.
    ``detail`` is for the log. ``hint`` is a command or option worth trying.
    ``code`` is stable across releases. ``side`` (``source`` or ``sink``), ``run_id`` and
    ``resumable`` are set by the engine.
    """

    code: ClassVar[str] = "Internal"
    exit_code: ClassVar[int] = 1
    side: str = ""
    run_id: str | None = None
    resumable: bool = False

    def __init__(self, message: str, *, detail: str = "", hint: str = "") -> None:
        self.message = redacted(message)
        self.detail = redacted(detail)
        self.hint = redacted(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UserError(CrossdockError):
    """The request is wrong: stop and say so."""

    code = "UserError"
    exit_code = 2


class ConfigError(UserError):
    """An option, address or request that makes no sense."""

    code = "InvalidConfig"


class MissingDependencyError(UserError):
    """The connector exists but its extra is not installed."""

    code = "MissingDependency"


class AuthError(UserError):
    """Credentials are missing, wrong or expired."""

    code = "AuthenticationFailed"


class AccessDeniedError(UserError):
    """The identity is known and lacks permission."""

    code = "AccessDenied"


class NotFoundError(UserError):
    """The thing that was named does not exist."""

    code = "NotFound"


class UnreachableError(UserError):
    """The server that was named has never answered: a wrong address, a firewall, or it is not running.

    One that has answered and goes away is a TransientError.
    """

    code = "Unreachable"


class AlreadyExistsError(UserError):
    """The sink exists and the write mode forbids touching it."""

    code = "AlreadyExists"


class NotSupportedError(UserError):
    """The connector cannot do what was asked; raised before any data moves."""

    code = "NotSupported"


class SchemaMismatchError(UserError):
    """Columns or types of source and sink do not fit."""

    code = "SchemaMismatch"


class NoSpaceError(UserError):
    """The sink is full. Staged data is removed, so that the disk is usable again."""

    code = "NoSpace"
    exit_code = 1


class TransientError(CrossdockError):
    """Trying the same split again may work; ``retry_after`` is the server's wish in seconds.

    ``first_wait``: the first wait is at least that long, and each later one twice the one before.
    """

    code = "Transient"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        first_wait: float = 0.0,
        detail: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, detail=detail, hint=hint)
        self.retry_after, self.first_wait = retry_after, first_wait


class ThrottledError(TransientError):
    """The server asked for fewer requests."""

    code = "Throttled"


class ShortReadError(TransientError):
    """Fewer bytes arrived than were promised; never success."""

    code = "ShortRead"


class DataError(CrossdockError):
    """The data cannot be carried as it is: a ragged row, a value that does not convert.

    ``row``: the place of the row in the batch as it was read, where that is known.
    """

    code = "DataError"
    exit_code = 2
    row: int | None = None

    def place(self, before: int, part: int) -> None:
        """Say which row it is: ``before`` rows of that part of the unit have been read."""
        assert self.row is not None  # noqa: S101 - it is about a row
        of = f" of part {part + 1}" if part else ""
        self.message = f"row {before + self.row + 1:,}{of} of {self.message}"
        self.row = None


class SourceChangedError(DataError):
    """The source object is no longer the version that was planned."""

    code = "SourceChanged"
    exit_code = 1


class VerificationError(DataError):
    """The digest of what was read back differs from the digest of what was read."""

    code = "VerificationFailed"
    exit_code = 1


class StageLostError(CrossdockError):
    """Staged data that a receipt stands for is gone or no longer trusted."""

    code = "StageLost"


class CancelledError(CrossdockError):
    """The run was asked to stop."""

    code = "Cancelled"
    exit_code = 130

    def __init__(self, message: str = "the run was interrupted", *, detail: str = "", hint: str = "") -> None:
        super().__init__(message, detail=detail, hint=hint)


class InternalError(CrossdockError):
    """A fault of crossdock or of a connector."""

    code = "Internal"
