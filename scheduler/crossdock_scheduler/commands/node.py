"""``crossdock node``: this machine as a node of an integration runtime."""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from crossdock.cli import options

from .. import telemetry
from .node_backup import backup, restore
from .node_doctor import doctor, urls
from .node_life import health, key, restart, status, stop, unregister
from .node_machine_key import machine_key
from .node_options import HERE, KeyArgument, StateOption, given_key, need, node_folder
from .node_policy import policy
from .node_proxy import proxy
from .node_remote import disable_remote_access, enable_remote_access
from .node_up import up
from .node_update import update
from .node_vault import rotate_vault

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

    from crossdock.cli.session import Session

    from ..node.agent import Agent
    from ..node.client import Client
    from ..node.identity import Identity
    from ..node.proxy import Proxy

node = typer.Typer(
    name="node",
    help="Nodes of integration runtimes: this machine as one, and those that a service knows.",
    no_args_is_help=True,
)


@node.callback()
def _secrets_at_hand() -> None:
    from ..node.caps import no_core

    no_core()


@node.command(rich_help_panel=HERE)
def register(
    context: typer.Context,
    key: KeyArgument = None,
    node_name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="The node's name. Default: the machine's.")
    ] = "",
    *,
    name: Annotated[str, typer.Option(help="The same, where the key is no argument.")] = "",
    ca: Annotated[
        str, typer.Option(metavar="FILE", help="The CA of the service, where the system has it not.")
    ] = "",
    alone: Annotated[
        bool | None,
        typer.Option("--alone/--shared", help="Whether the runtime may have no other node. Default: it may."),
    ] = None,
    expires: Annotated[
        int | None,
        typer.Option(
            "--expires",
            metavar="SECONDS",
            min=600,
            help="Offline for so long, it is no node any more when the next one registers.",
        ),
    ] = None,
    state: StateOption = None,
) -> None:
    """Make this machine a node of the runtime that the key is of. Done again, it is the same node.

    A key in an argument is seen by others on this machine: better let it be in $AUTH_KEY or come by a pipe.
    """
    need()
    import anyio

    from ..node.company import Company, company
    from ..node.registration import register as registered

    session = options.session_of(context)
    session.command = "node register"
    folder = node_folder(state)
    before = company(folder)
    wanted = Company(before.alone if alone is None else alone, expires or before.expires)
    found: Identity = anyio.run(registered, folder, given_key(key), node_name or name, ca, wanted)
    session.say(
        f"{found.name} is a node of {found.runtime} in {found.factory}; start it with: crossdock node start"
    )


@node.command(rich_help_panel=HERE)
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
    need()
    import anyio

    from ..node.agent import Agent
    from ..node.identity import load
    from ..node.permitted import permitted
    from ..node.presence import alone
    from ..node.proxy import watched
    from ..node.updates import watched as updates_of
    from ..node.vault import Vault

    telemetry.start("crossdock-node")
    session = options.session_of(context)
    session.command = "node start"
    folder = node_folder(state)
    identity = load(folder)
    # A file that is not understood, and a folder outside, is said now, not by the first job.
    permitted(folder).narrowed(allow_path)
    way = watched(folder)
    wished = updates_of(folder)

    def reachable() -> dict[str, object]:
        found = permitted(folder).narrowed(allow_path)
        return found.as_json() | {"private": found.private and not forbid_private}

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("crossdock_scheduler").setLevel(logging.INFO)
    with alone(folder) as said:
        vault = Vault.of(folder, identity.guid)
        agent = functools.partial(Agent, vault=vault, policy=reachable, proxy=way, updates=wished, said=said)
        again = anyio.run(_work, identity, agent, way, session)
        telemetry.finish(3.0)
    if again:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very command


async def _work(
    identity: Identity, agent: Callable[[Client], Agent], way: Callable[[], Proxy], session: Session
) -> bool:
    """Whether to begin anew."""
    import anyio

    from ..node.client import Client, connected

    again, asked_to_stop = False, False
    async with connected(identity.url, identity.ca, way) as http, anyio.create_task_group() as group:
        stop, working = anyio.Event(), anyio.CancelScope()

        async def signals(*, task_status: TaskStatus[None]) -> None:
            nonlocal again, asked_to_stop
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
                task_status.started()
                async for number in received:
                    # It may be stopping already, for its own update: that is no second signal.
                    if number != signal.SIGHUP and asked_to_stop:
                        working.cancel()
                    again = number == signal.SIGHUP
                    if not again:
                        works.give_up_update()
                    asked_to_stop = asked_to_stop or not again
                    stop.set()

        works = agent(Client(http, identity))
        # Said only when it can be told to stop: before, a signal ends the process where it is.
        await group.start(signals)
        session.say(f"{identity.name} works for {identity.runtime} in {identity.factory}")
        # Apart from who hears the signals: unheard, a third one ends the agent before it has ended its jobs.
        with working:
            await works.run(stop)
        again = again or (works.again and not asked_to_stop)
        group.cancel_scope.cancel()
    return again


for each in (
    up, status, health, stop, restart, key, unregister, backup, restore, policy, proxy, urls, doctor,
    update, machine_key, enable_remote_access, disable_remote_access, rotate_vault,
):  # fmt: skip
    node.command(rich_help_panel=HERE)(each)
