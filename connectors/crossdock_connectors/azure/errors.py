"""Maps what the service answers, and what the connection and the SDK raise, to crossdock's errors."""

from __future__ import annotations

import re
import socket
import ssl
import time
from email.utils import parsedate_to_datetime

from crossdock import (
    AccessDeniedError,
    AlreadyExistsError,
    AuthError,
    ConfigError,
    CrossdockError,
    InternalError,
    NoSpaceError,
    NotFoundError,
    NotSupportedError,
    SourceChangedError,
    StageLostError,
    ThrottledError,
    TransientError,
)

from .http1 import ProtocolError, Reply

MOST_SKEW = 900.0
# MSAL repeats an answer of a busy sign-in service for a minute.
SIGN_IN_WAIT = 20.0
_BUSY = re.compile(r"HTTP Error: (408|429|5\d\d)")
_UNREACHED = {"ServiceRequestError", "ServiceResponseError", "IncompleteReadError"}
_AADSTS = re.compile(r"AADSTS\d+")
_CODE = re.compile(rb"<Code>([A-Za-z]+)</Code>")
_PASSING = (408, 500, 502, 503, 504)
_LEASE = "is under a lease of another program; end or break the lease, then try again"
_PERMISSION = (
    "may not be accessed with these credentials; give the identity a role such as Storage Blob Data "
    "Contributor, or the SAS the permissions it lacks"
)
_MEANING: dict[str, tuple[type[CrossdockError], str]] = {
    "ContainerNotFound": (
        NotFoundError,
        "lies in a container that does not exist; create the container first",
    ),
    "FilesystemNotFound": (NotFoundError, "lies in a file system that does not exist; create it first"),
    "BlobNotFound": (NotFoundError, "does not exist"),
    "PathNotFound": (NotFoundError, "does not exist"),
    "ResourceNotFound": (NotFoundError, "does not exist, or may not be read without credentials"),
    "ContainerBeingDeleted": (TransientError, "lies in a container that is being deleted"),
    "AccountIsDisabled": (AccessDeniedError, "belongs to an account that is disabled"),
    "AuthorizationPermissionMismatch": (AccessDeniedError, _PERMISSION),
    "InsufficientAccountPermissions": (AccessDeniedError, _PERMISSION),
    "AuthorizationResourceTypeMismatch": (
        AccessDeniedError,
        "is of a resource type that the SAS does not cover",
    ),
    "AuthorizationServiceMismatch": (AccessDeniedError, "belongs to a service that the SAS does not cover"),
    "AuthorizationSourceIPMismatch": (
        AccessDeniedError,
        "may not be accessed from this machine's address by the SAS",
    ),
    "AuthorizationProtocolMismatch": (AccessDeniedError, "may not be accessed over this protocol by the SAS"),
    "AuthorizationFailure": (
        AccessDeniedError,
        "may not be accessed from this network or by this identity; check the account's firewall and roles",
    ),
    "PublicAccessNotPermitted": (AuthError, "needs credentials; the account allows no anonymous access"),
    "NoAuthenticationInformation": (AuthError, "needs credentials; give account_key, sas_token or a sign-in"),
    "KeyBasedAuthenticationNotPermitted": (
        AuthError,
        "belongs to an account that allows no key or SAS; use auth=entra",
    ),
    "LeaseIdMissing": (AccessDeniedError, _LEASE),
    "LeaseAlreadyPresent": (AccessDeniedError, _LEASE),
    "LeaseIdMismatchWithBlobOperation": (AccessDeniedError, _LEASE),
    "BlobImmutableDueToPolicy": (AccessDeniedError, "is protected by an immutability policy or legal hold"),
    "BlobArchived": (NotSupportedError, "is in the archive tier; rehydrate it first"),
    "InvalidBlobType": (NotSupportedError, "is a page or append blob; delete it or choose another name"),
    "InvalidBlockList": (StageLostError, "lost blocks that were uploaded before"),
    "InvalidBlobOrBlock": (
        NotSupportedError,
        "has an unfinished upload of another program; delete the blob, or wait a week until it expires",
    ),
    "BlockCountExceedsLimit": (
        NotSupportedError,
        "would need more than 50,000 blocks; choose a larger block size",
    ),
    "RequestBodyTooLarge": (NotSupportedError, "was sent in blocks that are larger than the service takes"),
    "BlockListTooLong": (NotSupportedError, "would need more than 50,000 blocks; choose a larger block size"),
    "AccountLimitExceeded": (NoSpaceError, "does not fit: the account has reached its capacity"),
    "InvalidResourceName": (ConfigError, "has a name that the service does not allow"),
    "OutOfRangeInput": (ConfigError, "has a name that is too long or not allowed"),
    "InvalidUri": (ConfigError, "has a name that the service does not allow"),
    "FeatureNotSupported": (
        NotSupportedError,
        "asks for something that this service, an emulator, cannot do",
    ),
    "ResourceTypeMismatch": (
        AlreadyExistsError,
        "is a folder, or leads through a file where a folder should be",
    ),
    "BlobAlreadyExists": (AlreadyExistsError, "exists already"),
    "Md5Mismatch": (TransientError, "arrived damaged (checksum)"),
    "Crc64Mismatch": (TransientError, "arrived damaged (checksum)"),
    "OperationTimedOut": (TransientError, "took the service too long"),
    "CannotVerifyCopySource": (TransientError, "could not be copied: the service cannot read the source now"),
}


def error_code(reply: Reply, body: bytes) -> str:
    """The service's own code for the error, empty where there is none."""
    if code := reply.headers.get("x-ms-error-code"):
        return code
    found = _CODE.search(body)
    return found[1].decode() if found else ""


