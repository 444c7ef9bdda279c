"""The ``crossdock`` application as typer has it: its commands and those of plugins."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from .. import __version__
from . import options
from .session import Session

_LOOKING = ("test-connection", "browse", "schema", "preview")
# By command, the module that adds it.
_OWN = {
    "copy": "copy",
    **dict.fromkeys(_LOOKING, "look"),
    "connectors": "connectors",
    "plugin": "plugin",
    "stage": "stage",
    "runs": "runs",
    "bench": "bench",
    "doctor": "doctor",
    "errors": "explain",
}
# What is there before anything is: a file is made, and each line uses what the one before has left.
EXAMPLES = (
    (r"printf 'id,name\n1,Ada\n2,Grace\n' > people.csv", "a file to begin with"),
    ("crossdock copy people.csv people.parquet --verify", "into another format, read back and compared"),
    ("crossdock preview people.parquet", "the first rows"),
    ("crossdock copy people.parquet names.jsonl --map 'name=person'", "chosen columns, by other names"),
)


def call(arguments: list[str], session: Session) -> int:
    """Let typer carry out the command line. Raises what the command raises."""
    command = typer.main.get_command(build(arguments))
    try:
        code = command.main(arguments, prog_name="crossdock", standalone_mode=False, obj=session)
    except typer.Abort:
        raise KeyboardInterrupt from None
    return code if isinstance(code, int) else 0


def build(arguments: Sequence[str] = ()) -> typer.Typer:
    """The application with the commands of all plugins; one of our own that is called comes alone.

    All are there for what lists them, and where the plugins are named whose commands do not fit in.
    """
    app = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]})
    app.callback(invoke_without_command=True)(root)
    called = arguments[0] if arguments else ""
    # These two name plugins whose commands do not fit in.
    alone = (
        called in _OWN and called not in ("connectors", "doctor") and not {"-v", "--verbose"} & set(arguments)
    )
    for name in (_OWN[called],) if alone else dict.fromkeys(_OWN.values()):
        import_module(f"{__package__}.{name}").add_command(app)
    if not alone:
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
        options.session_of(context).show(_welcome())


def _welcome() -> str:
    widest = max(len(line) for line, _ in EXAMPLES)
    shown = (f"  {line:<{widest}}   {what}" for line, what in EXAMPLES)
    return "\n".join(
        [
            f"crossdock {__version__}: moves tables and files, fast, resumable, verified\n",
            "To try, as it stands:\n",
            *shown,
            "",
            "crossdock --help        all commands",
            "crossdock connectors    what can be read and written",
            "crossdock doctor        whether this machine has what they need",
        ]
    )


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
