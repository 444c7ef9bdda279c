"""Parquet files that are not as they should be: one sentence, never a crash, a hang or other data."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossdock import CrossdockError, DataError, FileFormat, ObjectInfo, PlanHint, ShortReadError
from crossdock_connectors.formats import parquet_read
from crossdock_connectors.formats.parquet import SPEC
from crossdock_connectors.formats.parquet_config import ParquetConfig


def sample(**options: Any) -> bytes:
    table = pa.table({"id": range(2000), "text": [f"value {i % 9}" for i in range(2000)]})
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=500, **options)
    return out.getvalue()


def named(data: bytes) -> ObjectInfo:
    return ObjectInfo("in/bad.parquet", len(data), "1")


def read_all(data: bytes, fmt: FileFormat | None = None, file: io.BytesIO | None = None) -> int:
    fmt = fmt or SPEC.open_format(ParquetConfig())
    info = named(data)
    file = file or io.BytesIO(data)
    schema = fmt.schema(file, info)
    count = 0
    for piece in fmt.plan(file, info, PlanHint(), 1):
        with fmt.read(file, info, piece.token, schema) as batches:
            count += sum(batch.num_rows for batch in batches)
    return count


GOOD = sample()
FOOTER = int.from_bytes(GOOD[-8:-4], "little")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "in/bad.parquet is empty"),
        (b"P", "does not end as a Parquet file does"),
        (b"PAR1", "does not end as a Parquet file does"),
        (b"PAR1PAR1", "does not end as a Parquet file does"),
        (b"PAR1" + bytes(4) + b"PAR1", "in/bad.parquet cannot be read as Parquet"),
        (b"id,text\n1,a\n2,b\n" * 9, "does not end as a Parquet file does"),
        (GOOD[:-1], "does not end as a Parquet file does"),
        (GOOD[: len(GOOD) // 2], "does not end as a Parquet file does"),
        (GOOD[-FOOTER - 8 :], "in/bad.parquet cannot be read as Parquet"),
        (GOOD[:-8] + b"\xff\xff\xff\xff" + b"PAR1", "in/bad.parquet cannot be read as Parquet"),
        (GOOD[:-8] + b"\xff\xff\xff\x0f" + b"PAR1", "in/bad.parquet cannot be read as Parquet"),
        (GOOD[:-4] + b"PARE", "in/bad.parquet is encrypted"),
        (GOOD[: -FOOTER - 8] + bytes(FOOTER) + GOOD[-8:], "in/bad.parquet cannot be read as Parquet"),
        (b"PAR1" + bytes(len(GOOD) - FOOTER - 12) + GOOD[-FOOTER - 8 :], "in/bad.parquet cannot be read"),
    ],
    ids=range(14),
)
def test_a_bad_file_is_a_data_error_that_names_it(data: bytes, says: str) -> None:
    with pytest.raises(DataError) as caught:
        read_all(data)
    assert says in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 2


def test_every_cut_is_noticed() -> None:
    small = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2, 3]}), small)
    for length in range(small.tell()):
        with pytest.raises(DataError):
            read_all(small.getvalue()[:length])


FLIP = """
import io
import pyarrow as pa, pyarrow.parquet as pq
from crossdock import CrossdockError, ObjectInfo, PlanHint
from crossdock_connectors.formats.parquet import SPEC
from crossdock_connectors.formats.parquet_config import ParquetConfig

lists = [[i] * (i % 3) for i in range(60)]
table = pa.table({"n": range(60), "t": [f"v{i % 5}" for i in range(60)], "l": lists})
out = io.BytesIO()
pq.write_table(table, out, row_group_size=30, write_page_index=True)
good = out.getvalue()
start = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
ends = {"read": 0, "refused": 0}
for position in range(start, len(good)):
    for mask in (0x01, 0x10, 0xFF):
        data = bytearray(good)
        data[position] ^= mask
        fmt, file = SPEC.open_format(ParquetConfig()), io.BytesIO(data)
        info = ObjectInfo("x.parquet", len(data), "")
        try:
            schema = fmt.schema(file, info)
            rows = 0
            for piece in fmt.plan(file, info, PlanHint(), 1):
                assert 0 <= piece.weight <= len(data) and piece.memory < 256 << 20, piece
                with fmt.read(file, info, piece.token, schema) as batches:
                    rows += sum(batch.num_rows for batch in batches)
            assert rows == 60, (position, mask, rows)
            ends["read"] += 1
        except CrossdockError as error:
            assert "x.parquet" in error.message, error
            assert error.exit_code == 2, error
            ends["refused"] += 1
