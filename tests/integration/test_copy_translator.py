"""Every property of a translator, and additional columns, by what they make of data."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from copy_definitions import Json, Made

from crossdock import DataError, SchemaMismatchError
from crossdock_scheduler.pipeline.expressions import Scope


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def to_parquet(made: Made, translator: Json, text: str, *, header: bool = True) -> pa.Table:
    """Text by a translator to Parquet."""
    made.write("in/a.csv", text)
    made.source["typeProperties"]["firstRowAsHeader"] = header
    made.sink = made.dataset("Parquet", "out")
    made.activity["sink"] = {"type": "ParquetSink", "storeSettings": {"type": "FileServerWriteSettings"}}
    made.activity["translator"] = {"type": "TabularTranslator", **translator}
    made.run()
    return pq.read_table(made.data / "out" / "a.parquet")


def to_text(made: Made, translator: Json, table: pa.Table) -> list[str]:
    """Parquet by a translator to text: its lines."""
    made.source = made.dataset("Parquet", "in")
    made.activity["source"] = {"type": "ParquetSource", "storeSettings": {"type": "FileServerReadSettings"}}
    (made.data / "in").mkdir()
    pq.write_table(table, made.data / "in" / "a.parquet")
    made.activity["translator"] = {"type": "TabularTranslator", **translator}
    made.run()
    return (made.data / "out" / "a.csv").read_text().replace('"', "").splitlines()


def of_json(made: Made, translator: Json, *rows: Json) -> list[str]:
    """JSON by a translator to text: its lines."""
    made.source = made.dataset("Json", "in")
    made.activity["source"] = {"type": "JsonSource", "storeSettings": {"type": "FileServerReadSettings"}}
    made.write("in/a.json", "".join(json.dumps(row) + "\n" for row in rows))
    made.activity["translator"] = {"type": "TabularTranslator", **translator}
    made.run()
    return (made.data / "out" / "a.csv").read_text().replace('""', "'").replace('"', "").splitlines()


def column(name: str, kind: str, **more: Any) -> Json:
    return {"source": {"name": name, "type": "String"}, "sink": {"name": name, "type": kind, **more}}


# -- types ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "made_type", "value"),
    [
        ("Boolean", "True", pa.bool_(), True),
        ("Byte", "255", pa.uint8(), 255),
        ("SByte", "-128", pa.int8(), -128),
        ("Int16", "-7", pa.int16(), -7),
        ("Int32", " 7", pa.int32(), 7),
        ("Int64", "+7", pa.int64(), 7),
        ("UInt16", "7", pa.uint16(), 7),
        ("UInt32", "7", pa.uint32(), 7),
        ("UInt64", "18446744073709551615", pa.uint64(), 2**64 - 1),
        ("Single", "1.5", pa.float32(), 1.5),
        ("Double", "1e3", pa.float64(), 1000.0),
        ("Decimal", "1.25", pa.decimal128(38, 18), Decimal("1.25")),
        ("DateTime", "5/1/2024 3:00 PM", pa.timestamp("us"), datetime(2024, 5, 1, 15)),
        ("DateTimeOffset", "2024-05-01T03:00:00+02:00", pa.timestamp("us", "UTC"),
         datetime(2024, 5, 1, 1, tzinfo=UTC)),
        ("Date", "2024-05-01", pa.date32(), date(2024, 5, 1)),
        ("TimeSpan", "10:05:00.5", pa.time64("us"), time(10, 5, 0, 500_000)),
        ("Guid", "{D3B07384-D113-4EC6-A4E3-000000000001}", pa.string(),
         "d3b07384-d113-4ec6-a4e3-000000000001"),
        ("Byte[]", "AAEC", pa.binary(), b"\0\1\2"),
        ("System.String", "x", pa.string(), "x"),
        ("int", "7", pa.int32(), 7),
        ("bit", "true", pa.bool_(), True),
        ("bigint", "7", pa.int64(), 7),
        ("varchar", "x", pa.string(), "x"),
        ("float", "1.5", pa.float64(), 1.5),
        ("money", "1.25", pa.decimal128(19, 4), Decimal("1.25")),
        ("datetime2", "2024-05-01T15:00:00", pa.timestamp("us"), datetime(2024, 5, 1, 15)),
    ],
)  # fmt: skip
def test_texts_become_what_the_sink_asks_for(
    made: Made, kind: str, text: str, made_type: pa.DataType, value: object
) -> None:
    found = to_parquet(made, {"typeConversion": True, "mappings": [column("a", kind)]}, f"a,b\n{text},\n")
    assert found.schema == pa.schema([("a", made_type)])
    assert found["a"].to_pylist() == [value]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("datetime2", pa.timestamp("ns")), ("DateTime", pa.timestamp("ns")),
        ("DateTimeOffset", pa.timestamp("ns", "UTC")),
        ("time", pa.time64("ns")), ("TimeSpan", pa.time64("ns")),
    ],
)  # fmt: skip
def test_moments_and_times_keep_their_100_nanoseconds(made: Made, kind: str, given: pa.DataType) -> None:
    """A column type without a precision cuts nothing off, as SQL Server's own types have seven digits."""
    table = pa.table({"a": pa.array([36_000_000_000_100], given)})
    (made.data / "in").mkdir()
    pq.write_table(table, made.data / "in" / "a.parquet")
    made.source = made.dataset("Parquet", "in")
    made.sink = made.dataset("Parquet", "out")
    made.activity["source"] = {"type": "ParquetSource", "storeSettings": {"type": "FileServerReadSettings"}}
    made.activity["sink"] = {"type": "ParquetSink", "storeSettings": {"type": "FileServerWriteSettings"}}
    mapping = {"source": {"name": "a", "type": kind}, "sink": {"name": "a", "type": kind}}
    made.activity["translator"] = {"type": "TabularTranslator", "mappings": [mapping]}
    made.run()
    found = pq.read_table(made.data / "out" / "a.parquet")["a"]
    assert found.cast(pa.int64()).to_pylist() == [36_000_000_000_100]


