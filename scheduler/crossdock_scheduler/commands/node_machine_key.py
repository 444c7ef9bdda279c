"""``crossdock node machine-key``: where the key is under which this node keeps its secrets."""

from __future__ import annotations

from typing import Annotated

import typer

from crossdock import ConfigError
from crossdock.cli import options

from .node_options import StateOption, need, node_folder

_WHERE = {
    "file": "a file of the state folder, which only its owner reads",
    "keyring": "the keyring of this system",
    "systemd": "the credential of the systemd unit",
}


def machine_key(
    context: typer.Context,
    place: Annotated[
        str | None,
        typer.Argument(metavar="[file|keyring|systemd]", help="Without it, the place is shown."),
    ] = None,
    *,
    state: StateOption = None,
) -> None:
    """Show or change where the key is under which keys, the vault and the proxy are encrypted.

    They are encrypted anew. The agent must not run. What was chosen holds: where that key cannot be had, the
    node does not start. Without a choice it is the credential of the systemd unit, if that has one, else a
    file.
    """
    need()
    from ..node import keeping
    from ..node.identity import SEALING, SIGNING
    from ..node.presence import alone
    from ..node.proxy import FILE
    from ..node.vault import VAULT

    session = options.session_of(context)
    session.command = "node machine-key"
    folder = node_folder(state)
    if place is None:
        session.show(keeping.place(folder))
        return
    if place not in _WHERE:
        raise ConfigError(f"the key is in one of {', '.join(_WHERE)}, not {place!r}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with alone(folder):
        keeping.move(folder, place, (SIGNING, SEALING, VAULT, FILE))
    session.say(f"the secrets of this node are under a key in {_WHERE[place]}")
