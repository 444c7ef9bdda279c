"""``crossdock credential``: secrets that the service never sees."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from crossdock.cli import options

from .at_service import Remote, command, names_of, secret_from

credential = typer.Typer(
    name="credential", help="Secrets, sealed to the nodes of a runtime.", no_args_is_help=True
)


@credential.callback()
def _group() -> None:
    """Without this, a group of one command would be that command."""


@command(credential, "encrypt")
def encrypt(
    remote: Remote,
    runtime: Annotated[
        str,
        typer.Option(
            "--runtime",
            metavar="NAME",
            autocompletion=names_of("integrationRuntimes"),
            help="The integration runtime whose nodes use the secret.",
        ),
    ],
) -> None:
    """Seal a secret here, so that the service never sees it: what is printed goes into a linked service.

    The secret comes from $CROSSDOCK_SECRET or standard input; a terminal asks for it. It stands where a
    SecureString may be, and opens only on nodes of the runtime, which must be that of the linked service.
    """
    from ..client.sealing import sealed

    session = remote.session
    made = sealed(
        remote.api, remote.place, runtime,
        secret_from("CROSSDOCK_SECRET", "secret", options.asking(session)),
    )  # fmt: skip
    remote.show(made, lambda: json.dumps(made, indent=2))