def test_a_decimal_has_the_digits_that_it_is_asked_to_have(made: Made) -> None:
    mapping = column("a", "Decimal", physicalType="decimal", precision=9, scale=2)
    found = to_parquet(made, {"mappings": [mapping]}, "a\n1.239\n")
    assert found.schema.types == [pa.decimal128(9, 2)]
    assert found["a"].to_pylist() == [Decimal("1.23")]


def test_a_type_that_is_not_known_is_said_and_changes_nothing(made: Made) -> None:
    found = to_parquet(made, {"mappings": [column("a", "hierarchyid"), column("b", "numeric", precision=9)]},
                       "a,b\n/1/,7\n")  # fmt: skip
    assert found.schema == pa.schema([("a", pa.string()), ("b", pa.decimal128(9, 0))])
    assert found.to_pylist() == [{"a": "/1/", "b": Decimal(7)}]
    said = [str(each) for each in made.plan()[1] if "hierarchyid" in each.message]
    assert len(said) == 1
    assert said[0].endswith("the type hierarchyid is not known; the column keeps the type that it has")


def test_formats_and_cultures_of_one_column(made: Made) -> None:
    mappings = [
        {"source": {"name": "a", "type": "DateTime", "format": "dd/MM/yyyy"}, "sink": {"name": "a"}},
        {"source": {"name": "b"}, "sink": {"name": "b", "type": "Decimal", "culture": "de-DE", "precision": 9,
                                           "scale": 2}},
        {"source": {"name": "c", "type": "DateTime", "culture": "fr-FR"}, "sink": {"name": "c"}},
        {"source": {"name": "a", "type": "DateTime", "format": "dd/MM/yyyy"},
         "sink": {"name": "d", "type": "String", "format": "dddd d. MMMM", "culture": "de-DE"}},
    ]  # fmt: skip
    found = to_parquet(made, {"mappings": mappings}, 'a,b,c\n31/01/2024,"1.234,5",14 juillet 2024\n')
    assert found.to_pylist() == [
        {
            "a": datetime(2024, 1, 31),
            "b": Decimal("1234.50"),
            "c": datetime(2024, 7, 14),
            "d": "Mittwoch 31. Januar",
        }
    ]


