"""``COPY INTO`` as it is generated: names and texts quoted, each credential in its form, no secret shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from crossdock import NotSupportedError, StagedFile, WriteMode
from crossdock_connectors.sql.mssql_copy_into import load, statement
from crossdock_connectors.sql.mssql_staging import Staging

URL = "https://contoso.blob.core.windows.net/landing/crossdock-stage-r/words-0123456789abcdef.parquet"


def file(credential: Any = "none", secret: str = "", url: str = URL, kind: str = "parquet") -> StagedFile:
    return StagedFile(url, kind, 1000, credential, secret)


class TestStatement:
    @pytest.mark.parametrize(
        ("given", "credential"),
        [
            (
                file("sas", "sv=1&sig=a'b%3D"),
                "(IDENTITY = 'Shared Access Signature', SECRET = 'sv=1&sig=a''b%3D')",
            ),
            (file("sas", "?sv=1"), "(IDENTITY = 'Shared Access Signature', SECRET = 'sv=1')"),
            (file("account key", "a2V5=="), "(IDENTITY = 'Storage Account Key', SECRET = 'a2V5==')"),
            (file("identity"), "(IDENTITY = 'Managed Identity')"),
        ],
    )
    def test_credentials(self, given: StagedFile, credential: str) -> None:
        assert statement("[dbo].[t]", ["id", "word"], given, "stage") == (
            f"COPY INTO [dbo].[t] ([id] 1, [word] 2) FROM '{URL}' "
            f"WITH (FILE_TYPE = 'PARQUET', CREDENTIAL = {credential})"
        )

    def test_of_the_server_instead_of_the_stage(self) -> None:
        made = statement("[t]", ["a"], file("account key", "a2V5=="), "managed_identity")
        assert made.endswith("WITH (FILE_TYPE = 'PARQUET', CREDENTIAL = (IDENTITY = 'Managed Identity'))")
        assert "a2V5" not in made

    def test_public(self) -> None:
        assert statement("[t]", ["a"], file(), "stage").endswith("WITH (FILE_TYPE = 'PARQUET')")

    def test_names(self) -> None:
        made = statement("[dbo].[a]]b]", ["x]; DROP TABLE y--", "it's", "жółć"], file(), "stage")
        assert made.startswith("COPY INTO [dbo].[a]]b] ([x]]; DROP TABLE y--] 1, [it's] 2, [жółć] 3) FROM '")

    @pytest.mark.parametrize(
        "given",
        [
            file(kind="avro"),
            file(url="https://blob.core.windows.net.evil.example/x"),
            file(url="file:///x.parquet"),
            file(url="http://contoso.blob.core.windows.net/x/y.parquet"),
            file("sas", "sig=ü"),
            file("sas", "sig=a\nb"),
        ],
    )
    def test_what_the_server_cannot_fetch(self, given: StagedFile) -> None:
        with pytest.raises(NotSupportedError) as caught:
            statement("[t]", ["a"], given, "stage")
        assert "sig" not in str(caught.value)


class Server:
    """Keeps what it was told."""

    where = "sql.example"

    def __init__(self) -> None:
        self.told = list[str]()

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        self.told.append(sql)
        return []

    def value(self, sql: str) -> Any:
        self.told.append(sql)
        return 42


STAGING = Staging(
    ("dbo", "words"), "dbo", "_crossdock_ab_", WriteMode.APPEND, pa.schema([("id", pa.int64())]), ["bigint"],
    ["bigint"], ["id"], pool=True,
)  # fmt: skip


def test_into_a_staging_table_of_the_attempt() -> None:
    server: Any = Server()
    receipt = load(server, STAGING, "_crossdock_ab_0_1001", file("sas", "sig=x"), "stage")
    assert (receipt.token, receipt.rows, receipt.bytes) == (b"_crossdock_ab_0_1001", 42, 1000)
    table = "[dbo].[_crossdock_ab_0_1001]"
    assert server.told == [
        f"DROP TABLE IF EXISTS {table}",
        f"CREATE TABLE {table} ([id] bigint NULL) WITH (HEAP, DISTRIBUTION = ROUND_ROBIN)",
        statement(table, ["id"], file("sas", "sig=x"), "stage"),
        f"SELECT COUNT_BIG(*) AS found FROM {table}",
    ]


def test_a_server_without_it_is_told_nothing() -> None:
    server: Any = Server()
    with pytest.raises(NotSupportedError, match=r"sql\.example has no COPY INTO"):
        load(server, replace(STAGING, pool=False), "_crossdock_ab_0_1001", file("sas", "sig=x"), "stage")
    assert server.told == []


def test_a_secret_shows_in_no_repr() -> None:
    assert "canary" not in repr(file("sas", "sig=canary"))
