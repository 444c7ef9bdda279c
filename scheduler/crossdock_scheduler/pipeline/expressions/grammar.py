"""Text to trees: the grammar of one expression, and the errors of one that is not well formed.

What a name may hold, and that a question mark is followed by a dot or a bracket, is as in the parser of
Microsoft's designer (github.com/Azure/LogicAppsUX, libs/parsers).
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken, v_args
from lark.utils import TextSlice

from . import functions  # noqa: F401  declares them
from .errors import ExpressionError, did_you_mean, short
from .limits import CHARACTERS, DEPTH
from .registry import FUNCTIONS
from .tree import Call, Literal, Member, Node

_GRAMMAR = r"""
start: value

?value: STRING -> string
      | NUMBER -> number
      | access

?access: NAME -> word
       | NAME "(" [value ("," value)*] ")" -> call
       | access "." PROPERTY -> member
       | access "?" "." PROPERTY -> safe_member
       | access "[" value "]" -> item
       | access "?" "[" value "]" -> safe_item

STRING: /'(?:[^']|'')*'/
NUMBER: /[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![^\s.,(){}@\[\]?'])/
NAME: /[^\s.,(){}@\[\]?'\d+-][^\s.,(){}@\[\]?']*/
PROPERTY: /[^\s.,(){}@\[\]?']+/

%import common.WS
%ignore WS
"""

_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
_INT_DIGITS = 19


def parse_expression(text: str, start: int, end: int) -> Node:
    """The tree of ``text[start:end]``; positions in it and in errors are those of ``text``."""
    if end - start > CHARACTERS:
        raise ExpressionError(
            f"This expression has {end - start:,} characters, and {CHARACTERS:,} are the most", text, start
        )
    try:
        return cast(Node, _parser().parse(TextSlice(text, start, end)))
    except UnexpectedInput as unexpected:
        raise _syntax_error(unexpected, text, start, end) from None
    except _Invalid as invalid:
        raise ExpressionError(invalid.args[0], text, invalid.at) from None


@cache
def _parser() -> Lark:
    # The tree is made while the parser reduces: no recursion, however deep the text nests.
    return Lark(_GRAMMAR, parser="lalr", transformer=_Builder())


class _Invalid(Exception):
    """Well formed and still wrong; a ValueError would be lark's own affair."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


@v_args(inline=True)
class _Builder(Transformer[Token, Node]):
    def start(self, node: Node) -> Node:
        return node

    def string(self, token: Token) -> Node:
        return Literal(token[1:-1].replace("''", "'"), _at(token))

    def number(self, token: Token) -> Node:
        if token.lstrip("+-").isdigit():
            if len(token.lstrip("+-0")) > _INT_DIGITS:
                raise _Invalid(f"{short(token)} is too large for an integer", _at(token))
            return Literal(int(token), _at(token))
        number = float(token)
        if math.isinf(number):
            raise _Invalid(f"{short(token)} is too large for a number", _at(token))
        return Literal(number, _at(token))

    def word(self, token: Token) -> Node:
        lowered = token.lower()
        if lowered in _WORDS:
            return Literal(_WORDS[lowered], _at(token))
        if token.startswith('"'):
            raise _Invalid("A string is written in single quotes: 'text'", _at(token))
        if known := FUNCTIONS.get(lowered):
            raise _Invalid(f"{known.name} is a function: write {known.signature}", _at(token))
        raise _Invalid(f"'{short(token)}' is no value, and a string needs single quotes", _at(token))

    def call(self, name: Token, *arguments: Node | None) -> Node:
        given = tuple(each for each in arguments if each is not None)
        known = FUNCTIONS.get(name.lower())
        if known is None:
            names = (each.name for each in FUNCTIONS.values())
            hint = did_you_mean(name, names, form="{}()")
            raise _Invalid(f"There is no function {short(name)}(){hint}", _at(name))
        if misfit := known.misfit(len(given)):
            raise _Invalid(f"{known.name}() {misfit}", _at(name))
        depth = _deeper(_at(name), *given)
        return Call(known, given, _at(name), depth)

    def member(self, target: Node, name: Token) -> Node:
        return self._member(target, Literal(str(name), _at(name)), _at(name), safe=False)

    def safe_member(self, target: Node, name: Token) -> Node:
        return self._member(target, Literal(str(name), _at(name)), _at(name), safe=True)

    def item(self, target: Node, key: Node) -> Node:
        return self._member(target, key, key.at, safe=False)

    def safe_item(self, target: Node, key: Node) -> Node:
        return self._member(target, key, key.at, safe=True)

    def _member(self, target: Node, key: Node, at: int, *, safe: bool) -> Node:
        if isinstance(target, Literal):
            raise _Invalid("Properties are those of what a function returns, not of a literal", at)
        return Member(target, key, safe, at, _deeper(at, target, key))


def _deeper(at: int, *nodes: Node) -> int:
    depth = 1 + max((node.depth for node in nodes), default=0)
    if depth > DEPTH:
        raise _Invalid(f"This expression is nested more than {DEPTH} levels deep", at)
    return depth


def _at(token: Token) -> int:
    return token.start_pos or 0


_NOT_A_NUMBER = re.compile(r"[+-]?\.?\d[^\s,(){}@\[\]?']+")
_OPERATORS = "+-*/%=<>&|!"


def _syntax_error(unexpected: UnexpectedInput, text: str, start: int, end: int) -> ExpressionError:
    if not text[start:end].strip():
        return ExpressionError("An expression is missing here", text, start)
    at = unexpected.pos_in_stream
    ended = isinstance(unexpected, UnexpectedToken) and unexpected.token.type == "$END"
    if ended or at is None or at >= end:
        missing = _expected(unexpected)
        sentence = f"This expression ends too early{missing and f': {missing} is missing'}"
        return ExpressionError(sentence, text, end)
    return ExpressionError(_wrong_character(unexpected, text, at, end), text, at)


def _wrong_character(unexpected: UnexpectedInput, text: str, at: int, end: int) -> str:
    found = text[at]
    if found == "'" and _unclosed(text, at, end):
        return "The string that begins here has no closing quote"
    if found.isalnum() and text[at - 1] == "'":
        return "The string ends before this character: a quote inside of one is written twice, ''"
    if found == "@":
        return "'@' begins an expression and is not written inside of one"
    number = _NOT_A_NUMBER.match(text, at, end)
    operator = next((c for c in (number[0] if number else found) if c in _OPERATORS), "")
    if operator:
        return f"There are no operators: '{operator}' is written as a function, as in add(1, 2)"
    if number:
        return f"'{short(number[0])}' is no number"
    what = "A string" if found == "'" else f"'{found}'"
    expected = _expected(unexpected)
    return f"{what} is not expected here{expected and f': {expected} is'}"


def _unclosed(text: str, at: int, end: int) -> bool:
    """Whether the quote at ``at`` begins a string without an end: none follows, or pairs only."""
    return text.count("'", at, end) % 2 == 1


def _expected(unexpected: UnexpectedInput) -> str:
    names: set[str] = set(getattr(unexpected, "allowed", None) or getattr(unexpected, "expected", None) or ())
    if "STRING" in names:
        return "a value or a function"
    if "PROPERTY" in names:
        return "the name of a property"
    if "COMMA" in names:
        return "',' or ')'"
    return "']'" if "RSQB" in names else ""
