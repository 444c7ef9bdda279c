"""The ODBC connector through the engine: PostgreSQL by psqlODBC; what is stored is read with ADBC."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from observing import expected_rows
from odbc_reading import read
from postgres_rows import ROWS, rows_of, sql, tables
from servers.psqlodbc import driver, odbc_url

import crossdock
from crossdock import Location, Target, Unit, WriteMode
from crossdock_connectors.sql import odbc_dialects
from crossdock_connectors.sql.odbc import SPEC


def visible(url: str) -> list[str]:
    """Those that are not staged for a run that can go on."""
    return [name for name in tables(url) if not name.startswith("_crossdock")]


class TestInto:
    @pytest.mark.parametrize("parallel", [1, 4])
    def test_a_table(self, database: str, parallel: int) -> None:
        sink = odbc_url(database, "mine")
        result = crossdock.copy("rows://here", sink, parallel_copies=parallel, verify=True)
        assert sql(database, "SELECT * FROM mine ORDER BY 1") == rows_of(expected_rows(ROWS))
        assert tables(database) == ["mine"]
        assert (result.rows_copied, result.verified) == (ROWS, True)

    def test_modes(self, database: str) -> None:
        sink = odbc_url(database, "public.t")
        crossdock.copy("rows://here", sink, source_options={"rows": "10"})
        with pytest.raises(crossdock.AlreadyExistsError):
            crossdock.copy("rows://here", sink)
        crossdock.copy("rows://here", sink, mode="append", source_options={"rows": "5"})
        assert len(sql(database, "SELECT * FROM t")) == 15
        sql(database, "CREATE INDEX kept ON t (id)")
        crossdock.copy("rows://here", sink, mode="overwrite", source_options={"rows": "7"})
        assert sql(database, "SELECT * FROM t ORDER BY 1") == rows_of(expected_rows(7))
        assert sql(database, "SELECT indexname::text FROM pg_indexes WHERE tablename = 't'") == [("kept",)]
        assert tables(database) == ["t"]

    def test_overwriting_a_table_of_another_shape(self, database: str) -> None:
        sql(database, "CREATE TABLE t (other text)", "INSERT INTO t VALUES ('x')")
        crossdock.copy("rows://here", odbc_url(database, "t"), mode="overwrite")
        assert sql(database, "SELECT * FROM t ORDER BY 1") == rows_of(expected_rows(ROWS))

    @pytest.mark.parametrize(
        ("declared", "words"),
        [
            ("id boolean", "id is bool"),
            ("id bigint, word varchar(2)", "too long"),
            ("id bigint, wrd text", "did you mean wrd"),
        ],
    )  # fmt: skip
    def test_a_table_that_cannot_take_the_rows_stays_as_it_is(
        self, database: str, declared: str, words: str
    ) -> None:
        rest = "" if "w" in declared else ", word text"
        sql(database, f"CREATE TABLE t ({declared}{rest}, value float8)")
        with pytest.raises((crossdock.UserError, crossdock.DataError), match=words):
            crossdock.copy("rows://here", odbc_url(database, "t"), mode="append")
        assert sql(database, "SELECT count(*) FROM t") == [(0,)]
        assert visible(database) == ["t"]

    @pytest.mark.parametrize(
        ("declared", "value"),
        [
            ("timestamptz", pa.array([0], pa.timestamp("s"))),
            ("timestamp(3)", pa.array([1], pa.timestamp("us"))),
            ("name", pa.array(["x" * 100])),
            ('"char"', pa.array(["long"])),
            ("regclass", pa.array(["public.t"])),
            ("oid", pa.array([-1], pa.int32())),
            ("zoned", pa.array([0], pa.timestamp("s"))),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_column_that_would_change_values_is_refused(
        self, database: str, tmp_path: Path, declared: str, value: pa.Array
    ) -> None:
        sql(database, "CREATE DOMAIN zoned AS timestamptz", f"CREATE TABLE t (v {declared})")
        pq.write_table(pa.table({"v": value}), tmp_path / "in.parquet")
        with pytest.raises(crossdock.SchemaMismatchError, match=r"t\.v is .*not every .* would stay"):
            crossdock.copy(str(tmp_path / "in.parquet"), odbc_url(database, "t"), mode="append")
        assert sql(database, "SELECT count(*) FROM t") == [(0,)]
        assert visible(database) == ["t"]

    def test_every_kind_of_column_that_takes_values_keeps_them(self, database: str, tmp_path: Path) -> None:
        moment = datetime(2024, 2, 29, 12, 0, 0, 1)
        values = {
            "boolean": pa.array([True]),
            "smallint": pa.array([-1], pa.int16()),
            "serial": pa.array([-1], pa.int32()),
            "bigserial": pa.array([2**62]),
            "real": pa.array([0.5], pa.float32()),
            "float8": pa.array([0.1]),
            "numeric(6,2)": pa.array([Decimal("1.25")], pa.decimal128(6, 2)),
            "text": pa.array(["żółć"]),
            "varchar(9)": pa.array(["😀"]),
            "char(2)": pa.array(["żó"]),
            "bytea": pa.array([b"\x00\xff"]),
            "date": pa.array([moment.date()]),
            "timestamp": pa.array([moment], pa.timestamp("us")),
            "time": pa.array([moment.time()], pa.time64("us")),
        }
        table = pa.table(list(values.values()), names=[f"c{number}" for number in range(len(values))])
        declared = ", ".join(f"c{number} {kind}" for number, kind in enumerate(values))
        sql(database, f"CREATE TABLE t ({declared})")
        pq.write_table(table, tmp_path / "in.parquet")
        crossdock.copy(str(tmp_path / "in.parquet"), odbc_url(database, "t"), mode="append")
        found = sql(database, "SELECT t.*, c6::text FROM t")[0]
        assert found[:6] + found[7:-1] == tuple(v for n, v in enumerate(rows_of(table)[0]) if n != 6)
        assert found[-1] == "1.25"

    def test_a_text_of_one_byte_a_character_takes_ascii(
        self, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """SQL Server puts a question mark for a character that a varchar has not; here it is PostgreSQL's."""
        known = replace(odbc_dialects.KNOWN["postgresql"], ascii=frozenset({"varchar"}))
        monkeypatch.setitem(odbc_dialects.KNOWN, "postgresql", known)
        sql(database, "CREATE TABLE t (a varchar(9), b text)")
        for texts in (("plain", "żółć"), ("żółć", "plain")):
            pq.write_table(pa.table({"b": [texts[1]], "a": [texts[0]]}), tmp_path / "in.parquet")
            copy = partial(
                crossdock.copy, str(tmp_path / "in.parquet"), odbc_url(database, "t"), mode="append"
            )
            if texts[0] == "plain":
                copy()
            else:
                with pytest.raises(crossdock.DataError, match="the column a has characters beyond ASCII"):
                    copy()
        assert sql(database, "SELECT * FROM t") == [("plain", "żółć")]

    def test_a_check_changes_nothing(self, database: str) -> None:
        """Also where an insert of no rows fires a trigger."""
        sql(
            database,
            "CREATE TABLE t (id bigint, word text, value float8)",
            "CREATE TABLE log (note text)",
            "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO log VALUES ('written'); RETURN NULL; END $$",
            "CREATE TRIGGER each AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION noted()",
        )
        sink = SPEC.open_sink(SPEC.config(), Location.parse(odbc_url(database, "t")))  # type: ignore[misc]
        sink.check(Unit("t"), Target(WriteMode.APPEND, expected_rows(1).schema))
        assert sql(database, "SELECT * FROM log") == []

    def test_uuids_are_parsed(self, database: str, tmp_path: Path) -> None:
        sql(database, "CREATE TABLE t (id uuid, n numeric(10,2))")
        table = pa.table(
            {
                "id": ["7d0b620b-eb65-44e3-b302-b4573472b209"],
                "n": pa.array([Decimal("1.5")], pa.decimal128(6, 1)),
            }
        )
        pq.write_table(table, tmp_path / "in.parquet")
        crossdock.copy(str(tmp_path / "in.parquet"), odbc_url(database, "t"), mode="append")
        assert sql(database, "SELECT id::text, n::text FROM t") == [
            ("7d0b620b-eb65-44e3-b302-b4573472b209", "1.50")
        ]

    def test_long_texts_among_short_ones(self, database: str, tmp_path: Path) -> None:
        """The parameters of one round trip stay small, and the rows are all there."""
        texts = [("x" * 300_000 if i % 50 == 0 else "ż") + str(i) for i in range(500)]
        pq.write_table(pa.table({"id": range(500), "t": texts}), tmp_path / "in.parquet", row_group_size=25)
        crossdock.copy(str(tmp_path / "in.parquet"), odbc_url(database, "t"))
        wanted = [(i, text) for i, text in enumerate(texts)]
        assert sql(database, "SELECT * FROM t ORDER BY id") == wanted

    def test_a_text_with_nul_is_refused(self, database: str, tmp_path: Path) -> None:
        pq.write_table(pa.table({"t": ["a\0b"]}), tmp_path / "in.parquet")
        with pytest.raises(crossdock.DataError, match="the column t has a text with a NUL"):
            crossdock.copy(str(tmp_path / "in.parquet"), odbc_url(database, "t"))
        assert visible(database) == []

    def test_types_come_from_the_driver_where_nothing_is_known(
        self, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = odbc_dialects.KNOWN["postgresql"]
        bare = odbc_dialects.Known(schema=known.schema, attributes=known.attributes)
        monkeypatch.setitem(odbc_dialects.KNOWN, "postgresql", bare)
        table = pa.table(
            {
                "i": pa.array([2**62], pa.int64()),
                "f": [0.1],
                "t": ["żółć"],
                "b": [b"\x00\xff"],
                "n": pa.array([Decimal("1.25")], pa.decimal128(10, 2)),
                "y": [True],
            }
        )
        pq.write_table(table, tmp_path / "in.parquet")
        crossdock.copy(str(tmp_path / "in.parquet"), odbc_url(database, "t"), verify=True)
        kinds = sql(
            database,
            "SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attnum) FROM pg_attribute "
            "WHERE attrelid = 't'::regclass AND attnum > 0",
        )
        assert kinds == [("bigint double precision text bytea numeric(10,2) boolean",)]
        assert sql(database, "SELECT i, f, t, b, n::text, y FROM t") == [
            (2**62, 0.1, "żółć", b"\x00\xff", "1.25", True)
        ]


class TestWithoutTablesInTransactions:
    """The database as one whose CREATE TABLE commits by itself: what Oracle's and MySQL's drivers say."""

    @pytest.fixture(autouse=True)
    def _less(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(odbc_dialects.Traits, "exact", property(lambda _: False))

    def test_modes(self, database: str) -> None:
        sink = odbc_url(database, "t")
        for mode, rows, expected in (("error", 10, 10), ("append", 5, 15), ("overwrite", 7, 7)):
            result = crossdock.copy("rows://here", sink, mode=mode, source_options={"rows": str(rows)})  # type: ignore[arg-type]
            assert sql(database, "SELECT count(*) FROM t") == [(expected,)]
        assert any("a new table is visible, empty, before its rows" in note for note in result.notes)
        assert tables(database) == ["t"]

    def test_a_commit_goes_on_behind_a_kill(self, database: str) -> None:
        """Killed between the new table and its rows; an other's table of that name is refused."""
        schema = expected_rows(1).schema
        sink = SPEC.open_sink(SPEC.config(), Location.parse(odbc_url(database)))  # type: ignore[misc]
        begun = sink.begin(Unit("t"), Target(WriteMode.ERROR, schema), "run")
        sql(database, "CREATE TABLE t (id bigint, word text, value float8)")
        with pytest.raises(crossdock.AlreadyExistsError):
            sink.commit(begun.handle, [])
        ledger = next(name for name in tables(database) if name.endswith("_ledger"))
        sql(database, f"INSERT INTO {ledger} VALUES (1)")
        sink.commit(begun.handle, [])
        assert sink.is_committed(begun.handle)
        sink.cleanup(begun.handle)
        assert tables(database) == ["t"]


class TestConnectionParts:
    @pytest.mark.parametrize("password", ["a;b}c{d=e%+ż", "};Database=postgres;X={", " a'b\"c\\d "])
    def test_a_password_cannot_be_another_part(self, database: str, tmp_path: Path, password: str) -> None:
        role = f"u{abs(hash(database + password))}"
        literal = password.replace("'", "''")
        sql(database, f"CREATE ROLE {role} LOGIN PASSWORD '{literal}'", "CREATE TABLE t AS SELECT 1 AS i")
        sql(database, f"GRANT SELECT ON t TO {role}")
        parts = odbc_url(database, "t").replace("uid=postgres", f"uid={role}")
        try:
            assert read(parts, tmp_path, password=password).num_rows == 1
            assert not any(
                password in path.read_text("latin-1") for path in tmp_path.rglob("*") if path.is_file()
            )
            with pytest.raises(crossdock.AuthError):
                read(parts, tmp_path, password=password + "x")
        finally:
            sql(database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")

    def test_a_connection_string(self, database: str, tmp_path: Path) -> None:
        sql(database, "CREATE TABLE t AS SELECT 1 AS i")
        port, name = database.rpartition(":")[2].split("/")
        text = f"Driver={{{driver()}}};Server=127.0.0.1;Port={port};Database={{{name}}};UID=postgres"
        assert read("odbc:///#t", tmp_path, connection_string=text).num_rows == 1

    def test_what_only_looks_like_a_library_is_a_value(
        self, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A password, a host of Somalia, an address; and a library that the administrator lists."""
        monkeypatch.setenv("CROSSDOCK_ODBC_DRIVERS", "/opt/x.so")
        sql(database, "CREATE TABLE t AS SELECT 1 AS i")
        more = "&host=db.example.so&at=https://db.example.so&loadext=/opt/x.so#"
        found = read(odbc_url(database, "t").replace("#", more), tmp_path, **{"password": "/a.so"})
        assert found.num_rows == 1
        monkeypatch.delenv("CROSSDOCK_ODBC_DRIVERS")
        with pytest.raises(crossdock.ConfigError, match="LOADEXT: a library"):
            read(odbc_url(database, "t").replace("#", more), tmp_path)
