"""What is said about columns that are text only because of a word for null; and moments with a zone."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crossdock
from crossdock import ObjectInfo
from crossdock_connectors.formats.delimited import SPEC


def notes(*files: bytes, **options: str) -> list[str]:
    assert SPEC.open_format is not None
    opened = SPEC.open_format(SPEC.config.model_validate(options))
    for number, data in enumerate(files):
        opened.schema(io.BytesIO(data), ObjectInfo(f"{number}.csv", len(data), "v1"))
    return list(opened.notes())


def test_where_what_and_how_to_mend_it() -> None:
    (note,) = notes(b'id,delay\n1,5\n2,"7"\n\n3,NA\n4,-2.5e3\n')
    assert note == (
        "0.csv, line 5: column 'delay' is text and no number because of 'NA'; "
        "-s 'null_value=NA|' reads that as null"
    )


def test_the_setting_mends_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,delay,x\n1,5,n/a\n2,NA,\n3,,1.5\n")
    note = crossdock.copy(tmp_path / "a.csv", tmp_path / "a.parquet").notes[0]
    setting = note.partition("null_value=")[2].partition("'")[0]
    assert setting == "NA|n/a|"
    options = {"null_value": setting}
    result = crossdock.copy(tmp_path / "a.csv", tmp_path / "b.parquet", source_options=options)
    assert result.notes == []
    assert pq.read_table(tmp_path / "b.parquet").to_pydict() == {
        "id": [1, 2, 3],
        "delay": [5, None, None],
        "x": [None, None, 1.5],
    }


def test_one_note_for_files_that_are_alike() -> None:
    data = b"id,n\n1,NULL\n2,4\n"
    (note,) = notes(data, data, data)
    assert note.startswith("0.csv, line 2: ")
    assert "(as in 2 more)" in note


def test_merged_files_have_it_too(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("n\n1\nNA\n")
    (note,) = crossdock.copy(tmp_path / "*.csv", tmp_path / "out.parquet").notes
    assert note.startswith("a.csv, line 3: column 'n'")


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\nx,NA\ny,z\n",  # a word among words
        b"a\nNA\nNA\n",  # no number at all
        b"a\n00501\nNA\n",  # text for another reason
        b"a\n1\n2\n",
        b'a,b\n1,"NA, or so"\n',
    ],
)
def test_what_is_no_such_column(data: bytes) -> None:
    assert notes(data) == []


def test_a_type_that_was_given_needs_no_note() -> None:
    assert notes(b"a\n1\nNA\n", types="a:string") == []


def test_a_word_far_into_the_file_has_no_line() -> None:
    data = b"a,b\n" + b"1,2\n" * 2_000_000 + b"1,NA\n"
    (note,) = notes(data)
    assert note.startswith("0.csv: column 'b' is text")


@pytest.mark.parametrize("more", range(8))
def test_the_last_value_is_sampled_whole(more: int) -> None:
    """However the length of the file divides."""
    data = b"d" * (more + 1) + b"\n" + b"2024-01-01\n" * 800_000
    assert SPEC.open_format is not None
    schema = SPEC.open_format(SPEC.config()).schema(io.BytesIO(data), ObjectInfo("a", len(data), "v1"))
    assert schema.field(0).type == pa.date32()


def test_a_moment_that_python_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,t\n1,9999-12-31 23:59:59.5-05:00\n")
    crossdock.copy(tmp_path / "a.csv", tmp_path / "a.parquet")
    (kind,) = {pq.read_schema(tmp_path / "a.parquet").field("t").type}
    assert kind == pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (("2024-01-01T00:00:00Z", "2024-06-01 12:00:00.25+02:00"), pa.timestamp("us", "UTC")),
        (("0001-01-01T00:00:00.5Z", "9999-12-31T23:59:59.25+05:00"), pa.timestamp("us", "UTC")),
        (("2024-01-01T00:00:00Z", "2024-01-01T00:00:00"), pa.string()),
        (("9999-12-31T23:59:59.5Z", "9999-12-31T23:59:59.5"), pa.string()),
    ],
)
def test_moments_with_a_zone(values: tuple[str, ...], kind: pa.DataType, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,t\n" + "".join(f"1,{value}\n" for value in values))
    crossdock.copy(tmp_path / "a.csv", tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.schema.field("t").type == kind
    if kind != pa.string():
        assert table["t"].cast(pa.timestamp("us")).to_pylist() == [
            moment.replace(tzinfo=None)
            for moment in pa.array(values).cast(pa.timestamp("us", "UTC")).to_pylist()
        ]
