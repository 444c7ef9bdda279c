"""Why a service cannot be reached, and what it says where it refuses: for all who speak to it."""

from __future__ import annotations

import json
import ssl

# What OpenSSL says where the other side speaks no TLS that is late enough.
OLD_TLS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION")


def why(error: BaseException) -> str:
    """What lies below the error of an HTTP client."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message}); give its CA with --ca"
        if isinstance(cause, ssl.SSLError) and cause.reason in OLD_TLS:
            return "it does not speak TLS 1.2 or later"
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


def refusal(content: bytes) -> tuple[str, str] | None:
    """Code and message of an error as Data Factory answers it; None for anything else."""
    try:
        said = json.loads(content)["error"]
        return str(said["code"]), str(said["message"])
    except (ValueError, KeyError, TypeError):
        return None
