"""Script: blocks of SQL in a database, with parameters, result sets and a log."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import crossdock
from crossdock import AdfProperties, CancelledError, ConfigError, CrossdockError, Parameter

from ..activity_types import Attempt
from ..planning.ends import End
from .activity import DataActivity, registered
from .logs import put_log
from .lookup import MOST_BYTES
from .parameters import parameter

_LARGEST = 16 << 20
_TYPES = {"Query": "Query", "NonQuery": "NonQuery"}
_PLACES = {"ActivityOutput": "ActivityOutput", "ExternalStore": "ExternalStore"}


@dataclass(frozen=True, slots=True)
class Block:
    """``query``: its result sets are the output, else how many rows it changed. ``file`` holds the text."""

    text: str
    query: bool
    parameters: Sequence[Parameter]
    file: End | None = None


@dataclass(frozen=True, slots=True)
class Scripts:
    """``logged``: what the server says is part of the output, or goes to the folder ``log``."""

    end: End
    blocks: Sequence[Block]
    logged: bool = False
    log: End | None = None


class ScriptActivity(DataActivity[Scripts]):
    """The blocks run one after the other, each once; the first error is that of the activity."""

    def plan(self) -> Scripts | None:
        given = self.properties
        end = self.uses(self.database())
        blocks = self._blocks()
        seconds = given.seconds("scriptBlockExecutionTimeout")
        logs = given.inner("logSettings")
        log = None
        if logs.choice("logDestination", _PLACES, "ActivityOutput") == "ExternalStore":
            log = self.uses(self.ends.folder("log", logs.inner("logLocationSettings")))
        else:
            logs.ignore("logLocationSettings")
        if end is None:
            return None
        if seconds is not None:
            end = replace(end, options=end.options | {"query_timeout": str(seconds)})
        return Scripts(end, blocks, bool(logs), log)

    def _blocks(self) -> list[Block]:
        listed, reference = self.properties.get("scripts"), self.properties.inner("scriptReference")
        if isinstance(listed, list) and listed:
            if reference:
                self.wrong("scriptReference", "there are scripts too; leave out one of them")
                reference.ignore_all()
            return [self._block(number, each) for number, each in enumerate(listed)]
        if not reference:
            self.wrong("scripts", "there is no script to run")
            return []
        file = self.uses(self.ends.folder("script", reference))
        return [Block("", query=True, parameters=self._parameters(reference), file=file)] if file else []

    def _block(self, number: int, given: Any) -> Block:
        path = f"{self.properties.where('scripts')}[{number}]"
        block = AdfProperties(given if isinstance(given, Mapping) else {}, path)
        text = block.text("text")
        if not text:
            block.refuse("text", f"the script {number + 1} has no text", "error")
        kind = block.choice("type", _TYPES, "Query")
        parameters = self._parameters(block)
        self.also(block)
        return Block(text, kind == "Query", parameters)

    def _parameters(self, block: AdfProperties) -> list[Parameter]:
        listed = block.get("parameters")
        parameters = []
        for at, each in enumerate(listed if isinstance(listed, list) else ()):
            where = f"{block.where('parameters')}[{at}]"
            one = AdfProperties(each if isinstance(each, Mapping) else {}, where)
            if not (name := one.text("name")):
                one.refuse("name", "a parameter has no name", "error")
                one.ignore_all()
            elif (made := parameter(name, one)) is not None:
                parameters.append(made)
            self.also(one)
        return parameters

    def carry_out(self, plan: Scripts, attempt: Attempt) -> Mapping[str, Any]:
        sets: list[dict[str, Any]] = []
        outputs: dict[str, Any] = {}
        messages: list[str] = []
        affected = 0
        for block in plan.blocks:
            if attempt.cancel.is_set():
                raise CancelledError
            text = block.text if block.file is None else _fetched(block.file, attempt.cancel)
            found = crossdock.run_script(
                plan.end.address, text, parameters=block.parameters, options=plan.end.given(),
                cancel=attempt.cancel,
            )  # fmt: skip
            if block.query:
                tables = [list(crossdock.json_rows(table)) for table in found.tables]
                sets += [{"rowCount": len(rows), "rows": rows} for rows in tables]
            else:
                affected += found.affected
            outputs |= {name: crossdock.json_value(value) for name, value in found.outputs.items()}
            messages += found.messages
        output = {
            "resultSetCount": len(sets),
            "recordsAffected": affected,
            "resultSets": sets,
            "outputParameters": outputs,
            "outputLogs": "",
            "outputLogsLocation": "",
            "outputTruncated": False,
        }
        return _cut(output | _logged(plan, messages, attempt))


def _fetched(file: End, cancel: threading.Event) -> str:
    """The text of a script that is in a store."""
    address = file.address.rstrip("/")
    size = crossdock.stat(address, source_options=file.given(), cancel=cancel).facts.size
    too_large = ConfigError(f"the script {address} has more than {_LARGEST >> 20} MiB")
    if (size or 0) > _LARGEST:
        raise too_large
    with tempfile.TemporaryDirectory() as local:
        into = Path(local, "script.sql")
        crossdock.copy(
            address, into, source_format="binary", sink_format="binary", source_options=file.given(),
            mode="overwrite", cancel=cancel,
        )  # fmt: skip
        # Not every store says a size, and it may have grown since.
        if into.stat().st_size > _LARGEST:
            raise too_large
        try:
            return into.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise ConfigError(f"the script {address} is not UTF-8 text") from None


def _cut(output: dict[str, Any]) -> dict[str, Any]:
    """What may be an output: of more, the logs are left out first, then parameters, then the last rows."""
    room = MOST_BYTES
    for name in ("resultSets", "outputParameters", "outputLogs"):
        room -= _size(output[name])
    if room >= 0:
        return output
    output["outputTruncated"] = True
    for name, nothing in (("outputLogs", ""), ("outputParameters", {})):
        room += _size(output[name])
        output[name] = nothing
        if room >= 0:
            return output
    for found in reversed(output["resultSets"]):
        while found["rows"] and room < 0:
            room += _size(found["rows"].pop()) + 2  # the comma and the space behind it
    return output


def _size(value: Any) -> int:
    return len(json.dumps(value))


def _logged(plan: Scripts, messages: Sequence[str], attempt: Attempt) -> dict[str, Any]:
    """A log that cannot be written does not undo what the scripts did: it is said in place of the log."""
    text = "\n".join(messages)
    if plan.log is None:
        return {"outputLogs": text} if plan.logged else {}
    try:
        return {"outputLogsLocation": put_log(text, plan.log, f"{attempt.run_id}.txt")}
    except CrossdockError as error:
        return {"outputLogs": f"the log could not be written: {error.message}"}


registered(
    "Script",
    "SQL in a database, with its result sets as the activity's output",
    ScriptActivity,
    repeats=False,
)
