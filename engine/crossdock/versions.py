"""Version numbers: which range one is in, and what is on its way out."""

from __future__ import annotations

import operator
import re
import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from .spi.record import record

P = ParamSpec("P")
T = TypeVar("T")
_CLAUSE = re.compile(r"(~=|===?|!=|<=|>=|<|>)\s*v?(\d+(?:\.\d+)*)(\.\*)?\S*")
_COMPARED: dict[str, Callable[[list[int], list[int]], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
    "===": operator.eq, "!=": operator.ne,
}  # fmt: skip


def within(version: str, wanted: str) -> bool:
    """Whether the version is in a range such as ``>=0.1,<0.2``; a clause that is none of these is no limit.

    By the numbers alone: a release candidate counts as its release.
    """
    clauses = (_CLAUSE.fullmatch(each.strip()) for each in wanted.split(","))
    return all(_holds(version, *match.groups()) for match in clauses if match)


def _holds(version: str, compared: str, limit: str, any_of: str | None) -> bool:
    ours, theirs = _numbers(version), _numbers(limit)
    if compared == "~=":
        return ours >= theirs and ours[: len(theirs) - 1] == theirs[:-1]
    length = len(theirs) if any_of else max(len(ours), len(theirs))
    padded = [(each + [0] * length)[:length] for each in (ours, theirs)]
    return _COMPARED[compared](*padded)


def _numbers(version: str) -> list[int]:
    match = re.match(r"\d+(\.\d+)*", version)
    return [int(part) for part in match[0].split(".")] if match else []


@record(slots=True)
class Deprecated:
    """A public name that goes: ``since`` is the first version (``0.2``) that warns, ``use`` takes its place.

    It works and warns for that minor release, and may be removed by the next one.
    """

    since: str
    use: str

    def warn(self, name: str, depth: int = 2) -> None:
        """To whoever is ``depth`` calls above."""
        when = f"since crossdock {self.since} and goes with {self.gone_with}"
        warnings.warn(
            f"{name} is deprecated {when}; use {self.use}", DeprecationWarning, stacklevel=depth + 1
        )

    @property
    def gone_with(self) -> str:
        major, minor = self.since.split(".")[:2]
        return f"{major}.{int(minor) + 1}"

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """A decorator of functions and methods that go."""

        @wraps(function)
        def warning(*args: P.args, **kwargs: P.kwargs) -> T:
            self.warn(f"crossdock.{function.__qualname__}")
            return function(*args, **kwargs)

        return warning