@pytest.mark.parametrize(
    ("settings", "kind", "text", "expected"),
    [
        ({"dateTimeFormat": "dd.MM.yyyy HH:mm"}, "DateTime", "31.01.2024 13:30",
         datetime(2024, 1, 31, 13, 30)),
        ({"dateTimeOffsetFormat": "dd.MM.yyyy HH:mm zzz"}, "DateTimeOffset", "31.01.2024 13:30 +02:00",
         datetime(2024, 1, 31, 11, 30, tzinfo=UTC)),
        ({"dateFormat": "yyyyMMdd"}, "Date", "20240131", date(2024, 1, 31)),
        ({"timeSpanFormat": "hh\\hmm"}, "TimeSpan", "13h30", time(13, 30)),
        ({"timeFormat": "h.mm tt"}, "Time", "1.30 PM", time(13, 30)),
        ({"culture": "de-DE"}, "Double", "1.234,5", 1234.5),
        ({"culture": "en-GB"}, "DateTime", "31/01/2024", datetime(2024, 1, 31)),
        ({"treatBooleanAsNumber": True}, "Boolean", "1", True),
    ],
)  # fmt: skip
def test_settings_say_how_texts_are_read(
    made: Made, settings: Json, kind: str, text: str, expected: object
) -> None:
    translator = {
        "typeConversion": True,
        "typeConversionSettings": settings,
        "mappings": [column("a", kind)],
    }
    assert to_parquet(made, translator, f'a\n"{text}"\n')["a"].to_pylist() == [expected]
    translator["typeConversionSettings"] = {}
    with pytest.raises(DataError, match="cannot be converted"):
        to_parquet(made, translator, f'a\n"{text}"\n')


@pytest.mark.parametrize(
    ("settings", "kind", "given", "expected"),
    [
        ({"dateTimeFormat": "dd.MM.yyyy HH:mm"}, pa.timestamp("us"), datetime(2024, 1, 31, 13, 30),
         "31.01.2024 13:30"),
        ({"dateTimeOffsetFormat": "yyyy-MM-dd HH:mm zzz"}, pa.timestamp("us", "UTC"),
         datetime(2024, 1, 31, 13, 30, tzinfo=UTC), "2024-01-31 13:30 +00:00"),
        ({"dateFormat": "d/M/yy"}, pa.date32(), date(2024, 1, 31), "31/1/24"),
        ({"timeSpanFormat": "hh\\hmm"}, pa.time64("us"), time(13, 30), "13h30"),
        ({"timeFormat": "h:mm tt"}, pa.time64("us"), time(13, 30), "1:30 PM"),
        ({"culture": "de-DE"}, pa.float64(), 1234.5, "1234,5"),
        ({"treatBooleanAsNumber": True}, pa.bool_(), True, "1"),
    ],
)  # fmt: skip
def test_settings_say_how_values_are_written_into_texts(
    made: Made, settings: Json, kind: pa.DataType, given: object, expected: str
) -> None:
    table = pa.table({"a": pa.array([given, None], kind), "b": [1, 2]})
    translator = {"typeConversion": True, "typeConversionSettings": settings}
    assert to_text(made, translator, table) == ["a,b", f"{expected},1", ",2"]


def test_settings_count_only_where_the_conversion_is_on(made: Made) -> None:
    table = pa.table({"a": pa.array([datetime(2024, 1, 31)], pa.timestamp("us"))})
    translator = {"typeConversion": False, "typeConversionSettings": {"dateTimeFormat": "yyyy"}}
    assert to_text(made, translator, table) != ["a", "2024"]


def test_truncation_may_be_forbidden(made: Made) -> None:
    translator = {"typeConversion": True, "mappings": [column("a", "Decimal", precision=5, scale=1)]}
    assert to_parquet(made, translator, "a\n1.25\n")["a"].to_pylist() == [Decimal("1.2")]
    (made.data / "out" / "a.parquet").unlink()
    translator["typeConversionSettings"] = {"allowDataTruncation": False}
    with pytest.raises(DataError, match=r"row 1 of a\.csv, column 'a': '1\.25' cannot be converted"):
        to_parquet(made, translator, "a\n1.25\n")
    assert not (made.data / "out" / "a.parquet").exists()


