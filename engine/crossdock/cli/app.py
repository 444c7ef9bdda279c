"""The ``crossdock`` application: its commands, those of plugins, and one place where errors end."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from .. import __version__
from . import connectors, copy, failure, options, runs
from .session import Session
from .termination import TERMINATED, Termination


def run(arguments: list[str]) -> int:
    """Carry out one command line and return its exit code. Never raises for a failed command."""
    for stream in (sys.stdout, sys.stderr):
        # A file's name may hold what the terminal's encoding does not.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    session = Session(command=arguments[0] if arguments else "")
    with Termination() as termination:
        code = _answer(arguments, session)
    return TERMINATED if code == failure.INTERRUPTED and termination.arrived else code


def _answer(arguments: list[str], session: Session) -> int:
    try:
        command = typer.main.get_command(build())
        code = command.main(arguments, prog_name="crossdock", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader went away (``| head``); without this the interpreter complains at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last stop of every error
        return failure.report(error, session)
    return code if isinstance(code, int) else 0


def build() -> typer.Typer:
    """The application with the commands of all plugins."""
    app = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]})
    app.callback(invoke_without_command=True)(root)
    copy.add_command(app)
    connectors.add_command(app)
    runs.add_command(app)
    _add_plugin_commands(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crossdock {__version__}")
        raise typer.Exit


def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version.")
    ] = False,
    verbose: options.VerboseOption = False,
) -> None:
    """Move tables and files between files, databases and clouds: fast, resumable, verified."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _add_plugin_commands(app: typer.Typer) -> None:
    """Let each plugin add its commands. One that fails, or takes a name, is recorded and left out."""
    from ..plugins import PluginFault, registry

    known = registry()
    plugins = known.manager.get_plugins()
    for plugin in plugins:
        caller = known.manager.subset_hook_caller("crossdock_commands", plugins - {plugin})
        commands, groups = list(app.registered_commands), list(app.registered_groups)
        try:
            caller(app=app)
            _reject_clash(app)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may do anything
            app.registered_commands, app.registered_groups = commands, groups
            reason = f"its commands could not be added: {error}"
            known.faults.append(PluginFault(known.manager.get_name(plugin) or "?", reason))


def _reject_clash(app: typer.Typer) -> None:
    added = [
        *(c.name or getattr(c.callback, "__name__", "").replace("_", "-") for c in app.registered_commands),
        *(g.name for g in app.registered_groups),
    ]
    for name in added:
        if added.count(name) > 1:
            raise ValueError(f"the command {name!r} is taken")
