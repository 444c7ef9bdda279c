"""What all commands have that ask a service: where it is, which factory, and how the answer is shown."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossdock import ConfigError, CrossdockError, MissingDependencyError
from crossdock.cli import options
from crossdock.cli.session import Output, Session, one_line
from crossdock.redact import remember

if TYPE_CHECKING:
    from rich.table import Table

    from ..client.api import Api, Place
    from ..client.contexts import Context

_SERVICE = "Service and factory"
_COMPLETION_SECONDS = 2.0


class Shown(StrEnum):
    """The two ways to answer."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True)
class Remote:
    """A command's session, the service that it asks, and the factory that it is about."""

    session: Session
    api: Api
    place: Place
    context: Context

    def show(self, answer: dict[str, Any], table: Callable[[], Any]) -> None:
        """The service's answer as JSON, or what is made of it for people."""
        if self.session.json:
            self.session.show_json(answer)
        else:
            self.session.show(table())


def need_client() -> None:
    if find_spec("httpx") is None:
        raise MissingDependencyError(
            "asking a service needs more packages; install them with: pip install 'crossdock[client]'"
        )


def _set_output(context: typer.Context, value: Shown) -> Shown:
    if value is Shown.JSON:
        options.session_of(context).output = Output.JSON
    return value


def known_contexts(incomplete: str) -> list[str]:
    from ..client.contexts import load

    return [name for name in load().known if name.startswith(incomplete)]


OutputOption = Annotated[
    Shown,
    typer.Option("--output", is_eager=True, callback=_set_output, help="A table for people, or JSON."),
]
ContextOption = Annotated[
    str,
    typer.Option(
        "--context",
        envvar="CROSSDOCK_CONTEXT",
        autocompletion=known_contexts,
        help="Which service. Default: the context in use.",
        rich_help_panel=_SERVICE,
    ),
]
SubscriptionOption = Annotated[
    str, typer.Option("--subscription", envvar="CROSSDOCK_SUBSCRIPTION", rich_help_panel=_SERVICE)
]
GroupOption = Annotated[
    str, typer.Option("--group", "-g", envvar="CROSSDOCK_GROUP", rich_help_panel=_SERVICE)
]
FactoryOption = Annotated[
    str, typer.Option("--factory", "-f", envvar="CROSSDOCK_FACTORY", rich_help_panel=_SERVICE)
]
_EVERYWHERE = {
    "at_context": (ContextOption, ""),
    "at_subscription": (SubscriptionOption, ""),
    "at_group": (GroupOption, ""),
    "at_factory": (FactoryOption, ""),
    "output": (OutputOption, Shown.TABLE),
    "verbose": (options.VerboseOption, False),
}
# Which factory commands about factories themselves are about is their argument.
_ABOUT_ALL = {name: each for name, each in _EVERYWHERE.items() if name != "at_factory"}


def command(
    group: typer.Typer, name: str, *, about_all: bool = False, panel: str | None = None
) -> Callable[[Any], Any]:
    """Adds a function as a command. It takes a Remote and its own arguments; typer sees the rest too.

    ``about_all``: it is not about one factory. ``panel``: the heading that the help has it under.
    """
    more = _ABOUT_ALL if about_all else _EVERYWHERE

    def add(function: Callable[..., int | None]) -> Callable[..., int | None]:
        signature = inspect.signature(function, eval_str=True)
        own = [
            each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for each in list(signature.parameters.values())[1:]
        ]
        added = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
            for key, (kind, default) in more.items()
        ]

        def called(context: typer.Context, **given: Any) -> int | None:
            session = options.session_of(context)
            session.command = f"{group.info.name or ''} {name}".strip()
            where = [
                given.pop(key, "") for key in ("at_context", "at_subscription", "at_group", "at_factory")
            ]
            own_ones = {key: value for key, value in given.items() if key not in more}
            with remote(session, *where) as found:
                return function(found, **own_ones)

        first = inspect.Parameter(
            "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
        )
        parameters = [first, *own, *added]
        called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {each.name: each.annotation for each in parameters}
        called.__doc__, called.__name__ = function.__doc__, function.__name__
        group.command(name, rich_help_panel=panel)(called)
        return function

    return add


@contextmanager
def remote(
    session: Session, context: str = "", subscription: str = "", group: str = "", factory: str = ""
) -> Iterator[Remote]:
    """The service of a context. Empty texts are the context's own."""
    need_client()
    from ..client import contexts
    from ..client.api import Place, connected

    found = contexts.load().find(context)
    with connected(found) as api:
        place = Place(subscription or found.subscription, group or found.group, factory or found.factory)
        yield Remote(session, api, place, found)


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table | str:
    """For people. None is shown as nothing."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        made.add_column(heading.upper(), overflow="fold")
    for row in rows:
        made.add_row(*(Text(one_line("" if each is None else str(each))) for each in row))
    return made if made.row_count else "none"


def details(found: dict[str, Any]) -> Table:
    """One thing, a line for each of its properties."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2, 0, 0))
    for name, value in found.items():
        if value not in (None, ""):
            made.add_row(Text(name, "bold"), Text(one_line(str(value))))
    return made


def names_of(*words: str) -> Callable[[typer.Context, str], list[str]]:
    """Completes names of what is in the factory; without an answer from the service there are none."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        given = context.params
        where = [
            str(given.get(f"at_{key}") or os.environ.get(f"CROSSDOCK_{key.upper()}") or "")
            for key in ("context", "subscription", "group", "factory")
        ]
        with suppress(CrossdockError), remote(Session(), *where) as found:
            found.api.patience, found.api.http.timeout = 0.0, _COMPLETION_SECONDS
            path = found.place.path(*words) if words else found.place.factories
            return [each["name"] for each in found.api.pages(path) if each["name"].startswith(incomplete)]
        return []

    return complete


def secret_from(variable: str, what: str, ask: Callable[[str], str] | None) -> str:
    """A secret that no command line shows: of the environment, by a pipe, or asked for on the terminal.

    Raises ConfigError where there is none.
    """
    if not (found := os.environ.get(variable, "")):
        if not sys.stdin.isatty():
            found = sys.stdin.read().removesuffix("\n").removesuffix("\r")
        elif ask is not None:
            found = ask(what)
    if not found:
        raise ConfigError(f"which {what}? Give it as ${variable} or on standard input")
    remember([found])
    return found