def test_rows_that_cannot_be_converted_are_skipped_where_that_is_asked_for(made: Made) -> None:
    made.activity["enableSkipIncompatibleRow"] = True
    found = to_parquet(made, {"mappings": [column("a", "Int32")]}, "a\n1\nx\n3\n")
    assert found["a"].to_pylist() == [1, 3]


# -- names, places, paths -------------------------------------------------------------------------------


def test_columns_without_names_on_both_sides(made: Made) -> None:
    made.write("in/a.csv", "1,one,x\n2,two,y\n")
    made.source, made.sink = made.text("in"), made.text("out")
    made.activity["translator"] = {
        "type": "TabularTranslator",
        "mappings": [
            {"source": {"ordinal": 2}, "sink": {"ordinal": 2}},
            {"source": {"ordinal": "3"}, "sink": {"ordinal": 1}},
        ],
    }
    made.run()
    assert made.out("a.csv") == ["x,one", "y,two"]


def test_names_have_a_case(made: Made) -> None:
    with pytest.raises(SchemaMismatchError, match=r"a\.csv has no column 'ID' to map; did you mean 'id'"):
        to_parquet(made, {"mappings": [{"source": {"name": "ID"}, "sink": {"name": "id"}}]}, "id\n1\n")


DOCUMENT = {
    "number": "01", "date": "20170122", "address": {"town": {"name": "Rome"}},
    "orders": [{"prod": "p1", "price": 23}, {"prod": "p2", "price": 13}], "city": [{"name": "Seattle"}],
}  # fmt: skip


def test_a_list_becomes_rows(made: Made) -> None:
    """Microsoft's own example."""
    names = {
        "$['number']": "orderNumber", "$['date']": "orderDate", "['prod']": "order_pd",
        "['price']": "order_price",
        "$['city'][0]['name']": "city", "$.address.town.name": "town",
    }  # fmt: skip
    mappings = [{"source": {"path": path}, "sink": {"name": name}} for path, name in names.items()]
    translator = {"mappings": mappings, "collectionReference": "$['orders']"}
    assert of_json(made, translator, DOCUMENT, {**DOCUMENT, "orders": []}) == [
        "orderNumber,orderDate,order_pd,order_price,city,town",
        "01,20170122,p1,23,Seattle,Rome",
        "01,20170122,p2,13,Seattle,Rome",
    ]


def test_the_older_schema_mapping_has_paths_too(made: Made) -> None:
    mapping = {
        "$.number": "orderNumber",
        "prod": "order_pd",
        "price": "order_price",
        "$.city[0].name": "city",
    }
    translator = {"schemaMapping": mapping, "collectionReference": "$.orders"}
    assert of_json(made, translator, DOCUMENT) == [
        "orderNumber,order_pd,order_price,city", "01,p1,23,Seattle", "01,p2,13,Seattle",
    ]  # fmt: skip


def test_nested_values_are_json_in_text(made: Made) -> None:
    translator = {
        "mapComplexValuesToString": True,
        "mappings": [
            {"source": {"path": "$['address']"}, "sink": {"name": "a", "type": "String"}},
            {"source": {"path": "$['orders'][1]"}, "sink": {"name": "o"}},
        ],
    }
    made.sink["typeProperties"] |= {"columnDelimiter": "|", "escapeChar": '"'}
    assert of_json(made, translator, DOCUMENT) == [
        "a|o", "{'town':{'name':'Rome'}}|{'prod':'p2','price':13}",
    ]  # fmt: skip


def test_nested_values_stay_nested_or_become_texts(made: Made) -> None:
    made.sink = made.dataset("Parquet", "out")
    made.activity["sink"] = {"type": "ParquetSink", "storeSettings": {"type": "FileServerWriteSettings"}}
    made.source = made.dataset("Json", "in")
    made.activity["source"] = {"type": "JsonSource", "storeSettings": {"type": "FileServerReadSettings"}}
    made.write("in/a.json", json.dumps(DOCUMENT))
    made.run()
    assert pq.read_table(made.data / "out" / "a.parquet").to_pylist() == [DOCUMENT]
    made.activity["translator"] = {"type": "TabularTranslator", "mapComplexValuesToString": True}
    made.run()
    (row,) = pq.read_table(made.data / "out" / "a.parquet").to_pylist()
    assert {key: json.loads(row[key]) for key in ("orders", "address", "city")} == {
        key: DOCUMENT[key] for key in ("orders", "address", "city")
    }


