"""``crossdock node doctor`` and ``crossdock node urls``: what a node needs of its machine and its network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from crossdock import Check, CrossdockError, NotFoundError
from crossdock.cli import options
from crossdock.cli.doctor import tell
from crossdock.cli.session import Output

from .definition_options import need_parser
from .node_options import StateOption, need, node_folder

if TYPE_CHECKING:
    from ..pipeline.reached import Reached

DefinitionsArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DIR|FILE]",
        help="Definitions, such as a Git folder of Data Factory: what they reach counts too.",
    ),
]
UrlOption = Annotated[
    str, typer.Option(metavar="URL", help="The service, where the node is not registered yet.")
]


def urls(
    context: typer.Context,
    definitions: DefinitionsArgument = None,
    *,
    url: UrlOption = "",
    output: options.OutputOption = Output.TEXT,
    state: StateOption = None,
) -> None:
    """List the hosts and TCP ports that a firewall has to let this node out to."""
    need()
    session = options.session_of(context)
    session.command = "node urls"
    found = _reached(node_folder(state), definitions, url)
    if session.json:
        session.show_json({"urls": [asdict(each) for each in found]})
        return
    places = [f"{each.host}:{each.port or '?'}" for each in found]
    widest = max(map(len, places), default=0)
    session.show(
        "\n".join(f"{place:<{widest}}  {each.why}" for place, each in zip(places, found, strict=True))
    )


def doctor(
    context: typer.Context,
    definitions: DefinitionsArgument = None,
    *,
    url: UrlOption = "",
    ca: Annotated[str, typer.Option(metavar="FILE", help="The CA of the service, with --url.")] = "",
    output: options.OutputOption = Output.TEXT,
    state: StateOption = None,
) -> None:
    """Check what a node needs: the machine, the way to its service, and to what definitions reach.

    Exits with 0 where nothing has failed, with 1 else; a warning is no failure.
    """
    need()
    session = options.session_of(context)
    session.command = "node doctor"
    tell(session, _checks(node_folder(state), definitions, url, ca))


def _checks(folder: Path, definitions: Path | None, url: str, ca: str) -> Iterator[Check]:
    from ..node import checks_reaching as reaching
    from ..node.checks import held, machine
    from ..node.identity import registered
    from ..node.permitted import permitted
    from ..node.proxy import proxy_of
    from ..node.status import status_of

    yield from machine(folder)
    try:
        proxy = proxy_of(folder)
        yield held(permitted(folder))
        if not url:
            known = registered(folder)
            yield from _unopened(folder)
            url, ca = known.url, known.ca
            agent = status_of(folder)
            online = agent.state == "Online"
            said = f"{agent.state}{agent.reason and f': {agent.reason}'}"
            yield Check("agent", "ok" if online else "warning", said)
    except NotFoundError as error:
        yield Check(
            "agent", "failed", error.message, f"{error.hint}; before that, give the service with --url"
        )
    except CrossdockError as error:
        yield Check("state", "failed", error.message, error.hint or "")
        return
    if url:
        yield from reaching.service(url, ca, proxy)
    for each in _of_definitions(definitions):
        if each.port is not None:
            yield reaching.reachable(each.host, each.port, proxy)


def _unopened(folder: Path) -> Iterator[Check]:
    """Only where it fails."""
    from ..node.identity import load

    try:
        load(folder)
    except CrossdockError as error:
        yield Check("keys", "failed", error.message, error.hint or "")


def _reached(folder: Path, definitions: Path | None, url: str) -> list[Reached]:
    from ..node.identity import registered
    from ..node.proxy import proxy_of
    from ..pipeline.reached import Reached

    parts = urlsplit(url or registered(folder).url)
    found = [Reached(parts.hostname or "", parts.port or 443, "the service: jobs, heartbeats, credentials")]
    found += [
        Reached(host, port, "the proxy, for all that is HTTP") for host, port in proxy_of(folder).addresses()
    ]
    return found + _of_definitions(definitions)


def _of_definitions(definitions: Path | None) -> list[Any]:
    if definitions is None:
        return []
    need_parser()
    from ..pipeline.definitions import load
    from ..pipeline.reached import reached

    return reached(load(definitions, None))
