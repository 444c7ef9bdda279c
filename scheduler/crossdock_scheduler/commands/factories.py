"""``crossdock factory``: factories at a service, and what is deployed to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossdock import NotFoundError

from .at_service import Remote, command, details, names_of, table
from .definition_options import TemplateParameters, need_parser

if TYPE_CHECKING:
    from ..client.deploying import Change

factory = typer.Typer(name="factory", help="Factories at the service.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=names_of(), help="The factory.")]
_STYLES = {"create": "green", "update": "yellow", "unchanged": "dim", "delete": "red"}
_DONE = {"create": "created", "update": "updated", "unchanged": "unchanged", "delete": "deleted"}


def _path(remote: Remote, name: str) -> str:
    return type(remote.place)(remote.place.subscription, remote.place.group, name).path()


@command(factory, "create", about_all=True)
def create(remote: Remote, name: Name) -> None:
    """Create a factory; one that is there stays as it is."""
    path = _path(remote, name)
    try:
        made = remote.api.get(path)
    except NotFoundError:
        made = remote.api.put(path, {})
    remote.show(made, lambda: _of(made))


def _of(found: dict[str, Any]) -> Any:
    created = (found.get("properties") or {}).get("createTime")
    return details({"name": found["name"], "created": created, "id": found["id"]})


@command(factory, "list", about_all=True)
def list_factories(remote: Remote) -> None:
    """List the factories of the resource group."""
    found = list(remote.api.pages(remote.place.factories))
    rows = [(each["name"], (each.get("properties") or {}).get("createTime")) for each in found]
    remote.show({"value": found}, lambda: table(("name", "created"), rows))


@command(factory, "show", about_all=True)
def show(remote: Remote, name: Name) -> None:
    """Show a factory."""
    found = remote.api.get(_path(remote, name))
    remote.show(found, lambda: _of(found))


@command(factory, "delete", about_all=True)
def delete(remote: Remote, name: Name) -> None:
    """Delete a factory with all that is in it."""
    done = remote.api.delete(_path(remote, name))
    what = f"the factory {name!r}"
    remote.show({"deleted": done}, lambda: f"deleted {what}" if done else f"{what} is not there")


@command(factory, "deploy")
def deploy(
    remote: Remote,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|FILE", help="A Git folder of Data Factory or Synapse, or an ARM template."
        ),
    ],
    template_parameters: TemplateParameters = None,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Delete what is not in the folder; integration runtimes stay, they have nodes."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what differs; change nothing.")] = False,
) -> int:
    """Make the factory what a folder is: what is referred to first. What is the same stays untouched.

    Ends with 0 if all is there, 1 if an object was refused, 2 if the folder is wrong: nothing is changed.
    """
    need_parser()
    from ..client.deploying import changes
    from ..client.deploying import deploy as deployed
    from ..pipeline.definitions import load

    planned = changes(remote.api, remote.place, load(path, template_parameters), prune=prune)
    telling = None if remote.session.json else remote.session

    def tell(change: Change) -> None:
        if telling is not None:
            telling.show(_line(change, done=not dry_run))

    if dry_run:
        for each in planned:
            tell(each)
    done = planned if dry_run else deployed(remote.api, remote.place, planned, tell)
    failed = sum(bool(each.error) for each in done)
    counts = {action: sum(each.action == action and not each.error for each in done) for action in _DONE}
    if telling is None:
        remote.session.show_json(
            {"factory": remote.place.factory, "dryRun": dry_run, "changes": [each.as_json() for each in done]}
        )
    else:
        words = [f"{count} {'to ' + action if dry_run and action != 'unchanged' else _DONE[action]}"
                 for action, count in counts.items() if count]  # fmt: skip
        words += [f"{failed} failed"] if failed else []
        telling.show(f"factory {remote.place.factory}: {', '.join(words) or 'nothing to deploy'}")
    return 1 if failed else 0


def _line(change: Change, *, done: bool) -> Any:
    from rich.text import Text

    from crossdock.cli.session import one_line

    word = "failed" if change.error else _DONE[change.action] if done else change.action
    text = Text(f"{word:10} ", "red" if change.error else _STYLES[change.action])
    text.append(f"{change.kind} {one_line(change.name)}", "default")
    return text.append(f": {one_line(change.error)}" if change.error else "", "default")