def refused(reply: Reply, body: bytes, what: str) -> CrossdockError:  # noqa: PLR0911 - one case a line
    """The error for an answer that is no success; ``what`` is the address as the user may see it."""
    code = error_code(reply, body)
    detail = f"status {reply.status} {code} request {reply.headers.get('x-ms-request-id', '-')}"
    if reply.status == 429 or (reply.status == 503 and code in ("ServerBusy", "")):
        return ThrottledError(
            f"the service asks for fewer requests to {what}", retry_after=retry_after(reply), detail=detail
        )
    if known := _MEANING.get(code):
        kind, meaning = known
        return kind(f"{what} {meaning}", detail=detail)
    if reply.status in _PASSING:
        return TransientError(
            f"the service failed on {what} (status {reply.status})",
            retry_after=retry_after(reply),
            detail=detail,
        )
    if reply.status in (401, 403) or code in ("InvalidAuthenticationInfo", "AuthenticationFailed"):
        return _unauthenticated(reply, body, what, detail)
    if reply.status == 404:
        return NotFoundError(f"{what} does not exist", detail=detail)
    if reply.status == 412:
        return SourceChangedError(f"{what} changed meanwhile", detail=detail)
    if reply.status == 407:
        return AuthError("the proxy asks for a user and password", detail=detail)
    return InternalError(f"the service refused {what}: {code or f'status {reply.status}'}", detail=detail)


def _unauthenticated(reply: Reply, body: bytes, what: str, detail: str) -> CrossdockError:
    skew = clock_skew(reply)
    if abs(skew) > MOST_SKEW:
        return AuthError(
            f"this machine's clock is {abs(skew) / 60:,.0f} minutes "
            f"{'ahead of' if skew > 0 else 'behind'} the service's; set the clock",
            detail=detail,
        )
    if b"not valid in the specified time frame" in body or b"Signed expiry" in body:
        return AuthError(
            f"the SAS for {what} has expired or is not valid yet; resume with a new one", detail=detail
        )
    if b"gnature did not match" in body or b"MAC signature" in body:
        return AuthError(
            f"the service does not accept the signature for {what}; check the account key or SAS",
            detail=detail,
        )
    if reply.status == 401:
        return AuthError(
            f"the service does not accept the sign-in for {what}; sign in again, or check the tenant",
            detail=detail,
        )
    return AuthError(
        f"the service does not accept the credentials for {what}; check the account key or SAS", detail=detail
    )


def clock_skew(reply: Reply) -> float:
    """How far this machine's clock is ahead of the service's, in seconds; 0 where it does not say."""
    try:
        return time.time() - parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return 0.0


def retry_after(reply: Reply) -> float | None:
    """The seconds that the service asks to wait, None where it does not."""
    if (milliseconds := reply.headers.get("x-ms-retry-after-ms", "")).isdigit():
        return int(milliseconds) / 1000
    text = reply.headers.get("retry-after", "")
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


_NO_TLS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_VERSION_NUMBER")


def disconnected(error: BaseException, host: str) -> CrossdockError | None:  # noqa: PLR0911 - cases
    """The error for what the connection raised; None where it is not the connection's."""
    detail = f"{type(error).__name__}: {error}"
    if isinstance(error, ssl.SSLCertVerificationError):
        why = getattr(error, "verify_message", "not verified")
        return ConfigError(
            f"the certificate of {host} is not trusted here: {why}; if it is right, name its CA with "
            "ca_bundle=FILE",
            detail=detail,
        )
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return TransientError(f"the name {host} cannot be looked up now", detail=detail)
        return NotFoundError(f"there is no host {host}; check the account's name", detail=detail)
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return ConfigError(f"{host} does not speak TLS 1.2 or later on this port", detail=detail)
    if isinstance(error, TimeoutError):
        return TransientError(f"{host} did not answer in time", detail=detail)
    if isinstance(error, (OSError, ProtocolError)):
        return TransientError(f"the connection to {host} broke", detail=detail)
    return None


def classify(error: BaseException) -> CrossdockError | None:
    """``ConnectorSpec.classify``: the store maps its own; this is for what the SDK raises on signing in."""
    if isinstance(error, (ProtocolError, ssl.SSLError, socket.gaierror, ConnectionError)):
        return disconnected(error, "the service")
    if not type(error).__module__.startswith(("azure.", "msal")):
        return None
    names = {kind.__name__ for kind in type(error).__mro__}
    detail = type(error).__name__
    if "CredentialUnavailableError" in names or "ClientAuthenticationError" in names:
        return _not_signed_in(error, detail)
    if names & _UNREACHED:
        return TransientError("the sign-in service cannot be reached now", detail=detail)
    status = getattr(error, "status_code", None)
    if status == 429 or status in _PASSING:
        return TransientError(f"the sign-in service failed (status {status})", detail=detail)
    return InternalError(f"the Azure SDK failed: {type(error).__name__}", detail=detail)


def _not_signed_in(error: BaseException, detail: str) -> CrossdockError:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return ConfigError(
            "the certificate of the sign-in service is not trusted here; if it is right, name its CA with "
            "ca_bundle=FILE",
            detail=detail,
        )
    if _BUSY.search(text):
        return TransientError("the sign-in service is busy", retry_after=SIGN_IN_WAIT, detail=detail)
    # The SDK calls a connection that broke an error of authentication too.
    if type(error.__cause__).__name__ in _UNREACHED:
        return TransientError("the sign-in service cannot be reached now", detail=detail)
    code = _AADSTS.search(text)
    why = f" ({code[0]})" if code else ""
    return AuthError(
        f"signing in to Entra ID failed{why}; run 'az login', set AZURE_CLIENT_ID, AZURE_TENANT_ID and "
        "AZURE_CLIENT_SECRET, or give account_key or sas_token",
        detail=detail,
    )
