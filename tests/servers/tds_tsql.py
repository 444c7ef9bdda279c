"""A small part of T-SQL, rewritten for SQLite: tokens in, SQLite's SQL out."""

# ruff: noqa: E501 - lines of statements.

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import randrange

from .tds_types import Kind, TdsError

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)|(?P<text>N?'(?:[^']|'')*')
    |(?P<name>\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*")|(?P<hex>0x[0-9A-Fa-f]*)
    |(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|(?P<word>[@\#\w$]+)|(?P<mark><=|>=|<>|!=|.)""",
    re.VERBOSE | re.DOTALL,
)
_TABLE_AFTER = {"FROM", "JOIN", "INTO", "TABLE", "UPDATE"}
_RENAMED = {"COUNT_BIG": "COUNT", "ISNULL": "IFNULL", "LEN": "LENGTH"}
VERBS = ("BEGIN", "COMMIT", "ROLLBACK", "CREATE", "DROP", "TRUNCATE", "INSERT", "DELETE", "UPDATE", "SELECT",
         "EXEC", "EXECUTE", "DECLARE", "PRINT", "WITH", "SET", "USE", "WAITFOR", "KILL", "DISABLE", "ENABLE", "COPY")  # fmt: skip


class SqlError(Exception):
    """An error of the server with its number."""

    def __init__(self, number: int, message: str, level: int = 16) -> None:
        super().__init__(message)
        self.number, self.message, self.level = number, message, level


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """An identifier without its quotes."""
        if self.kind == "name":
            close = "]" if self.text[0] == "[" else '"'
            return self.text[1:-1].replace(close * 2, close)
        return self.text

    @property
    def value(self) -> str:
        """What a text literal says."""
        return self.text[self.text.index("'") + 1 : -1].replace("''", "'")

    def is_name(self) -> bool:
        return self.kind in ("name", "word")


def statements(sql: str) -> Iterator[list[Token]]:
    """The statements of a batch; each but the last ends with a semicolon. A procedure is the whole batch."""
    found: list[Token] = []
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or ""
        procedure = [each.word for each in found[:2]] == ["CREATE", "PROCEDURE"]
        if match[0] == ";" and not procedure:
            if found:
                yield found
            found = []
        elif kind != "space":
            found.append(Token(kind, match[0]))
    if found:
        yield found


def token_of(value: object) -> Token:
    """A value as a token."""
    if value is None:
        return Token("word", "NULL")
    if isinstance(value, int | float):
        return Token("number", repr(value))
    if isinstance(value, bytes):
        return Token("hex", "0x" + value.hex())
    return next(statements("'" + str(value).replace("'", "''") + "'"))[0]


def closing(tokens: Sequence[Token], at: int) -> int:
    """Where the parenthesis that opens at ``at`` is closed."""
    depth = 0
    for index in range(at, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[index].text, 0)
        if depth == 0:
            return index
    raise SqlError(102, "Incorrect syntax near ')'.", 15)


def split(tokens: Sequence[Token]) -> list[list[Token]]:
    """What the commas outside of parentheses separate."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def chain(tokens: Sequence[Token], at: int) -> tuple[list[str], int]:
    """The parts of a name with dots, and where it ends."""
    parts = [tokens[at].name]
    at += 1
    while at + 1 < len(tokens) and tokens[at].text == ".":
        parts.append(tokens[at + 1].name)
        at += 2
    return parts, at


def table_name(parts: Sequence[str]) -> str:
    """The name in SQLite: schema and table in one; variables keep theirs."""
    if parts[-1].startswith("@"):
        return parts[-1]
    schema, table = ("dbo", *parts)[-2:]
    return f"{schema or 'dbo'}.{table}"


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def declared(tokens: Sequence[Token]) -> dict[int, Kind]:
    """The types of a SELECT's columns that are casts, by their place."""
    if not tokens or tokens[0].word != "SELECT":
        return {}
    end = next((i for i, t in enumerate(tokens) if t.word == "FROM"), len(tokens))
    found = {}
    for index, item in enumerate(split(tokens[1:end])):
        if len(item) > 3 and item[0].word in ("CAST", "CONVERT") and item[1].text == "(":
            _, kind = _cast(item[: closing(item, 1) + 1])
            found[index] = kind
    return found


def _cast(tokens: Sequence[Token]) -> tuple[Sequence[Token], Kind]:
    """``CAST(x AS type)`` or ``CONVERT(type, x, style)``: x and the type."""
    inner = tokens[2:-1]
    if tokens[0].word == "CONVERT":
        parts = split(inner)
        return parts[1], Kind.parse("".join(t.name for t in parts[0]))
    depth, at = 0, -1
    for index, token in enumerate(inner):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.word == "AS" and depth == 0:
            at = index
    return inner[:at], Kind.parse("".join(t.name for t in inner[at + 1 :]))


@dataclass
class Rewriter:
    """Rewrites one statement. ``function`` makes a table of a table function's arguments; ``variables`` are
    replaced by what they stand for."""

    function: Callable[[str, Sequence[Sequence[Token]]], str]
    variables: dict[str, Token]

    def rewrite(self, tokens: Sequence[Token]) -> str:
        """The statement as SQLite takes it."""
        if tokens and tokens[0].word == "UPDATE":
            tokens = _columns_of_tables(_update(tokens))
        ctes = {tokens[i].name.lower() for i in range(len(tokens) - 2)
                if tokens[i].is_name() and tokens[i + 1].word == "AS" and tokens[i + 2].text == "("}  # fmt: skip
        return self._select(tokens, ctes)

    def _select(self, tokens: Sequence[Token], ctes: set[str]) -> str:
        out: list[str] = []
        limit = ""
        at = 0
        while at < len(tokens):
            token = tokens[at]
            before = tokens[at - 1].word if at else ""
            if token.word == "TOP":
                at += 1
                if tokens[at].text == "(":
                    end = closing(tokens, at)
                    limit, at = self._select(tokens[at + 1 : end], ctes), end + 1
                else:
                    limit, at = tokens[at].text, at + 1
            elif token.word in ("WITH", "OPTION") and at + 1 < len(tokens) and tokens[at + 1].text == "(":
                at = closing(tokens, at + 1) + 1
            elif token.is_name() and before in _TABLE_AFTER and token.word not in ("IF",):
                text, at = self._table(tokens, at, ctes)
                out.append(text)
            elif token.word == "TABLESAMPLE":
                out.append(_pages_of(out.pop(), tokens, at))
                at = closing(tokens, at + 1) + 1
            elif token.word == "DATEPART":
                end = closing(tokens, at + 1)
                part, moment = split(tokens[at + 2 : end])
                out.append(f"tsql_datepart({literal(part[0].text)}, {self._select(moment, ctes)})")
                at = end + 1
            elif token.word in ("CAST", "CONVERT") and tokens[at + 1].text == "(":
                end = closing(tokens, at + 1)
                inner, kind = _cast(tokens[at : end + 1])
                value = self._select(inner, ctes)
                if token.word == "CONVERT" and tokens[end - 1].text == "126":
                    value = f"tsql_iso({value})"
                out.append(f"tsql_cast({value}, {literal(str(kind))})")
                at = end + 1
            elif token.text == "(":
                end = closing(tokens, at)
                out.append(f"({self._select(tokens[at + 1 : end], ctes)})")
                at = end + 1
            else:
                out.append(self._token(token))
                at += 1
        return " ".join(out) + (f" LIMIT {limit}" if limit else "")

    def _table(self, tokens: Sequence[Token], at: int, ctes: set[str]) -> tuple[str, int]:
        parts, after = chain(tokens, at)
        if after < len(tokens) and tokens[after].text == "(" and tokens[at - 1].word != "INTO":
            end = closing(tokens, after)
            return quote(self.function(parts[-1].lower(), split(tokens[after + 1 : end]))), end + 1
        if len(parts) == 1 and parts[0].lower() in ctes:
            return quote(parts[0]), after
        if parts[0].startswith("@"):
            return quote(self.variables.get(parts[0].lower(), tokens[at]).text), after
        return quote(table_name(parts)), after

    def _token(self, token: Token) -> str:
        if token.kind == "word" and token.text.startswith("@"):
            known = self.variables.get(token.text.lower())
            if known is None:
                raise SqlError(137, f'Must declare the scalar variable "{token.text}".', 15)
            return self._token(known)
        if token.kind == "name":
            return quote(token.name)
        if token.kind == "text":
            return literal(token.value)
        if token.kind == "hex":
            return f"X'{token.text[2:]}'"
        return _RENAMED.get(token.word, token.text)


def _pages_of(table: str, tokens: Sequence[Token], at: int) -> str:
    """A table of which ``TABLESAMPLE (n PERCENT)`` at ``at`` takes some pages."""
    if not tokens[at - 1].is_name():
        raise SqlError(494, "The TABLESAMPLE clause can only be used with local tables.")
    taken = f"tsql_page({randrange(1 << 31)}, rowid, {tokens[at + 2].text})"
    return f"(SELECT * FROM {table} WHERE {taken})"


def _columns_of_tables(tokens: Sequence[Token]) -> Sequence[Token]:
    """``schema.table.column`` with the first two in one, as tables are called in SQLite."""
    found: list[Token] = []
    at = 0
    while at < len(tokens):
        if tokens[at].is_name() and [each.text for each in tokens[at + 1 : at + 4 : 2]] == [".", "."]:
            found.append(Token("name", quote(table_name([tokens[at].name, tokens[at + 2].name]))))
            at += 3
        else:
            found.append(tokens[at])
            at += 1
    return found


def _update(tokens: Sequence[Token]) -> Sequence[Token]:
    """``UPDATE t SET ... FROM table AS t INNER JOIN x ON y`` in SQLite's order."""
    at = next((i for i, token in enumerate(tokens) if token.word == "FROM"), 0)
    join = next((i for i, token in enumerate(tokens) if token.word == "JOIN"), 0)
    if not at or not join or tokens[2].word != "SET":
        return tokens
    on, depth = 0, 0
    for index in range(join, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[index].text, 0)
        if tokens[index].word == "ON" and not depth:
            on = index
    end = join - (tokens[join - 1].word == "INNER")
    head = [Token("word", "UPDATE"), *tokens[at + 1 : end], *tokens[2:at]]
    return [*head, Token("word", "FROM"), *tokens[join + 1 : on], Token("word", "WHERE"), *tokens[on + 1 :]]


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    name: str
    kind: Kind
    nullable: bool = True
    identity: bool = False
    default: str = ""
    collation: str = ""


def table_definition(tokens: Sequence[Token]) -> tuple[list[ColumnDefinition], list[str], bool]:
    """The columns, the primary key and whether that is clustered, of what is in the parentheses."""
    columns: list[ColumnDefinition] = []
    key: list[str] = []
    clustered = True
    for part in split(tokens):
        words = [token.word for token in part]
        if words[0] in ("CONSTRAINT", "PRIMARY") and part[0].kind == "word":
            opening = next(i for i, token in enumerate(part) if token.text == "(")
            key = [item[0].name for item in split(part[opening + 1 : closing(part, opening)])]
            clustered = "NONCLUSTERED" not in words
            continue
        at = 2
        text = part[1].name
        if at < len(part) and part[at].text == "(":
            end = closing(part, at)
            text, at = text + "".join(t.text for t in part[at : end + 1]), end + 1
        rest = words[at:]
        if "PRIMARY" in rest:
            key, clustered = [part[0].name], "NONCLUSTERED" not in rest
        nullable = "PRIMARY" not in rest and not ("NOT" in rest and rest[rest.index("NOT") + 1] == "NULL")
        default = ""
        if "DEFAULT" in rest:
            start = at + rest.index("DEFAULT") + 1
            default = " ".join(Rewriter(_no_function, {})._token(token) for token in part[start:])
        collation = rest[rest.index("COLLATE") + 1] if "COLLATE" in rest else ""
        identity = "IDENTITY" in rest
        columns.append(
            ColumnDefinition(part[0].name, Kind.parse(text), nullable, identity, default, collation)
        )
    return columns, key, clustered


def _no_function(name: str, _arguments: Sequence[Sequence[Token]]) -> str:
    raise TdsError(f"{name} is no table here")
