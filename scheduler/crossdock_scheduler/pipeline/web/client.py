"""One HTTP request, at an address that the policy allows: looked up once, and so is each redirect's."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from crossdock import CancelledError, ConfigError

from ..network import checked
from ..policy import Policy
from .errors import CallError, NoAnswerError, TooLongError

if TYPE_CHECKING:
    import urllib3

MOST_BYTES = 4 << 20
_REDIRECTS = 20
_REDIRECTED = (300, 301, 302, 303, 307, 308)
# Of a request that goes on to another host: the rest may be secrets.
_OPEN = ("accept", "accept-language", "content-type", "user-agent")
_POLL = 0.05
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. ``timeout``: seconds until the whole answer is there. ``verify``: the server's
    certificate. ``secured`` adds a client's certificate to what connections are made with.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    timeout: float = 60
    verify: bool = True
    secured: Callable[[ssl.SSLContext], None] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer; names of headers have no case. ``url`` is the one that answered."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str = ""


def address_of(url: str) -> SplitResult:
    """The parts of an http or https address. Raises ConfigError."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise ConfigError("the url is no address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ConfigError("the url must be an address that begins with https:// or http://")
    if "@" in parts.netloc:
        raise ConfigError("the url holds a login; give it as the activity's authentication")
    return parts


def send(request: Request, policy: Policy, cancel: threading.Event) -> Reply:
    """Send it and follow redirects. Raises the errors of calls, AccessDeniedError for what is forbidden, and
    CancelledError.
    """
    ends = time.monotonic() + request.timeout
    for _ in range(_REDIRECTS):
        left = ends - time.monotonic()
        if left <= 0:
            break
        reply = _soon(partial(_once, request, policy, left), left, cancel, request)
        target = reply.headers.get("location") if reply.status in _REDIRECTED else None
        if not target:
            return reply
        request = redirected(request, reply.status, target)
    raise NoAnswerError(
        f"{_shown(request.url)} redirects without end, or took more than {request.timeout:g} seconds"
    )


def redirected(request: Request, status: int, target: str) -> Request:
    """The request that a redirect asks for: without its credentials where that is another place."""
    old, url = address_of(request.url), urljoin(request.url, target)
    new = address_of(url)
    if (old.scheme, new.scheme) == ("https", "http"):
        raise CallError(f"{_shown(request.url)} redirects to an address without encryption, which is refused")
    made = replace(request, url=url)
    turned = status == 303 or (status in (300, 301, 302) and request.method == "POST")
    if turned and request.method not in ("GET", "HEAD"):
        made = replace(made, method="GET", body=None)
    if (old.scheme, old.hostname, old.port) == (new.scheme, new.hostname, new.port):
        return made
    kept = {name: value for name, value in request.headers.items() if name.lower() in _OPEN}
    return replace(made, headers=kept, secured=None)


def _soon(work: Callable[[], T], seconds: float, cancel: threading.Event, request: Request) -> T:
    """The result of something that blocks, which is left alone when it is late or cancelled."""
    outcome: list[Any] = []
    ended = threading.Event()

    def run() -> None:
        try:
            outcome.append((work(), None))
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that waits
            outcome.append((None, error))
        ended.set()

    threading.Thread(target=run, name="web call", daemon=True).start()
    late = time.monotonic() + seconds
    while not ended.wait(_POLL):
        if cancel.is_set():
            raise CancelledError
        if time.monotonic() > late:
            raise NoAnswerError(f"{_shown(request.url)} did not answer within {request.timeout:g} seconds")
    result, error = outcome[0]
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def _once(request: Request, policy: Policy, seconds: float) -> Reply:
    from urllib3 import Timeout
    from urllib3.exceptions import HTTPError, NewConnectionError

    parts = address_of(request.url)
    assert parts.hostname is not None  # noqa: S101 - address_of looked
    host = parts.hostname
    port = parts.port or (443 if parts.scheme == "https" else 80)
    proxy = _proxy(parts)
    # A proxy looks names up itself; where addresses are restricted, it is told the one that was checked.
    addresses = [host] if proxy and policy.private else checked(host, port, policy)
    headers = {"Host": parts.netloc, "User-Agent": "crossdock", **request.headers}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    problem: Exception | None = None
    for address in addresses:
        pool = _pool(parts, (address, port), request, proxy)
        try:
            answer = pool.urlopen(
                request.method, target, body=request.body, headers=headers, redirect=False, retries=False,
                timeout=Timeout(total=seconds), preload_content=False,
            )  # fmt: skip
            with answer:
                return _read(answer, request)
        except NewConnectionError as error:
            problem = error  # the next address may answer
        except (HTTPError, OSError, ValueError) as error:
            raise _failed(request, error) from error
        finally:
            pool.close()
    raise _failed(request, problem or OSError("no address"))


def _pool(
    parts: SplitResult, to: tuple[str, int], request: Request, proxy: str
) -> urllib3.HTTPConnectionPool:
    """Connects to an address, and checks the certificate for the host of the url."""
    import urllib3

    named: dict[str, Any] = {}
    if parts.scheme == "https":
        context = ssl.create_default_context()
        if not request.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the definition asks for it
        if request.secured:
            request.secured(context)
        named = {"ssl_context": context, "server_hostname": parts.hostname}
        named["assert_hostname"] = parts.hostname if request.verify else False
    if proxy:
        user = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
        login = urllib3.make_headers(proxy_basic_auth=user or None)
        manager = urllib3.ProxyManager(proxy, proxy_headers=login)
        return manager.connection_from_host(*to, parts.scheme, {**manager.connection_pool_kw, **named})
    if parts.scheme == "https":
        return urllib3.HTTPSConnectionPool(*to, **named)
    return urllib3.HTTPConnectionPool(*to)


def _proxy(parts: SplitResult) -> str:
    """The proxy that the environment names for an address; empty for none."""
    from urllib.request import getproxies, proxy_bypass

    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all") or ""
    return "" if not proxy or proxy_bypass(parts.netloc) else proxy


def _read(answer: Any, request: Request) -> Reply:
    body = answer.read(MOST_BYTES + 1, decode_content=True)
    if len(body) > MOST_BYTES:
        raise TooLongError(
            f"{_shown(request.url)} answers with more than {MOST_BYTES >> 20} MiB, too much for an output"
        )
    return Reply(answer.status, answer.reason or "", answer.headers, body, request.url)


def _failed(request: Request, error: Exception) -> Exception:
    from urllib3.exceptions import LocationParseError, SSLError

    shown, detail = _shown(request.url), f"{type(error).__name__}: {error}"
    if isinstance(error, LocationParseError | ValueError) and not isinstance(error, SSLError):
        return ConfigError(f"the request to {shown} cannot be written: a header or the url is not allowed")
    reason = error.args[-1] if error.args else error
    if any(each in detail for each in ("UNSUPPORTED_PROTOCOL", "ALERT_PROTOCOL_VERSION")):
        return CallError(f"{shown} does not speak TLS 1.2 or later", detail=detail)
    if isinstance(error, SSLError) or isinstance(reason, ssl.SSLError | SSLError):
        return CallError(
            f"{shown}: no encrypted connection; a certificate is not trusted or not accepted",
            detail=detail,
            hint="set SSL_CERT_FILE to the file of the authority's certificate",
        )
    return NoAnswerError(f"{shown} cannot be reached, or ended the connection", detail=detail)


def _shown(url: str) -> str:
    """An address without its query, in which keys are often given."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
