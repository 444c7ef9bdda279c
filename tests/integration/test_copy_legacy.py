"""Datasets of Data Factory's first model: a store's, with the format as a key, and sources of that model."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from copy_definitions import Json, Made, put

from crossdock_scheduler.pipeline.coverage import cover
from crossdock_scheduler.pipeline.definitions import load


@pytest.fixture
def made(tmp_path: Path) -> Made:
    found = Made(tmp_path)
    found.source, found.sink = share("in"), share("out")
    found.activity = {"source": {"type": "FileSystemSource"}, "sink": {"type": "FileSystemSink"}}
    return found


def share(folder: str, file: str = "", kind: str = "FileShare", **properties: Any) -> Json:
    name = {"fileName": file} if file else {}
    return {
        "type": kind,
        "linkedServiceName": {"referenceName": "files", "type": "LinkedServiceReference"},
        "typeProperties": {"folderPath": folder, **name, **properties},
    }


def text(**more: Any) -> Json:
    return {"format": {"type": "TextFormat", **more}}


def tree(made: Made) -> dict[str, str]:
    root = made.data / "out"
    return {str(each.relative_to(root)): each.read_text() for each in root.rglob("*") if each.is_file()}


def test_without_a_format_on_either_side_bytes_are_copied(made: Made) -> None:
    made.write("in/a.bin", b"\x00\xff,\r\n")
    made.write("in/deep/b.bin", b"\n")
    made.run()
    assert (made.data / "out/a.bin").read_bytes() == b"\x00\xff,\r\n"
    assert (made.data / "out/deep/b.bin").read_bytes() == b"\n"


def test_a_source_of_the_first_model_goes_with_a_sink_of_the_second(made: Made) -> None:
    made.write("in/a.bin", b"\x00\xff")
    made.sink = made.dataset("Binary", "out")
    made.activity["sink"] = {"type": "BinarySink", "storeSettings": {"type": "FileServerWriteSettings"}}
    made.run()
    assert (made.data / "out/a.bin").read_bytes() == b"\x00\xff"


def test_text_has_two_words_for_null_and_no_quotes(made: Made) -> None:
    made.write("in/a.txt", 'n;t\n1;"x"\n\\N;\n3;NULL\n')
    made.source = share("in", "a.txt", **text(columnDelimiter=";", firstRowAsHeader=True))
    made.sink = share("out", "a.parquet", format={"type": "ParquetFormat"})
    made.run()
    assert pq.read_table(made.data / "out/a.parquet").to_pydict() == {
        "n": ["1", None, "3"],
        "t": ['"x"', None, None],
    }


def test_empty_text_is_kept_where_it_is_no_null(made: Made) -> None:
    made.write("in/a.txt", "n,t\n1,\n")
    made.source = share("in", "a.txt", **text(firstRowAsHeader=True, treatEmptyAsNull=False, nullValue="-"))
    made.sink = share("out", "a.parquet", format={"type": "ParquetFormat"})
    made.run()
    assert pq.read_table(made.data / "out/a.parquet").to_pydict() == {"n": ["1"], "t": [""]}


def test_the_source_has_the_last_word_on_empty_text(made: Made) -> None:
    made.write("in/a.txt", "n,t\n1,\n")
    made.activity["source"]["treatEmptyAsNull"] = True
    made.source = share("in", "a.txt", **text(firstRowAsHeader=True, treatEmptyAsNull=False))
    made.sink = share("out", "a.parquet", format={"type": "ParquetFormat"})
    made.run()
    assert pq.read_table(made.data / "out/a.parquet").to_pydict() == {"n": ["1"], "t": [None]}


def test_lines_to_skip_are_said_by_the_format_or_the_source(made: Made) -> None:
    made.write("in/a.txt", "junk\nn\n1\n")
    made.source = share("in", "a.txt", **text(firstRowAsHeader=True, skipLineCount=1))
    made.sink = share("out", "a.txt", **text(rowDelimiter="\n"))
    made.run()
    assert tree(made) == {"a.txt": "1\n"}
    made.source = share("in", "a.txt", **text())
    made.sink = share("out", "b.txt", **text(rowDelimiter="\n"))
    made.activity["source"]["skipHeaderLineCount"] = 2
    made.run()
    assert tree(made)["b.txt"] == "1\n"


def test_an_escape_stands_before_a_delimiter(made: Made) -> None:
    made.write("in/a.txt", "n,t\n1,Hello$, world\n")
    made.source = share("in", "a.txt", **text(firstRowAsHeader=True, escapeChar="$"))
    made.sink = share("out", "a.parquet", format={"type": "ParquetFormat"})
    made.run()
    assert pq.read_table(made.data / "out/a.parquet").to_pydict() == {"n": ["1"], "t": ["Hello, world"]}


def test_a_quote_counts_where_it_is_named(made: Made) -> None:
    made.write("in/a.txt", '"x,1"\n"y""2"\n')
    made.source = share("in", "a.txt", **text(quoteChar='"'))
    made.sink = share("out", "a.json", format={"type": "JsonFormat", "filePattern": "arrayOfObjects"})
    made.run()
    assert json.loads((made.data / "out/a.json").read_text()) == [{"Prop_0": "x,1"}, {"Prop_0": 'y"2'}]


def test_the_sink_adds_a_header_and_writes_nulls(made: Made) -> None:
    made.write("in/a.txt", "n,t\n1,\n")
    made.source = share("in", "a.txt", **text(firstRowAsHeader=True))
    made.sink = share("out", "a.txt", **text(rowDelimiter="\n", columnDelimiter="|"))
    made.activity["sink"]["blobWriterAddHeader"] = True
    made.run()
    assert tree(made) == {"a.txt": "n|t\n1|\\N\n"}


def test_wildcards_in_names_choose_files(made: Made) -> None:
    for name in ("2020/a.csv", "2020/b.txt", "2021/c.csv"):
        made.write(f"in/{name}", name)
    made.source = share("in/*20", "*.csv")
    made.run()
    assert sorted(each.name for each in (made.data / "out").rglob("*.*")) == ["a.csv"]


@pytest.mark.parametrize(("recursive", "expected"), [(True, {"a", "d/b"}), (False, {"a"})])
def test_recursion_is_the_sources(made: Made, recursive: bool, expected: set[str]) -> None:
    made.write("in/a", "1")
    made.write("in/d/b", "2")
    made.activity["source"]["recursive"] = recursive
    made.run()
    assert tree(made).keys() == expected


def test_a_file_filter_and_times_choose_files(made: Made) -> None:
    for name, year in (("a.csv", 2019), ("b.csv", 2020), ("c.txt", 2020)):
        made.write(f"in/{name}", name)
        moment = datetime(year, 6, 1, tzinfo=UTC).timestamp()
        os.utime(made.data / "in" / name, (moment, moment))
    made.source = share("in", fileFilter="*.csv", modifiedDatetimeStart="2020-01-01T00:00:00Z")
    made.run()
    assert tree(made) == {"b.csv": "b.csv"}


def test_the_sink_flattens_or_merges(made: Made) -> None:
    made.write("in/a", "1")
    made.write("in/d/b", "2")
    made.activity["sink"]["copyBehavior"] = "FlattenHierarchy"
    made.run()
    assert sorted(tree(made).values()) == ["1", "2"]
    assert all("/" not in name for name in tree(made))


def test_text_is_compressed_as_the_dataset_says(made: Made) -> None:
    made.write("in/a.gz", gzip.compress(b"x,y\n"))
    made.source = share("in", "a.gz", compression={"type": "GZip", "level": "Optimal"}, **text())
    made.sink = share("out", "a.txt", **text(rowDelimiter="\n"))
    made.run()
    assert tree(made) == {"a.txt": "x,y\n"}


def test_keys_that_nothing_reads_are_reported_where_they_stand(made: Made) -> None:
    made.source = share("in", "a", **text(firstRowAsHeader=True, surprise=1), partitionedBy=[{"name": "y"}])
    made.sink = share("out", "b", **text())
    made.activity["sink"]["wonder"] = True
    assert sorted(made.unsupported()) == [
        f"unsupported {name}" for name in ("partitionedBy", "surprise", "wonder")
    ]


def test_a_share_on_a_server_without_a_connector_is_reported(made: Made) -> None:
    made.service = {"type": "Hdfs", "typeProperties": {"url": "http://h:1"}}
    said = [each.message for each in made.plan()[1]]
    assert set(said) == {"no connector answers to the type 'Hdfs'"}


# -- stores with containers, databases ------------------------------------------------------------------


BLOB = {"type": "AzureBlobStorage", "typeProperties": {"connectionString": "AccountName=a;AccountKey=a2V5"}}
LAKE = {"type": "AzureBlobFS", "typeProperties": {"url": "https://a.dfs.core.windows.net", "accountKey": "k"}}


@pytest.mark.parametrize(
    ("service", "kind", "scheme", "model"),
    [
        (BLOB, "AzureBlob", "az://box/", "Blob"),
        (BLOB | {"type": "AzureStorage"}, "AzureBlob", "az://box/", "Blob"),
        (LAKE, "AzureBlobFSFile", "abfss://box@a.dfs.core.windows.net/", "AzureBlobFS"),
    ],
)
def test_the_container_is_the_first_folder(
    made: Made, service: Json, kind: str, scheme: str, model: str
) -> None:
    made.service = service
    made.source = share("box/in/deep/", "*.csv", kind, **text())
    made.sink = share("box/out", "b.txt", kind, **text())
    made.activity = {"source": {"type": f"{model}Source"}, "sink": {"type": f"{model}Sink"}}
    plan, findings = made.plan()
    assert plan is not None
    assert [str(each) for each in findings] == []
    assert (plan.source.address, plan.sink.address) == (f"{scheme}in/deep/", f"{scheme}out/b.txt")
    assert plan.source.options["wildcard_file_name"] == "*.csv"


def test_a_dataset_of_the_second_model_takes_a_source_of_the_first(made: Made) -> None:
    made.service = BLOB
    made.source = made.sink = {
        "type": "Binary",
        "linkedServiceName": {"referenceName": "files"},
        "typeProperties": {"location": {"type": "AzureBlobStorageLocation", "container": "c"}},
    }
    made.activity = {"source": {"type": "BlobSource", "recursive": False}, "sink": {"type": "BlobSink"}}
    plan, findings = made.plan()
    assert plan is not None
    assert [str(each) for each in findings] == []
    assert plan.source.options["recursive"] == "false"


@pytest.mark.parametrize(
    ("service", "address"),
    [
        (
            {"type": "PostgreSql", "typeProperties": {"connectionString": "Host=h;Database=d;UID=u"}},
            "postgresql://u@h/d#t",
        ),
        ({"type": "Odbc", "typeProperties": {"connectionString": "DSN=x"}}, "odbc:///#t"),
    ],
)
def test_a_relational_table_is_the_linked_services(made: Made, service: Json, address: str) -> None:
    put(made.root, "linkedService", "db", service)
    made.source = {
        "type": "RelationalTable",
        "linkedServiceName": {"referenceName": "db", "type": "LinkedServiceReference"},
        "typeProperties": {"tableName": "t"},
    }
    made.activity["source"] = {"type": "RelationalSource"}
    made.sink = share("out", "t.csv", **text())
    plan, findings = made.plan()
    assert plan is not None
    assert [str(each) for each in findings if each.severity != "note"] == []
    assert plan.source.address == address
    assert cover(load(made.root)).exit_code == 0


# -- columns that datasets name -------------------------------------------------------------------------

ORDER = {
    "id": "01", "at": {"town": {"name": "Rome"}},
    "lines": [{"prod": "p1", "price": 23}, {"prod": "p2", "price": 13, "more": "yes"}],
}  # fmt: skip
PATHS = {"id": "$.id", "town": " $.at.town.name", "first": "$.lines[0].prod"}
WITHIN = {"id": "$.id", "prod": "prod", "price": "price"}


def json_format(**more: Any) -> Json:
    return {"format": {"type": "JsonFormat", **more}}


@pytest.mark.parametrize(
    ("given", "translator", "expected"),
    [
        ({"jsonPathDefinition": PATHS}, None, ["id,town,first", "01,Rome,p1"]),
        ({"jsonPathDefinition": {"more": "$.lines[*].more", "id": "$.id"}}, None, ["more,id", "yes,01"]),
        (
            {"jsonPathDefinition": WITHIN, "jsonNodeReference": "$.lines"}, None,
            ["id,prod,price", "01,p1,23", "01,p2,13"],
        ),
        (
            {"jsonPathDefinition": WITHIN, "jsonNodeReference": "$.lines"}, "price: p, id: i",
            ["p,i", "23,01", "13,01"],
        ),
        ({}, "at.town.name: town, id: id", ["town,id", "Rome,01"]),
        ({"nestingSeparator": "/"}, "at/town/name: town", ["town", "Rome"]),
    ],
)  # fmt: skip
def test_paths_of_a_json_format_are_columns(
    made: Made, given: Json, translator: str | None, expected: list[str]
) -> None:
    made.write("in/a.json", json.dumps(ORDER))
    made.source = share("in", **json_format(**given))
    made.sink = share("out", "a.csv", **text(firstRowAsHeader=True))
    if translator:
        made.activity["translator"] = {"type": "TabularTranslator", "columnMappings": translator}
    made.run()
    assert made.out("a.csv") == expected


def test_levels_in_names_are_those_of_objects(made: Made) -> None:
    made.write("in/a.csv", "a,b\n1,x\n")
    made.source = share("in", "a.csv", **text(firstRowAsHeader=True))
    made.sink = share("out", "a.json", **json_format(nestingSeparator="."))
    made.activity["translator"] = {"type": "TabularTranslator", "columnMappings": "a: o.a, b: o.b"}
    made.run()
    assert json.loads((made.data / "out/a.json").read_text()) == {"o": {"a": "1", "b": "x"}}


def test_a_structure_names_the_columns_of_text_without_a_header(made: Made) -> None:
    made.write("in/a.csv", "1,x\n2,y\n")
    made.source = share("in", "a.csv", **text()) | {
        "structure": [{"name": "id", "type": "Int32"}, {"name": "name", "type": "String"}]
    }
    made.sink = share("out", "a.csv", **text(firstRowAsHeader=True))
    made.run()
    assert made.out("a.csv") == ["id,name", "1,x", "2,y"]
    made.activity["translator"] = {"type": "TabularTranslator", "columnMappings": {"name": "n"}}
    made.run()
    assert made.out("a.csv") == ["n", "x", "y"]
