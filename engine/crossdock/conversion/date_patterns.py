"""The parts of .NET's format strings of dates and times.

learn.microsoft.com/dotnet/standard/base-types: "Custom date and time format strings".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<run>d+|f+|F+|g+|h+|H+|K|m+|M+|s+|t+|y+|z+)
      | (?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | \\(?P<escaped>.)
      | %(?P<single>[^%])
      | (?P<bad>['"\\%])
      | (?P<literal>.)""",
    re.VERBOSE | re.DOTALL,
)
_RUNS = "dfFghHKmMstyz"


@dataclass(frozen=True, slots=True)
class Token:
    """A run of one letter that stands for a part of a date, or a literal text.

    ``plain``: a literal that is neither quoted nor escaped, where ``/`` and ``:`` depend on a culture.
    """

    text: str
    run: bool = False
    plain: bool = False


def tokens(pattern: str) -> Iterator[Token]:
    """The parts of a custom format string; ValueError for one that .NET refuses."""
    for found in _TOKEN.finditer(pattern):
        kind, text = found.lastgroup, found[found.lastgroup or 0]
        if kind == "bad":
            problem = {"%": "'%' needs a letter after it", "\\": "'\\' needs a character after it"}
            raise ValueError(f"was given a format in which {problem.get(text, 'a quote is not closed')}")
        if kind == "run" or (kind == "single" and text in _RUNS):
            yield Token(text, run=True)
        elif kind == "quoted":
            yield Token(re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL))
        else:
            yield Token(text, plain=kind != "escaped")
