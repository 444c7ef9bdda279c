"""``crossdock node policy``: what jobs may reach on this machine and its network."""

from __future__ import annotations

import shutil
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossdock import ConfigError
from crossdock.cli import options
from crossdock.cli.session import Output

from .node_options import StateOption, need, node_folder

if TYPE_CHECKING:
    from ..node.permitted import Permitted

# MB: Python, Arrow and a driver, before the first row.
_LEAST = 256


def policy(
    context: typer.Context,
    *,
    private: Annotated[
        bool | None,
        typer.Option(
            "--allow-private/--forbid-private", help="Addresses of private networks and of this machine."
        ),
    ] = None,
    allow_network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK",
            help="A private network, such as 10.1.2.0/24, that may be reached with --forbid-private; may be "
            "repeated, and replaces those of before. Empty: none.",
        ),
    ] = None,
    allow_path: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Only folders below these may be used; may be repeated."),
    ] = None,
    any_path: Annotated[bool, typer.Option("--any-path", help="Any folder may be used.")] = False,
    no_path: Annotated[bool, typer.Option("--no-path", help="No folder may be used.")] = False,
    ssis: Annotated[
        str | None,
        typer.Option(metavar="PROGRAM", help="Run packages of SSIS, with this program (dtexec)."),
    ] = None,
    no_ssis: Annotated[bool, typer.Option("--no-ssis", help="Run no packages of SSIS.")] = False,
    job_memory: Annotated[
        int | None,
        typer.Option(
            metavar="MB",
            min=0,
            max=1 << 30,
            help="Memory that each process of a job may have, of its own data; 0: no limit.",
        ),
    ] = None,
    job_cores: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Cores that a job may use; 0: all."),
    ] = None,
    get_ssis: Annotated[
        bool, typer.Option("--get-ssis", help="Say only whether packages of SSIS are run: true or false.")
    ] = False,
    output: options.OutputOption = Output.TEXT,
    state: StateOption = None,
) -> None:
    """Show or change what jobs may reach, and have. A change holds for the jobs that begin after it."""
    need()
    from ..node.permitted import permit, permitted

    session = options.session_of(context)
    session.command = "node policy"
    if bool(allow_path) + any_path + no_path > 1:
        raise ConfigError("--allow-path, --any-path and --no-path exclude each other")
    folder = node_folder(state)
    before = found = permitted(folder)
    if private is not None:
        found = replace(found, private=private)
    if allow_network is not None:
        found = replace(found, networks=tuple(_network(each) for each in allow_network if each))
    if allow_path:
        found = replace(found, roots=tuple(str(each.absolute()) for each in allow_path))
    elif any_path or no_path:
        found = replace(found, roots=None if any_path else ())
    found = replace(found, **_packages(ssis, none=no_ssis), **_caps(job_memory, job_cores))
    if found != before:
        permit(folder, found)
    if get_ssis:
        session.show(str(found.dtexec is not None).lower())
    elif session.json:
        session.show_json(found.as_json())
    else:
        session.show(_text(found))


def _packages(program: str | None, *, none: bool) -> dict[str, Any]:
    if program is not None and none:
        raise ConfigError("--ssis and --no-ssis exclude each other")
    if program is None:
        return {"dtexec": None} if none else {}
    # Where it is now: a job's search path may be another one.
    if (found := shutil.which(program)) is None:
        raise ConfigError(f"packages of SSIS cannot be run: there is no program {program} on this machine")
    return {"dtexec": str(Path(found).absolute())}


def _caps(memory: int | None, cores: int | None) -> dict[str, Any]:
    if memory is not None and 0 < memory < _LEAST:
        raise ConfigError(f"--job-memory {memory}: no job runs with less than {_LEAST} MB")
    found = {"memory": None if memory is None else memory << 20, "cores": cores}
    return {name: value or None for name, value in found.items() if value is not None}


def _text(found: Permitted) -> str:
    folders = "any" if found.roots is None else ", ".join(found.roots) or "none"
    private = "allowed" if found.private else "forbidden"
    if not found.private and found.networks:
        private += f", but for {', '.join(found.networks)}"
    lines = {
        "private addresses and this machine": private,
        "folders": folders,
        "packages of SSIS": f"run by {found.dtexec}" if found.dtexec else "not run",
        "memory of a job's process": f"{found.memory >> 20} MB" if found.memory else "no limit",
        "cores of a job": found.cores or "all",
    }
    return "\n".join(f"{name}: {value}" for name, value in lines.items())


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ConfigError(f"--allow-network {text!r} is no network: {error}") from error
