"""What an expression refers to, without evaluating it: for checks before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ExpressionError, did_you_mean, short
from .evaluation import expression_of
from .limits import JSON_DEPTH
from .template import parse
from .tree import Call, Literal, Member, Node

_BY_ARGUMENT = {"activity": "activity", "variables": "variable"}
_BY_PROPERTY = {"dataset": "dataset", "linkedservice": "linkedService", "trigger": "trigger"}
_OF_PIPELINE = {
    "parameters": "parameter",
    "globalparameters": "globalParameter",
    "libraryvariables": "libraryVariable",
}

_WORDS = {
    "globalParameter": "global parameter",
    "libraryVariable": "library variable",
    "pipeline": "property of pipeline()",
    "dataset": "parameter of the dataset",
    "linkedService": "parameter of the linked service",
    "trigger": "property of trigger()",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing that an expression names.

    ``kind`` is ``activity``, ``variable``, ``parameter``, ``globalParameter``, ``libraryVariable``,
    ``pipeline`` (a name such as RunId), ``dataset``, ``linkedService``, ``trigger`` (a property of these) or
    ``item``. ``name`` is None where it is computed, and where none is given. ``safe`` is whether it may be
    missing (``?.``).
    """

    kind: str
    name: str | None
    text: str
    at: int
    safe: bool = False

    def problem(self, message: str) -> ExpressionError:
        """An error that points at this reference."""
        return ExpressionError(message, self.text, self.at)

    def unknown(self, known: Iterable[str]) -> ExpressionError:
        """The error that there is no such thing, with the name that may be meant."""
        kind = _WORDS.get(self.kind, self.kind)
        return self.problem(
            f"There is no {kind} '{short(self.name or '')}'{did_you_mean(self.name or '', known)}"
        )


def references(value: Any) -> tuple[Reference, ...]:
    """All that the expressions in a JSON value refer to, in their order; ExpressionError as of ``parse``."""
    return tuple(_in_json(value, 0))


def _in_json(value: Any, depth: int) -> Iterator[Reference]:
    if depth > JSON_DEPTH:
        raise ExpressionError(f"This value is nested more than {JSON_DEPTH} levels deep")
    if (text := value if isinstance(value, str) else expression_of(value)) is not None:
        template = parse(text)
        for part in template.parts:
            if not isinstance(part, str):
                yield from _in_node(part, template.text)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _in_json(each, depth + 1)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _in_json(each, depth + 1)


def _in_node(node: Node, text: str) -> Iterator[Reference]:
    steps: list[Member] = []
    while isinstance(node, Member):
        steps.append(node)
        node = node.target
    steps.reverse()
    if isinstance(node, Call):
        if found := _of_call(node, steps, text):
            yield found
        for argument in node.arguments:
            yield from _in_node(argument, text)
    for step in steps:
        yield from _in_node(step.key, text)


def _of_call(call: Call, steps: list[Member], text: str) -> Reference | None:
    name = call.function.name.lower()
    if name in _BY_ARGUMENT:
        argument = call.arguments[0]
        return Reference(_BY_ARGUMENT[name], _literal(argument), text, argument.at)
    if name == "item":
        return Reference("item", None, text, call.at)
    if name in ("triggeroutputs", "triggerbody"):
        return Reference("trigger", "outputs", text, call.at)
    if name in _BY_PROPERTY:
        return _step(_BY_PROPERTY[name], call, steps[:1], text)
    if name == "pipeline":
        kind = _OF_PIPELINE.get((_literal(steps[0].key) or "").lower()) if steps else None
        return _step(kind, call, steps[1:2], text) if kind else _step("pipeline", call, steps[:1], text)
    return None


def _step(kind: str, call: Call, steps: list[Member], text: str) -> Reference:
    if not steps:
        return Reference(kind, None, text, call.at)
    return Reference(kind, _literal(steps[0].key), text, steps[0].at, steps[0].safe)


def _literal(node: Node) -> str | None:
    return node.value if isinstance(node, Literal) and isinstance(node.value, str) else None
