"""Scripts of several SQL statements: a database's protocol takes one at a time."""

from __future__ import annotations

import re

# What may hold a semicolon that ends nothing.
_PARTS = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/
    | (?P<tag>\$[A-Za-z_]*\$).*?(?P=tag) | ; | .""",
    re.S | re.X,
)


def statements(script: str) -> list[str]:
    """The statements of a script, without their semicolons; texts, names, comments, $$ bodies stay whole."""
    found, current = [], ""
    for part in (match[0] for match in _PARTS.finditer(script)):
        if part == ";":
            found.append(current)
            current = ""
        else:
            current += part
    return [each.strip() for each in [*found, current] if _says_something(each)]


def _says_something(text: str) -> bool:
    return bool(re.sub(r"--[^\n]*|/\*.*?\*/|\s", "", text, flags=re.S))
