"""Queries and scripts as users write them: what can be read from, and where values go into them."""

from __future__ import annotations

import re
from collections.abc import Callable

from crossdock import ConfigError

# Texts, quoted names, PostgreSQL's $$texts$$ and comments. Brackets quote names for some databases only.
_QUOTED = (
    r"""[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\$(\w*)\$.*?\$\1\$"""
    r"""|--[^\n]*|/\*.*?\*/"""
)
_PLAIN = re.compile(_QUOTED, re.DOTALL)
_BRACKETS = re.compile(_QUOTED + r"|\[(?:[^\]]|\]\])*\]", re.DOTALL)
_NAMED = re.compile(_QUOTED + r"|(?<![\w@:])[@:](?P<parameter>\w+)", re.DOTALL)
_PARTS = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/
    | (?P<tag>\$[A-Za-z_]*\$).*?(?P=tag) | ; | .""",
    re.DOTALL | re.VERBOSE,
)
_FIRST = re.compile(r"[\s(]*(\w+)")
_SEMICOLON = re.compile(r";(?=\s*[^\s;])")
# T-SQL needs no semicolon between statements; none of these words can be a name without brackets.
_CHANGES = re.compile(
    r"(?<![@#$.\w])(?:alter|backup|create|declare|delete|deny|drop|exec|execute|grant|insert|into|kill|restore|revoke|"
    r"shutdown|truncate|update)\b",
    re.IGNORECASE,
)


def one_select(query: str, *words: str, t_sql: bool = False) -> str:
    """The query without white space and semicolons around it. ``words``: what may come instead of SELECT and
    WITH. An empty one stays empty.

    Raises ConfigError for another statement, and for a second one.
    """
    query = query.strip().rstrip("; \t\r\n")
    code = (_BRACKETS if t_sql else _PLAIN).sub(lambda found: " " if found[0][0] in "-/" else "''", query)
    first = _FIRST.match(code)
    if query and (not first or first[1].lower() not in ("select", "with", *words)):
        raise ConfigError("query: only a SELECT can be read from")
    if _SEMICOLON.search(code):
        raise ConfigError("query: only one SELECT can be read from; there is a second statement behind a ;")
    if t_sql and (found := _CHANGES.search(code)):
        raise ConfigError(
            f"query: only a SELECT can be read from, without {found[0].upper()}; as a name: [{found[0]}]"
        )
    return query


def with_parameters(script: str, put: Callable[[str], str | None]) -> str:
    """The script with what ``put`` gives for each ``@name`` and ``:name`` outside of texts and comments.

    None: that is no parameter.
    """

    def of(found: re.Match[str]) -> str:
        made = put(found["parameter"]) if found["parameter"] else None
        return found[0] if made is None else made

    return _NAMED.sub(of, script)


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
    return bool(re.sub(r"--[^\n]*|/\*.*?\*/|\s", "", text, flags=re.DOTALL))
