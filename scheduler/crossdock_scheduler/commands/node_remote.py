"""``crossdock node enable-remote-access`` and ``disable-remote-access``: whether a node is one of several."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from crossdock.cli import options

from .node_options import StateOption, need, node_folder

if TYPE_CHECKING:
    from pathlib import Path

_NO_PORT = "no port is opened: nodes reach each other through the service"


def enable_remote_access(
    context: typer.Context,
    port: Annotated[int, typer.Argument(metavar="[PORT]", min=1, max=65535, help="Not opened.")] = 8060,
    certificate: Annotated[str, typer.Argument(metavar="[CERT]", help="Not used.")] = "",
    *,
    state: StateOption = None,
) -> None:
    """High availability: let the runtime have other nodes beside this one.

    Scripts for Microsoft's runtime name a port and a certificate for the channel between nodes. There is none
    here: nothing listens, and nothing has to be let through a firewall.
    """
    session = options.session_of(context)
    session.command = "node enable-remote-access"
    _switch(node_folder(state), alone=False)
    session.say(f"the runtime may have other nodes; {_NO_PORT}")
    if certificate:
        session.say("the certificate is not used: what goes to the service is under the service's own")


def disable_remote_access(context: typer.Context, *, state: StateOption = None) -> None:
    """No high availability: the runtime has no other node than this one, and other ones are refused."""
    session = options.session_of(context)
    session.command = "node disable-remote-access"
    _switch(node_folder(state), alone=True)
    session.say("other nodes are refused")


def _switch(folder: Path, *, alone: bool) -> None:
    need()
    import anyio

    from ..node.company import be_alone

    anyio.run(partial(be_alone, folder, alone=alone))
