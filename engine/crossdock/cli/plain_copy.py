"""Reading a ``crossdock copy`` that has nothing special, as typer would read it.

Whatever is not sure here (help, a mistake, an option without its value, settings of the environment) is
left to typer, which knows all and says what is wrong. A test holds this table against typer's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..spi.data import WriteMode
from .session import Output, Session

TEXTS = {
    "--source-format": "source_format",
    "--sink-format": "sink_format",
    "--map": "map",
    "--parallel-copies": "parallel_copies",
    "--block-size": "block_size",
    "--memory": "memory",
    "--bandwidth": "bandwidth",
    "--mode": "mode",
    "--run-id": "run_id",
    "--stage": "stage",
    "--skip-files": "skip_files",
    "--log": "log",
    "--log-level": "log_level",
    "--output": "output",
}
LISTS = {
    "-s": "source_options",
    "--source-option": "source_options",
    "-k": "sink_options",
    "--sink-option": "sink_options",
    "--stage-option": "stage_options",
    "--log-option": "log_options",
    "--add-column": "add_columns",
}
FLAGS = {
    "--verify": "verify",
    "--verify-full": "verify_full",
    "--dry-run": "dry_run",
    "--keep-staging": "keep_staging",
    "--skip-rows": "skip_rows",
    "--log-reliable": "log_reliable",
}
LEFT_TO_TYPER = {"--verbose", "-v", "--help", "-h"}
ENVIRONMENT = ("PARALLEL_COPIES", "BLOCK_SIZE", "MEMORY", "BANDWIDTH")


def plain_copy(arguments: Sequence[str], session: Session) -> Callable[[], int] | None:
    """What carries out the command line, None where typer has to read it."""
    if arguments[:1] != ["copy"] or any(f"CROSSDOCK_{name}" in os.environ for name in ENVIRONMENT):
        return None
    found = _read(arguments[1:])
    if found is None or not _sure(found):
        return None
    session.output = Output(found.pop("output", Output.TEXT))
    return partial(_copy, session, found)


def _read(arguments: Sequence[str]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    addresses: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if not argument.startswith("-"):
            addresses.append(argument)
        elif argument in FLAGS:
            found[FLAGS[argument]] = True
        elif (name in TEXTS and equals) or argument in TEXTS or argument in LISTS:
            value = value if name in TEXTS and equals else next(rest, "")
            if not value or value.startswith("-"):
                return None
            if name in TEXTS:
                found[TEXTS[name]] = value
            else:
                found.setdefault(LISTS[argument], []).append(value)
        else:
            return None
    if len(addresses) != 2 or not all(addresses):
        return None
    found["source"], found["sink"] = addresses
    return found


def _sure(found: dict[str, Any]) -> bool:
    """Whether typer would take the values that it looks into."""
    copies = found.get("parallel_copies", "auto")
    return (
        found.get("mode", WriteMode.ERROR) in list(WriteMode)
        and found.get("output", Output.TEXT) in list(Output)
        and (copies == "auto" or (copies.isascii() and copies.isdigit() and int(copies) > 0))
    )


def _copy(session: Session, found: dict[str, Any]) -> int:
    from .. import api
    from .carrying import carry_out, route
    from .key_values import key_values

    for name, flag in (
        ("source_options", "-s"),
        ("sink_options", "-k"),
        ("stage_options", "--stage-option"),
        ("log_options", "--log-option"),
    ):
        if name in found:
            found[name] = key_values(found[name], flag)
    if found.pop("verify_full", False):
        found["verify"] = "full"
    start = partial(_start, api.copy, found)
    return carry_out(session, route(found["source"], found["sink"]), start)


def _start(copy: Callable[..., Any], found: dict[str, Any], progress: Any) -> Any:
    return copy(**found, progress=progress)
