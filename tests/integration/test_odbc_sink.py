"""How the ODBC sink writes: upsert, scripts, options of the insert, at least once; on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest
from postgres_rows import sql, tables
from servers.psqlodbc import odbc_url

import crossdock
from crossdock import Attempt, Location, Receipt, Sink, Split, Target, Unit, WriteMode
from crossdock_connectors.sql import odbc_dialects
from crossdock_connectors.sql.odbc import SPEC
from crossdock_connectors.sql.odbc_connection import Rows


def rows(*pairs: tuple[int | None, str | None]) -> pa.RecordBatch:
    ids, words = zip(*pairs, strict=True)
    return pa.record_batch({"id": pa.array(ids, pa.int64()), "w": pa.array(words, pa.string())})


def opened(url: str, **options: Any) -> Sink[pa.RecordBatch]:
    assert SPEC.open_sink is not None
    return SPEC.open_sink(SPEC.config.model_validate(options), Location.parse(odbc_url(url, "t")))


@contextmanager
def staged(
    sink: Sink[pa.RecordBatch], batches: Sequence[pa.RecordBatch]
) -> Iterator[tuple[bytes, list[tuple[Split, Receipt]]]]:
    """Each batch is a split of its own."""
    target, unit = Target(WriteMode.APPEND, batches[0].schema), Unit("t")
    sink.check(unit, target)
    handle, receipts = sink.begin(unit, target, "run").handle, []
    try:
        for index, batch in enumerate(batches):
            split = Split("t", index, b"")
            writer = sink.writer(handle, split, Attempt("run", 1))
            writer.write(batch)
            receipts.append((split, writer.finish()))
        yield handle, receipts
    finally:
        sink.cleanup(handle)


def append(url: str, *batches: pa.RecordBatch, **options: Any) -> None:
    sink = opened(url, **options)
    with staged(sink, batches) as (handle, receipts):
        sink.commit(handle, receipts)
        sink.commit(handle, receipts)  # as a resumed run may


class TestUpsert:
    @pytest.fixture(params=["known", "unknown"], autouse=True)
    def _database(
        self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, database: str
    ) -> None:
        """PostgreSQL, also as a database of which nothing is known."""
        known = odbc_dialects.KNOWN["postgresql"]
        if request.param == "unknown":
            bare = odbc_dialects.Known(schema=known.schema, attributes=known.attributes)
            monkeypatch.setitem(odbc_dialects.KNOWN, "postgresql", bare)
        sql(
            database,
            "CREATE TABLE t (w text, id bigint PRIMARY KEY, n int DEFAULT 5)",
            "INSERT INTO t VALUES ('old', 1, 8), ('stays', 9, 9)",
        )

    @pytest.mark.parametrize("options", [{"keys": ["id"]}, {}], ids=["named", "primary"])
    def test_rows_replace_those_with_their_keys(self, database: str, options: dict[str, Any]) -> None:
        for _ in range(2):
            append(database, rows((1, "a"), (2, None)), rows((3, "c")), write_behavior="upsert", **options)
        found = sql(database, "SELECT id, w, n FROM t ORDER BY id")
        assert found == [(1, "a", 8), (2, None, 5), (3, "c", 5), (9, "stays", 9)]
        assert tables(database) == ["t"]

    @pytest.mark.parametrize(
        ("first", "words"), [((3, "x"), "two rows have the same"), ((None, "x"), "a row has NULL among")]
    )
    def test_keys_that_tell_no_row_change_nothing(
        self, database: str, first: tuple[int | None, str], words: str
    ) -> None:
        with pytest.raises(crossdock.DataError, match=words):
            append(database, rows(first), rows((3, "c")), write_behavior="upsert")
        assert len(sql(database, "SELECT FROM t WHERE w IN ('old', 'stays')")) == 2
        assert tables(database) == ["t"]

    def test_rows_that_were_lost(self, database: str) -> None:
        sink = opened(database, write_behavior="upsert")
        with staged(sink, [rows((3, "c"))]) as (handle, receipts):
            table = next(name for name in tables(database) if name.endswith("_0_1"))
            sql(database, f"DELETE FROM {table}")
            with pytest.raises(crossdock.StageLostError, match="0 of 1 rows"):
                sink.commit(handle, receipts)

    def test_wrong_requests(self, database: str) -> None:
        for options, words in (
            ({"write_behavior": "upsert", "keys": ["x"]}, "the source has no column 'x'"),
            ({"keys": ["id"]}, "keys need write_behavior=upsert"),
        ):
            with pytest.raises(crossdock.UserError, match=words):
                append(database, rows((1, "a")), **options)
        with pytest.raises(crossdock.ConfigError, match="--mode append"):
            opened(database, write_behavior="upsert").check(
                Unit("t"), Target(WriteMode.OVERWRITE, rows((1, "a")).schema)
            )
        sql(database, "DROP TABLE t")
        with pytest.raises(crossdock.ConfigError, match=r"no primary key; name the columns with keys"):
            append(database, rows((1, "a")), write_behavior="upsert")


class TestScript:
    def test_it_runs_once_and_with_the_rows(self, database: str) -> None:
        sql(database, "CREATE TABLE t (id bigint, w text)", "CREATE TABLE runs (at text)")
        sql(database, "INSERT INTO t VALUES (-1, 'old')")
        sink = opened(database, pre_copy_script="DELETE FROM t; INSERT INTO runs VALUES ('a;b') -- once")
        with staged(sink, [rows((1, "a")), rows((2, "b"))]) as (handle, receipts):
            assert sql(database, "SELECT id FROM t") == [(-1,)]
            sink.commit(handle, receipts)
            sink.commit(handle, receipts)
        assert sql(database, "SELECT id FROM t ORDER BY 1") == [(1,), (2,)]
        assert sql(database, "SELECT at FROM runs") == [("a;b",)]

    @pytest.mark.parametrize(
        "script", ["DELETE FROM nowhere", "INSERT INTO t VALUES (1); UPDATE t SET x = 1"]
    )
    def test_a_wrong_one_is_refused_before_any_data(self, database: str, script: str) -> None:
        sql(database, "CREATE TABLE t (id bigint, w text)")
        sink = opened(database, pre_copy_script=script)
        with pytest.raises(crossdock.UserError, match=r"nowhere|\bx\b"):
            sink.check(Unit("t"), Target(WriteMode.APPEND, rows((1, "a")).schema))
        assert sql(database, "SELECT * FROM t") == []

    def test_what_a_statement_defines_a_later_one_has(self, database: str) -> None:
        """Nobody can look at the later one alone."""
        sql(database, "CREATE TABLE t (id bigint, w text)")
        script = "CREATE TEMP TABLE o (id int); INSERT INTO o VALUES (7); INSERT INTO t SELECT id FROM o"
        append(database, rows((1, "a")), pre_copy_script=script)
        assert sql(database, "SELECT id FROM t ORDER BY id") == [(1,), (7,)]

    def test_what_fails_takes_it_back(self, database: str) -> None:
        sql(database, "CREATE TABLE t (id bigint CHECK (id < 5), w text)", "INSERT INTO t VALUES (-1, 'old')")
        with pytest.raises(crossdock.DataError):
            append(database, rows((9, "a")), pre_copy_script="DELETE FROM t")
        assert sql(database, "SELECT id FROM t") == [(-1,)]


class TestOptions:
    def test_identity_and_nulls(self, database: str) -> None:
        sql(
            database,
            "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, w text DEFAULT 'it''s', n int)",
        )
        with pytest.raises(crossdock.UserError, match="DEFAULT"):
            append(database, rows((7, "a")))
        append(database, rows((7, None)), identity_insert=True)
        append(database, rows((8, None), (9, "x")), identity_insert=True, keep_nulls=False)
        assert sql(database, "SELECT id, w FROM t ORDER BY id") == [(7, None), (8, "it's"), (9, "x")]

    def test_the_table_is_locked_while_rows_are_moved(self, database: str) -> None:
        sql(
            database,
            "CREATE TABLE t (id bigint, w text)",
            "CREATE TABLE seen (locks bigint)",
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen SELECT "
            "count(*) FROM pg_locks WHERE relation = 't'::regclass AND mode = 'ShareRowExclusiveLock'; "
            "RETURN NEW; END $$",
            "CREATE TRIGGER note BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()",
        )
        append(database, rows((1, "a")))
        append(database, rows((2, "b")), table_lock=True)
        assert sql(database, "SELECT locks FROM seen") == [(0,), (1,)]

    def test_a_missing_table(self, database: str) -> None:
        with pytest.raises(crossdock.NotFoundError, match=r"no table public\.t"):
            append(database, rows((1, "a")), table_option="none")
        assert tables(database) == []

    def test_rows_of_a_round_trip(self, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes, insert = [], Rows.insert

        def noted(self: Rows, table: str, reader: Any, size: int) -> None:
            sizes.append(size)
            insert(self, table, reader, size)

        monkeypatch.setattr(Rows, "insert", noted)
        append(database, rows((1, "a"), (2, "b")), write_batch_size=1)
        append(database, rows((3, "c")))
        assert sizes == [1, 1000]
        assert sql(database, "SELECT id FROM t ORDER BY 1") == [(1,), (2,), (3,)]

    def test_what_is_not_known_of_the_database(self, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        known = odbc_dialects.KNOWN["postgresql"]
        bare = odbc_dialects.Known(schema=known.schema, attributes=known.attributes)
        monkeypatch.setitem(odbc_dialects.KNOWN, "postgresql", bare)
        for option in ("identity_insert", "table_lock"):
            with pytest.raises(crossdock.NotSupportedError, match=f"{option}: how PostgreSQL does that"):
                append(database, rows((1, "a")), **{option: True})
        assert tables(database) == []


class TestAtLeastOnce:
    @pytest.mark.parametrize("there", [True, False])
    def test_rows_show_split_by_split(self, database: str, there: bool) -> None:
        if there:
            sql(database, "CREATE TABLE t (w varchar(9), more int DEFAULT 7, id bigint)")
        sink = opened(database, delivery="at-least-once")
        with staged(sink, [rows((1, "a"), (2, "żółć")), rows((3, None))]) as (handle, receipts):
            found = sql(database, "SELECT id, w FROM t ORDER BY id")
            assert found == [(1, "a"), (2, "żółć"), (3, None)]
            assert tables(database) == ["t"]
            sink.commit(handle, receipts)
        assert sql(database, "SELECT count(*) FROM t") == [(3,)]
        assert any("at least once" in note for note in sink.notes())
        with pytest.raises(crossdock.ConfigError, match="cannot be verified"):
            sink.written(handle, receipts)  # type: ignore[attr-defined]

    def test_what_needs_a_transaction_is_refused(self, database: str) -> None:
        sql(database, "CREATE TABLE t (id bigint, w uuid)")
        direct = {"delivery": "at-least-once"}
        for more, words in (
            ({"write_behavior": "upsert"}, "no transaction for write_behavior=upsert"),
            ({"pre_copy_script": "DELETE FROM t"}, "no transaction for pre_copy_script"),
            ({"keep_nulls": False}, "no transaction for keep_nulls=false"),
            ({}, "the column w is uuid"),
        ):
            with pytest.raises(crossdock.UserError, match=words):
                append(database, rows((1, "a")), **direct, **more)
        with pytest.raises(crossdock.ConfigError, match="--mode append"):
            opened(database, **direct).check(Unit("t"), Target(WriteMode.OVERWRITE, rows((1, "a")).schema))
        assert sql(database, "SELECT * FROM t") == []
