"""``crossdock node status`` and its neighbours: the agent of this machine, seen and told from outside."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossdock import AuthError, ConfigError, CrossdockError, TransientError
from crossdock.cli import options
from crossdock.cli.session import Output

from .node_options import KeyArgument, StateOption, given_key, need, node_folder

if TYPE_CHECKING:
    from ..node.identity import Identity
    from ..node.presence import Said

WaitOption = Annotated[
    float | None,
    typer.Option("--wait", min=0, metavar="SECONDS", help="How long at most. Default: until it is done."),
]


def status(
    context: typer.Context, *, output: options.OutputOption = Output.TEXT, state: StateOption = None
) -> None:
    """How this node fares. Exits with 0 where it is Online, with 1 where it is not."""
    need()
    from ..node.status import status_of

    session = options.session_of(context)
    session.command = "node status"
    found = status_of(node_folder(state))
    if session.json:
        session.show_json(found.as_json())
    else:
        session.show(_text(found.as_json()))
    if found.state != "Online":
        raise typer.Exit(1)


def health(context: typer.Context, *, state: StateOption = None) -> None:
    """Exits with 0 where the agent lives and works, with 1 where it does not: for containers.

    A service that cannot be reached does not make a node ill.
    """
    need()
    from ..node.status import status_of

    session = options.session_of(context)
    session.command = "node health"
    found = status_of(node_folder(state))
    if not found.healthy:
        session.say(found.reason or "the agent hangs")
        raise typer.Exit(1)


def stop(
    context: typer.Context,
    *,
    now: Annotated[bool, typer.Option("--now", help="End the jobs that run instead of waiting.")] = False,
    wait: WaitOption = None,
    state: StateOption = None,
) -> None:
    """End the agent when its jobs have ended; it takes no more."""
    need()
    from ..node import presence

    options.session_of(context).command = "node stop"
    folder = node_folder(state)
    agent = presence.tell(folder, signal.SIGTERM)
    if now:
        presence.end_jobs(folder, agent)
    _wait(folder, agent, wait, "stopped")


def restart(context: typer.Context, *, wait: WaitOption = None, state: StateOption = None) -> None:
    """Have the running agent begin anew, as it was started, when its jobs have ended."""
    need()
    from ..node import presence

    options.session_of(context).command = "node restart"
    folder = node_folder(state)
    _wait(folder, presence.tell(folder, signal.SIGHUP), wait, "begun anew")


def _wait(folder: Path, agent: Said, wait: float | None, what: str) -> None:
    from ..node.presence import gone

    if not gone(folder, agent, wait):
        raise TransientError(f"the agent (process {agent.pid}) has not {what} yet: it waits for its jobs")


def key(context: typer.Context, key: KeyArgument = None, *, state: StateOption = None) -> None:
    """Register again under the same name with another key. A running agent begins anew with it.

    With the key of another runtime the node is that runtime's from now on.
    """
    need()
    import anyio

    from ..node import presence
    from ..node.identity import load
    from ..node.registration import register

    session = options.session_of(context)
    session.command = "node key"
    folder = node_folder(state)
    known = load(folder)
    found = anyio.run(register, folder, given_key(key), known.name, known.ca)
    session.say(f"{found.name} is a node of {found.runtime} in {found.factory}")
    if presence.running(folder):
        presence.tell(folder, signal.SIGHUP)


def unregister(
    context: typer.Context,
    *,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Also where the service cannot be told, or the node's keys cannot be opened. "
            "The service keeps the node as offline.",
        ),
    ] = False,
    state: StateOption = None,
) -> None:
    """This machine is no node any more; its keys are deleted."""
    need()
    import anyio

    from ..node import presence
    from ..node.identity import Identity, forget, load, registered, remains

    session = options.session_of(context)
    session.command = "node unregister"
    folder = node_folder(state)
    known = None
    try:
        known = registered(folder) if force else load(folder)
    except CrossdockError:
        if not force or not remains(folder):
            raise
    if presence.running(folder):
        raise ConfigError("the agent of this node runs", hint="stop it first: crossdock node stop")
    if isinstance(known, Identity):
        anyio.run(_leave, known, folder)
    chosen = forget(folder)
    session.say(
        f"{known.name} is no node of {known.runtime} in {known.factory} any more"
        if known
        else f"what was kept for a node in {folder} is deleted"
    )
    if chosen:
        session.say(
            f"where the key of this machine is ({chosen}) is forgotten too; to have it there again, say so "
            f"before this machine is a node again: crossdock node machine-key {chosen}"
        )


async def _leave(identity: Identity, folder: Path) -> None:
    from ..node.client import Client, connected
    from ..node.proxy import watched

    async with connected(identity.url, identity.ca, watched(folder)) as http:
        try:
            await Client(http, identity).leave()
        except AuthError:
            return  # it was deleted there before


def _text(found: dict[str, object]) -> str:
    said = str(found["state"]) + (f": {found['reason']}" if found["reason"] else "")
    names = ("name", "runtime", "factory", "url", "pid", "started", "lastHeartbeat", "concurrentJobs")
    lines = [said, *(f"{name}: {found[name]}" for name in names if found.get(name) is not None)]
    if "jobs" in found:
        jobs = found["jobs"]
        lines.append(f"jobs: {', '.join(jobs) if isinstance(jobs, list) and jobs else 'none'}")
    return "\n".join(lines)
