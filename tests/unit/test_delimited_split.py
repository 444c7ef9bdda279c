"""DelimitedText: where files are cut, and that the pieces together are the file."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crossdock import DataError, FileFormat, ObjectInfo, Piece, PlanHint
from crossdock_connectors.formats.delimited import SPEC

SCAN = PlanHint(parallel=2, cheap_scan=True)


def opened(**options: Any) -> FileFormat:
    assert SPEC.open_format is not None
    return SPEC.open_format(SPEC.config(**options))


def plan(
    fmt: FileFormat, data: bytes, hint: PlanHint = SCAN, target: int = 10, path: str = "a.csv"
) -> list[Piece]:
    return list(fmt.plan(io.BytesIO(data), ObjectInfo(path, len(data), "v1"), hint, target))


def rows(fmt: FileFormat, data: bytes, pieces: list[Piece]) -> list[list[Any]]:
    about = ObjectInfo("a.csv", len(data), "v1")
    schema = fmt.schema(io.BytesIO(data), about)
    found = []
    for piece in pieces:
        with fmt.read(io.BytesIO(data), about, piece.token, schema) as batches:
            for batch in batches:
                assert batch.schema == schema
                found += [list(row.values()) for row in batch.to_pylist()]
    return found


def outcome(fmt: FileFormat, data: bytes, pieces: list[Piece]) -> list[list[Any]] | str:
    try:
        return rows(fmt, data, pieces)
    except DataError as error:
        return error.message


# "\r" alone ends a line for Arrow and the csv module alike only outside of quotes, so it is left out.
VALUES = st.text(st.sampled_from('ab ,"\n\t;é'), max_size=6)


@given(
    table=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=30),
    target=st.integers(1, 60),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    ending=st.sampled_from(["\n", "\r\n"]),
)
@example(table=[("a", '"\n"')] * 5, target=1, quoting=csv.QUOTE_MINIMAL, ending="\n")
@example(table=[("", "")] * 5, target=1, quoting=csv.QUOTE_ALL, ending="\n")
def test_pieces_of_any_size_hold_each_row_once(
    table: list[tuple[str, str]], target: int, quoting: Any, ending: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=quoting, lineterminator=ending)
    writer.writerows([("x", "y"), *table])
    data = out.getvalue().encode()
    fmt = opened(infer=False, null_value="\\N")
    pieces = plan(fmt, data, target=target)
    assert rows(fmt, data, pieces) == [list(row) for row in table]
    assert fmt.notes() == [] or len(pieces) == 1
    if target * 4 < len(data) and '\n"' not in data.decode() and "\n" not in "".join(map("".join, table)):
        assert len(pieces) > 1 or len(table) == 1


@given(
    text=st.lists(st.text(st.sampled_from('ab,"\n'), max_size=12), min_size=1, max_size=20),
    target=st.integers(1, 40),
)
def test_quotes_in_odd_places_never_change_what_is_read(text: list[str], target: int) -> None:
    """Whatever the bytes are: cut or not, the outcome is the same."""
    data = ("x\n" + "\n".join(line.replace(",", ";") for line in text)).encode()
    fmt = opened(infer=False)
    whole = plan(fmt, data, PlanHint(parallel=1), target)
    assert len(whole) == 1
    assert outcome(fmt, data, plan(fmt, data, target=target)) == outcome(fmt, data, whole)


def test_a_newline_in_quotes_far_over_the_scan_buffer_is_no_boundary() -> None:
    value = "line\n" * 700_000
    data = ("a,b\n" + f'1,"{value}"\n' * 3 + "2,x\n").encode()
    fmt = opened()
    pieces = plan(fmt, data, target=1_000_000)
    assert [piece.weight for piece in pieces] == [len(value) + 5] * 3 + [4]
    assert [row[0] for row in rows(fmt, data, pieces)] == [1, 1, 1, 2]


def test_pieces_are_about_as_large_as_asked() -> None:
    data = b"a,b\n" + b'1,"x"\n' * 100_000
    weights = [piece.weight for piece in plan(opened(), data, target=10_000)]
    assert sum(weights) == len(data) - 4
    assert max(weights) < 10_100


def test_the_same_file_gives_the_same_plan() -> None:
    data = b"a,b\n" + b'1,"x\ny"\n' * 1000
    assert plan(opened(), data) == plan(opened(), data)


def test_limits_of_the_sink_are_kept() -> None:
    data = b"a,b\n" + b"1,2\n" * 1000
    assert len(plan(opened(), data, PlanHint(4, max_splits=3, cheap_scan=True))) == 3
    assert len(plan(opened(), data, PlanHint(4, min_split_bytes=2000, cheap_scan=True))) == 2
    assert len(plan(opened(), data, PlanHint(4, max_splits=1, cheap_scan=True))) == 1


class Counting(io.BytesIO):
    """Counts the bytes that are read."""

    count = 0

    def readinto(self, buffer: Any) -> int:
        got = super().readinto(buffer)
        self.count += got
        return got

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def cost(hint: PlanHint, **options: Any) -> tuple[int, int, list[str]]:
    """Bytes read to plan a file of 4 MB, pieces, notes."""
    data = b"a,b\n" + b'1,"x"\n' * 700_000
    file, fmt = Counting(data), opened(**options)
    pieces = list(fmt.plan(file, ObjectInfo("a.csv", len(data), "v1"), hint, 1_000_000))
    return file.count, len(pieces), list(fmt.notes())


def test_a_file_is_looked_through_only_where_that_is_cheap() -> None:
    looked, pieces, notes = cost(SCAN)
    assert (looked > 4_000_000, pieces, notes) == (True, 5, [])
    looked, pieces, notes = cost(PlanHint(parallel=2))
    assert (looked < 100_000, pieces) == (True, 1)
    assert len(notes) == 1
    assert notes[0].startswith("a.csv was read by one worker because its values may hold newlines")
    assert "-s multiline=false" in notes[0]


def test_one_worker_needs_no_cut() -> None:
    looked, pieces, notes = cost(PlanHint(parallel=1, cheap_scan=True))
    assert (looked < 100_000, pieces, notes) == (True, 1, [])


@pytest.mark.parametrize("options", [{"multiline": "false"}, {"multiline": False}, {"quote": ""}])
def test_without_newlines_in_values_a_file_is_cut_unread(options: dict[str, Any]) -> None:
    looked, pieces, notes = cost(PlanHint(parallel=2), **options)
    assert (looked < 600_000, pieces, notes) == (True, 5, [])


@pytest.mark.parametrize(
    ("data", "options", "path", "reason"),
    [
        (b"a,b\n" + b"1,2\n" * 99, {"escape": "\\"}, "a.csv", "escaped characters"),
        (
            ("a,b\n" + "1,2\n" * 9).encode("utf-16"),
            {"encoding": "utf-16"},
            "a.csv",
            "from the middle of a file in utf-16",
        ),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), {}, "a.csv.gz", "it is compressed"),
        (b'a,b\n5" pipe,2\n' * 9, {}, "a.csv", "a quote in a value that does not start with one"),
        (b'a,b\n1,2\n3,"2\n' + b"1,2\n" * 9, {}, "a.csv", "a quote in a value that does not start with one"),
        (b"a,b\r" + b"1,2\r" * 9, {}, "a.csv", "no newline in it is known to end a row"),
    ],
)
def test_why_a_file_stays_whole_is_said(data: bytes, options: dict[str, str], path: str, reason: str) -> None:
    fmt = opened(**options)
    assert len(plan(fmt, data, path=path)) == 1
    (note,) = fmt.notes()
    assert note.startswith(f"{path} was read by one worker because ")
    assert reason in note


def test_many_files_make_one_note() -> None:
    fmt = opened()
    for number in range(3):
        plan(fmt, gzip.compress(b"a,b\n1,2\n", mtime=0), path=f"{number}.csv.gz")
    assert fmt.notes() == ["0.csv.gz (and 2 more files) was read by one worker because it is compressed"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_encodings_that_keep_ascii_are_cut(encoding: str) -> None:
    text = "ä,b\n" + "".join(f"{i},ö\n" for i in range(100))
    fmt = opened(encoding=encoding)
    data = text.encode(encoding)
    pieces = plan(fmt, data, target=100)
    assert len(pieces) > 4
    assert rows(fmt, data, pieces) == [[i, "ö"] for i in range(100)]


def test_neighbouring_pieces_share_no_byte() -> None:
    data = b"a,b\n" + b'1,"x\n"\n' * 50
    fmt = opened()
    pieces = plan(fmt, data, target=20)
    counts = [len(rows(fmt, data, [piece])) for piece in pieces]
    assert sum(counts) == 50
    assert all(left > 0 for left in itertools.chain(counts))
