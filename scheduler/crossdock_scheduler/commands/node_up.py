"""``crossdock node up``: a node from nothing but its environment, as a container has it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import typer

from crossdock import ConfigError, NotFoundError
from crossdock.cli import options

from .node_options import StateOption, need, node_folder

_SECRETS = ("AUTH_KEY", "CROSSDOCK_BACKUP_PASSWORD", "CROSSDOCK_PROXY_PASSWORD")
_PORT = 8060
"""Where Microsoft's nodes speak with each other; ours do not."""


def up(context: typer.Context, *, state: StateOption = None) -> None:
    """Register this machine if it is no node yet, then work as `start` does. For containers.

    The environment says the rest: AUTH_KEY or AUTH_KEY_FILE, NODE_NAME, CA_FILE, ENABLE_HA (several nodes in
    the runtime), ENABLE_AE and AE_TIME (expire when offline), BACKUP_FILE with BACKUP_PASSWORD_FILE (a new
    container becomes the node of the backup), PROXY with PROXY_USER, PROXY_PASSWORD_FILE and PROXY_BYPASS.
    """
    need()
    from ..node.identity import load

    session = options.session_of(context)
    session.command = "node up"
    folder, given = node_folder(state), os.environ
    _set_proxy(folder, given)
    try:
        load(folder)
    except NotFoundError:
        if backup := given.get("BACKUP_FILE"):
            _restore(folder, Path(backup), given)
        else:
            _register(folder, given)
    _choose_company(folder, given)
    if given.get("HA_PORT", str(_PORT)) != str(_PORT):
        session.say("HA_PORT has no effect: nodes speak with the service, not with each other")
    # The agent and its jobs begin with an environment that has had no secret in it.
    rest = {name: value for name, value in given.items() if name not in _SECRETS}
    start = [sys.executable, "-m", "crossdock", "node", "start", "--state", str(folder)]
    os.execve(sys.executable, start, rest)  # noqa: S606 - this program


def _register(folder: Path, given: Mapping[str, str]) -> None:
    import anyio

    from ..node.company import Company
    from ..node.registration import register

    key = given.get("AUTH_KEY") or _content(given, "AUTH_KEY_FILE")
    if not key:
        raise ConfigError("this is no node yet, and neither AUTH_KEY nor AUTH_KEY_FILE gives an auth key")
    wanted = Company(not _flag(given, "ENABLE_HA"), _expires(given))
    anyio.run(register, folder, key, given.get("NODE_NAME", ""), given.get("CA_FILE", ""), wanted)


def _choose_company(folder: Path, given: Mapping[str, str]) -> None:
    """What is said of a machine that is a node already holds as well."""
    import anyio

    from ..node.company import be_alone, company

    alone = not _flag(given, "ENABLE_HA")
    if given.get("ENABLE_HA") and alone != company(folder).alone:
        anyio.run(partial(be_alone, folder, alone=alone))


def _expires(given: Mapping[str, str]) -> int | None:
    if not _flag(given, "ENABLE_AE"):
        return None
    from ..wire.node import EXPIRES_AT_LEAST

    said = given.get("AE_TIME") or str(EXPIRES_AT_LEAST)
    if not said.isdecimal() or int(said) < EXPIRES_AT_LEAST:
        raise ConfigError(f"AE_TIME is a number of seconds, at least {EXPIRES_AT_LEAST}, not {said!r}")
    return int(said)


def _restore(folder: Path, backup: Path, given: Mapping[str, str]) -> None:
    from ..node.backup import restore

    password = _content(given, "BACKUP_PASSWORD_FILE") or given.get("CROSSDOCK_BACKUP_PASSWORD", "")
    if not password:
        raise ConfigError("BACKUP_FILE needs its password in the file BACKUP_PASSWORD_FILE")
    restore(folder, backup, password)


def _set_proxy(folder: Path, given: Mapping[str, str]) -> None:
    if not (address := given.get("PROXY")):
        return
    from ..node.proxy import proxy_of, set_proxy
    from .node_proxy import wanted

    before = proxy_of(folder)
    secret = given.get("PROXY_PASSWORD_FILE")
    found = wanted(
        before,
        address,
        given.get("PROXY_USER", ""),
        Path(secret) if secret else None,
        given.get("PROXY_BYPASS"),
    )
    if found != before:
        set_proxy(folder, found)


def _flag(given: Mapping[str, str], name: str) -> bool:
    said = given.get(name, "").strip().lower()
    if said not in {"", "true", "false"}:
        raise ConfigError(f"{name} is true or false, not {given[name]!r}")
    return said == "true"


def _content(given: Mapping[str, str], name: str) -> str:
    """The first line of the file that a variable names; empty without the variable."""
    if not (file := given.get(name)):
        return ""
    try:
        return Path(file).read_text().partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the file of {name} cannot be read: {file}") from error
