"""The digests behind ``--verify``: equal to a slow reference, blind to layout, sensitive to every change."""

from __future__ import annotations

import random
from datetime import date, datetime
from typing import Any

import digest_reference as reference
import numpy as np
import pyarrow as pa
import pytest
import xxhash
from digest_samples import INTS, MOMENT, SAME, SAMPLES, D
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock.digest import TableDigest, TableValue, canonical, compare
from crossdock.digest_mix import BLOCK
from crossdock.digest_range import ByteDigest
from crossdock.errors import InternalError, VerificationError

Array = pa.Array


def batch_of(*columns: Array) -> pa.RecordBatch:
    return pa.record_batch(list(columns), names=[f"c{i}" for i in range(len(columns))])


def value_of(*batches: pa.RecordBatch, schema: pa.Schema | None = None) -> TableValue:
    digest = TableDigest(schema or batches[0].schema)
    for batch in batches:
        digest.update(batch)
    return digest.value


def column(values: list[Any], kind: pa.DataType | None = None) -> TableValue:
    return value_of(batch_of(pa.array(values, kind)))


def check(*batches: pa.RecordBatch) -> None:
    """The digest equals the reference, at every offset."""
    found = value_of(*batches)
    assert (found.rows, found.first, found.second) == reference.digest(list(batches))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_type_at_every_offset_equals_the_reference(name: str) -> None:
    array = SAMPLES[name]
    for start in range(len(array) + 1):
        for length in (1, 2, None):
            check(batch_of(array.slice(start, length)))


def test_a_row_of_all_types_equals_the_reference() -> None:
    check(batch_of(*(array.slice(len(array) - 2) for array in SAMPLES.values())))


def test_a_repeated_type_in_one_row_does_not_cancel() -> None:
    one = value_of(batch_of(pa.array([0]), pa.array([0])))
    assert one != value_of(batch_of(pa.array([-(2**63)]), pa.array([-(2**63)])))


kinds = st.sampled_from(
    [
        (st.integers(-(2**63), 2**63 - 1), pa.int64()),
        (st.floats(), pa.float64()),
        (st.binary(max_size=80), pa.binary()),
        (st.text(max_size=700), pa.string()),
        (st.booleans(), pa.bool_()),
        (st.decimals(-(10**30), 10**30, places=3), pa.decimal128(38, 3)),
        (st.lists(st.none() | st.integers(-5, 5), max_size=4), pa.list_(pa.int8())),
    ]
)


ZERO = dict(
    zip(
        (
            pa.int64(),
            pa.float64(),
            pa.binary(),
            pa.string(),
            pa.bool_(),
            pa.decimal128(38, 3),
            pa.list_(pa.int8()),
        ),
        (0, 0.0, b"", "", False, D(0), []),
        strict=True,
    )
)


@st.composite
def batches(draw: st.DrawFn, columns: int = 3) -> pa.RecordBatch:
    rows = draw(st.integers(0, 12))
    arrays = []
    for _ in range(draw(st.integers(1, columns))):
        values, kind = draw(kinds)
        # Arrow builds some arrays with slack in front, so that offsets are not zero.
        front = draw(st.integers(0, 9))
        cells = draw(st.lists(st.none() | values, min_size=rows + front, max_size=rows + front))
        arrays.append(pa.array(cells, kind).slice(front))
    return batch_of(*arrays)


@settings(max_examples=150)
@given(batches())
def test_any_batch_equals_the_reference(batch: pa.RecordBatch) -> None:
    check(batch)


@settings(max_examples=60)
@given(batches(), st.randoms(use_true_random=False), st.integers(0, 12))
def test_order_and_cuts_do_not_count(batch: pa.RecordBatch, chance: random.Random, cut: int) -> None:
    whole = value_of(batch)
    order = list(range(batch.num_rows))
    chance.shuffle(order)
    assert value_of(batch.take(pa.array(order, pa.int64()))) == whole
    one, other = TableDigest(batch.schema), TableDigest(batch.schema)
    one.update(batch.slice(cut))
    other.update(batch.slice(0, cut))
    one.merge(other)
    assert one.value == whole
    assert value_of(batch.slice(0, cut)) + value_of(batch.slice(cut)) == whole


@settings(max_examples=100)
@given(batches(), st.data())
def test_one_changed_cell_is_found(batch: pa.RecordBatch, data: st.DataObject) -> None:
    if not batch.num_rows:
        return
    row = data.draw(st.integers(0, batch.num_rows - 1))
    place = data.draw(st.integers(0, batch.num_columns - 1))
    cells = batch.column(place).to_pylist()
    kind = batch.column(place).type
    cells[row] = ZERO[kind] if cells[row] is None else None
    changed = batch.set_column(place, f"c{place}", pa.array(cells, kind))
    assert value_of(changed) != value_of(batch)


