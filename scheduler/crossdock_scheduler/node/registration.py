"""Makes this machine a node of the runtime that an auth key is of."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import crossdock
from crossdock import ConfigError, CrossdockError

from ..wire import node as wire
from .client import connected
from .client import register as ask
from .company import Company, company, keep_company
from .identity import Identity, Keys, public, save
from .limits import default_jobs, most_jobs
from .proxy import watched
from .vault import made

_KEY = re.compile(r"IR@[0-9a-fA-F-]{36}@[^@]+@(?:ServiceEndpoint=)?([^@]+)@[A-Za-z0-9+/=]{44}")


async def register(
    folder: Path, key: str, name: str = "", ca: str = "", wanted: Company | None = None
) -> Identity:
    """The node's identity, kept in ``folder``. Done again it is the same node.

    ``wanted`` is kept too; without it, what was kept before holds.
    Raises CrossdockError with Data Factory's own sentence before the true cause.
    """
    try:
        return await _register(folder, key.strip(), name or _machine(), ca, wanted or company(folder))
    except CrossdockError as error:
        why = error.message
        raise type(error)(
            f"Failed to register this Integration Runtime node! {why}", detail=error.detail, hint=error.hint
        ) from error


async def _register(folder: Path, key: str, name: str, ca: str, wanted: Company) -> Identity:
    found = _KEY.fullmatch(key)
    if found is None:
        raise ConfigError(
            "the auth key is not of the form IR@...@...@ServiceEndpoint=HOST@...; copy it whole"
        )
    url = f"https://{found[1]}"
    keys = Keys.of(folder)
    asked = wire.Register(
        auth_key=key, name=name, machine=socket.gethostname(), version=crossdock.__version__,
        signing_key=public(keys.signing), sealing_key=public(keys.sealing), vault=made(keys),
        concurrent_jobs=default_jobs(), most_jobs=most_jobs(), alone=wanted.alone,
        expires=wanted.expires,
    )  # fmt: skip
    async with connected(url, ca, watched(folder)) as http:
        answer = await ask(http, asked)
    known = str(Path(ca).resolve()) if ca else ""
    found_one = Identity(
        answer.node_id, name, url, answer.factory, answer.runtime, answer.guid, answer.heartbeat,
        answer.lease, known, keys.signing,
    )  # fmt: skip
    keep_company(folder, wanted)
    save(folder, found_one)
    return found_one


def _machine() -> str:
    """The machine's name as far as a node's may be that."""
    found = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname().split(".")[0]).lstrip("-_")
    return found[:150] or "node"