assert pa.default_memory_pool().max_memory() < 64 << 20
print(ends["read"] > 100, ends["refused"] > 1000)
"""


def test_flipped_bits_in_the_footer(run_python: Callable[..., str]) -> None:
    """In a process of its own: pyarrow can end the process when it meets a damaged footer."""
    assert run_python(FLIP).split() == ["True", "True"]


def test_flipped_bits_in_a_page_are_found_by_its_checksum() -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": range(1000)}), out, write_page_checksum=True, compression="none")
    data = bytearray(out.getvalue())
    data[2000] ^= 1
    with pytest.raises(DataError, match=r"in/bad\.parquet cannot be read as Parquet") as caught:
        read_all(bytes(data))
    assert "CRC" in caught.value.detail


@pytest.mark.parametrize("fetch", [32 << 20, 1])
def test_a_body_cut_short_after_planning_is_a_data_error(fetch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_read, "_FETCH_BYTES", fetch)
    fmt, info = SPEC.open_format(ParquetConfig()), named(GOOD)
    schema = fmt.schema(io.BytesIO(GOOD), info)
    pieces = list(fmt.plan(io.BytesIO(GOOD), info, PlanHint(), 1))
    with fmt.read(io.BytesIO(GOOD[:-5000]), info, pieces[0].token, schema) as batches:
        assert sum(batch.num_rows for batch in batches) == 500
    with (
        pytest.raises(DataError, match=r"in/bad\.parquet"),
        fmt.read(io.BytesIO(GOOD[:-5000]), info, pieces[-1].token, schema) as batches,
    ):
        list(batches)


class Failing(io.BytesIO):
    """Fails at the n-th call that reads, like a store whose connection breaks."""

    def __init__(self, data: bytes, calls: int, error: BaseException) -> None:
        super().__init__(data)
        self.calls, self.error = calls, error

    def _count(self) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise self.error

    def read(self, size: int | None = -1) -> bytes:
        self._count()
        return super().read(size)

    def readinto(self, buffer: Any) -> int:
        self._count()
        return super().readinto(buffer)


@pytest.mark.parametrize("fetch", [32 << 20, 1])
@pytest.mark.parametrize("kind", [ShortReadError, ConnectionResetError, ValueError, KeyboardInterrupt])
def test_what_the_file_raises_keeps_its_identity(
    kind: type[BaseException], fetch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_read, "_FETCH_BYTES", fetch)
    cause = RuntimeError("the cause")
    for calls in range(5):
        error = kind("decrypt: the connection broke")
        error.__cause__ = cause
        with pytest.raises(kind) as caught:
            read_all(GOOD, file=Failing(GOOD, calls, error))
        assert caught.value is error
        assert error.__cause__ is cause


def test_the_consumers_error_is_not_taken_for_damage() -> None:
    fmt, info, file = SPEC.open_format(ParquetConfig()), named(GOOD), io.BytesIO(GOOD)
    schema = fmt.schema(file, info)
    (piece, *_) = fmt.plan(file, info, PlanHint(), 1)
    error = OSError("the sink is full")
    with (
        pytest.raises(OSError, match="the sink is full") as caught,
        fmt.read(file, info, piece.token, schema),
    ):
        raise error
    assert caught.value is error
    assert not isinstance(caught.value, CrossdockError)


@pytest.mark.parametrize("plaintext_footer", [False, True])
def test_an_encrypted_file_is_refused(plaintext_footer: bool) -> None:
    encryption = pytest.importorskip("pyarrow.parquet.encryption", reason="an optional part of pyarrow")

    class Kms(encryption.KmsClient):  # type: ignore[misc, name-defined]
        def __init__(self, config: Any) -> None:
            super().__init__()

        def wrap_key(self, key: bytes, master: str) -> bytes:
            return base64.b64encode(key)

    properties = encryption.CryptoFactory(Kms).file_encryption_properties(
        encryption.KmsConnectionConfig(),
        encryption.EncryptionConfiguration(
            footer_key="footer", column_keys={"column": ["id"]}, plaintext_footer=plaintext_footer
        ),
    )
    with pytest.raises(DataError, match=r"in/bad\.parquet is encrypted, which is not supported"):
        read_all(sample(encryption_properties=properties))


def test_a_deeply_nested_schema_is_refused() -> None:
    """Hand-made: one group in another, 20,000 times."""
    group, leaf = b"\x35\x02\x18\x01a\x15\x02\x00", b"\x15\x02\x25\x02\x18\x01a\x00"
    footer = b"\x15\x02\x19\xfc\xa1\x9c\x01" + group * 20_000 + leaf + b"\x16\x00\x19\x0c\x00"
    with pytest.raises(DataError, match=r"in/bad\.parquet cannot be read as Parquet"):
        read_all(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")


@pytest.mark.parametrize(
    "field",
    [
        b"\x29\xf1\xff\xff\xff\xff\xff\xff\xff\x7f",  # a list of 2**62 bools
        b"\x2b\xff\xff\xff\xff\xff\xff\xff\x7f\x33",  # a map of as many bytes
        b"\x29\xfc\xff\xff\xff\xff\xff\xff\xff\x7f",  # a list of as many structs: the schema itself
        b"\x16" + b"\xff" * 500_000,  # a number of some million bits
        b"\x2c" + b"\x1c" * 500_000,  # a struct in a struct in a struct
    ],
    ids=["bools", "map", "structs", "number", "nested"],
)
@pytest.mark.timeout(10)
def test_lengths_that_lie_cost_nothing(field: bytes) -> None:
    footer = field + b"\x00" * 20
    with pytest.raises(DataError, match=r"in/bad\.parquet cannot be read as Parquet"):
        read_all(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