@settings(max_examples=100)
@given(st.binary(max_size=1100), st.data())
def test_one_changed_byte_is_found(value: bytes, data: st.DataObject) -> None:
    before = column([value])
    assert column([value + b"\0"]) != before
    assert column([b"\0" + value]) != before
    if value:
        at = data.draw(st.integers(0, len(value) - 1))
        flip = data.draw(st.integers(1, 255))
        assert column([value[:at] + bytes([value[at] ^ flip]) + value[at + 1 :]]) != before
        assert column([value[:-1]]) != before


@pytest.mark.parametrize("size", [2, 9, 16, 17, 40, 64, 65, 130, 512])
def test_two_swapped_bytes_are_found(size: int) -> None:
    text = bytes((i * 37 + 11) % 251 for i in range(size))
    seen = {column([text])}
    for one in range(size):
        for other in (one + 1, one + 7, one + 8, one + 64):
            if other < size:
                cells = bytearray(text)
                cells[one], cells[other] = cells[other], cells[one]
                if bytes(cells) != text:
                    value = column([bytes(cells)])
                    assert value not in seen
                    seen.add(value)


def test_moving_values_is_found() -> None:
    base = batch_of(pa.array([1, 2, 3]), pa.array([4, 5, 6]))
    seen = {value_of(base)}
    for left, right in (
        ([2, 1, 3], [4, 5, 6]),  # swapped between rows
        ([4, 2, 3], [1, 5, 6]),  # swapped between columns of a row
        ([4, 5, 6], [1, 2, 3]),  # swapped columns
        ([1, 1, 3], [4, 4, 6]),  # a row lost, another doubled
        ([1, 2, 3], [4, 5, 7]),
        ([1, 2, 4], [4, 5, 6]),
        ([1, 2], [4, 5]),
        ([1, 2, 3, 3], [4, 5, 6, 6]),
    ):
        value = value_of(batch_of(pa.array(left), pa.array(right)))
        assert value not in seen
        seen.add(value)


def test_moving_text_between_neighbours_is_found() -> None:
    def pair(left: str, right: str) -> TableValue:
        return value_of(batch_of(pa.array([left]), pa.array([right])))

    assert len({pair("ab", "c"), pair("a", "bc"), pair("abc", ""), pair("", "abc"), pair("c", "ab")}) == 5


def test_moving_elements_of_lists_is_found() -> None:
    def lists(*cells: list[int | None] | None) -> TableValue:
        return column(list(cells), pa.list_(pa.int8()))

    values = [
        lists([1, 2], [3]),
        lists([1], [2, 3]),
        lists([2, 1], [3]),
        lists([1, 2], [3, None]),
        lists([1, 2], []),
        lists([1, 2], None),
        lists([1, 2], [None]),
        lists([1, 2], [0]),
    ]
    assert len(set(values)) == len(values)


def test_null_is_not_empty_nor_zero() -> None:
    for kind, nothing in (
        (pa.string(), ""),
        (pa.int64(), 0),
        (pa.float64(), float("nan")),
        (pa.bool_(), False),
    ):
        assert column([None], kind) != column([nothing], kind)
    both = [
        batch_of(pa.array(pair[:1], pa.int8()), pa.array(pair[1:], pa.int8()))
        for pair in ([None, 0], [0, None])
    ]
    assert value_of(both[0]) != value_of(both[1])


def test_float_rules() -> None:
    assert column([-0.0]) == column([0.0])
    odd = np.array([0x7FF8000000000001, 0xFFF8000000000000, 0x7FF0000000000001], np.uint64).view(np.float64)
    assert column([float("nan")] * 3) == value_of(batch_of(pa.array(odd)))
    assert column([float("inf")]) != column([float("nan")])


