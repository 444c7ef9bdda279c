"""Trees to values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from .errors import ExpressionError, did_you_mean, short
from .limits import JSON_DEPTH, RESULT, WORK
from .registry import Function, Parameter
from .scope import Scope
from .template import parse
from .timestamps import now_ticks
from .tree import Call, Literal, Member, Node, Template
from .values import find_key, to_text, type_name, with_article


def evaluate(value: Any, scope: Scope) -> Any:
    """A JSON value with every expression in it replaced by what it is in ``scope``.

    Expressions are in strings at any depth; ``{"value": "@...", "type": "Expression"}`` is its value. Raises
    ExpressionError.
    """
    return _Evaluation(scope).json(value, 0)


def expression_of(value: Any) -> str | None:
    """The text of ``{"value": "...", "type": "Expression"}``; None of anything else."""
    if not isinstance(value, Mapping) or len(value) != 2:
        return None
    kind, text = value.get("type"), value.get("value")
    return text if isinstance(kind, str) and kind.lower() == "expression" and isinstance(text, str) else None


class Context:
    """What functions that are ``scoped`` get: the scope, and one time for the whole evaluation."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.now = (scope.ticks or now_ticks)()


class _Evaluation:
    def __init__(self, scope: Scope) -> None:
        self._context = Context(scope)
        self._work = 0
        self._text = ""

    def json(self, value: Any, depth: int) -> Any:
        if depth > JSON_DEPTH:
            raise ExpressionError(f"This value is nested more than {JSON_DEPTH} levels deep")
        if isinstance(value, str):
            return self.template(parse(value))
        if (text := expression_of(value)) is not None:
            return self.template(parse(text))
        if isinstance(value, Mapping):
            return {key: self.json(each, depth + 1) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.json(each, depth + 1) for each in value]
        return value

    def template(self, template: Template) -> Any:
        self._text = template.text
        if template.whole:
            return self._node(template.parts[0])
        texts: list[str] = []
        length = 0
        for part in template.parts:
            texts.append(part if isinstance(part, str) else self._text_of(part))
            length += len(texts[-1])
            if length > RESULT:
                raise self._error(f"This makes a string of more than {RESULT:,} characters", 0)
        return "".join(texts)

    def _text_of(self, node: Node) -> str:
        try:
            return to_text(self._node(node))
        except ExpressionError:
            raise
        except ValueError as error:
            raise self._error(f"This {error}", node.at) from None

    def _node(self, part: str | Node) -> Any:
        match part:
            case Literal():
                return part.value
            case Call():
                return self._call(part)
            case Member():
                return self._member(part)
            case _:
                return part

    # -- functions -------------------------------------------------------------------------------------

    def _call(self, call: Call) -> Any:
        function = call.function
        context = (self._context,) if function.scoped else ()
        try:
            if function.lazy:
                arguments = [partial(self._argument, call, index) for index in range(len(call.arguments))]
                return function.run(*context, *arguments)
            values = [self._argument(call, index) for index in range(len(call.arguments))]
            result = function.run(*context, *values)
        except ExpressionError:
            raise
        except RecursionError:
            raise self._error(
                f"{function.name}() was given a value that is nested too deep", call.at
            ) from None
        except (ValueError, OverflowError) as error:
            raise self._error(f"{function.name}() {error}", call.at) from None
        self._charge(result, call)
        return result

    def _argument(self, call: Call, index: int) -> Any:
        node = call.arguments[index]
        value = self._node(node)
        parameter = call.function.parameter(index)
        fitting, value = _fit(value, parameter)
        if not fitting:
            raise self._error(_wrong_type(call.function, index, value), node.at)
        return value

    def _charge(self, result: Any, call: Call) -> None:
        self._work += len(result) if isinstance(result, str | list | dict) else 1
        if self._work > WORK:
            raise self._error(
                f"This expression makes more than {WORK:,} characters and items on its way", call.at
            )

    # -- properties ------------------------------------------------------------------------------------

    def _member(self, member: Member) -> Any:
        target = self._node(member.target)
        key = self._node(member.key)
        match target:
            case None:
                if member.safe:
                    return None
                raise self._error(
                    f"{_place(member)} is null and has no {_key(key)}; ?{_access(key)} is null then",
                    member.at,
                )
            case Mapping():
                return self._property(member, target, key)
            case list() | tuple():
                return self._item(member, target, key)
            case _:
                kind = with_article(type_name(target))
                raise self._error(f"{_place(member)} is {kind} and has no {_key(key)}", member.at)

    def _property(self, member: Member, target: Mapping[str, Any], key: Any) -> Any:
        if not isinstance(key, str):
            kind = with_article(type_name(key))
            raise self._error(f"{_place(member)} is an object: [...] takes a name, not {kind}", member.at)
        found = find_key(target, key)
        if found is not None:
            return target[found]
        if member.safe:
            return None
        raise self._error(f"{_place(member)} has no {_key(key)}{did_you_mean(key, target)}", member.at)

    def _item(self, member: Member, target: list[Any] | tuple[Any, ...], key: Any) -> Any:
        if isinstance(key, float) and key.is_integer():
            key = int(key)
        if not isinstance(key, int) or isinstance(key, bool):
            raise self._error(
                f"{_place(member)} is an array: [...] takes an integer, not {with_article(type_name(key))}",
                member.at,
            )
        if 0 <= key < len(target):
            return target[key]
        if member.safe:
            return None
        count = f"{len(target):,} item{'' if len(target) == 1 else 's'}"
        raise self._error(
            f"{_place(member)} has {count}, and the first is [0]: there is no [{key}]", member.at
        )

    def _error(self, message: str, at: int) -> ExpressionError:
        return ExpressionError(message, self._text, at)


def _fit(value: Any, parameter: Parameter) -> tuple[bool, Any]:
    """Whether a value is of the parameter's types, and the value as one of them."""
    if "any" in parameter.types:
        return True, value
    if value is None and parameter.optional:
        return True, None
    kind = type_name(value)
    if kind in parameter.types or (kind == "integer" and "number" in parameter.types):
        return True, value
    # JSON has one kind of number: 2.0 is an integer where one is asked for.
    if kind == "number" and "integer" in parameter.types and value.is_integer():
        return True, int(value)
    return False, value


def _wrong_type(function: Function, index: int, value: Any) -> str:
    parameter = function.parameter(index)
    name = f"argument {index + 1}" if parameter.repeated else parameter.name
    types = [with_article(each) for each in parameter.types]
    expected = types[0] if len(types) == 1 else f"{', '.join(types[:-1])} or {types[-1]}"
    return f"{function.name}() takes {expected} as {name}, not {with_article(type_name(value))}"


def _place(member: Member) -> str:
    """What has the property, in the words of the expression."""
    names: list[str] = []
    node: Node = member.target
    while isinstance(node, Member):
        names.append(_access(node.key.value) if isinstance(node.key, Literal) else "[...]")
        node = node.target
    if isinstance(node, Call):
        first = node.arguments[0] if len(node.arguments) == 1 else None
        shown = (
            f"'{short(first.value)}'" if isinstance(first, Literal) and isinstance(first.value, str) else ""
        )
        names.append(f"{node.function.name}({shown or ('...' if node.arguments else '')})")
    return "".join(reversed(names))


def _access(key: Any) -> str:
    if isinstance(key, str):
        return f".{short(key)}" if key.replace("_", "").isalnum() else f"['{short(key)}']"
    return f"[{key}]"


def _key(key: Any) -> str:
    return f"property '{short(key)}'" if isinstance(key, str) else f"item [{key}]"
