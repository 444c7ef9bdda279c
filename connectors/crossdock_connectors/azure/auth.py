"""Who we are to Azure Storage: account key, SAS, Entra ID or nobody; shared by Blob and ADLS.

Signing itself is the SDK's. Its policies are called directly, without the SDK's pipeline around them.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import SecretStr

from crossdock import AuthError, ConfigError
from crossdock_connectors import entra

from . import shared_key
from .config import AzureConfig

SCOPE = "https://storage.azure.com/.default"
_EARLY = timedelta(minutes=1)
# Hosts that a sign-in is sent to without being told so: all clouds, as AzCopy trusts them.
_AZURE = (
    ".core.windows.net",
    ".core.chinacloudapi.cn",
    ".core.usgovcloudapi.net",
    ".core.cloudapi.de",
    ".storage.azure.net",
)
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")


class Message:
    """A request as the SDK's signing policies see it: both the pipeline's and the HTTP request."""

    __slots__ = ("context", "headers", "method", "query", "url")

    def __init__(self, method: str, url: str, query: Mapping[str, str], headers: dict[str, str]) -> None:
        self.method, self.url, self.query, self.headers = method, url, query, headers
        self.context = _Context()

    @property
    def http_request(self) -> Message:
        return self


class _Context(dict[str, Any]):
    transport = None

    def __init__(self) -> None:
        super().__init__()
        self.options: dict[str, Any] = {}


@dataclass(frozen=True)
class _Challenge:
    """A 401 as the SDK's policy sees it."""

    headers: Mapping[str, str]

    @property
    def http_response(self) -> _Challenge:
        return self


class Policy(Protocol):
    """The part of the SDK's signing policies that is used."""

    def on_request(self, request: Any) -> None: ...


@dataclass
class Signer:
    """Signs requests. ``suffix`` goes to the end of every query: a SAS, good until ``ends``.

    ``again`` makes the signer that is valid now. Safe from any thread.
    """

    kind: Literal["key", "sas", "entra", "anonymous"]
    policy: Policy | None = None
    suffix: str = field(default="", repr=False)
    ends: datetime | None = None
    again: Callable[[], Signer] | None = None

    def sign(self, message: Message) -> None:
        """Before its address is written: that may end in another SAS afterwards."""
        if self.again is not None and self.has_ended(_EARLY):
            with suppress(AuthError, ConfigError):  # until then, the old one may still do
                found = self.again()
                self.suffix, self.ends = found.suffix, found.ends
        if self.policy is None:
            return
        span = message.headers.get("Range")
        if span and self.kind == "key":
            # The SDK signs it under this name only, which it never sends.
            message.headers["byte_range"] = span
        self.policy.on_request(message)
        message.headers.pop("byte_range", None)

    def has_ended(self, early: timedelta = timedelta()) -> bool:
        """Whether nothing signed by this can be accepted any more, or only that much longer."""
        return self.ends is not None and self.ends - early < datetime.now(UTC)

    def challenged(self, message: Message, headers: Mapping[str, str]) -> bool:
        """After a 401: sign in again as the service asks; whether the request can be sent again."""
        answer = getattr(self.policy, "on_challenge", None)
        if answer is None:
            return False
        named = {"WWW-Authenticate": headers.get("www-authenticate", "")}
        return bool(answer(message, _Challenge(named)))

    def bearer(self) -> str:
        """The value of an Authorization header for Entra ID, for the service to read a copy source with."""
        message = Message("GET", "https://localhost/", {}, {})
        self.sign(message)
        return message.headers["Authorization"]


def with_key(account: str, key: str) -> Signer:
    """Raises ConfigError for what is no key."""
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        raise ConfigError("the account key is not complete; copy it again from the portal") from None
    return Signer("key", shared_key.policy(account, key))


def with_credential(credential: Any) -> Signer:
    """Sign with an azure-core TokenCredential; its tokens are renewed before they run out."""
    from azure.storage.blob._shared.policies import StorageBearerTokenCredentialPolicy

    return Signer("entra", StorageBearerTokenCredentialPolicy(credential, SCOPE))


def with_sas(token: str) -> Signer:
    """Raises AuthError for a SAS that is not valid now, ConfigError for one that is none."""
    token = token.strip().lstrip("?")
    parts = dict(parse_qsl(token, keep_blank_values=True))
    if "sig" not in parts:
        raise ConfigError("the SAS is not complete: it has no signature (sig=...)")
    if not token.isascii() or any(c in token for c in "\r\n #"):
        raise ConfigError("the SAS holds characters that none has; copy it again from where it was made")
    for name, wrong, word in (("se", -1, "expired at"), ("st", 1, "is not valid before")):
        when = _moment(parts.get(name, ""))
        if when and (when - datetime.now(UTC)).total_seconds() * wrong > (900 if name == "st" else 0):
            raise AuthError(f"the SAS {word} {when:%Y-%m-%d %H:%M} UTC; give a new one with sas_token=...")
    return Signer("sas", suffix=token, ends=_moment(parts.get("se", "")))