def test_columns_become_fields_of_objects(made: Made) -> None:
    made.write("in/a.csv", "id,town\n1,Rome\n")
    made.sink = made.dataset("Json", "out")
    made.activity["sink"] = {"type": "JsonSink", "storeSettings": {"type": "FileServerWriteSettings"}}
    made.activity["translator"] = {
        "type": "TabularTranslator",
        "mappings": [
            {"source": {"name": "id", "type": "String"}, "sink": {"path": "$['key']['id']", "type": "Int32"}},
            {"source": {"name": "town"}, "sink": {"path": "$['town']"}},
        ],
    }
    made.run()
    (file,) = (made.data / "out").iterdir()
    assert json.loads(file.read_text()) == {"key": {"id": 1}, "town": "Rome"}


def test_a_whole_translator_may_be_a_parameter(made: Made) -> None:
    made.write("in/a.csv", "a,b\n1,2\n")
    made.pipeline["parameters"] = {"map": {"type": "object"}}
    made.activity["translator"] = {"value": "@pipeline().parameters.map", "type": "Expression"}
    mapping = {"type": "TabularTranslator", "mappings": [{"source": {"name": "b"}, "sink": {"name": "x"}}]}
    made.run(Scope(parameters={"map": mapping}))
    assert made.out("a.csv") == ["x", "2"]


# -- additional columns ---------------------------------------------------------------------------------


def test_additional_columns(made: Made) -> None:
    made.write("in/a.csv", "id\n1\n")
    made.write("in/deep/b.csv", "id\n2\n")
    made.activity["source"]["storeSettings"]["recursive"] = True
    made.activity["source"]["additionalColumns"] = [
        {"name": "fixed", "value": "x y"},
        {"name": "run", "value": {"value": "@concat('r', '7')", "type": "Expression"}},
        {"name": "file", "value": "$$FILEPATH"},
        {"name": "again", "value": "$$COLUMN:id"},
    ]
    made.run()
    lines = [
        (made.data / "out" / name).read_text().replace('"', "").splitlines()
        for name in ("a.csv", "deep/b.csv")
    ]
    assert lines == [
        ["id,file,fixed,run,again", "1,a.csv,x y,r7,1"],
        ["id,file,fixed,run,again", "2,deep/b.csv,x y,r7,2"],
    ]


def test_additional_columns_are_mapped(made: Made) -> None:
    made.activity["source"]["additionalColumns"] = [{"name": "batch", "value": "12"}]
    found = to_parquet(made, {"mappings": [column("batch", "Int32"), column("id", "String")]}, "id\n1\n")
    assert found.to_pylist() == [{"batch": 12, "id": "1"}]


@pytest.mark.parametrize("given", ["x", [1], [{"name": "a"}, {"name": "a", "value": "x"}], [{"value": "x"}]])
def test_additional_columns_of_a_wrong_form_are_an_error(made: Made, given: Any) -> None:
    made.activity["source"]["additionalColumns"] = given
    assert made.unsupported() == ["error additionalColumns"]


@pytest.mark.parametrize(
    ("translator", "said"),
    [
        ({"type": "Other"}, "unsupported type"),
        ({"mappings": ["x"]}, "error mappings"),
        ({"mappings": [{"source": {}, "sink": {"name": "a"}}]}, "error mappings"),
        ({"mappings": [{"source": {"name": "a"}, "sink": {}}]}, "error mappings"),
        ({"mappings": [{"source": {"name": "a"}, "sink": {"name": "a", "type": "X"}}]}, "note mappings"),
        ({"mappings": [{"source": {"name": x}, "sink": {"name": "a"}} for x in "ab"]}, "error mappings"),
        ({"mappings": [{"source": {"path": "$.a["}, "sink": {"name": "a"}}]}, "unsupported activities[0]"),
        ({"columnMappings": "a: b, c"}, "error columnMappings"),
        ({"columnMappings": {"a": 1}}, "error columnMappings"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_translator_is_a_finding(made: Made, translator: Json, said: str) -> None:
    made.activity["translator"] = {"type": "TabularTranslator", **translator}
    assert made.unsupported() == [said]
