"""The one error of this package: a sentence, and the place in the expression that it is about."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_WIDTH = 100  # of the line that is shown
_NAMES_COMPARED = 500
_NAME = 40  # of what is quoted in the sentence


class ExpressionError(ValueError):
    """An expression that cannot be read or evaluated.

    ``message`` is one sentence, ``text`` the whole JSON string that holds the expression, ``at`` the index of
    the character that is meant. ``str()`` is the sentence and, below it, that line of the text with a caret.
    """

    def __init__(self, message: str, text: str = "", at: int = 0) -> None:
        self.message = message
        self.text = text
        self.at = min(max(at, 0), len(text))
        super().__init__(message, text, at)  # what pickle gives to the next process

    @property
    def line(self) -> int:
        """The line of ``text`` that is meant, from 1."""
        return self.text.count("\n", 0, self.at) + 1

    @property
    def column(self) -> int:
        """The character of ``line`` that is meant, from 1."""
        return self.at - self.text.rfind("\n", 0, self.at)

    def __str__(self) -> str:
        if not self.text:
            return self.message
        start = self.at - self.column + 1
        line = self.text[start:].split("\n", 1)[0].rstrip("\r")
        first = max(0, self.column - 1 - _WIDTH * 2 // 3)
        shown = line[first : first + _WIDTH]
        before, after = "..." if first else "", "..." if first + _WIDTH < len(line) else ""
        # Tabs and control characters would move the caret away from what it points at.
        shown = "".join(c if c.isprintable() else " " for c in shown)
        caret = " " * (len(before) + self.column - 1 - first) + "^"
        return f"{self.message}\n  {before}{shown}{after}\n  {caret}"


def short(text: str) -> str:
    """A text as part of a sentence."""
    return text if len(text) <= _NAME else f"{text[:_NAME]}..."


def did_you_mean(name: str, known: Iterable[str], *, form: str = "'{}'") -> str:
    """``: did you mean 'x'?``, or which there are if they are few; nothing if nothing helps."""
    names = sorted({short(str(each)) for each in known}, key=str.lower)
    lowered = {each.lower(): each for each in names[:_NAMES_COMPARED]}
    close = difflib.get_close_matches(name[:100].lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f": did you mean {form.format(lowered[close[0]])}?"
    if 0 < len(names) <= 8:
        return f": there is {', '.join(form.format(each) for each in names)}"
    return ""