def test_undefined_bytes_under_nulls_do_not_count() -> None:
    mask = np.array([False, True, False])
    for kind in (np.int64, np.int32, np.float64, np.uint8):
        left = pa.array(np.array([1, 7, 3], kind), mask=mask)
        right = pa.array(np.array([1, 9, 3], kind), mask=mask)
        assert left.buffers()[1].to_pybytes() != right.buffers()[1].to_pybytes()
        assert value_of(batch_of(left)) == value_of(batch_of(right))
    valid = pa.py_buffer(b"\x05")
    offsets = pa.py_buffer(np.array([0, 1, 9, 10], np.int32))
    dirty = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"aGARBAGE!b"), valid)
    check(batch_of(dirty))
    assert value_of(batch_of(dirty)) == column(["a", None, "b"])
    views = pa.ListViewArray.from_arrays(
        pa.array([0, 0], pa.int32()),
        pa.array([2, 2], pa.int32()),
        pa.array([1, 2]),
        mask=pa.array([False, True]),
    )
    assert value_of(batch_of(views)) == column([[1, 2], None])
    wild = pa.DictionaryArray.from_buffers(
        pa.dictionary(pa.int32(), pa.string()),
        3,
        [valid, pa.py_buffer(np.array([0, -77, 1], np.int32))],
        pa.array(["a", "b"]),
    )
    assert value_of(batch_of(wild)) == column(["a", None, "b"])


def test_a_buffer_without_padding_is_not_read_beyond_its_end() -> None:
    memory = bytearray(b"the quick brown fox" + b"\xaa" * 100)
    text = pa.py_buffer(memory).slice(0, 19)
    offsets = pa.py_buffer(np.array([0, 3, 9, 15, 19, 19], np.int32))
    array = pa.StringArray.from_buffers(5, offsets, text)
    check(batch_of(array))
    before = value_of(batch_of(array))
    memory[19:] = b"\x55" * 100
    assert value_of(batch_of(array)) == before


@pytest.mark.parametrize("name", SAME)
def test_types_with_the_same_values_have_the_same_digest(name: str) -> None:
    values, types = SAME[name]
    first = pa.array(values, types[0])
    schema = batch_of(first).schema
    found = set()
    for kind in types:
        array = pa.array(
            first.to_pylist() if kind == types[0] else values, pa.float64() if kind is None else kind
        )
        if name == "floats":
            array = first.cast(kind)
        found.add(value_of(batch_of(array), schema=schema))
        assert canonical(batch_of(array).schema).types == canonical(schema).types
    assert len(found) == 1


def test_beyond_the_range_of_nanoseconds() -> None:
    far = [datetime(9999, 12, 31), datetime(1, 1, 1)]
    assert column(far, pa.timestamp("s")) == column(far, pa.timestamp("us"))
    assert column([d.date() for d in far]) == column(far, pa.timestamp("ms"))


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (pa.array([True, None, False]), pa.array([1, None, 0])),
        (pa.array([date(2024, 2, 29), None]), pa.array(["2024-02-29", None])),
        (pa.array([MOMENT, None]), pa.array(["2024-02-29 12:30:15", None])),
        (pa.array([D("1.25"), None], pa.decimal128(9, 2)), pa.array([1.25, None])),
        (pa.array([D("1.25"), None], pa.decimal128(9, 2)), pa.array(["1.25", None])),
        (
            pa.array([D("1.25"), None], pa.decimal128(9, 2)),
            pa.array([D("1.25000"), None], pa.decimal128(12, 5)),
        ),
        (pa.array([MOMENT, None], pa.timestamp("s")), pa.array([1709209815, None])),
        (pa.array([None, None], pa.string()), pa.nulls(2)),
        (pa.array(["7", None]), pa.array([7, None])),
        (pa.array([1.0, None]), pa.array([1, None])),
    ],
)
def test_a_sink_that_keeps_the_value_in_another_type(written: Array, found: Array) -> None:
    schema = batch_of(written).schema
    assert value_of(batch_of(found), schema=schema) == value_of(batch_of(written))


def test_what_another_type_cannot_hold_is_an_error() -> None:
    schema = pa.schema([("price", pa.decimal128(9, 2))])
    for array in (pa.array(["cheap"]), pa.array([1.255]), pa.array([D("1.255")], pa.decimal128(9, 3))):
        with pytest.raises(VerificationError, match="'price'"):
            value_of(batch_of(array), schema=schema)
    with pytest.raises(VerificationError, match="2 columns instead of 1"):
        value_of(batch_of(pa.array([1]), pa.array([2])), schema=schema)
    assert value_of(batch_of(pa.array([2])), schema=pa.schema([("b", pa.bool_())])) != column([True])


