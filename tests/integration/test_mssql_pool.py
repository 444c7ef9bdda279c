"""A dedicated SQL pool of Synapse as a sink: COPY INTO from a stage in Azure, and without one."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from azure.storage.blob import BlobServiceClient
from servers.azurite import ACCOUNT, KEY, Azurite
from servers.tunnel import tunnel
from tests.servers.sql_server import SqlServer, on_fake
from tests.servers.tds import TdsServer

import crossdock
from crossdock.fencing import fenced
from crossdock_connectors.sql import mssql_pool
from crossdock_connectors.sql.mssql_connection import Server
from crossdock_connectors.sql.mssql_sink import MssqlSink

HOST = f"{ACCOUNT}.blob.core.windows.net"
FETCHED = "the bytes went through this machine"


@dataclass
class Pool:
    """``stage``: a container of Azurite under the address that it would have in Azure."""

    server: SqlServer
    address: str
    folder: Path
    stage: str
    stage_options: dict[str, str]

    def copy(self, rows: pa.Table, table: str, mode: str = "append", **options: Any) -> Any:
        pq.write_table(rows, self.folder / "rows.parquet")
        verify, named = (
            options.pop("verify", False),
            {name: options.pop(name) for name in ("run_id", "home") if name in options},
        )
        staged = (
            {"stage": self.stage, "stage_options": self.stage_options} if options.pop("staged", True) else {}
        )
        return crossdock.copy(
            self.folder / "rows.parquet", f"{self.address}#{self.server.schema}.{table}", mode=mode,
            verify=verify, sink_options={"allow_copy_command": "true", **options}, **staged, **named,
        )  # fmt: skip

    def rows(self, what: str) -> list[tuple[Any, ...]]:
        return self.server.run(f"SELECT {what}")

    def copies(self) -> int:
        assert self.server.fake is not None
        return len(self.server.fake.database.copies())


@pytest.fixture
def pool(tds: TdsServer, azurite: Azurite, tmp_path: Path) -> Iterator[Pool]:
    name = f"c{uuid.uuid4().hex}"
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    with (
        on_fake(tds) as server,
        tunnel(azurite.port) as proxy,
        BlobServiceClient(azurite.url, credential, connection_verify=str(azurite.ca)) as blobs,
        blobs.create_container(name) as container,
    ):
        tds.database.fetches(HOST, azurite.url, azurite.ca)
        options = {"account_key": KEY, "proxy": proxy.url, "ca_bundle": str(azurite.ca)}
        address = tds.url(database="pool")
        yield Pool(server, address, tmp_path, f"https://{HOST}/{name}", options)
        assert list(container.list_blobs()) == []
        container.delete_container()


EVERY = pa.table({
    "b": pa.array([True, None]), "u8": pa.array([255, None], pa.uint8()),
    "i8": pa.array([-5, None], pa.int8()),
    "i16": pa.array([-3, None], pa.int16()), "u16": pa.array([65535, None], pa.uint16()),
    "i32": pa.array([-(2**31), None], pa.int32()), "i64": pa.array([2**63 - 1, None], pa.int64()),
    "f32": pa.array([1.5, None], pa.float32()), "f64": pa.array([0.1, None]),
    "d": pa.array([dt.date(1, 1, 1), None]),
    "at": pa.array([dt.datetime(9999, 12, 31, 23, 59, 59, 999999), None], pa.timestamp("us")),
    "fine": pa.array([1_577_934_245_123_456_700, None], pa.timestamp("ns")),
    "clock": pa.array([dt.time(23, 59, 59, 999999), None], pa.time64("us")),
    "dec": pa.array([Decimal("-12345678901234.5678"), None], pa.decimal128(18, 4)),
    "t": pa.array(["it's ä𝄞", None]), "bin": pa.array([b"\x00\xff", None]),
    "fixed": pa.array([b"abcd", None], pa.binary(4)),
})  # fmt: skip


def test_every_value_is_fetched_from_the_stage(pool: Pool) -> None:
    report = pool.copy(EVERY, "t", "error", verify=True)
    assert (report.rows_copied, report.verified, pool.copies()) == (2, True, 1)
    assert not [note for note in report.notes if FETCHED in note]
    back = pool.folder / "back.parquet"
    crossdock.copy(pool.server.url("t"), back)
    found = pq.read_table(back).cast(
        EVERY.schema.set(2, pa.field("i8", pa.int16())).set(4, pa.field("u16", pa.int32()))
    )
    assert found.to_pylist() == EVERY.to_pylist()
    assert pool.server.tables() == ["_crossdock_ledger", "t"]
    assert pool.rows(f"COUNT(*) AS n FROM [{pool.server.schema}].[_crossdock_ledger]") == [(0,)]


def test_without_a_stage_rows_go_by_bulk_copy(pool: Pool) -> None:
    pool.copy(EVERY, "t", "error", staged=False, verify=True)
    assert pool.copies() == 0
    assert pool.rows(f"i64, dec FROM [{pool.server.schema}].[t] WHERE b = 1") == [
        (2**63 - 1, Decimal("-12345678901234.5678"))
    ]


def test_what_the_statement_would_not_look_at_goes_through_this_machine(pool: Pool) -> None:
    """A datetime tells thirds of a hundredth: the server would round without a word."""
    pool.server.run("CREATE TABLE {s}.t (at datetime)")
    moment = dt.datetime(2024, 1, 1, 0, 0, 0, 3000)
    report = pool.copy(pa.table({"at": pa.array([moment], pa.timestamp("us"))}), "t")
    assert [note for note in report.notes if FETCHED in note]
    assert pool.copies() == 0
    assert pool.rows(f"at FROM [{pool.server.schema}].[t]") == [(moment,)]
    with pytest.raises(crossdock.DataError, match="finer than datetime"):
        pool.copy(pa.table({"at": pa.array([dt.datetime(2024, 1, 1, 0, 0, 0, 1)], pa.timestamp("us"))}), "t")


def test_characters_that_a_narrow_column_would_lose_are_refused(pool: Pool) -> None:
    pool.server.run("CREATE TABLE {s}.t (v varchar(10))")
    pool.copy(pa.table({"v": ["plain", None]}), "t")
    with pytest.raises(crossdock.DataError, match="would change; use nvarchar"):
        pool.copy(pa.table({"v": ["żółć"]}), "t")
    assert pool.copies() == 2
    assert pool.rows(f"v FROM [{pool.server.schema}].[t] ORDER BY v") == [(None,), ("plain",)]


@pytest.mark.parametrize("staged", [True, False])
def test_script_that_truncates_and_default_values(pool: Pool, staged: bool) -> None:
    """Both at once, as definitions have them; a pool truncates in no transaction."""
    pool.server.run(
        "CREATE TABLE {s}.t (id int, v nvarchar(10), tag nvarchar(10))", "INSERT INTO {s}.t (id) VALUES (9)"
    )
    rows = pa.table({"id": pa.array([1, 2], pa.int32()), "v": ["a", None]})
    pool.copy(
        rows, "t", staged=staged, pre_copy_script=f"TRUNCATE TABLE [{pool.server.schema}].[t]",
        default_values=json.dumps({"V": "it's", "tag": 7}),
    )  # fmt: skip
    assert pool.rows(f"id, v, tag FROM [{pool.server.schema}].[t] ORDER BY id") == [
        (1, "a", "7"),
        (2, "it's", "7"),
    ]
    with pytest.raises(crossdock.ConfigError, match="has no column 'w'"):
        pool.copy(rows, "t", staged=staged, default_values='{"w": "1"}')


def test_further_options_of_the_statement(pool: Pool) -> None:
    assert pool.server.fake is not None
    rows = pa.table({"id": pa.array([1], pa.int32())})
    pool.copy(rows, "t", copy_command_options='{"IDENTITY_INSERT": "\'ON\'"}')
    assert pool.server.fake.database.copies() == ["CREDENTIAL FILE_TYPE IDENTITY_INSERT"]
    for wrong in (
        '{"A) DROP TABLE x--": "1"}',
        '{"A": "1) --"}',
        '{"CREDENTIAL": "\'x\'"}',
        '{"MAXERRORS": "5"}',
    ):
        with pytest.raises(crossdock.ConfigError, match="copy_command_options"):
            pool.copy(rows, "t", copy_command_options=wrong)
    assert pool.rows(f"id FROM [{pool.server.schema}].[t]") == [(1,)]


def test_upsert(pool: Pool) -> None:
    pool.server.run(
        "CREATE TABLE {s}.t (id int NOT NULL, v nvarchar(20), kept int)",
        "INSERT INTO {s}.t (id, v, kept) VALUES (1, N'old', 7), (2, N'old', 7)",
    )
    rows = pa.table({"id": pa.array([2, 3], pa.int32()), "v": ["b", None]})
    pool.copy(rows, "t", write_behavior="upsert", keys="id")
    assert pool.rows(f"id, v, kept FROM [{pool.server.schema}].[t] ORDER BY id") == [
        (1, "old", 7), (2, "b", 7), (3, None, None),
    ]  # fmt: skip
    pool.copy(rows, "fresh", write_behavior="upsert", keys="id")
    assert pool.rows(f"id FROM [{pool.server.schema}].[fresh] ORDER BY id") == [(2,), (3,)]


def test_overwrite_in_one_transaction_or_not_at_all(pool: Pool) -> None:
    pool.server.run("CREATE TABLE {s}.t (id int)", "INSERT INTO {s}.t (id) VALUES (9)")
    pool.copy(pa.table({"id": pa.array([1], pa.int32())}), "t", "overwrite")
    assert pool.rows(f"id FROM [{pool.server.schema}].[t]") == [(1,)]
    with pytest.raises(crossdock.ConfigError, match="cannot replace"):
        pool.copy(pa.table({"other": ["x"]}), "t", "overwrite")
    assert pool.rows(f"id FROM [{pool.server.schema}].[t]") == [(1,)]


@pytest.mark.parametrize("mode", ["append", "error"])
def test_a_commit_whose_answer_is_lost_is_not_repeated(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Not even its script, which would throw the rows away."""
    commit, twice = MssqlSink.commit, []

    def again(self: MssqlSink, *given: Any) -> None:
        commit(self, *given)
        twice.append(self.is_committed(given[0]))
        commit(self, *given)

    monkeypatch.setattr(MssqlSink, "commit", again)
    if mode == "append":
        pool.server.run("CREATE TABLE {s}.t (id int)")
    script = f"DELETE FROM [{pool.server.schema}].[t]" if mode == "append" else ""
    pool.copy(pa.table({"id": pa.array([1], pa.int32())}), "t", mode, pre_copy_script=script)
    assert twice == [True]
    assert pool.rows(f"id FROM [{pool.server.schema}].[t]") == [(1,)]


