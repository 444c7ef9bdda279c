"""Logical functions. What is not needed for the answer is not evaluated."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..registry import function
from ..values import check_depth, type_name, with_article

_SUBJECT = "Logic"


@function(_SUBJECT, "and(expression: boolean, more...: boolean)", "Whether all are true.", lazy=True)
def all_true(*expressions: Callable[[], bool]) -> bool:
    return all(each() for each in expressions)


@function(_SUBJECT, "or(expression: boolean, more...: boolean)", "Whether any is true.", lazy=True)
def any_true(*expressions: Callable[[], bool]) -> bool:
    return any(each() for each in expressions)


@function(_SUBJECT, "not(expression: boolean)", "Whether it is false.")
def negated(expression: bool) -> bool:
    return not expression


@function(
    _SUBJECT,
    "if(expression: boolean, valueIfTrue: any, valueIfFalse: any)",
    "One value or the other; the other one is not evaluated.",
    lazy=True,
)
def choose(condition: Callable[[], bool], if_true: Callable[[], Any], if_false: Callable[[], Any]) -> Any:
    return if_true() if condition() else if_false()


@function(_SUBJECT, "equals(object1: any, object2: any)", "Whether two values are the same; true is 1.")
def equals(left: Any, right: Any) -> bool:
    check_depth(left)
    check_depth(right)
    return bool(left == right)


def _declare(name: str, summary: str, compare: Callable[[Any, Any], bool]) -> None:
    def run(left: Any, right: Any) -> bool:
        if isinstance(left, str) != isinstance(right, str):
            kinds = f"{with_article(type_name(left))} and {with_article(type_name(right))}"
            raise ValueError(f"compares two numbers or two strings, not {kinds}")
        return compare(left, right)

    function(_SUBJECT, f"{name}(value: number|string, compareTo: number|string)", summary)(run)


_declare("greater", "Whether the first is more than the second.", operator.gt)
_declare("greaterOrEquals", "Whether the first is not less than the second.", operator.ge)
_declare("less", "Whether the first is less than the second.", operator.lt)
_declare("lessOrEquals", "Whether the first is not more than the second.", operator.le)
