"""``crossdock login`` and ``crossdock context``: the services that this user asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from crossdock import ConfigError
from crossdock.cli import options

from .at_service import OutputOption, Shown, details, known_contexts, need_client, secret_from, table

if TYPE_CHECKING:
    from ..client.contexts import Context

context_group = typer.Typer(help="The services that you have signed in to.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=known_contexts, help="The context.")]
Subscription = Annotated[str, typer.Option(help="Its default subscription.")]
Group = Annotated[str, typer.Option(help="Its default resource group.")]
FactoryName = Annotated[str, typer.Option("--factory", help="Its default factory.")]


def login(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="The service, such as https://host:8443.")],
    *,
    name: Annotated[str, typer.Option(help="What the context is called. Default: host and port.")] = "",
    ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The CA of the service, where the system has it not."),
    ] = None,
    subscription: Subscription = "",
    group: Group = "",
    factory: FactoryName = "",
    output: OutputOption = Shown.TABLE,
    verbose: options.VerboseOption = False,
) -> None:
    """Sign in to a service with a token, and use it from now on.

    The token comes from $CROSSDOCK_TOKEN or standard input, a terminal asks for it; it is kept in a file
    that only you can read.
    """
    need_client()
    from ..client import contexts
    from ..client.api import Place, connected

    session = options.session_of(context)
    session.command = "login"
    parts = urlsplit(url if "//" in url else f"https://{url}")
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/"):
        raise ConfigError(f"{url!r} is no address of a service; it is like https://host:8443")
    known = contexts.load()
    token = secret_from("CROSSDOCK_TOKEN", "token", options.asking(session))
    if not token.isascii() or not token.isprintable():
        raise ConfigError("the token has characters that no token has; copy it whole")
    trusted = str(ca.resolve()) if ca else ""
    made = contexts.Context(name or parts.netloc, f"https://{parts.netloc}", token, trusted)
    made = _with(made, subscription, group, factory)
    with connected(made) as api:
        place = Place(made.subscription, made.group)
        api.get(f"/subscriptions/{place.subscription}/providers/Microsoft.DataFactory/factories")
    contexts.save(known.put(made))
    if session.json:
        session.show_json(_shown(made, current=True))
    else:
        session.say(f"signed in to {made.url}; the context is {made.name}")


def _with(context: Context, subscription: str, group: str, factory: str) -> Context:
    given = {"subscription": subscription, "group": group, "factory": factory}
    return replace(context, **{key: value for key, value in given.items() if value})


def _shown(each: Context, *, current: bool) -> dict[str, Any]:
    names = ("name", "url", "ca", "subscription", "group", "factory")
    return {name: getattr(each, name) for name in names} | {"current": current}


@context_group.command("list")
def list_contexts(
    context: typer.Context, output: OutputOption = Shown.TABLE, verbose: options.VerboseOption = False
) -> None:
    """List the contexts."""
    from ..client import contexts

    session, found = options.session_of(context), contexts.load()
    session.command = "context list"
    shown = [_shown(each, current=each.name == found.current) for each in found.known.values()]
    if session.json:
        session.show_json({"contexts": shown})
        return
    rows = [
        ("*" if each["current"] else "", each["name"], each["url"], each["group"], each["factory"])
        for each in shown
    ]
    session.show(table(("", "name", "url", "group", "factory"), rows))


@context_group.command("show")
def show_context(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", autocompletion=known_contexts, help="Default: that in use.")
    ] = "",
    output: OutputOption = Shown.TABLE,
    verbose: options.VerboseOption = False,
) -> None:
    """Show a context, without its token."""
    from ..client import contexts

    session, all_of_them = options.session_of(context), contexts.load()
    session.command = "context show"
    found = all_of_them.find(name)
    shown = _shown(found, current=found.name == all_of_them.current)
    if session.json:
        session.show_json(shown)
    else:
        session.show(details(shown))


@context_group.command("use")
def use(
    context: typer.Context,
    name: Name,
    *,
    subscription: Subscription = "",
    group: Group = "",
    factory: FactoryName = "",
    output: OutputOption = Shown.TABLE,
    verbose: options.VerboseOption = False,
) -> None:
    """Use a context from now on, and change its defaults."""
    from ..client import contexts

    session, known = options.session_of(context), contexts.load()
    session.command = "context use"
    made = _with(known.find(name), subscription, group, factory)
    contexts.save(known.put(made))
    if session.json:
        session.show_json(_shown(made, current=True))
    else:
        factory_of = f", factory {made.factory}" if made.factory else ""
        session.say(f"using {made.name}: {made.url}, group {made.group}{factory_of}")


@context_group.command("delete")
def delete(
    context: typer.Context,
    name: Name,
    output: OutputOption = Shown.TABLE,
    verbose: options.VerboseOption = False,
) -> None:
    """Forget a context and its token. The service still knows the token."""
    from ..client import contexts

    session = options.session_of(context)
    session.command = "context delete"
    contexts.save(contexts.load().without(name))
    if session.json:
        session.show_json({"deleted": name})
    else:
        session.say(f"forgot {name}")
