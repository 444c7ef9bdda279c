"""``crossdock plugin``: make a connector's distribution, and run the conformance kit on one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .key_values import key_values
from .session import Output, Session, one_line

if TYPE_CHECKING:
    from ..kit import Result

plugin_app = typer.Typer(help="Make a plugin, or check one.", no_args_is_help=True, rich_markup_mode=None)
_WORDS = {"passed": "passed", "failed": "failed", "exempt": "exempt", "skipped": "do not apply"}


class PluginKind(StrEnum):
    """What a connector reads and writes."""

    STORE = "store"
    TABLE = "table"
    FORMAT = "format"


def add_command(app: typer.Typer) -> None:
    app.add_typer(plugin_app, name="plugin", rich_help_panel=options.HELP)


@plugin_app.callback()
def plugin(context: typer.Context) -> None:
    """Make a plugin, or check one."""
    options.session_of(context).command = f"plugin {context.invoked_subcommand}"


@plugin_app.command("new")
def new(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the connector: a lower-case word.")],
    kind: Annotated[PluginKind, typer.Option("--kind", help="What the connector reads and writes.")],
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> None:
    """Make the distribution crossdock-NAME here: a small connector that works, and its tests."""
    from ..plugins import registry
    from ..template.project import make

    session = options.session_of(context)
    project = make(name, kind.value, Path(), registry())
    files = sorted(str(path.relative_to(project)) for path in project.rglob("*") if path.is_file())
    if session.json:
        session.show_json({"project": str(project.absolute()), "files": files})
        return
    lines = [f"made {project}", *(f"  {file}" for file in files), "next:"]
    steps = (
        f"cd {project}",
        "pip install 'pip>=25.1'",
        "pip install --editable . --group test",
        "pytest",
        f"crossdock connectors {name}",
    )
    session.show("\n".join([*lines, *(f"  {step}" for step in steps)]))


@plugin_app.command("check")
def check(
    context: typer.Context,
    *,
    module: Annotated[
        str, typer.Argument(metavar="MODULE", help="The plugin's module, installed or in this folder.")
    ],
    url: Annotated[
        str,
        typer.Option(
            "--url", metavar="URL", help="Where to write, with {} for fresh names; default: local folders."
        ),
    ] = "",
    option: Annotated[
        list[str] | None,
        typer.Option("-s", "--option", metavar="KEY=VALUE", help="An option of the connector."),
    ] = None,
    exempt: Annotated[
        list[str] | None,
        typer.Option("--exempt", metavar="CHECK=REASON", help="A check that cannot hold, and why."),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the results as JUnit's XML too.")
    ] = None,
    timeout: Annotated[
        int, typer.Option("--timeout", metavar="SECONDS", min=1, help="How long one check may take.")
    ] = 600,
    output: options.OutputOption = Output.TEXT,
    verbose: options.VerboseOption = False,
) -> int:
    """Run the conformance kit on a plugin's connectors, without a test file.

    crossdock plugin check crossdock_shelf --junit results.xml
    """
    from ..kit import Setup, run_kit

    session = options.session_of(context)
    setup = Setup(module, url, key_values(option, "-s"), key_values(exempt, "--exempt"), timeout)
    results = run_kit(setup, junit)
    _show(session, module, results)
    return 1 if any(each.outcome == "failed" for each in results) else 0


def _show(session: Session, module: str, results: Sequence[Result]) -> None:
    counts: Counter[str] = Counter(each.outcome for each in results)
    told = [each for each in results if each.outcome in ("failed", "exempt")]
    if session.json:
        fields = ("group", "check", "outcome", "text")
        checks = [{name: getattr(each, name) for name in fields} for each in results]
        session.show_json({"module": module, "counts": counts, "checks": checks})
        return
    for each in told:
        session.show(f"{each.outcome}: {each.group} {each.check}: {one_line(each.text)}")
    shown = [f"{counts[name]} {word}" for name, word in _WORDS.items() if counts[name]]
    session.show(f"{module}: {', '.join(shown)}")
