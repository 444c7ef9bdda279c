"""The database behind the TDS server: SQLite, with a catalogue that looks like SQL Server's."""

# ruff: noqa: E501, PLR0911, PLR0912 - statements of SQL and the table of what is understood are read in one piece.

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from .tds_tsql import (
    VERBS,
    Rewriter,
    SqlError,
    Token,
    chain,
    closing,
    declared,
    literal,
    quote,
    statements,
    table_definition,
    table_name,
)
from .tds_types import COLLATION, Kind, TdsError, Value, cast

_TYPES = ("bigint", "binary", "bit", "char", "date", "datetime", "datetime2", "datetimeoffset", "decimal", "float",
          "int", "money", "nchar", "nvarchar", "real", "smalldatetime", "smallint", "smallmoney", "time",
          "timestamp", "tinyint", "uniqueidentifier", "varbinary", "varchar", "xml", "sql_variant")  # fmt: skip
_CATALOGUE = """
CREATE TABLE "sys.schemas" (schema_id "int", name "nvarchar(128)");
CREATE TABLE "sys.objects" (object_id INTEGER PRIMARY KEY AUTOINCREMENT, name "nvarchar(128)", schema_id "int",
    type "char(2)", is_ms_shipped "bit" DEFAULT 0);
CREATE VIEW "sys.tables" AS SELECT * FROM "sys.objects" WHERE type = 'U';
CREATE TABLE "sys.types" (user_type_id "int", system_type_id "int", name "nvarchar(128)");
CREATE TABLE "sys.columns" (object_id "int", column_id "int", name "nvarchar(128)", user_type_id "int",
    system_type_id "int", max_length "smallint", precision "tinyint", scale "tinyint", is_nullable "bit",
    is_identity "bit", is_computed "bit" DEFAULT 0, is_hidden "bit" DEFAULT 0, declared "nvarchar(128)");
CREATE TABLE "sys.indexes" (object_id "int", index_id "int", type "tinyint", is_primary_key "bit",
    is_unique "bit", is_disabled "bit" DEFAULT 0, has_filter "bit" DEFAULT 0);
CREATE TABLE "sys.index_columns" (object_id "int", index_id "int", column_id "int", key_ordinal "tinyint");
CREATE TABLE "sys.partitions" (object_id "int", index_id "int", partition_number "int", rows "bigint");
CREATE TABLE test_faults (part, number, times);
CREATE TABLE test_procedures (name, body);
INSERT INTO "sys.schemas" VALUES (1, 'dbo'), (4, 'sys');
"""
_DESCRIBED = """
CREATE TEMP TABLE dm_described (column_ordinal "int", name "nvarchar(128)", is_nullable "bit",
    system_type_name "nvarchar(256)", is_identity_column "bit", is_computed_column "bit", error_number "int",
    error_message "nvarchar(4000)")
"""


@dataclass
class Database:
    """A database file, which the server and the tests share."""

    path: Path

    def create(self) -> None:
        connection = self.open()
        connection.executescript(f"PRAGMA journal_mode = wal; {_CATALOGUE}")
        connection.executemany('INSERT INTO "sys.types" VALUES (?, ?, ?)',
                               [(i, i, name) for i, name in enumerate(_TYPES, 1)])  # fmt: skip
        connection.close()

    def fail(self, part: str, number: int, times: int = 1) -> None:
        """Statements with ``part`` in them meet an error, so many times."""
        self._put("INSERT INTO test_faults VALUES (?, ?, ?)", part, number, times)

    def procedure(self, name: str, body: str) -> None:
        """A procedure is one SELECT with parameters."""
        self._put("INSERT INTO test_procedures VALUES (?, ?)", name, body)

    def _put(self, sql: str, *values: str | int) -> None:
        connection = self.open()
        try:
            connection.execute(sql, values)
        finally:
            connection.close()

    def open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        connection.execute("PRAGMA synchronous = off")
        connection.create_function(
            "tsql_cast", 2, lambda v, kind: cast(v, Kind.parse(kind)), deterministic=True
        )
        connection.create_function("tsql_datepart", 2, _datepart, deterministic=True)
        connection.create_function("tsql_iso", 1, _iso, deterministic=True)
        connection.create_collation("tsql_decimal", lambda a, b: _order(Decimal(a), Decimal(b)))
        connection.create_collation("tsql_offset", lambda a, b: _order(_utc(a), _utc(b)))
        return connection

    def rows(self, table: str) -> list[tuple[Value, ...]]:
        """All rows of ``schema.table``, for a test to look at."""
        connection = self.open()
        try:
            return connection.execute(f"SELECT * FROM {quote(table)}").fetchall()
        finally:
            connection.close()

    def tables(self) -> list[str]:
        connection = self.open()
        try:
            found = connection.execute('SELECT s.name || \'.\' || o.name FROM "sys.objects" o '
                                       'JOIN "sys.schemas" s USING (schema_id) ORDER BY 1')  # fmt: skip
            return [name for (name,) in found]
        finally:
            connection.close()