def test_large_batches_are_cut_into_blocks() -> None:
    rows = 2 * BLOCK + 77
    rng = np.random.default_rng(5)
    words = pa.array([None if n % 7 == 0 else "w" * int(n) for n in rng.integers(0, 90, rows)])
    whole = batch_of(
        words,
        words.dictionary_encode(),
        pa.array(rng.integers(0, 2**40, rows), mask=rng.random(rows) < 0.1),
        pa.array(rng.random(rows) < 0.5),
        pa.array([[i % 5] * (i % 3) for i in range(rows)]),
        pa.array(rng.integers(0, 9, rows)).cast(pa.decimal128(20, 0)),
    )
    cut = [whole.slice(at, 1000) for at in range(0, rows, 1000)]
    assert value_of(whole) == value_of(*cut)
    assert sum((value_of(part) for part in cut), TableValue()) == value_of(whole)
    check(whole.slice(BLOCK - 20, 40), whole.slice(BLOCK + 20, 9))


@pytest.mark.parametrize("name", SAMPLES)
def test_small_batches_of_every_type(name: str) -> None:
    array = SAMPLES[name]
    check(*(batch_of(array.slice(at, 1)) for at in range(len(array))))


def test_small_batches_without_columns_and_of_changing_types() -> None:
    bare = pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([])))
    assert value_of(bare, bare) == value_of(bare) + value_of(bare)
    digest = TableDigest(pa.schema([("c", pa.string())]))
    for kind in (pa.string(), pa.large_string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())):
        digest.update(batch_of(pa.array(["a", None], kind)))
    assert digest.value == column(["a", None] * 4)


def test_a_dictionary_is_not_taken_for_the_one_before() -> None:
    digest = TableDigest(pa.schema([("c", pa.dictionary(pa.int32(), pa.string()))]))
    shared = pa.array(["e", "f", "g"])
    dictionaries = [pa.array(["a", "b"]), pa.array(["c", "d"]), shared.slice(0, 2), shared.slice(1, 2)]
    for values in (*dictionaries, dictionaries[-1]):
        digest.update(batch_of(pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), values)))
        assert digest.value  # small batches are joined; this digests each with its own dictionary
    assert digest.value == column(["a", "b", "c", "d", "e", "f", "f", "g", "f", "g"])


def test_nothing_and_no_columns() -> None:
    assert column([], pa.int64()) == TableValue() == value_of(batch_of(pa.array([])))
    bare = pa.RecordBatch.from_struct_array(pa.array([{}, {}, {}], pa.struct([])))
    assert bare.num_rows == 3
    check(bare)
    assert value_of(bare).rows == 3


def test_the_input_is_not_changed() -> None:
    batch = batch_of(
        *(pa.array([1, 2, 3], kind) for kind in INTS), pa.array([-0.0, 1, 2]), pa.array(["a", "b", "c"])
    )
    before = [[b and b.to_pybytes() for b in c.buffers()] for c in batch.columns]
    value_of(batch)
    assert [[b and b.to_pybytes() for b in c.buffers()] for c in batch.columns] == before


def test_the_value_is_the_same_on_every_machine() -> None:
    batch = batch_of(pa.array([1, -2]), pa.array(["crossdock", None]), pa.array([0.5, float("nan")]))
    assert str(value_of(batch)) == "rows1:2:a42c755ca6bb29aa5e7f9ccc2d52aa35"


def test_the_text_form() -> None:
    value = TableValue(7, 2**64 - 1, 5)
    assert TableValue.parse(str(value)) == value
    assert value + TableValue(1, 1, 2**64 - 5) == TableValue(8, 0, 0)
    for text in ("rows2:7:" + "0" * 32, "rows1:7:12", "", "nonsense"):
        with pytest.raises(InternalError, match="not a table digest"):
            TableValue.parse(text)


def test_compare_says_what_differs() -> None:
    one, other = TableValue(2, 1, 1), TableValue(2, 1, 2)
    compare(one, TableValue(2, 1, 1))
    compare(5, 5)
    with pytest.raises(VerificationError, match="flights: 3 rows were read back where 2 were written"):
        compare(one, TableValue(3, 1, 1), "flights")
    with pytest.raises(VerificationError, match="flights: the values that were read back differ"):
        compare(one, other, "flights")
    with pytest.raises(VerificationError, match=r"a\.bin: the bytes that were read back differ"):
        compare(5, 6, "a.bin")


def test_byte_digest_of_pieces_is_that_of_the_whole() -> None:
    data = bytes(range(256)) * 50
    digest = ByteDigest()
    for start in range(0, len(data), 999):
        digest.update(memoryview(data)[start : start + 999])
    assert digest.value == xxhash.xxh3_128_intdigest(data)
    other = ByteDigest()
    other.update(pa.py_buffer(data[:-1]))
    assert other.value != digest.value
