"""What CREATE and DROP do to the database behind the TDS server, and its catalogue."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .tds_database import TYPES
from .tds_tsql import (
    ColumnDefinition,
    Rewriter,
    SqlError,
    Token,
    chain,
    closing,
    literal,
    quote,
    split,
    statements,
    table_definition,
    table_name,
)
from .tds_types import COLLATION_NAME, Kind


class Catalogue:
    """The schemas, tables, types, triggers and procedures of one connection's database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def number(self, sql: str, arguments: Sequence[str]) -> int | None:
        found = self._connection.execute(sql, arguments).fetchone()
        return int(found[0]) if found else None

    def schema_id(self, name: str) -> int | None:
        return self.number('SELECT schema_id FROM "sys.schemas" WHERE name = ? COLLATE NOCASE', [name])

    def object_id(self, name: str) -> int | None:
        """Of a table or procedure, by ``[schema].[table]`` as SQL."""
        parts, _ = chain(next(statements(name)), 0)
        found = self.table_id(table_name(parts))
        if found is not None:
            return found
        return self.number(
            "SELECT 1000000 + rowid FROM test_procedures WHERE name = ? COLLATE NOCASE", [table_name(parts)]
        )

    def table_id(self, name: str) -> int | None:
        """By ``schema.table`` without quotes."""
        schema, _, table = name.partition(".")
        return self.number(
            'SELECT object_id FROM "sys.tables" o JOIN "sys.schemas" s USING (schema_id) '
            "WHERE s.name = ? COLLATE NOCASE AND o.name = ? COLLATE NOCASE",
            [schema, table],
        )

    @contextmanager
    def _atomic(self) -> Iterator[None]:
        outer = not self._connection.in_transaction
        if outer:
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if outer:
                self._connection.execute("ROLLBACK")
            raise
        if outer:
            self._connection.execute("COMMIT")

    def create(self, tokens: list[Token]) -> None:
        what = tokens[1].word
        known = {
            "TABLE": self._create_table,
            "SCHEMA": self._create_schema,
            "TYPE": self._create_type,
            "TRIGGER": self._create_trigger,
            "PROCEDURE": self._create_procedure,
        }
        if what not in known:
            raise SqlError(102, f"Incorrect syntax near '{tokens[1].text}'.", 15)
        with self._atomic():
            known[what](tokens)

    def _create_schema(self, tokens: list[Token]) -> None:
        self._connection.execute(
            'INSERT INTO "sys.schemas" SELECT max(schema_id) + 1, ? FROM "sys.schemas"', [tokens[2].name]
        )

    def _within(self, name: str) -> int:
        schema, _, table = name.partition(".")
        schema_id = self.schema_id(schema)
        if schema_id is None:
            raise SqlError(
                2760,
                f'The specified schema name "{schema}" either does not exist or you do not have permission '
                "to use it.",
            )
        if self.table_id(name) is not None:
            raise SqlError(2714, f"There is already an object named '{table}' in the database.")
        return schema_id

    def _create_table(self, tokens: list[Token]) -> None:
        parts, at = chain(tokens, 2)
        name = table_name(parts)
        schema_id = self._within(name)
        columns, key, clustered = table_definition(tokens[at + 1 : closing(tokens, at)])
        enforced = not any(token.word == "ENFORCED" for token in tokens)
        self._create_columns(f"CREATE TABLE {quote(name)}", columns, key if enforced else ())
        number = self._note_object(name.partition(".")[2], schema_id, "U")
        self._note_columns(number, columns)
        self._note_key(number, [c.name.lower() for c in columns], key, 1 if clustered else 2)
        for column in columns:
            if column.identity:
                at_ = quote(column.name)
                self._connection.execute(
                    f"CREATE TRIGGER {quote(f'identity of {name}')} AFTER INSERT ON {quote(name)} "
                    f"WHEN NEW.{at_} IS NULL BEGIN UPDATE {quote(name)} SET {at_} = (SELECT "
                    f"COALESCE(MAX({at_}), 0) + 1 FROM {quote(name)}) WHERE rowid = NEW.rowid; END"
                )

    def _create_columns(self, create: str, columns: Sequence[ColumnDefinition], key: Sequence[str]) -> None:
        lines = [
            f"{quote(c.name)} {c.kind.affinity}{'' if c.nullable or c.identity else ' NOT NULL'}"
            f"{f' DEFAULT {c.default}' if c.default else ''}"
            for c in columns
        ]
        if key:
            lines.append(f"PRIMARY KEY ({', '.join(map(quote, key))})")
        self._connection.execute(f"{create} ({', '.join(lines)})")

    def _note_object(self, name: str, schema_id: int, kind: str) -> int:
        cursor = self._connection.execute(
            'INSERT INTO "sys.objects" (name, schema_id, type) VALUES (?, ?, ?)', (name, schema_id, kind)
        )
        return int(cursor.lastrowid or 0)

    def _note_columns(self, number: int, columns: Sequence[ColumnDefinition]) -> None:
        for index, c in enumerate(columns, 1):
            kind = TYPES.index(c.kind.name) + 1
            precision = c.kind.precision or {"int": 10, "bigint": 19}.get(c.kind.name, 0)
            collation = (c.collation or COLLATION_NAME) if "char" in c.kind.name else None
            self._connection.execute(
                'INSERT INTO "sys.columns" (object_id, column_id, name, user_type_id, system_type_id, '
                "max_length, precision, scale, is_nullable, is_identity, collation_name, declared) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, index, c.name, kind, kind, c.kind.max_length, precision, c.kind.scale, c.nullable,
                 c.identity, collation, str(c.kind)),
            )  # fmt: skip
            if c.default:
                self._connection.execute(
                    'INSERT INTO "sys.default_constraints" VALUES (?, ?, ?)',
                    (number, index, f"({c.default})"),
                )

    def _note_key(self, number: int, names: list[str], key: list[str], at: int) -> None:
        if not key or at != 1:
            self._connection.execute(
                'INSERT INTO "sys.indexes" (object_id, index_id, type) VALUES (?, 0, 0)', (number,)
            )
        if key:
            self._connection.execute(
                'INSERT INTO "sys.indexes" (object_id, index_id, type, is_primary_key, is_unique) '
                "VALUES (?, ?, ?, 1, 1)",
                (number, at, at),
            )
        for ordinal, name in enumerate(key, 1):
            self._connection.execute(
                'INSERT INTO "sys.index_columns" (object_id, index_id, column_id, key_ordinal) '
                "VALUES (?, ?, ?, ?)",
                (number, at, names.index(name.lower()) + 1, ordinal),
            )

    def _create_type(self, tokens: list[Token]) -> None:
        """``CREATE TYPE name AS TABLE (...)``."""
        parts, at = chain(tokens, 2)
        schema, _, name = table_name(parts).partition(".")
        columns, _, _ = table_definition(tokens[at + 3 : closing(tokens, at + 2)])
        schema_id = self.schema_id(schema) or 1
        number = self._note_object(f"TT_{name}", schema_id, "TT")
        self._note_columns(number, columns)
        self._connection.execute('INSERT INTO "sys.table_types" VALUES (?, ?, ?)', (number, name, schema_id))

    def declare(self, variable: str, parts: Sequence[str]) -> None:
        """A variable of a table type: a temporary table of that name."""
        schema, _, name = table_name(parts).partition(".")
        rows = self._connection.execute(
            'SELECT c.name, c.declared FROM "sys.table_types" t JOIN "sys.schemas" s USING (schema_id) '
            'JOIN "sys.columns" c ON c.object_id = t.type_table_object_id '
            "WHERE s.name = ? AND t.name = ? COLLATE NOCASE ORDER BY c.column_id",
            [schema, name],
        ).fetchall()
        if not rows:
            raise SqlError(2715, f"Cannot find data type {schema}.{name}.")
        self._connection.execute(f"DROP TABLE IF EXISTS temp.{quote(variable)}")
        columns = [ColumnDefinition(column, Kind.parse(kind)) for column, kind in rows]
        self._create_columns(f"CREATE TEMP TABLE {quote(variable)}", columns, ())

    def _create_trigger(self, tokens: list[Token]) -> None:
        """``CREATE TRIGGER name ON table AFTER INSERT AS`` and one INSERT from ``inserted``."""
        parts, at = chain(tokens, 2)
        trigger = table_name(parts).partition(".")[2]
        parts, at = chain(tokens, at + 1)
        name = table_name(parts)
        number = self.table_id(name)
        names = self._connection.execute(f"SELECT * FROM {quote(name)} LIMIT 0").description
        inserted = ", ".join(f"NEW.{quote(each[0])} AS {quote(each[0])}" for each in names)
        body = Rewriter(lambda n, _: n, {}).rewrite(tokens[at + 3 :])
        body = body.replace('"dbo.inserted"', f"(SELECT {inserted})")
        self._connection.execute('INSERT INTO "sys.triggers" VALUES (?, ?, 0)', (trigger, number))
        known = f'SELECT 1 FROM "sys.triggers" WHERE name = {literal(trigger)} AND parent_id = {number}'
        self._connection.execute(
            f"CREATE TRIGGER {quote(f'trigger {trigger} of {name}')} AFTER INSERT ON {quote(name)} "
            f"WHEN NOT EXISTS ({known} AND is_disabled) AND NOT EXISTS (SELECT 1 FROM test_quiet) "
            f"BEGIN {body}; END"
        )

    def switch_trigger(self, tokens: list[Token]) -> None:
        """``DISABLE TRIGGER name ON table``, and ``ENABLE``."""
        parts, at = chain(tokens, 2)
        number = self.table_id(table_name(chain(tokens, at + 1)[0]))
        self._connection.execute(
            'UPDATE "sys.triggers" SET is_disabled = ? WHERE name = ? COLLATE NOCASE AND parent_id = ?',
            (tokens[0].word == "DISABLE", parts[-1], number),
        )

    def _create_procedure(self, tokens: list[Token]) -> None:
        """``CREATE PROCEDURE name @parameter type, ... AS`` and one statement, or ``BEGIN ...; ... END``."""
        parts, at = chain(tokens, 2)
        start = next(i for i in range(at, len(tokens)) if tokens[i].word == "AS")
        given = [part[0].text.lower() for part in split(tokens[at:start]) if part]
        rest = tokens[start + 1 :]
        if rest[0].word == "BEGIN":
            rest = rest[1:-1]
        body = " ".join(token.text for token in rest)
        self._connection.execute(
            "INSERT INTO test_procedures VALUES (?, ?, ?)", (table_name(parts), ",".join(given), body)
        )

    def procedure(self, parts: Sequence[str]) -> str:
        found = self._connection.execute(
            "SELECT body FROM test_procedures WHERE name = ? COLLATE NOCASE", [table_name(parts)]
        ).fetchone()
        if found is None:
            raise SqlError(2812, f"Could not find stored procedure '{'.'.join(parts)}'.")
        return str(found[0])

    def drop(self, tokens: list[Token]) -> None:
        what = tokens[1].word
        if_exists = tokens[2].word == "IF"
        parts, _ = chain(tokens, 4 if if_exists else 2)
        name = table_name(parts)
        if what == "PROCEDURE":
            self._connection.execute("DELETE FROM test_procedures WHERE name = ?", [name])
            return
        if what == "TYPE":
            self._connection.execute('DELETE FROM "sys.table_types" WHERE name = ?', [parts[-1]])
            return
        number = self.table_id(name)
        if number is None:
            if if_exists:
                return
            raise SqlError(
                3701,
                f"Cannot drop the table '{name}', because it does not exist or you do not have permission.",
                11,
            )
        with self._atomic():
            self._connection.execute(f"DROP TABLE {quote(name)}")
            for catalogue in ("objects", "columns", "indexes", "index_columns", "partitions"):
                self._connection.execute(f'DELETE FROM "sys.{catalogue}" WHERE object_id = {number}')
            self._connection.execute(f'DELETE FROM "sys.triggers" WHERE parent_id = {number}')

    def count_rows(self) -> None:
        """What ``sys.partitions`` says of the tables."""
        self._connection.execute('DELETE FROM "sys.partitions"')
        for number, index, name in self._connection.execute(
            "SELECT o.object_id, i.index_id, s.name || '.' || o.name FROM \"sys.tables\" o "
            'JOIN "sys.schemas" s USING (schema_id) JOIN "sys.indexes" i USING (object_id) '
            "WHERE i.index_id < 2"
        ).fetchall():
            self._connection.execute(
                f'INSERT INTO "sys.partitions" SELECT {number}, {index}, 1, count(*), {number} '
                f"FROM {quote(name)}"
            )

    def flags(self, sql: str) -> dict[str, tuple[bool, str | None]]:
        """Of the columns of what ``SELECT * FROM table`` gives: identity or not, and the collation."""
        tokens = next(statements(sql))
        if [token.text for token in tokens[:3]] != ["SELECT", "*", "FROM"]:
            return {}
        number = self.table_id(table_name(chain(tokens, 3)[0]))
        found = self._connection.execute(
            'SELECT name, is_identity, collation_name FROM "sys.columns" WHERE object_id = ?', [number]
        )
        return {name: (bool(identity), collation) for name, identity, collation in found}