def _datepart(part: str, value: str | None) -> int | None:
    if value is None:
        return None
    if part.lower() != "nanosecond":
        raise ValueError(part)
    return int(value.partition(".")[2].partition(" ")[0].ljust(9, "0")[:9] or 0)


def _iso(value: Value) -> Value:
    """Style 126 of CONVERT."""
    return value.replace(" ", "T", 1).replace(" ", "") if isinstance(value, str) else value


def _order(a: object, b: object) -> int:
    return (a > b) - (a < b)  # type: ignore[operator]


def _utc(text: str) -> bytes:
    raw = Kind("datetimeoffset", scale=7).encode(text)
    return raw[6:9][::-1] + raw[1:6][::-1]


@dataclass
class Result:
    """An answer: columns and rows, or only how many rows were touched."""

    columns: list[tuple[str, Kind]] = field(default_factory=list)
    rows: Iterator[Sequence[Value]] = field(default_factory=lambda: iter(()))
    count: int | None = None


class Session:
    """One client's connection to the database."""

    def __init__(
        self, database: Database, spid: int, sleep: Callable[[float], None], kill: Callable[[int], None]
    ):
        self.database, self.spid = database, spid
        self._sleep, self._kill = sleep, kill
        self._connection = database.open()
        self._connection.execute(_DESCRIBED)
        self.transactions = 0
        self.only_metadata = False
        self.isolation = "READ COMMITTED"
        self.bulk_table = ""
        self.error = 0

    def close(self) -> None:
        self._connection.close()

    def reset(self) -> None:
        if self.transactions:
            self._rollback()
        self.isolation, self.only_metadata = "READ COMMITTED", False

    def run(self, sql: str, variables: dict[str, Token] | None = None) -> Iterator[Result]:
        """Run a batch; each statement gives a result."""
        try:
            yield from self._run(sql, variables or {})
        except SqlError as error:
            self.error = error.number
            raise

    def _run(self, sql: str, variables: dict[str, Token]) -> Iterator[Result]:
        for rowid, number in self._connection.execute(
            "SELECT rowid, number FROM test_faults WHERE times > 0 AND instr(?, part)", [sql]
        ).fetchall():
            if number == 1205 and self.transactions:
                self._rollback()
            self._connection.execute("UPDATE test_faults SET times = times - 1 WHERE rowid = ?", [rowid])
            raise SqlError(number, "so says the test")
        if "sp_tablecollations_100" in sql:
            yield from self._bulk_target(sql)
            return
        for tokens in statements(sql):
            yield self._statement(tokens, variables)
            self.error = 0

    def _bulk_target(self, sql: str) -> Iterator[Result]:
        """What bulk copies of clients ask first: open transactions, the table's columns and their collations."""
        yield self._statement(next(statements("SELECT @@TRANCOUNT")), {})
        table = re.search(r"sp_tablecollations_100 N'((?:[^']|'')*)'", sql)
        found = next(statements(f"SELECT TOP (0) * FROM {table[1] if table else ''}"))
        result = self._statement(found, {})
        yield result
        columns = [("colid", Kind("int")), ("name", Kind("nvarchar", 128)), ("tds_collation_100", Kind("binary", 5)),
                   ("collation_100", Kind("nvarchar", 128))]  # fmt: skip
        rows = ((i, name, COLLATION, "SQL_Latin1_General_CP1_CI_AS") if "char" in kind.name else (i, name, None, None)
                for i, (name, kind) in enumerate(result.columns, 1))  # fmt: skip
        yield Result(columns, iter(list(rows)))

    def _statement(self, tokens: list[Token], variables: dict[str, Token]) -> Result:
        try:
            return self._dispatch(tokens, variables)
        except sqlite3.Error as error:
            raise _explained(error) from error
        except (TdsError, IndexError, KeyError, ValueError, StopIteration) as error:
            raise SqlError(
                102, f"not known here: {error!r} in {' '.join(t.text for t in tokens)[:200]}", 15
            ) from error

    def _dispatch(self, tokens: list[Token], variables: dict[str, Token]) -> Result:
        verb = tokens[0].word
        second = tokens[1].word if len(tokens) > 1 else ""
        rewriter = Rewriter(self._function, {"@@spid": Token("number", str(self.spid)),
                                             "@@trancount": Token("number", str(self.transactions)),
                                             "@@error": Token("number", str(self.error)),
                                             "@@version": Token("text", "'Microsoft SQL Server (test)'"),
                                             **variables})  # fmt: skip
        if verb == "IF":
            return self._if(tokens, variables, rewriter)
        if verb == "SET":
            return self._set(tokens)
        if verb == "BEGIN" and second in ("TRAN", "TRANSACTION"):
            return self._begin()
        if verb in ("COMMIT", "ROLLBACK"):
            return self._commit() if verb == "COMMIT" else self._rollback()
        if verb == "CREATE" and second == "TABLE":
            return self._create(tokens)
        if verb == "CREATE" and second == "SCHEMA":
            self._write(f'INSERT INTO "sys.schemas" SELECT max(schema_id) + 1, {literal(tokens[2].name)} '
                        'FROM "sys.schemas"')  # fmt: skip
            return Result()
        if verb == "DROP" and second == "TABLE":
            return self._drop(tokens)
        if verb == "TRUNCATE":
            parts, _ = chain(tokens, 2)
            return Result(count=self._write(f"DELETE FROM {quote(table_name(parts))}") and None)
        if verb == "INSERT" and second == "BULK":
            self.bulk_table = table_name(chain(tokens, 2)[0])
            return Result()
        if verb in ("INSERT", "UPDATE", "DELETE"):
            return Result(count=self._write(rewriter.rewrite(tokens)))
        if verb in ("SELECT", "WITH"):
            return self._select(tokens, rewriter)
        if verb in ("EXEC", "EXECUTE"):
            return self._execute(tokens)
        if verb == "WAITFOR":
            hours, minutes, seconds = tokens[2].value.split(":")
            self._sleep(int(hours) * 3600 + int(minutes) * 60 + float(seconds))
            return Result()
        if verb == "KILL":
            self._kill(int(tokens[1].text))
            return Result()
        if verb == "USE":
            return Result()
        raise SqlError(102, f"Incorrect syntax near '{tokens[0].text}'.", 15)

    def _if(self, tokens: list[Token], variables: dict[str, Token], rewriter: Rewriter) -> Result:
        at = next(i for i, token in enumerate(tokens) if i and token.word in VERBS)
        condition = self._scalars(tokens[1:at], rewriter)
        (fulfilled,) = self._connection.execute(f"SELECT ({condition}) IS TRUE").fetchone()
        return self._dispatch(tokens[at:], variables) if fulfilled else Result()

    def _scalars(self, tokens: Sequence[Token], rewriter: Rewriter) -> str:
        """An expression in which OBJECT_ID and the like are known."""
        out: list[Token] = []
        at = 0
        while at < len(tokens):
            word = tokens[at].word
            called = tokens[at + 1 : at + 2] == [Token("mark", "(")]
            if called and word in ("OBJECT_ID", "SCHEMA_ID", "DB_NAME", "XACT_STATE"):
                end = closing(tokens, at + 1)
                value = self._scalar(word, [t.value for t in tokens[at + 2 : end] if t.kind == "text"])
                out.append(value)
                at = end + 1
            else:
                out.append(tokens[at])
                at += 1
        return rewriter.rewrite(out)

    def _scalar(self, word: str, arguments: list[str]) -> Token:
        if word == "XACT_STATE":
            return Token("number", str(min(self.transactions, 1)))
        if word == "SCHEMA_ID":
            return self._number(
                'SELECT schema_id FROM "sys.schemas" WHERE name = ? COLLATE NOCASE', arguments
            )
        if word != "OBJECT_ID":
            return Token("text", "'test'")
        parts, _ = chain(next(statements(arguments[0])), 0)
        schema, _, name = table_name(parts).partition(".")
        return self._number('SELECT object_id FROM "sys.objects" o JOIN "sys.schemas" s USING (schema_id) '
                            "WHERE s.name = ? COLLATE NOCASE AND o.name = ? COLLATE NOCASE", [schema, name])  # fmt: skip

    def _number(self, sql: str, arguments: Sequence[str]) -> Token:
        found = self._connection.execute(sql, arguments).fetchone()
        return Token("number", str(found[0])) if found else Token("word", "NULL")

    def _set(self, tokens: list[Token]) -> Result:
        words = [token.word for token in tokens]
        if words[1] == "FMTONLY":
            self.only_metadata = words[2] == "ON"
        elif words[1:4] == ["TRANSACTION", "ISOLATION", "LEVEL"]:
            self.isolation = " ".join(words[4:])
        return Result()

    # transactions

    def _begin(self) -> Result:
        if not self.transactions:
            self._connection.execute("BEGIN" if self.isolation == "SNAPSHOT" else "BEGIN IMMEDIATE")
        self.transactions += 1
        return Result()

    def _commit(self) -> Result:
        if not self.transactions:
            raise SqlError(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        self.transactions -= 1
        if not self.transactions:
            self._connection.execute("COMMIT")
        return Result()

    def _rollback(self) -> Result:
        if not self.transactions:
            raise SqlError(3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        self.transactions = 0
        with suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")
        return Result()

    def _write(self, sql: str) -> int:
        return self._connection.execute(sql).rowcount

    # tables

    def _create(self, tokens: list[Token]) -> Result:
        parts, at = chain(tokens, 2)
        name = table_name(parts)
        schema, _, table = name.partition(".")
        if self._scalar("OBJECT_ID", [f"[{schema}].[{table.replace(']', ']]')}]"]).kind == "number":
            raise SqlError(2714, f"There is already an object named '{table}' in the database.")
        schema_id = self._scalar("SCHEMA_ID", [schema])
        if schema_id.kind != "number":
            raise SqlError(2760, f'The specified schema name "{schema}" either does not exist or you do not '
                                 "have permission to use it.")  # fmt: skip
        columns, key, clustered = table_definition(tokens[at + 1 : closing(tokens, at)])
        lines = [f"{quote(c.name)} {c.kind.affinity}{'' if c.nullable else ' NOT NULL'}"
                 f"{f' DEFAULT {c.default}' if c.default else ''}" for c in columns]  # fmt: skip
        if key:
            lines.append(f"PRIMARY KEY ({', '.join(map(quote, key))})")
        outer = not self.transactions
        if outer:
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.execute(f"CREATE TABLE {quote(name)} ({', '.join(lines)})")
            cursor = self._connection.execute('INSERT INTO "sys.objects" (name, schema_id, type) VALUES (?, ?, ?)',
                                              (table, int(schema_id.text), "U"))  # fmt: skip
            self._note(int(cursor.lastrowid or 0), columns, key, clustered)
        except BaseException:
            if outer:
                self._connection.execute("ROLLBACK")
            raise
        if outer:
            self._connection.execute("COMMIT")
        return Result()

    def _note(self, number: int, columns, key: list[str], clustered: bool) -> None:  # type: ignore[no-untyped-def]
        for index, c in enumerate(columns, 1):
            kind = _TYPES.index(c.kind.name) + 1
            precision = c.kind.precision or {"int": 10, "bigint": 19}.get(c.kind.name, 0)
            self._connection.execute(
                'INSERT INTO "sys.columns" (object_id, column_id, name, user_type_id, system_type_id, max_length, '
                "precision, scale, is_nullable, is_identity, declared) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, index, c.name, kind, kind, c.kind.max_length, precision, c.kind.scale, c.nullable,
                 c.identity, str(c.kind)))  # fmt: skip
        at = 1 if clustered else 2
        if not key or not clustered:
            self._connection.execute('INSERT INTO "sys.indexes" VALUES (?, 0, 0, 0, 0, 0, 0)', (number,))
        if key:
            self._connection.execute(
                'INSERT INTO "sys.indexes" VALUES (?, ?, ?, 1, 1, 0, 0)', (number, at, at)
            )
        names = [c.name.lower() for c in columns]
        for ordinal, name in enumerate(key, 1):
            self._connection.execute('INSERT INTO "sys.index_columns" VALUES (?, ?, ?, ?)',
                                     (number, at, names.index(name.lower()) + 1, ordinal))  # fmt: skip

    def _drop(self, tokens: list[Token]) -> Result:
        if_exists = tokens[2].word == "IF"
        parts, _ = chain(tokens, 4 if if_exists else 2)
        schema, _, table = table_name(parts).partition(".")
        number = self._scalar("OBJECT_ID", [f"[{schema}].[{table.replace(']', ']]')}]"])
        if number.kind != "number":
            if if_exists:
                return Result()
            raise SqlError(3701, f"Cannot drop the table '{schema}.{table}', because it does not exist or you "
                                 "do not have permission.", 11)  # fmt: skip
        outer = not self.transactions
        if outer:
            self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(f"DROP TABLE {quote(f'{schema}.{table}')}")
        for catalogue in ("objects", "columns", "indexes", "index_columns", "partitions"):
            self._connection.execute(f'DELETE FROM "sys.{catalogue}" WHERE object_id = {number.text}')
        if outer:
            self._connection.execute("COMMIT")
        return Result()

    def load(self, names: Sequence[str], rows: Sequence[Sequence[Value]]) -> int:
        """The rows of a bulk load into ``bulk_table``, all or none."""
        marks = ", ".join("?" * len(names))
        sql = f"INSERT INTO {quote(self.bulk_table)} ({', '.join(map(quote, names))}) VALUES ({marks})"
        outer = not self.transactions
        try:
            if outer:
                self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(sql, rows)
            if outer:
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if outer:
                self._connection.execute("ROLLBACK")
            raise _explained(error) from error
        return len(rows)

    # reading

    def _select(self, tokens: list[Token], rewriter: Rewriter) -> Result:
        if any(token.word == "PARTITIONS" for token in tokens):
            self._count_rows()
        sql = self._scalars(tokens, rewriter)
        kinds = self._kinds(sql)
        kinds.update(declared(tokens))
        cursor = self._connection.execute(f"SELECT * FROM ({sql}) LIMIT 0" if self.only_metadata else sql)
        names = [each[0] for each in cursor.description]
        first = cursor.fetchone()
        columns = [(("" if i not in kinds and "(" in name else name), kinds.get(i) or _guess(first[i] if first else None))
                   for i, name in enumerate(names)]  # fmt: skip
        return Result(columns, _behind(first, cursor))

    def _kinds(self, sql: str) -> dict[int, Kind]:
        """The types of columns that come from a table as they are."""
        self._connection.execute("DROP VIEW IF EXISTS temp.tsql_kinds")
        self._connection.execute(f"CREATE TEMP VIEW tsql_kinds AS {sql}")
        found = {}
        for index, row in enumerate(
            self._connection.execute("PRAGMA temp.table_xinfo(tsql_kinds)").fetchall()
        ):
            with suppress(TdsError, ValueError):
                if row[2] not in ("", "INTEGER", "NUM", "TEXT", "BLOB"):
                    found[index] = Kind.parse(row[2])
        self._connection.execute("DROP VIEW temp.tsql_kinds")
        return found

    def _count_rows(self) -> None:
        self._connection.execute('DELETE FROM "sys.partitions"')
        for number, index, name in self._connection.execute(
            'SELECT o.object_id, i.index_id, s.name || \'.\' || o.name FROM "sys.objects" o JOIN "sys.schemas" s '
            'USING (schema_id) JOIN "sys.indexes" i USING (object_id) WHERE i.index_id < 2'
        ).fetchall():
            self._connection.execute(f'INSERT INTO "sys.partitions" SELECT {number}, {index}, 1, count(*) '
                                     f"FROM {quote(name)}")  # fmt: skip

    def _function(self, name: str, arguments: Sequence[Sequence[Token]]) -> str:
        if name != "dm_exec_describe_first_result_set":
            raise SqlError(208, f"Invalid object name '{name}'.")
        self._connection.execute("DELETE FROM dm_described")
        try:
            result = next(self.run(arguments[0][0].value))
            identity = self._identities(arguments[0][0].value)
            rows: list[tuple[Value, ...]] = [(i, column, 1, str(kind), column in identity, 0, None, None)
                                             for i, (column, kind) in enumerate(result.columns, 1)]  # fmt: skip
        except SqlError as error:
            rows = [(0, None, None, None, 0, 0, error.number, error.message)]
        self._connection.executemany("INSERT INTO dm_described VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        return "dm_described"

    def _identities(self, sql: str) -> set[str]:
        """The identity columns of what ``SELECT * FROM table`` gives."""
        tokens = next(statements(sql))
        if [token.text for token in tokens[:3]] != ["SELECT", "*", "FROM"]:
            return set()
        schema, _, table = table_name(chain(tokens, 3)[0]).partition(".")
        number = self._scalar("OBJECT_ID", [f"[{schema}].[{table.replace(']', ']]')}]"])
        found = self._connection.execute(
            f'SELECT name FROM "sys.columns" WHERE object_id = {number.text} AND is_identity'
        )
        return {name for (name,) in found}

    def _execute(self, tokens: list[Token]) -> Result:
        parts, at = chain(tokens, 1)
        found = self._connection.execute(
            "SELECT body FROM test_procedures WHERE name = ?", [table_name(parts)]
        ).fetchone()
        if found is None:
            raise SqlError(2812, f"Could not find stored procedure '{'.'.join(parts)}'.")
        variables = {}
        while at < len(tokens):
            variables[tokens[at].text.lower()] = tokens[at + 2]
            at += 4
        return next(self.run(found[0], variables))


def _behind(first: Sequence[Value] | None, cursor: sqlite3.Cursor) -> Iterator[Sequence[Value]]:
    if first is not None:
        yield first
        yield from cursor


def _guess(value: Value) -> Kind:
    if isinstance(value, int):
        return Kind("int" if abs(value) < 1 << 31 else "bigint")
    if isinstance(value, float):
        return Kind("float")
    if isinstance(value, bytes):
        return Kind("varbinary", 8000)
    return Kind("nvarchar", 4000)


def _explained(error: sqlite3.Error) -> SqlError:
    text = str(error)
    if found := re.match(r"no such table: (.*)", text):
        return SqlError(208, f"Invalid object name '{found[1]}'.")
    if found := re.match(r"no such column: (.*)", text):
        return SqlError(207, f"Invalid column name '{found[1]}'.")
    if "UNIQUE constraint" in text:
        return SqlError(2627, f"Violation of PRIMARY KEY constraint: {text}.", 14)
    if "NOT NULL constraint" in text:
        return SqlError(515, f"Cannot insert the value NULL: {text}.")
    if "locked" in text:
        return SqlError(1222, "Lock request time out period exceeded.")
    return SqlError(102, f"Incorrect syntax: {text}", 15)