def with_sas_file(path: str) -> Signer:
    """The SAS in a file, now and when that has run out. Raises as ``with_sas`` does."""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"the file of the SAS, {path}, cannot be read: {why}") from error
    return replace(with_sas(text), again=lambda: with_sas_file(path))


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def settings(config: AzureConfig) -> dict[str, str]:
    """The connection string as a dict with lower-case keys: the option's, else the environment's."""
    given = config.connection_string
    text = given.get_secret_value() if given else ""
    if not text and not (config.account or config.endpoint or config.account_key or config.sas_token):
        text = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
    found = {}
    for pair in filter(None, text.strip().split(";")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError("the connection string is not of the form Name=value;Name=value")
        found[name.strip().lower()] = value.strip()
    if found.get("usedevelopmentstorage", "").lower() == "true":
        raise ConfigError("name Azurite's address with endpoint=https://127.0.0.1:10000/devstoreaccount1")
    return found


def signer(config: AzureConfig, account: str, host: str, sas: str = "") -> Signer:
    """How to sign for an account; ``sas`` is the one of the URL.

    Raises AuthError; ConfigError, too, where a token or the environment's SAS would go to a host that is
    none of Azure's, because of nothing but an address.
    """
    if config.auth == "auto" and entra.is_named(config):
        config = config.model_copy(update={"auth": "entra"})
    trusted = bool(config.endpoint) or host.endswith(_AZURE)
    string = settings(config)
    mine = string.get("accountname", account) == account
    signed = string.get("sharedaccesssignature", "")
    if not config.connection_string and _named_in(string) not in ("", account):
        signed = ""  # the environment's string is that of another account
    environment = os.environ if os.environ.get("AZURE_STORAGE_ACCOUNT", account) == account else {}
    key = _secret(config.account_key) or (string.get("accountkey", "") if mine else "")
    if config.sas_token_file and config.auth in ("auto", "sas"):
        return with_sas_file(config.sas_token_file)
    sas = _secret(config.sas_token) or sas or signed
    if config.auth in ("auto", "key") and not key and not sas:
        key = environment.get("AZURE_STORAGE_KEY", "") or environment.get("AZURE_STORAGE_ACCOUNT_KEY", "")
    if config.auth in ("auto", "sas") and not key and not sas:
        sas = environment.get("AZURE_STORAGE_SAS_TOKEN", "") if trusted else ""
    if config.auth == "auto" and not (key or sas or trusted):
        raise ConfigError(
            f"{host} is no host of Azure, so no sign-in is sent there by itself; say how with auth=entra or "
            "auth=anonymous, or give account_key=... or sas_token=..."
        )
    return _choose(config, account, key, sas)


def _named_in(string: Mapping[str, str]) -> str:
    """The account that a connection string is of: by its name, else by its endpoint."""
    parts = urlsplit(string.get("blobendpoint") or string.get("dfsendpoint") or "")
    by_endpoint = parts.path.rstrip("/").rpartition("/")[2] or (parts.hostname or "").partition(".")[0]
    return string.get("accountname") or by_endpoint


def _choose(config: AzureConfig, account: str, key: str, sas: str) -> Signer:
    auth = config.auth
    if auth == "anonymous":
        return Signer("anonymous")
    if auth == "key" or (auth == "auto" and key):
        if not key:
            raise AuthError("auth=key needs the account's key; give account_key=... or set AZURE_STORAGE_KEY")
        return with_key(account, key)
    if auth == "sas" or (auth == "auto" and sas):
        if not sas:
            raise AuthError("auth=sas needs a SAS; give sas_token=... or set AZURE_STORAGE_SAS_TOKEN")
        return with_sas(sas)
    return with_credential(sign_in(config))


def sign_in(config: AzureConfig) -> Any:
    """Entra ID, reached as the service is. One for all stores of this process: they share its tokens."""
    from . import proxy

    host = urlsplit(os.environ.get("AZURE_AUTHORITY_HOST", "")).hostname or "login.microsoftonline.com"
    through = proxy.chosen(_secret(config.proxy) if config.proxy else None, config.no_proxy, "https", host)
    return entra.sign_in(
        config, bundle=config.ca_bundle or os.environ.get("SSL_CERT_FILE") or "", proxy=through
    )


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""


def check_account(name: str) -> str:
    """The account's name, if it is one. Raises ConfigError."""
    if not _ACCOUNT.fullmatch(name):
        raise ConfigError(f"{quote(name)!r} is not the name of a storage account")
    return name
