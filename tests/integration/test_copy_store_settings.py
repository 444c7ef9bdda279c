"""Store settings of definitions: which files are read and how they are written, by what is there then."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import pyarrow.parquet as pq
import pytest
from copy_definitions import Json, Made


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path)
    made.source, made.sink = made.dataset("Binary", "in"), made.dataset("Binary", "out")
    made.activity = {
        "source": {"type": "BinarySource", "storeSettings": {"type": "FileServerReadSettings"}},
        "sink": {"type": "BinarySink", "storeSettings": {"type": "FileServerWriteSettings"}},
    }
    for day, name in enumerate(("a.csv", "b.txt", "y=1/c.csv", "y=2/m=5/d.csv"), 1):
        made.write(f"in/{name}", f"k\n{day}\n")
        at = datetime(2024, 1, day, tzinfo=UTC).timestamp()
        os.utime(made.data / "in" / name, (at, at))
    made.write("list.txt", "a.csv\ny=1/c.csv\n")
    return made


def written(made: Made) -> list[str]:
    out = made.data / "out"
    return sorted(each.relative_to(out).as_posix() for each in out.rglob("*") if each.is_file())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["a.csv", "b.txt", "y=1/c.csv", "y=2/m=5/d.csv"]),
        ({"recursive": False}, ["a.csv", "b.txt"]),
        ({"fileFilter": "?.csv"}, ["a.csv", "y=1/c.csv", "y=2/m=5/d.csv"]),
        ({"wildcardFolderPath": "in/y=?", "wildcardFileName": "*.csv"}, ["in/y=1/c.csv", "in/y=2/m=5/d.csv"]),
        ({"wildcardFileName": "*.txt"}, ["b.txt"]),
        ({"prefix": "in/y=2"}, ["m=5/d.csv"]),
        ({"modifiedDatetimeStart": "2024-01-02", "modifiedDatetimeEnd": "2024-01-03T00:00:00Z"}, ["b.txt"]),
    ],
)
def test_which_files_are_read(made: Made, settings: Json, expected: list[str]) -> None:
    made.activity["source"]["storeSettings"] |= settings
    made.run()
    assert [name.rpartition("/")[2] for name in written(made)] == [
        name.rpartition("/")[2] for name in expected
    ]


def test_a_list_names_the_files(made: Made) -> None:
    made.source["typeProperties"]["location"]["folderPath"] = "in"
    made.activity["source"]["storeSettings"]["fileListPath"] = "list.txt"
    made.run()
    assert written(made) == ["a.csv", "y=1/c.csv"]


@pytest.mark.parametrize(("root", "columns"), [(None, ["k", "y", "m"]), ("in/y=2", ["k", "m"])])
def test_folders_become_columns(made: Made, root: str | None, columns: list[str]) -> None:
    made.source = made.text("in/y=2" if root else "in", firstRowAsHeader=True)
    made.sink = made.dataset("Parquet", "out")
    settings = {"enablePartitionDiscovery": True} | ({"partitionRootPath": root} if root else {})
    wildcard = {} if root else {"wildcardFolderPath": "in/y=2/m=*", "wildcardFileName": "*.csv"}
    reading = {"type": "FileServerReadSettings", **settings, **wildcard}
    made.activity = {
        "source": {"type": "DelimitedTextSource", "storeSettings": reading}, "sink": {"type": "ParquetSink"},
    }  # fmt: skip
    if not root:
        made.activity["source"]["storeSettings"]["partitionRootPath"] = "in"
    made.run()
    (file,) = written(made)
    assert pq.read_table(made.data / "out" / file).column_names == columns


def test_files_are_deleted_once_they_are_copied(made: Made) -> None:
    made.activity["source"]["storeSettings"]["deleteFilesAfterCompletion"] = True
    made.run()
    assert len(written(made)) == 4
    assert not [each for each in (made.data / "in").rglob("*") if each.is_file()]


@pytest.mark.parametrize("key", ["preserve", "preserveRules"])
def test_attributes_are_preserved(made: Made, key: str) -> None:
    made.activity[key] = ["Attributes"]
    made.run()
    assert (made.data / "out/a.csv").stat().st_mtime == datetime(2024, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("behavior", "expected"),
    [
        ("PreserveHierarchy", ["a.csv", "b.txt", "y=1/c.csv", "y=2/m=5/d.csv"]),
        ("flattenHierarchy", ["a.csv", "b.txt", "y=1~1c.csv", "y=2~1m=5~1d.csv"]),
        ("MergeFiles", ["in.csv"]),
    ],
)
def test_how_files_are_arranged(made: Made, behavior: str, expected: list[str]) -> None:
    made.activity["sink"]["storeSettings"]["copyBehavior"] = behavior
    made.run()
    assert written(made) == expected


@pytest.mark.parametrize("where", ["source", "sink", "source.storeSettings", "sink.storeSettings"])
def test_connections_are_limited(made: Made, where: str) -> None:
    made.activity["parallelCopies"] = 4
    place: Any = made.activity
    for step in where.split("."):
        place = place[step]
    place["maxConcurrentConnections"] = 1
    made.activity["sink"]["storeSettings"]["blockSizeInMB"] = 4
    made.write("in/large.bin", bytes(9 << 20))
    plan, findings = made.plan()
    assert plan is not None
    assert not findings
    result = plan.run(home=made.root / "home")
    assert result.parallel_copies == 1
    # Five files, of which the large one has three blocks of that size.
    assert (result.files_written, result.splits_done) == (5, 7)


def test_a_record_has_its_name(made: Made) -> None:
    made.source = made.text("in", "a.csv", firstRowAsHeader=True)
    made.sink = made.dataset("Avro", "out", "a.avro")
    named = {"type": "AvroWriteSettings", "recordName": "day", "recordNamespace": "org.example"}
    made.activity = {
        "source": {"type": "DelimitedTextSource"},
        "sink": {"type": "AvroSink", "formatSettings": named},
    }
    made.run()
    with (made.data / "out/a.avro").open("rb") as file:
        schema: Any = fastavro.reader(file).writer_schema
    assert schema["name"] == "org.example.day"


def test_batches_and_retries_make_no_difference_to_files(made: Made) -> None:
    made.activity["sink"] |= {"writeBatchSize": 1, "writeBatchTimeout": "00:01:00", "sinkRetryCount": 2}
    made.activity["source"] |= {"sourceRetryCount": 1, "sourceRetryWait": "00:00:01"}
    assert {each.split()[0] for each in made.unsupported()} == {"note"}
    made.run()
    assert len(written(made)) == 4
