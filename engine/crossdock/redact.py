"""Secrets in texts: which parts of an address are secret, and ``***`` in place of those of this process.

What is hidden of any address: passwords, query parameters that are called like secrets, and user names
that are tokens (of ``https``, and those that look like one). A connector may name more (``Secrets``).
"""

from __future__ import annotations

import json
import logging
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MARK = "***"
_SHORT = 4
_URL = re.compile(
    r"(?P<scheme>[^:/?#]+://)(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>[^#]*)(?P<rest>.*)", re.S
)
_WORDS = {"sig", "key", "code", "pass", "pw", "auth", "authorization", "jwt", "bearer", "sas"}
_ENDINGS = (
    "password", "passwd", "pwd", "passphrase", "secret", "token", "signature", "apikey", "accesskey",
    "accountkey", "secretkey", "privatekey", "sharedkey", "authkey", "functionkey", "functionskey",
    "subscriptionkey", "credential", "credentials",
)  # fmt: skip
_TOKEN = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_-]{20,}")
_URL_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^\s'\"<>]+")
_PAIR = re.compile(r"([A-Za-z][\w .-]*)=([^;&\s'\"]+)")
_KEY = re.compile(r"(?:\A|;)([^=;]*)=")


def is_secret_name(name: str) -> bool:
    """Whether a query parameter, or a key of a connection string, is called like a secret."""
    word = re.sub(r"[^a-z0-9]", "", unquote_plus(name).lower())
    return word in _WORDS or word.endswith(_ENDINGS)


def secret_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that hold a secret, which others see in the environment of a process: logins at proxies."""
    return {
        name: value for name, value in environment.items() if name.lower().endswith("_proxy") and "@" in value
    }


class Address:
    """An address and its secrets. ``query``: patterns of more secret parameters. ``user``: so is the user;
    False: never, however it looks.
    """

    def __init__(self, url: str, query: Sequence[str] = (), user: bool | None = None) -> None:
        self._url, self._patterns = url, query
        self._parts = _URL.fullmatch(url)
        self.secrets: dict[tuple[str, str], None] = {}
        """Name (``user``, ``password`` or that of the parameter) and value, as written, in order."""
        if self._parts is None:
            self.shown = self.bare = url
            return
        self._hide_user = user or self._parts["scheme"].lower() in ("https://", "http://")
        self._may_be_token = user is not False
        self.shown = self._written(MARK)
        self.bare = self._written("")
        """Without the secrets: what opens where they come from elsewhere."""

    def _written(self, mark: str) -> str:
        assert self._parts is not None  # noqa: S101 - __init__ looked
        parts = self._parts
        pairs = [self._pair(pair, mark) for pair in parts["query"][1:].split("&")]
        query = "&".join(pairs if mark else filter(None, pairs))
        if mark or query:
            query = parts["query"][:1] + query
        return (
            parts["scheme"]
            + self._authority(parts["authority"], mark)
            + parts["path"]
            + query
            + parts["rest"]
        )

    def _authority(self, text: str, mark: str) -> str:
        login, at, host = text.rpartition("@")
        if ";" in host:
            first, *others = host.split(";")
            pairs = [self._pair(pair, mark) for pair in others]
            host = ";".join([first, *(pairs if mark else filter(None, pairs))])
        user, colon, password = login.partition(":")
        if colon:
            self.secrets["password", password] = None
        is_token = self._may_be_token and _TOKEN.fullmatch(user)
        if user and (self._hide_user or user == MARK or is_token):
            self.secrets["user", user] = None
            user = mark
        return f"{user}{at}{host}" if mark or user else host

    def _pair(self, pair: str, mark: str) -> str:
        """One parameter; hidden up to its end, for a secret may hold a ``;``."""
        found = next((key for key in _KEY.finditer(pair) if self._hides(key[1])), None)
        if found is None:
            return pair
        self.secrets[found[1], pair[found.end() :]] = None
        return pair[: found.end()] + mark if mark else pair[: found.start()]

    def _hides(self, name: str) -> bool:
        low = unquote_plus(name).lower()
        return is_secret_name(name) or any(fnmatchcase(low, pattern) for pattern in self._patterns)

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(name for name, _ in self.secrets))

    def telling(self) -> Iterator[str]:
        """The secrets that would tell something alone: not each parameter that is only hidden with others."""
        for name, value in self.secrets:
            if name in ("user", "password") or is_secret_name(name) or "*" not in self._patterns:
                yield value

    def lend(self, bare: str) -> str:
        """``bare``, an address of the same place, with the user, the password and the query of this one."""
        other = _URL.fullmatch(bare)
        if self._parts is None or other is None:
            return bare
        parts = self._parts
        return other["scheme"] + parts["authority"] + other["path"] + parts["query"] + other["rest"]


def inner_secrets(text: str) -> Iterator[str]:
    """The secrets within an option's value: a connection string, a signed query, an address."""
    yield from Address(text).telling()
    for name, value in _PAIR.findall(text):
        if is_secret_name(name):
            yield value


# -- what this process knows ------------------------------------------------------------------------


class _Known:
    """The secrets of this process, and what finds them."""

    def __init__(self) -> None:
        self.values: set[str] = set()
        self.pattern: re.Pattern[str] | None = None


_known = _Known()


def remember(secrets: Iterable[str]) -> None:
    """From now on ``redacted`` hides these values, also quoted or encoded, as long as the process lives."""
    fresh = {secret for secret in secrets if secret and secret != MARK} - _known.values
    if not fresh:
        return
    _known.values |= fresh
    written = {form for secret in _known.values for form in forms(secret)}
    # The longest first: one may be part of another. A short one counts only as a word of its own.
    texts = [
        re.escape(form) if len(form) >= _SHORT else rf"(?<!\w){re.escape(form)}(?!\w)"
        for form in sorted(written, key=len, reverse=True)
    ]
    _known.pattern = re.compile("|".join(texts))


def forms(secret: str) -> Iterator[str]:
    """How a secret is written: as it is, quoted, escaped, in base64, and its longer lines."""
    for text in (secret, unquote(secret)):
        yield text
        data = text.encode("utf-8", "surrogatepass")
        yield from (quote(data), quote(data, safe=""), quote_plus(data))
        yield from (repr(text)[1:-1], json.dumps(text)[1:-1])
        if len(text) >= _SHORT:
            yield b64encode(data).decode()
    yield from (line for line in secret.splitlines() if len(line) > 20)


def redacted(text: str) -> str:
    """``text`` without the secrets that this process knows, and without those of addresses in it.

    In place of each is ``***``. Raises nothing.
    """
    if _known.pattern is not None:
        text = _known.pattern.sub(MARK, text)
    if "://" in text:
        text = _URL_IN_TEXT.sub(lambda found: _shown(found[0]), text)
    return text


def _shown(url: str) -> str:
    """Hints show how an address is to be written, with words in place of secrets."""
    return url if "user:password@" in url else Address(url).shown


def redact_error(error: BaseException) -> None:
    """Hide secrets in the texts of an exception and of those that led to it: tracebacks show them."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        if any(isinstance(arg, str) and redacted(arg) != arg for arg in error.args):
            error.args = tuple(redacted(arg) if isinstance(arg, str) else arg for arg in error.args)
        error = error.__cause__ or error.__context__ or error


class RedactingFilter(logging.Filter):
    """The last stop of secrets on their way to a log."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redacted(record.getMessage()), None
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = redacted(logging.Formatter().formatException(record.exc_info))
        return True
