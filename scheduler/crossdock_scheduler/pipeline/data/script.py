"""Script: blocks of SQL in a database, with parameters, result sets and a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import crossdock
from crossdock import AdfProperties, CancelledError, CrossdockError, Parameter

from ..activity_types import Attempt
from ..planning.ends import End
from .activity import DataActivity, registered
from .logs import put_log
from .parameters import parameter

_TYPES = {"Query": "Query", "NonQuery": "NonQuery"}
_PLACES = {"ActivityOutput": "ActivityOutput", "ExternalStore": "ExternalStore"}


@dataclass(frozen=True, slots=True)
class Block:
    """``query``: its result sets are the output, else how many rows it changed."""

    text: str
    query: bool
    parameters: Sequence[Parameter]


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
        listed = self.properties.get("scripts")
        if not isinstance(listed, list) or not listed:
            if not self.properties.get("scriptReference"):
                self.wrong("scripts", "there is no script to run")
            return []
        return [self._block(number, each) for number, each in enumerate(listed)]

    def _block(self, number: int, given: Any) -> Block:
        path = f"{self.properties.where('scripts')}[{number}]"
        block = AdfProperties(given if isinstance(given, Mapping) else {}, path)
        text = block.text("text")
        if not text:
            block.refuse("text", f"the script {number + 1} has no text", "error")
        kind = block.choice("type", _TYPES, "Query")
        listed = block.get("parameters")
        parameters = []
        for at, each in enumerate(listed if isinstance(listed, list) else ()):
            one = AdfProperties(each if isinstance(each, Mapping) else {}, f"{path}.parameters[{at}]")
            if not (name := one.text("name")):
                one.refuse("name", "a parameter has no name", "error")
                one.ignore_all()
            elif (made := parameter(name, one)) is not None:
                parameters.append(made)
            self.also(one)
        self.also(block)
        return Block(text, kind == "Query", parameters)

    def carry_out(self, plan: Scripts, attempt: Attempt) -> Mapping[str, Any]:
        sets: list[dict[str, Any]] = []
        outputs: dict[str, Any] = {}
        messages: list[str] = []
        affected = 0
        for block in plan.blocks:
            if attempt.cancel.is_set():
                raise CancelledError
            found = crossdock.run_script(
                plan.end.address, block.text, parameters=block.parameters, options=plan.end.given(),
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
        return output | _logged(plan, messages, attempt)


def _logged(plan: Scripts, messages: Sequence[str], attempt: Attempt) -> dict[str, Any]:
    """A log that cannot be written does not undo what the scripts did: it is said in place of the log."""
    text = "\n".join(messages)
    if plan.log is None:
        return {"outputLogs": text} if plan.logged else {}
    try:
        return {"outputLogsLocation": put_log(text, plan.log, f"{attempt.run_id}.txt")}
    except CrossdockError as error:
        return {"outputLogs": f"the log could not be written: {error.message}"}


registered("Script", "SQL in a database, with its result sets as the activity's output", ScriptActivity)
