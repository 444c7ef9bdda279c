"""The functions of the language: each is declared once, with the types that it takes and a line for the docs.

    @function("strings", "substring(text: string, start: integer, length?: integer)", "Part of a string.")
    def substring(text: str, start: int, length: int | None = None) -> str: ...

A name ends with ``?`` if the argument may be left out, with ``...`` if there may be any number of it. Types
are those of JSON, ``integer`` and ``any``, several with ``|``. A function gets values of its types only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

_SIGNATURE = re.compile(r"(\w+)\((.*)\)")
_PARAMETER = re.compile(r"(\w+)(\?|\.\.\.)?: ([\w|]+)")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a function."""

    name: str
    types: tuple[str, ...]
    optional: bool = False
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language.

    ``lazy`` ones get their arguments as functions that evaluate them, ``scoped`` ones the scope and the time
    of the evaluation first. ``run`` raises ValueError with a sentence but for its beginning, the function's
    name.
    """

    name: str
    subject: str
    signature: str
    summary: str
    parameters: tuple[Parameter, ...]
    run: Callable[..., Any]
    lazy: bool = False
    scoped: bool = False

    @property
    def least(self) -> int:
        return sum(not (p.optional or p.repeated) for p in self.parameters)

    @property
    def most(self) -> int | None:
        """None if any number will do."""
        return None if any(p.repeated for p in self.parameters) else len(self.parameters)

    def parameter(self, index: int) -> Parameter:
        """What the argument at ``index`` is."""
        return self.parameters[min(index, len(self.parameters) - 1)]

    def misfit(self, count: int) -> str:
        """The end of a sentence that ``count`` arguments are too many or too few; empty if they fit."""
        most = self.most
        if count >= self.least and (most is None or count <= most):
            return ""
        if most is None:
            takes = f"at least {_arguments(self.least)}"
        elif most == self.least:
            takes = _arguments(most) if most else "no arguments"
        else:
            takes = f"{self.least} to {_arguments(most)}"
        return f"takes {takes}, not {count}: {self.signature}"


def _arguments(count: int) -> str:
    return "1 argument" if count == 1 else f"{count} arguments"


Implementation = TypeVar("Implementation", bound=Callable[..., Any])

FUNCTIONS: dict[str, Function] = {}
"""Every function, by its name in lower case."""


def function(
    subject: str, signature: str, summary: str, *, lazy: bool = False, scoped: bool = False
) -> Callable[[Implementation], Implementation]:
    """Declare a function. Several signatures of one implementation are several decorators."""
    found = _SIGNATURE.fullmatch(signature)
    if found is None:
        raise ValueError(f"not a signature: {signature}")
    name, inside = found.groups()
    parameters = tuple(_parameter(each) for each in inside.split(", ") if each)

    def declare(run: Implementation) -> Implementation:
        FUNCTIONS[name.lower()] = Function(name, subject, signature, summary, parameters, run, lazy, scoped)
        return run

    return declare


def _parameter(text: str) -> Parameter:
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise ValueError(f"not a parameter: {text}")
    name, mark, types = found.groups()
    return Parameter(name, tuple(types.split("|")), optional=mark == "?", repeated=mark == "...")
