"""How calls fail, with the codes that Data Factory gives to them."""

from __future__ import annotations

from typing import ClassVar

from crossdock import TransientError, UserError


class CallError(UserError):
    """The endpoint refuses the call, or its answer is of no use."""

    code: ClassVar[str] = "2108"


class NoAnswerError(TransientError):
    """The endpoint cannot be reached, or does not answer in time."""

    code: ClassVar[str] = "2128"


class TooLongError(UserError):
    """The answer is longer than an activity's output may be."""

    code: ClassVar[str] = "2001"


class SaidError(UserError):
    """What the call back, or the lack of one, says: with a code of its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.__dict__["code"] = code


class CertificateError(UserError):
    """The client certificate cannot be read."""

    code: ClassVar[str] = "2113"
