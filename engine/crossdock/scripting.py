"""Scripts and procedures of a database, for those who want what they do and not their rows elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from .credentials import public_url
from .errors import NotSupportedError
from .opening import blaming, open_table
from .plugins import registry
from .sides import Side
from .spelling import snake_case
from .spi.script import Parameter, Scriptable, ScriptResult
from .stopping import stopping


def run_script(
    address: str,
    text: str,
    *,
    parameters: Sequence[Parameter] = (),
    rows: int | None = None,
    options: Mapping[str, str] | None = None,
    cancel: threading.Event | None = None,
) -> ScriptResult:
    """Run a script in the database of an address, once; ``rows``: no more of each result set are wanted.

    Raises CrossdockError, and CancelledError soon after ``cancel`` is set.
    """
    return _with(address, options, cancel, lambda able: able.script(text, parameters, rows=rows))


def call_procedure(
    address: str,
    procedure: str,
    *,
    parameters: Sequence[Parameter] = (),
    rows: int | None = None,
    options: Mapping[str, str] | None = None,
    cancel: threading.Event | None = None,
) -> ScriptResult:
    """Call a procedure in the database of an address, once. Raises CrossdockError, CancelledError."""
    return _with(address, options, cancel, lambda able: able.call(procedure, parameters, rows=rows))


def _with(
    address: str,
    options: Mapping[str, str] | None,
    cancel: threading.Event | None,
    act: Callable[[Scriptable], ScriptResult],
) -> ScriptResult:
    ended = cancel or threading.Event()
    side = Side(registry(), address, None, snake_case(options), "source", ended)
    if side.spec.kind != "table":
        raise NotSupportedError(f"{public_url(address)} is no database: it runs no scripts")
    side.sort_options()
    with blaming(side.spec.name, "source"):
        whole = replace(side.location, fragment="")
        with closing(open_table(side.spec, whole, side.options)) as source:
            if not isinstance(source, Scriptable):
                raise NotSupportedError(f"{side.spec.name} runs no scripts")
            with stopping(source, ended):
                return act(source)
