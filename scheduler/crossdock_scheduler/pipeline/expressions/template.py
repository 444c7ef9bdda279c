"""JSON strings to templates: where in them expressions are.

``@...`` as a whole is an expression, ``@{...}`` one inside text, ``@@`` at the start or ``@@{`` anywhere a
literal ``@``; after ``@@`` at the start nothing else is an expression.
The rules are those of the parser of Microsoft's designer (github.com/Azure/LogicAppsUX, libs/parsers).
"""

from __future__ import annotations

from functools import lru_cache

from .errors import ExpressionError
from .grammar import parse_expression
from .tree import Node, Template


def parse(text: str) -> Template:
    """What a JSON string says; ExpressionError if an expression in it is not well formed."""
    # Most strings of a definition are plain; those that are not often come again.
    return _parse(text) if "@" in text else Template(text, (text,))


@lru_cache(maxsize=4096)
def _parse(text: str) -> Template:
    if text.startswith("@") and not text.startswith("@{"):
        if len(text) == 1:
            return Template(text, (text,))
        if text[1] == "@":
            return Template(text, (text[1:],))
        return Template(text, (parse_expression(text, 1, len(text)),), whole=True)
    return Template(text, tuple(_parts(text)))


def _parts(text: str) -> list[str | Node]:
    parts: list[str | Node] = []
    done = 0
    while (at := text.find("@{", done)) >= 0:
        if at > 0 and text[at - 1] == "@":
            parts.append(text[done:at])
            parts.append("{")
            done = at + 2
            continue
        if done < at:
            parts.append(text[done:at])
        end = _closing_brace(text, at + 2)
        if end < 0:
            raise ExpressionError("'@{' has no '}' that ends it", text, at)
        parts.append(parse_expression(text, at + 2, end))
        done = end + 1
    if done < len(text):
        parts.append(text[done:])
    return parts


def _closing_brace(text: str, start: int) -> int:
    quoted = False
    for index in range(start, len(text)):
        if text[index] == "'":
            quoted = not quoted
        elif text[index] == "}" and not quoted:
            return index
    return -1
