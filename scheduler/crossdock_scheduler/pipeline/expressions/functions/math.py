"""Functions of numbers. Integers have 64 bits."""

from __future__ import annotations

import math
import operator
import secrets
from collections.abc import Callable
from typing import Any

from ..limits import check_items
from ..registry import function
from ..values import INT64, type_name, with_article

_SUBJECT = "Math"
Number = int | float


def _checked(result: Number) -> Number:
    if isinstance(result, int) and result not in INT64:
        raise ValueError("results in an integer of more than 64 bits")
    if isinstance(result, float) and not math.isfinite(result):
        raise ValueError("results in a number that is too large")
    return result


def _declare(signature: str, summary: str, compute: Callable[[Any, Any], Number]) -> None:
    def run(left: Number, right: Number) -> Number:
        return _checked(compute(left, right))

    function(_SUBJECT, signature, summary)(run)


def _divide(dividend: Number, divisor: Number) -> Number:
    if divisor == 0:
        raise ValueError("was asked to divide by 0")
    if isinstance(dividend, float) or isinstance(divisor, float):
        return dividend / divisor
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def _remainder(dividend: Number, divisor: Number) -> Number:
    if divisor == 0:
        raise ValueError("was asked to divide by 0")
    if isinstance(dividend, float) or isinstance(divisor, float):
        return math.fmod(dividend, divisor)
    remainder = abs(dividend) % abs(divisor)
    return -remainder if dividend < 0 else remainder


_declare("add(summand1: number, summand2: number)", "The sum.", operator.add)
_declare("sub(minuend: number, subtrahend: number)", "The difference.", operator.sub)
_declare("mul(multiplicand1: number, multiplicand2: number)", "The product.", operator.mul)
_declare(
    "div(dividend: number, divisor: number)", "The quotient; of two integers without a fraction.", _divide
)
_declare(
    "mod(dividend: number, divisor: number)", "The remainder, with the sign of the dividend.", _remainder
)


@function(
    _SUBJECT, "max(number: number|array, more...: number)", "The highest number, of an array or of several."
)
def highest(*numbers: Any) -> Number:
    return max(_numbers(numbers))


@function(
    _SUBJECT, "min(number: number|array, more...: number)", "The lowest number, of an array or of several."
)
def lowest(*numbers: Any) -> Number:
    return min(_numbers(numbers))


def _numbers(given: tuple[Any, ...]) -> list[Number]:
    numbers = list(given[0]) if len(given) == 1 and isinstance(given[0], list | tuple) else list(given)
    if not numbers:
        raise ValueError("was given an empty array")
    for each in numbers:
        if type_name(each) not in ("integer", "number"):
            raise ValueError(f"takes numbers or one array of numbers, not {with_article(type_name(each))}")
    return numbers


@function(
    _SUBJECT,
    "rand(minValue: integer, maxValue: integer)",
    "A random integer from the first to below the second.",
)
def rand(least: int, most: int) -> int:
    if least > most:
        raise ValueError(f"takes a minValue that is not above maxValue, and {least} is above {most}")
    return least + secrets.randbelow(most - least) if most > least else least


@function(_SUBJECT, "range(startIndex: integer, count: integer)", "So many integers, from the first on.")
def integers(start: int, count: int) -> list[int]:
    if count < 0:
        raise ValueError(f"takes a count of 0 or more, not {count}")
    check_items(count)
    return list(range(start, start + count))
