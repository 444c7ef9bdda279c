"""``crossdock node proxy``: the HTTP proxy between this node and the rest of the world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from crossdock import ConfigError
from crossdock.cli import options
from crossdock.cli.session import Output

from .node_backup import password_of
from .node_options import StateOption, need, node_folder

if TYPE_CHECKING:
    from ..node.proxy import Proxy


def proxy(
    context: typer.Context,
    address: Annotated[
        str | None, typer.Argument(metavar="[none|system|HOST:PORT]", help="Without it, the proxy is shown.")
    ] = None,
    *,
    user: Annotated[str, typer.Option(metavar="NAME", help="Who signs in at the proxy.")] = "",
    password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Its first line is the password. Without it: $CROSSDOCK_PROXY_PASSWORD, else you are asked.",
        ),
    ] = None,
    bypass: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="Hosts and domains to reach without it, by comma, such as .internal."
        ),
    ] = None,
    output: options.OutputOption = Output.TEXT,
    state: StateOption = None,
) -> None:
    """Show or change the proxy: none, the system's ($HTTPS_PROXY, $NO_PROXY), or the one with an address.

    It is for the service and for what jobs reach over HTTP. A change holds at once for the service, and for
    the jobs that begin after it.
    """
    need()
    from ..node.proxy import proxy_of, set_proxy

    session = options.session_of(context)
    session.command = "node proxy"
    folder = node_folder(state)
    before = proxy_of(folder)
    found = wanted(before, address, user, password_file, bypass)
    if found != before:
        set_proxy(folder, found)
    if session.json:
        session.show_json(found.shown())
        return
    lines = [found.mode if found.mode != "custom" else f"{found.host}:{found.port}"]
    if found.user:
        lines.append(f"user: {found.user}, with a password")
    if found.bypass:
        lines.append(f"not for: {', '.join(found.bypass)}")
    session.show("\n".join(lines))


def wanted(
    before: Proxy, address: str | None, user: str, password_file: Path | None, bypass: str | None
) -> Proxy:
    """The proxy after a change of what it is ``before``. Raises ConfigError for what does not go together."""
    from ..node.proxy import Proxy

    past = tuple(each.strip() for each in (bypass or "").split(",") if each.strip())
    if address is None and before.mode == "custom" and not user and not password_file:
        return before if bypass is None else replace(before, bypass=past)
    if address is None or address.lower() in {"none", "system"}:
        if user or password_file or bypass is not None:
            raise ConfigError("a user, a password and --bypass are for a proxy with an address: HOST:PORT")
        return before if address is None else Proxy(address.lower())
    if password_file and not user:
        raise ConfigError("--password-file needs a --user")
    host, port = _place(address)
    password = password_of(password_file, "proxy") if user else ""
    return Proxy("custom", host, port, user, password, past)


def _place(address: str) -> tuple[str, int]:
    parts = urlsplit(address if "://" in address else f"http://{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme != "http" or not host or not port or "@" in parts.netloc or parts.path.strip("/"):
        raise ConfigError(
            "the proxy is not of the form HOST:PORT; a user is given with --user, no password in an argument"
        )
    return host, port
