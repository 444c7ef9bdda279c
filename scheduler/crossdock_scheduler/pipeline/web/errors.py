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


class CertificateError(UserError):
    """The client certificate cannot be read."""

    code: ClassVar[str] = "2113"