def test_of_two_committers_one_moves_the_rows(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second comes while the first makes the table: the last goes on, the other finds it done."""
    prepare, commit, given = mssql_pool._prepare, MssqlSink.commit, []

    def late(*at: Any) -> None:
        prepare(*at)
        if len(given) == 1:
            given.append(1)
            commit(*given[0])

    def noted(self: MssqlSink, *what: Any) -> None:
        given.append((self, *what))
        commit(self, *what)

    monkeypatch.setattr(mssql_pool, "_prepare", late)
    monkeypatch.setattr(MssqlSink, "commit", noted)
    pool.copy(pa.table({"id": pa.array([1, 2], pa.int32())}), "t", "error")
    assert len(given) == 2
    assert pool.rows(f"id FROM [{pool.server.schema}].[t] ORDER BY id") == [(1,), (2,)]


def test_a_script_of_a_former_holder_does_nothing_any_more(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was held up between the look and its script, in which time another has done all of the copy."""
    pool.server.run("CREATE TABLE {s}.t (id int)", "INSERT INTO {s}.t (id) VALUES (9)")
    prepare, results = mssql_pool._prepare, []
    rows, script = pa.table({"id": pa.array([1, 2], pa.int32())}), f"DELETE FROM [{pool.server.schema}].[t]"

    def copy(lease: int) -> None:
        with fenced(lambda: None, lease):
            results.append(pool.copy(
                rows, "t", staged=False, pre_copy_script=script, run_id="held-up", home=tmp_path / str(lease)
            ))  # fmt: skip

    def held_up(*at: Any) -> None:
        monkeypatch.setattr(mssql_pool, "_prepare", prepare)
        copy(2)
        prepare(*at)

    monkeypatch.setattr(mssql_pool, "_prepare", held_up)
    copy(1)
    found = f"id FROM [{pool.server.schema}].[t] ORDER BY id"
    assert pool.rows(found) == [(1,), (2,)]
    copy(3)
    assert pool.rows(found) == [(1,), (2,)]
    assert [each.rows_copied for each in results] == [2, 2, 2]
    crossdock.settle("held-up", tmp_path / "3")


def test_a_transaction_that_fails_leaves_nothing(pool: Pool) -> None:
    assert pool.server.fake is not None
    pool.server.fake.database.fail(f"INSERT INTO [{pool.server.schema}].[t]", 515)
    with pytest.raises(crossdock.DataError):
        pool.copy(pa.table({"id": pa.array([1], pa.int32())}), "t", "error")
    assert pool.server.tables() == ["_crossdock_ledger"]
    assert pool.rows(f"COUNT(*) AS n FROM [{pool.server.schema}].[_crossdock_ledger]") == [(0,)]
    # What is tried again finds the table that it has made, and takes it for its own.
    pool.server.fake.database.fail(f"INSERT INTO [{pool.server.schema}].[t]", 40613)
    pool.copy(pa.table({"id": pa.array([1], pa.int32())}), "t", "error")
    assert pool.rows(f"id FROM [{pool.server.schema}].[t]") == [(1,)]


def test_a_warehouse_of_fabric_is_refused_ahead(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "edition", lambda *_: 11)
    with pytest.raises(crossdock.NotSupportedError, match="is a warehouse of Fabric, or a serverless"):
        pool.copy(pa.table({"id": pa.array([1], pa.int32())}), "t", "error", staged=False)
    assert pool.server.tables() == []


def test_at_least_once(pool: Pool) -> None:
    rows = pa.table({"id": pa.array(range(10), pa.int32())})
    pool.copy(rows, "t", "error", staged=False, delivery="at-least-once")
    pool.copy(rows, "t", "overwrite", staged=False, delivery="at-least-once")
    assert pool.rows(f"COUNT(*) AS n FROM [{pool.server.schema}].[t]") == [(10,)]


def test_procedures_are_refused_ahead(pool: Pool) -> None:
    options = {
        "write_behavior": "stored_procedure", "stored_procedure": "dbo.p",
        "stored_procedure_table_type": "dbo.k",
        "stored_procedure_table_type_parameter_name": "rows",
    }  # fmt: skip
    with pytest.raises(crossdock.NotSupportedError, match="dedicated SQL pool"):
        pool.copy(pa.table({"id": pa.array([1], pa.int32())}), "t", **options)
