"""``crossdock errors``: what an error code means, and what to do about it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import CrossdockError, NotFoundError
from . import options
from .session import Output


def add_command(app: typer.Typer) -> None:
    app.command("errors", rich_help_panel=options.HELP)(errors)


def _codes(incomplete: str) -> list[str]:
    from .advice import ADVICE

    return [code for code in ADVICE if code.lower().startswith(incomplete.lower())]


def errors(
    context: typer.Context,
    code: Annotated[
        str | None,
        typer.Argument(metavar="CODE", help="Explain this one.", autocompletion=_codes, show_default=False),
    ] = None,
    output: options.OutputOption = Output.TEXT,
) -> None:
    """Explain an error code: what it means and what to do. Without one, list all."""
    from . import advice

    session = options.session_of(context)
    session.command = "errors"
    kinds = {kind.code: kind for kind in advice.known()}
    if code is None:
        if session.json:
            session.show_json({"errors": [_facts(each, kinds.get(each)) for each in advice.ADVICE]})
        else:
            widest = max(map(len, advice.ADVICE))
            told = (f"{each:<{widest}}  {_meaning(kinds.get(each))}" for each in advice.ADVICE)
            session.show("\n".join(told))
        return
    found = {each.lower(): each for each in advice.ADVICE}.get(code.lower())
    if found is None:
        raise NotFoundError(f"there is no error code {code!r}", hint="crossdock errors lists all")
    facts = _facts(found, kinds.get(found))
    if session.json:
        session.show_json(facts)
    else:
        tried = "\n".join(f"- {each}" for each in facts["advice"])
        session.show(f"{found} (exit code {facts['exitCode']})\n\n{facts['meaning']}\n\n{tried}")


def _facts(code: str, kind: type[CrossdockError] | None) -> dict[str, Any]:
    from .advice import ADVICE

    return {
        "code": code,
        "exception": kind.__name__ if kind else None,
        "exitCode": kind.exit_code if kind else 2,
        "meaning": _meaning(kind),
        "advice": [each.replace("`", "'") for each in ADVICE[code]],
    }


def _meaning(kind: type[CrossdockError] | None) -> str:
    text = (kind.__doc__ or "").partition("\n")[0] if kind else "The command line cannot be read."
    return text.replace("``", "'")
