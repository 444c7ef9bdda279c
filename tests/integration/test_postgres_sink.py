"""PostgreSQL as a sink, through the engine; what is stored is read with a session of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from observing import Record, expected_rows, journals
from postgres_rows import ROWS, rows_of, sql, stored, tables
from servers.psqlodbc import odbc_url

import crossdock
from crossdock import api


class TestInto:
    @pytest.mark.parametrize("parallel", [1, 4])
    def test_a_table(self, database: str, parallel: int) -> None:
        result = crossdock.copy("rows://here", f"{database}#mine", parallel_copies=parallel, verify=True)
        assert stored(database, "mine") == rows_of(expected_rows(ROWS))
        assert tables(database) == ["mine"]
        assert (result.rows_copied, result.verified) == (ROWS, True)

    def test_modes(self, database: str) -> None:
        sink = f"{database}#public.t"
        crossdock.copy("rows://here", sink, source_options={"rows": "10"})
        with pytest.raises(crossdock.AlreadyExistsError):
            crossdock.copy("rows://here", sink)
        crossdock.copy("rows://here", sink, mode="append", source_options={"rows": "5"})
        assert len(stored(database, "t")) == 15
        sql(database, "CREATE INDEX kept ON t (id)")
        crossdock.copy("rows://here", sink, mode="overwrite", source_options={"rows": "7"})
        assert stored(database, "t") == rows_of(expected_rows(7))
        assert sql(database, "SELECT indexname::text FROM pg_indexes WHERE tablename = 't'") == [("kept",)]
        assert tables(database) == ["t"]

    def test_upsert(self, database: str) -> None:
        sql(
            database,
            "CREATE TABLE t (id bigint PRIMARY KEY, word text)",
            "INSERT INTO t VALUES (0, 'old'), (1000, 'stays')",
        )
        options = {"write_behavior": "upsert", "keys": "id"}
        for _ in range(2):
            crossdock.copy(
                "rows://here",
                f"{database}#t",
                mode="append",
                map="id,word",
                sink_options=options,
                verify=True,
            )
        wanted = [(row[0], row[1]) for row in rows_of(expected_rows(ROWS).select(["id", "word"]))]
        assert stored(database, "t") == [*wanted, (1000, "stays")]

    def test_upsert_makes_the_key_and_refuses_to_go_without(self, database: str) -> None:
        options = {"write_behavior": "upsert", "keys": "id"}
        copy = {"mode": "append", "sink_options": options}
        crossdock.copy("rows://here", f"{database}#t", **copy)  # type: ignore[arg-type]
        crossdock.copy("rows://here", f"{database}#t", **copy)  # type: ignore[arg-type]
        assert stored(database, "t") == rows_of(expected_rows(ROWS))
        sql(database, "CREATE TABLE plain (LIKE t)")
        with pytest.raises(crossdock.ConfigError, match="no primary key or unique index over id"):
            crossdock.copy("rows://here", f"{database}#plain", **copy)  # type: ignore[arg-type]

    def test_script_runs_once_and_with_the_rows(self, database: str, source_record: Record) -> None:
        sql(database, "CREATE TABLE t (id bigint, word text, value float8)", "CREATE TABLE runs (at text)")
        sql(database, "INSERT INTO t VALUES (-1, 'old', 0)")
        script = "DELETE FROM t; INSERT INTO runs VALUES ('a;b') -- once"
        copy = {"mode": "append", "sink_options": {"pre_copy_script": script}}
        fail = source_record.options | {"splits": "20", "fail": "batch:RuntimeError", "fail_split": "12"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy("rows://here", f"{database}#t", source_options=fail, run_id="r", **copy)  # type: ignore[arg-type]
        assert stored(database, "t") == [(-1, "old", 0.0)]
        assert stored(database, "runs") == []
        api.resume("r")
        assert len(stored(database, "t")) == ROWS
        assert stored(database, "runs") == [("a;b",)]

    def test_a_wrong_script_is_refused_before_any_data(self, database: str, source_record: Record) -> None:
        sql(database, "CREATE TABLE t (id bigint)")
        with pytest.raises(crossdock.UserError, match="nowhere"):
            crossdock.copy(
                "rows://here",
                f"{database}#t",
                mode="append",
                source_options=source_record.options,
                sink_options={"pre_copy_script": "DELETE FROM nowhere"},
            )
        assert source_record.count("read") == 0

    @pytest.mark.parametrize("fires", [True, False])
    def test_triggers_and_the_lock(self, database: str, fires: bool) -> None:
        """A trigger that was disabled before stays so; the lock is held while the triggers see rows."""
        note = "INSERT INTO seen SELECT tg_name, count(*) FROM pg_locks WHERE relation = 't'::regclass"
        sql(
            database,
            "CREATE TABLE t (id bigint, word text, value float8)",
            "CREATE TABLE seen (name text, locks bigint)",
            f"CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {note} "
            "AND mode = 'ShareRowExclusiveLock'; RETURN NULL; END $$".replace("tg_name", "TG_NAME"),
            *(
                f"CREATE TRIGGER {name} AFTER INSERT ON t EXECUTE FUNCTION note()"
                for name in ("a", "b", "off")
            ),
            "ALTER TABLE t ENABLE ALWAYS TRIGGER b",
            "ALTER TABLE t DISABLE TRIGGER off",
        )
        options = {"fire_triggers": str(fires), "table_lock": str(fires)}
        for _ in range(2):
            crossdock.copy("rows://here", f"{database}#t", mode="append", sink_options=options)
        assert len(stored(database, "t")) == 2 * ROWS
        assert stored(database, "seen") == ([("a", 1), ("a", 1), ("b", 1), ("b", 1)] if fires else [])
        state = "SELECT tgname::text, tgenabled::text FROM pg_trigger ORDER BY 1"
        assert sql(database, state) == [("a", "O"), ("b", "A"), ("off", "D")]

    @pytest.mark.parametrize("kind", ["PROCEDURE", "FUNCTION"])
    def test_a_procedure_takes_the_rows(self, database: str, source_record: Record, kind: str) -> None:
        """In batches, in the transaction, once: also of a run that failed and was resumed."""
        returns = "RETURNS void " if kind == "FUNCTION" else ""
        sql(
            database,
            "CREATE TYPE entry AS (word text, more int, id bigint)",
            "CREATE TABLE kept (id bigint PRIMARY KEY, word text, by text)",
            "CREATE TABLE calls (n int)",
            f"CREATE {kind} keep(who text, lines entry[], odd boolean) {returns}LANGUAGE sql AS $$ "
            "INSERT INTO calls VALUES (cardinality(lines)); "
            "INSERT INTO kept SELECT id, word, who || odd FROM unnest(lines) WHERE more IS NULL $$",
        )
        options = {
            "write_behavior": "StoredProcedure", "stored_procedure": "keep",
            "stored_procedure_table_type": "public.entry",
            "stored_procedure_table_type_parameter_name": "lines",
            "stored_procedure_parameters": '{"who": "it\'s me ", "odd": true}', "write_batch_size": "300",
        }  # fmt: skip
        copy = {"mode": "append", "map": "id,word", "sink_options": options, "run_id": "r"}
        fail = source_record.options | {"splits": "20", "fail": "batch:RuntimeError", "fail_split": "12"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy("rows://here", database, source_options=fail, **copy)  # type: ignore[arg-type]
        assert stored(database, "kept") == stored(database, "calls") == []
        api.resume("r")
        wanted = [(*row, "it's me true") for row in rows_of(expected_rows(ROWS).select(["id", "word"]))]
        assert stored(database, "kept") == wanted
        assert stored(database, "calls") == [(100,), (300,), (300,), (300,)]
        assert tables(database) == ["calls", "kept"]
        for more, words in (
            ({"stored_procedure": "kep"}, r"no procedure public\.kep"),
            ({"stored_procedure_table_type": "ent"}, r"no composite type public\.ent"),
            ({"stored_procedure_table_type": ""}, "needs stored_procedure, "),
        ):
            with pytest.raises(crossdock.UserError, match=words):
                crossdock.copy(
                    "rows://here", database, **copy | {"run_id": None, "sink_options": options | more}
                )  # type: ignore[arg-type]

    def test_nulls_become_defaults_on_request(self, database: str, tmp_path: Path) -> None:
        sql(
            database, "CREATE TABLE t (id int, w text DEFAULT 'it''s', n int GENERATED ALWAYS AS (id) STORED)"
        )
        (tmp_path / "a.csv").write_text("id,w\n1,\n2,x\n")
        for keep in ("true", "false"):
            crossdock.copy(
                tmp_path / "a.csv", f"{database}#t", mode="append", sink_options={"keep_nulls": keep},
                source_options={"null_value": ""},
            )  # fmt: skip
        found = sql(database, "SELECT id, w FROM t ORDER BY id, w NULLS FIRST")
        assert found == [(1, None), (1, "it's"), (2, "x"), (2, "x")]

    def test_existing_columns_take_what_fits(self, database: str, tmp_path: Path) -> None:
        sql(
            database,
            "CREATE TABLE t (id smallint, price numeric(8,2), at timestamptz, u uuid, j jsonb, "
            "note varchar(4), "
            "extra int DEFAULT 5, serial int GENERATED ALWAYS AS IDENTITY)",
        )
        (tmp_path / "a.csv").write_text(
            "id,price,at,u,j,note\n"
            '1,2.50,2024-01-02T03:04:05Z,c8ecde7a-6dbd-4137-be1c-5f66dea5c278,"{""a"": 1}",abcd\n'
        )
        options = {"types": "price:string,u:string,j:string,note:string"}
        crossdock.copy(tmp_path / "a.csv", f"{database}#t", mode="append", source_options=options)
        query = (
            "SELECT id, price::text, extract(epoch from at)::bigint, u::text, j->>'a', note, extra, serial "
            "FROM t"
        )
        uuid = "c8ecde7a-6dbd-4137-be1c-5f66dea5c278"
        assert sql(database, query) == [(1, "2.50", 1704164645, uuid, "1", "abcd", 5, 1)]

    @pytest.mark.parametrize(
        ("column", "value"),
        [("smallint", "70000"), ("varchar(3)", "abcd"), ("numeric(8,2)", "1.255"), ("uuid", "nonsense")],
    )
    def test_a_value_that_does_not_fit_changes_nothing(
        self, database: str, tmp_path: Path, column: str, value: str
    ) -> None:
        sql(database, f"CREATE TABLE t (v {column})")
        (tmp_path / "a.csv").write_text(f"v\n{value}\n")
        options = {} if column == "smallint" else {"types": "v:string"}
        with pytest.raises(crossdock.DataError) as caught:
            crossdock.copy(tmp_path / "a.csv", f"{database}#t", mode="append", source_options=options)
        # Numbers are read as the column has them; of others the server sees that they do not fit.
        assert caught.value.side == ("source" if column.startswith(("smallint", "numeric")) else "sink")
        assert stored(database, "t") == []
        assert tables(database) == ["t"]

    @pytest.mark.parametrize("there", [True, False])
    def test_at_least_once(self, database: str, source_record: Record, there: bool) -> None:
        """Rows show as splits are done; a failed one leaves none, and the report says which it was."""
        if there:
            sql(database, "CREATE TABLE t (word varchar(90), more int DEFAULT 7, value float8, id bigint)")
            sql(database, "INSERT INTO t VALUES ('old', 0, 0, -1)")
        fail = source_record.options | {"splits": "20", "fail": "batch:RuntimeError", "fail_split": "12"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                "rows://here", f"{database}#t", mode="append", source_options=fail, run_id="r", verify=True,
                sink_options={"delivery": "at-least-once"},
            )  # fmt: skip
        seen = len(sql(database, "SELECT id FROM t"))
        assert 0 < seen < ROWS
        assert tables(database) == ["t"]
        result = api.resume("r")
        assert any("at least once" in note for note in result.notes)
        assert result.verified
        found = sql(database, "SELECT id, word, value FROM t WHERE id >= 0 ORDER BY id")
        assert found == rows_of(expected_rows(ROWS))
        assert tables(database) == ["t"]
        assert not there or sql(database, "SELECT DISTINCT more FROM t WHERE id >= 0") == [(7,)]

    def test_at_least_once_refuses_what_needs_a_transaction(self, database: str) -> None:
        sql(database, "CREATE TABLE t (id int, word uuid, value float8)")
        for mode, more, kind in (
            ("overwrite", {}, crossdock.ConfigError),
            ("append", {"pre_copy_script": "DELETE FROM t"}, crossdock.ConfigError),
            ("append", {"write_behavior": "upsert", "keys": "id"}, crossdock.ConfigError),
            ("append", {"keep_nulls": "false"}, crossdock.ConfigError),
            ("append", {"table_option": "none"}, crossdock.SchemaMismatchError),
        ):
            with pytest.raises(kind):
                crossdock.copy(
                    "rows://here", f"{database}#t", mode=mode,
                    sink_options={"delivery": "at-least-once"} | more,
                )  # fmt: skip
        assert stored(database, "t") == []
        assert tables(database) == ["t"]

    def test_a_failed_overwrite_leaves_the_old_table(self, database: str, source_record: Record) -> None:
        crossdock.copy("rows://here", f"{database}#t", source_options={"rows": "10"})
        fail = source_record.options | {"fail": "batch:bad value", "fail_split": "6"}
        with pytest.raises(crossdock.DataError):
            crossdock.copy("rows://here", f"{database}#t", mode="overwrite", source_options=fail)
        assert stored(database, "t") == rows_of(expected_rows(10))
        assert tables(database) == ["t"]

    @pytest.mark.parametrize("through", ["adbc", "odbc"])
    def test_only_what_was_in_flight_is_carried_again(
        self, database: str, source_record: Record, through: str
    ) -> None:
        sink = odbc_url(database, "t") if through == "odbc" else f"{database}#t"
        fail = source_record.options | {"splits": "20", "fail": "batch:RuntimeError", "fail_split": "12"}
        with pytest.raises(crossdock.InternalError) as caught:
            crossdock.copy(
                "rows://here",
                sink,
                source_options=fail,
                parallel_copies=2,
                run_id="r",
                verify=True,
            )
        assert caught.value.resumable
        assert "t" not in tables(database)
        done = api.show("r").splits_done
        assert done >= 8
        source_record.clear()
        result = api.resume("r")
        assert (result.splits_skipped, source_record.count("read")) == (done, 20 - done)
        assert stored(database, "t") == rows_of(expected_rows(ROWS))
        assert tables(database) == ["t"]

    @pytest.mark.parametrize("mode", ["overwrite", "append"])
    def test_lost_staging_starts_over(self, database: str, source_record: Record, mode: str) -> None:
        """A crash of the server empties tables that are not logged; somebody drops them."""
        sql(database, "CREATE TABLE t (id bigint, word text, value float8)")
        fail = source_record.options | {"splits": "20", "fail": "batch:RuntimeError", "fail_split": "12"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                "rows://here",
                f"{database}#t",
                source_options=fail,
                run_id="r",
                mode=mode,  # type: ignore[arg-type]
            )
        staged = [name for name in tables(database) if name.startswith("_crossdock") and "ledger" not in name]
        sql(database, f"TRUNCATE {staged[0]}")
        api.resume("r")
        assert len(stored(database, "t")) == ROWS
        assert tables(database) == ["t"]

    def test_forget_removes_what_is_staged(self, database: str, home: Path, source_record: Record) -> None:
        fail = source_record.options | {"splits": "20", "fail": "batch:RuntimeError", "fail_split": "12"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy("rows://here", f"{database}#t", source_options=fail, run_id="r")
        assert tables(database) != []
        api.forget("r")
        assert tables(database) == []
        assert journals(home) == []
