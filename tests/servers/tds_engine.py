"""A client's session at the TDS server: statements of T-SQL, run by SQLite."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from . import tds_pool
from .tds_catalogue import Catalogue
from .tds_database import Database, explained
from .tds_tsql import (
    VERBS,
    Rewriter,
    SqlError,
    Token,
    chain,
    closing,
    quote,
    split,
    statements,
    table_name,
    token_of,
)
from .tds_types import COLLATION, COLLATION_NAME, Kind, TdsError, Value

_SCALARS = (
    "OBJECT_ID",
    "SCHEMA_ID",
    "DB_NAME",
    "SUSER_SNAME",
    "XACT_STATE",
    "HAS_PERMS_BY_NAME",
    "SERVERPROPERTY",
)


@dataclass
class Result:
    """An answer: columns and rows, or only how many rows were touched, or a message."""

    columns: list[tuple[str, Kind]] = field(default_factory=list)
    rows: Iterator[Sequence[Value]] = field(default_factory=lambda: iter(()))
    count: int | None = None
    message: str | None = None
    verb: str = ""


class Session:
    """One client's connection to the database."""

    def __init__(
        self, database: Database, spid: int, sleep: Callable[[float], None], kill: Callable[[int], None]
    ):
        from .tds_select import Reading

        self.database, self.spid = database, spid
        self._sleep, self._kill = sleep, kill
        self.connection = database.open()
        self.catalogue = Catalogue(self.connection)
        self._reading = Reading(self)
        self.transactions = 0
        self.only_metadata = self._parse_only = self._xact_abort = False
        self.isolation = "READ COMMITTED"
        self.is_pool = False
        self._identity_insert = ""
        self._bulk_table, self._bulk_options = "", ""
        self.error = 0
        self._verbs: dict[str, Callable[[list[Token], dict[str, Token]], Result]] = {
            "SET": self._set, "BEGIN": self._begin, "COMMIT": self._commit,
            "ROLLBACK": self._rollback, "CREATE": self._create, "DROP": self._drop,
            "TRUNCATE": self._truncate, "INSERT": self._insert, "UPDATE": self._change,
            "DELETE": self._delete, "SELECT": self._select, "WITH": self._select,
            "DECLARE": self._declare, "WAITFOR": self._wait, "KILL": self._end, "PRINT": self._print,
            "USE": lambda *_: Result(), "DISABLE": self._trigger, "ENABLE": self._trigger,
            "COPY": self._copy,
        }  # fmt: skip

    def signed_in(self, host: str) -> None:
        self.connection.execute('INSERT INTO "sys.dm_exec_sessions" VALUES (?, ?)', [self.spid, host])

    def close(self) -> None:
        with suppress(sqlite3.Error):
            if self.transactions:
                self.connection.execute("ROLLBACK")
            self.connection.execute('DELETE FROM "sys.dm_exec_sessions" WHERE session_id = ?', [self.spid])
        self.connection.close()

    def reset(self) -> None:
        if self.transactions:
            self._rollback([], {})
        self.isolation, self.only_metadata, self._xact_abort = "READ COMMITTED", False, False

    def run(self, sql: str, variables: dict[str, Token] | None = None) -> Iterator[Result]:
        """Run a batch; each statement gives a result."""
        try:
            yield from self.batch(sql, variables or {})
        except SqlError as error:
            self.error = error.number
            # Syntax is looked at before anything runs.
            if self._xact_abort and self.transactions and error.number != 102:
                self._rollback([], {})
            raise

    def batch(self, sql: str, variables: dict[str, Token]) -> Iterator[Result]:
        """As ``run``, but an error leaves the session as it is."""
        self._disturb(sql)
        if "sp_tablecollations_100" in sql:
            yield from self._bulk_target(sql)
            return
        for found in statements(sql):
            if not (tokens := self._fulfilled(found, variables)):
                yield Result(verb="IF")
            elif tokens[0].word in ("EXEC", "EXECUTE"):
                yield from self._execute(tokens, variables)
            else:
                result = self._statement(tokens, variables)
                result.verb = tokens[0].word
                yield result
            self.error = 0

    def _disturb(self, sql: str) -> None:
        """What a test wishes to happen to statements."""
        for rowid, number in self.connection.execute(
            "SELECT rowid, number FROM test_faults WHERE times > 0 AND instr(?, part)", [sql]
        ).fetchall():
            if self.transactions and (number == 1205 or self._xact_abort):
                # Before it is noted that it happened, which would be undone too.
                self._rollback([], {})
            self.connection.execute("UPDATE test_faults SET times = times - 1 WHERE rowid = ?", [rowid])
            raise SqlError(number, "so says the test")
        while self.connection.execute("SELECT 1 FROM test_waits WHERE instr(?, part)", [sql]).fetchone():
            self._sleep(0.1)

    def _bulk_target(self, sql: str) -> Iterator[Result]:
        """What bulk copies of clients ask first: open transactions, the table's columns, their collations."""
        yield self._statement(next(statements("SELECT @@TRANCOUNT")), {})
        table = re.search(r"sp_tablecollations_100 N'((?:[^']|'')*)'", sql)
        found = next(statements(f"SELECT TOP (0) * FROM {table[1] if table else ''}"))
        result = self._statement(found, {})
        yield result
        columns = [
            ("colid", Kind("int")),
            ("name", Kind("nvarchar", 128)),
            ("tds_collation_100", Kind("binary", 5)),
            ("collation_100", Kind("nvarchar", 128)),
        ]
        rows = (
            (i, name, COLLATION, COLLATION_NAME) if "char" in kind.name else (i, name, None, None)
            for i, (name, kind) in enumerate(result.columns, 1)
        )
        yield Result(columns, iter(list(rows)))

    def _statement(self, tokens: list[Token], variables: dict[str, Token]) -> Result:
        verb = tokens[0].word
        if verb not in self._verbs:
            raise SqlError(102, f"Incorrect syntax near '{tokens[0].text}'.", 15)
        if self.is_pool:
            tds_pool.check(tokens, in_transaction=self.transactions > 0)
        if self._parse_only and verb != "SET":
            return Result()
        try:
            return self._verbs[verb](tokens, variables)
        except sqlite3.Error as error:
            raise explained(error) from error
        except (TdsError, IndexError, KeyError, ValueError, StopIteration) as error:
            text = " ".join(t.text for t in tokens)[:200]
            raise SqlError(102, f"not known here: {error!r} in {text}", 15) from error

    def rewriter(self, variables: dict[str, Token]) -> Rewriter:
        known = {
            "@@spid": Token("number", str(self.spid)),
            "@@trancount": Token("number", str(self.transactions)),
            "@@error": Token("number", str(self.error)),
            "@@version": Token("text", "'Microsoft SQL Server (test)'"),
        }
        return Rewriter(self._reading.function, {**known, **variables})

    # expressions

    def _fulfilled(self, tokens: list[Token], variables: dict[str, Token]) -> list[Token]:
        """The statement; of one behind an IF, nothing where its condition is not true."""
        if tokens[0].word != "IF":
            return tokens
        at = 1
        while at < len(tokens) and tokens[at].word not in VERBS:
            at = closing(tokens, at) + 1
        if self._parse_only:
            return tokens[at:]
        condition = self.scalars(tokens[1:at], variables)
        try:
            (fulfilled,) = self.connection.execute(f"SELECT ({condition}) IS TRUE").fetchone()
        except sqlite3.Error as error:
            raise explained(error) from error
        return tokens[at:] if fulfilled else []

    def scalars(self, tokens: Sequence[Token], variables: dict[str, Token]) -> str:
        """A statement or expression for SQLite, in which OBJECT_ID and the like are known."""
        out: list[Token] = []
        at = 0
        while at < len(tokens):
            word = tokens[at].word
            if word in _SCALARS and tokens[at + 1 : at + 2] == [Token("mark", "(")]:
                end = closing(tokens, at + 1)
                value = self._scalar(word, [t.value for t in tokens[at + 2 : end] if t.kind == "text"])
                out.append(Token("word", "NULL") if value is None else value)
                at = end + 1
            else:
                out.append(tokens[at])
                at += 1
        return self.rewriter(variables).rewrite(out)

    def _scalar(self, word: str, arguments: list[str]) -> Token | None:
        if word in ("DB_NAME", "SUSER_SNAME"):
            return Token("text", "'test'")
        found: int | None
        if word == "SERVERPROPERTY":
            found = tds_pool.EDITION if self.is_pool else 3
        elif word == "XACT_STATE":
            found = min(self.transactions, 1)
        elif word == "SCHEMA_ID":
            found = self.catalogue.schema_id(arguments[0])
        elif word == "OBJECT_ID":
            found = self.catalogue.object_id(arguments[0])
        else:
            denied = "SELECT count(*) FROM test_denied WHERE instr(?, part)"
            found = int(not self.connection.execute(denied, [" ".join(arguments)]).fetchone()[0])
        return None if found is None else Token("number", str(found))

    # the session

    def _set(self, tokens: list[Token], variables: dict[str, Token]) -> Result:
        if tokens[1].text.startswith("@"):
            variables[tokens[1].text.lower()] = self._value(tokens[3:], variables)
            return Result()
        words = [token.word for token in tokens]
        if words[1] == "FMTONLY":
            self.only_metadata = words[2] == "ON"
        elif words[1] == "XACT_ABORT":
            self._xact_abort = words[2] == "ON"
        elif words[1] == "PARSEONLY":
            self._parse_only = words[2] == "ON"
        elif words[1] == "IDENTITY_INSERT":
            parts, at = chain(tokens, 2)
            self._identity_insert = table_name(parts) if tokens[at].word == "ON" else ""
        elif words[1:4] == ["TRANSACTION", "ISOLATION", "LEVEL"]:
            self.isolation = " ".join(words[4:])
        return Result()

    def _begin(self, _tokens: list[Token], _: dict[str, Token]) -> Result:
        if not self.transactions:
            self.connection.execute("BEGIN" if self.isolation == "SNAPSHOT" else "BEGIN IMMEDIATE")
        self.transactions += 1
        return Result()

    def _commit(self, _tokens: list[Token], _: dict[str, Token]) -> Result:
        if not self.transactions:
            raise SqlError(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        self.transactions -= 1
        if not self.transactions:
            self.connection.execute("COMMIT")
        return Result()

    def _rollback(self, _tokens: list[Token], _: dict[str, Token]) -> Result:
        if not self.transactions:
            raise SqlError(3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        self.transactions = 0
        with suppress(sqlite3.Error):
            self.connection.execute("ROLLBACK")
        return Result()

    def _wait(self, tokens: list[Token], _: dict[str, Token]) -> Result:
        hours, minutes, seconds = tokens[2].value.split(":")
        self._sleep(int(hours) * 3600 + int(minutes) * 60 + float(seconds))
        return Result()

    def _end(self, tokens: list[Token], _: dict[str, Token]) -> Result:
        if self.connection.execute("SELECT 1 FROM test_denied WHERE part = 'KILL'").fetchone():
            raise SqlError(6102, "User does not have permission to use the KILL statement.", 14)
        self._kill(int(tokens[1].text))
        return Result()

    def _copy(self, tokens: list[Token], _: dict[str, Token]) -> Result:
        if not self.is_pool:
            raise SqlError(102, "Incorrect syntax near 'COPY'.", 15)
        return Result(count=tds_pool.copy_into(self.connection, tokens))

    # the catalogue

    def _create(self, tokens: list[Token], _: dict[str, Token]) -> Result:
        self.catalogue.create(tokens)
        return Result()

    def _drop(self, tokens: list[Token], _: dict[str, Token]) -> Result:
        self.catalogue.drop(tokens)
        return Result()

    def _trigger(self, tokens: list[Token], _: dict[str, Token]) -> Result:
        self.catalogue.switch_trigger(tokens)
        return Result()

    def _value(self, tokens: list[Token], variables: dict[str, Token]) -> Token:
        """What an expression gives, as a literal."""
        (found,) = self.connection.execute(f"SELECT {self.scalars(tokens, variables)}").fetchone()
        return token_of(found)

    def _print(self, tokens: list[Token], variables: dict[str, Token]) -> Result:
        token = self._value(tokens[1:], variables)
        return Result(message=token.value if token.kind == "text" else token.text)

    def _declare(self, tokens: list[Token], variables: dict[str, Token]) -> Result:
        if equals := next((i for i, token in enumerate(tokens) if token.text == "="), 0):
            variables[tokens[1].text.lower()] = self._value(tokens[equals + 1 :], variables)
            return Result()
        at = 3 if tokens[2].word == "AS" else 2
        self.catalogue.declare(tokens[1].text, chain(tokens, at)[0])
        return Result()

    # rows

    def _truncate(self, tokens: list[Token], _: dict[str, Token]) -> Result:
        self.connection.execute(f"DELETE FROM {quote(table_name(chain(tokens, 2)[0]))}")
        return Result()

    def _change(self, tokens: list[Token], variables: dict[str, Token]) -> Result:
        return Result(count=self.connection.execute(self.scalars(tokens, variables)).rowcount)

    def _insert(self, tokens: list[Token], variables: dict[str, Token]) -> Result:
        parts, at = chain(tokens, 2)
        if tokens[1].word == "BULK":
            if self.connection.execute("SELECT 1 FROM test_denied WHERE part = 'BULK'").fetchone():
                raise SqlError(4834, "You do not have permission to use the bulk load statement.")
            self._bulk_table = table_name(parts)
            self._bulk_options = " ".join(t.word for t in tokens[closing(tokens, at) :])
            return Result()
        if tokens[at].word == "WITH":
            at = closing(tokens, at + 1) + 1
        names = [item[0].name for item in split(tokens[at + 1 : closing(tokens, at)])]
        self._check_identity(table_name(parts), names)
        return self._change(tokens, variables)

    def _check_identity(self, table: str, names: Sequence[str]) -> None:
        flags = self.catalogue.flags(f"SELECT * FROM {quote(table)}".replace(".", '"."', 1))
        given = any(flags.get(name, (False,))[0] for name in names)
        if given and self._identity_insert != table:
            raise SqlError(544, f"Cannot insert explicit value for identity column in table '{table}' when "
                                "IDENTITY_INSERT is set to OFF.")  # fmt: skip
        if self._identity_insert == table and not given:
            raise SqlError(545, f"Explicit value must be specified for identity column in table '{table}'.")

    def _delete(self, tokens: list[Token], variables: dict[str, Token]) -> Result:
        at = next((i for i, token in enumerate(tokens) if token.word == "OUTPUT"), 0)
        if not at:
            return self._change(tokens, variables)
        # DELETE TOP (n) FROM table OUTPUT deleted.a, ... INTO @rows (a, ...)
        table = quote(table_name(chain(tokens, 6)[0]))
        into = next(i for i, token in enumerate(tokens) if token.word == "INTO")
        names = ", ".join(quote(item[2].name) for item in split(tokens[at + 1 : into]))
        chosen = f"rowid IN (SELECT rowid FROM {table} LIMIT {tokens[3].text})"
        self.connection.execute(
            f"INSERT INTO {quote(tokens[into + 1].text)} ({names}) SELECT {names} FROM {table} WHERE {chosen}"
        )
        return Result(count=self.connection.execute(f"DELETE FROM {table} WHERE {chosen}").rowcount)

    def load(self, names: Sequence[str], rows: Sequence[Sequence[Value]]) -> int:
        """The rows of a bulk load, all or none."""
        marks = ", ".join("?" * len(names))
        table = self._bulk_table
        sql = f"INSERT INTO {quote(table)} ({', '.join(map(quote, names))}) VALUES ({marks})"
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            if "FIRE_TRIGGERS" not in self._bulk_options:
                self.connection.execute("INSERT INTO test_quiet VALUES (1)")
            self.connection.executemany(sql, rows)
            self.connection.execute("DELETE FROM test_quiet")
            self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            self.connection.execute("ROLLBACK")
            raise explained(error) from error
        return len(rows)

    def _select(self, tokens: list[Token], variables: dict[str, Token]) -> Result:
        return self._reading.select(tokens, variables)

    def _execute(self, tokens: list[Token], variables: dict[str, Token]) -> Iterator[Result]:
        """A procedure or ``sp_executesql``; what it gives to parameters comes back with OUTPUT."""
        if tokens[1].text == "(":
            yield from self.batch("".join(each.value for each in tokens if each.kind == "text"), {})
            return
        parts, at = chain(tokens, 1)
        if parts[-1].lower() == "sp_executesql":
            body = tokens[at].value
            # Behind the text and a comma: the types of the parameters, and a comma.
            at += 4
        else:
            body = self.catalogue.procedure(parts)
        given, returned = {}, {}
        for argument in split(tokens[at:]) if tokens[at:] else ():
            name, value = argument[0].text.lower(), argument[2]
            given[name] = variables.get(value.text.lower(), value)
            if argument[-1].word in ("OUT", "OUTPUT"):
                returned[value.text.lower()] = name
        yield from self.batch(body, given)
        variables.update({theirs: given[name] for theirs, name in returned.items()})
