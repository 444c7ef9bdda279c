"""``crossdock node``: this machine as a node of an integration runtime."""

from __future__ import annotations

import logging
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from crossdock import ConfigError, MissingDependencyError, state_folder
from crossdock.cli import options

if TYPE_CHECKING:
    from crossdock.cli.session import Session

    from ..node.identity import Identity
    from ..node.vault import Vault

node = typer.Typer(help="This machine as a node of an integration runtime.", no_args_is_help=True)
StateOption = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="Where its state is. Default: $CROSSDOCK_HOME/node."),
]


def _need() -> None:
    if find_spec("httpx") is None or find_spec("jwt") is None or find_spec("psutil") is None:
        raise MissingDependencyError(
            "a node needs more packages; install them with: pip install 'crossdock[node]'"
        )


@node.command()
def register(
    context: typer.Context,
    key: Annotated[
        str | None,
        typer.Argument(help="An auth key of the runtime; without it, $AUTH_KEY or standard input."),
    ] = None,
    node_name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="The node's name. Default: the machine's.")
    ] = "",
    *,
    name: Annotated[str, typer.Option(help="The same, where the key is no argument.")] = "",
    ca: Annotated[
        str, typer.Option(metavar="FILE", help="The CA of the service, where the system has it not.")
    ] = "",
    state: StateOption = None,
) -> None:
    """Make this machine a node of the runtime that the key is of. Done again, it is the same node.

    A key in an argument is seen by others on this machine: better let it be in $AUTH_KEY or come by a pipe.
    """
    _need()
    from ..node.registration import register as registered

    session = options.session_of(context)
    session.command = "node register"
    given = key or os.environ.get("AUTH_KEY") or _piped()
    found: Identity = anyio.run(registered, state or state_folder() / "node", given, node_name or name, ca)
    session.say(
        f"{found.name} is a node of {found.runtime} in {found.factory}; start it with: crossdock node start"
    )


def _piped() -> str:
    if sys.stdin.isatty():
        raise ConfigError("which auth key? Give it as $AUTH_KEY, by a pipe or as an argument")
    return sys.stdin.readline().strip()


@node.command()
def start(
    context: typer.Context,
    *,
    allow_path: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="Only folders below this may be read and written; may be repeated."),
    ] = None,
    forbid_private: Annotated[
        bool, typer.Option("--forbid-private", help="No addresses of private networks or of this machine.")
    ] = False,
    state: StateOption = None,
) -> None:
    """Carry out jobs until told to stop (Ctrl-C or SIGTERM): then those that run are waited for.

    A second signal ends them too.
    """
    _need()
    from ..node.identity import load
    from ..node.vault import Vault

    session = options.session_of(context)
    session.command = "node start"
    folder = state or state_folder() / "node"
    identity = load(folder)
    policy: dict[str, object] = {"roots": allow_path or None, "private": not forbid_private}
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("crossdock_scheduler").setLevel(logging.INFO)
    anyio.run(_work, identity, Vault.of(folder, identity.guid), policy, session)


async def _work(identity: Identity, vault: Vault, policy: dict[str, object], session: Session) -> None:
    from ..node.agent import Agent
    from ..node.client import Client, connected

    async with connected(identity.url, identity.ca) as http, anyio.create_task_group() as group:
        stop = anyio.Event()

        async def signals() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
                async for _ in received:
                    if stop.is_set():
                        group.cancel_scope.cancel()
                    stop.set()

        group.start_soon(signals)
        session.say(f"{identity.name} works for {identity.runtime} in {identity.factory}")
        await Agent(Client(http, identity), vault, policy).run(stop)
        group.cancel_scope.cancel()
