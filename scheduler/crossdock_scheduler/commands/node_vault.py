"""``crossdock node rotate-vault``: another key for the secrets of a runtime."""

from __future__ import annotations

import typer

from crossdock.cli import options

from .node_options import StateOption, need, node_folder


def rotate_vault(context: typer.Context, *, state: StateOption = None) -> None:
    """Have a new key for the runtime's vault, and all secrets of its linked services sealed to it.

    Any node that opens the vault can do it. All get the key with their next heartbeat. Jobs that are in the
    queue are still opened, with the key before.
    """
    session = options.session_of(context)
    session.command = "node rotate-vault"
    need()
    import anyio

    from ..node.rotation import rotate

    version, secrets = anyio.run(rotate, node_folder(state))
    session.say(f"the vault has version {version}; {secrets} secrets are sealed to it")
