"""Copy activities as Data Factory defines them: planned ahead, and carried out on files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from copy_definitions import Json, Made

from crossdock import ConfigError
from crossdock_scheduler.pipeline.copy import CopyPlan, plan_copy
from crossdock_scheduler.pipeline.definitions import Finding, load
from crossdock_scheduler.pipeline.definitions.activities import activities
from crossdock_scheduler.pipeline.expressions import Scope
from crossdock_scheduler.pipeline.policy import Policy

SAMPLE = Path(__file__).parents[1] / "factories" / "sample"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


# -- carried out ----------------------------------------------------------------------------------------


def test_text_keeps_its_texts_and_gets_the_sinks_dialect(made: Made) -> None:
    made.write("in/a.csv", 'id,name,sum\n007,"x, y",1.50\n8,it"s,\n')
    made.sink["typeProperties"] |= {"columnDelimiter": ";"}
    made.activity["sink"]["formatSettings"]["quoteAllText"] = True
    made.run()
    assert (made.data / "out" / "a.csv").read_bytes() == (
        b'"id";"name";"sum"\r\n"007";"x, y";"1.50"\r\n"8";"it\\"s";\r\n'
    )


def test_text_without_a_header_is_mapped_by_ordinals(made: Made) -> None:
    made.write("in/a.csv", "1,one\n2,two\n")
    made.source = made.text("in", "a.csv")
    made.activity["translator"] = {
        "type": "TabularTranslator",
        "mappings": [
            {"source": {"ordinal": 2}, "sink": {"name": "word"}},
            {"source": {"ordinal": 1}, "sink": {"name": "number"}},
        ],
    }
    made.run()
    assert made.out("a.csv") == ["word,number", "one,1", "two,2"]


def test_datasets_and_linked_services_see_the_run_around_them(made: Made) -> None:
    """As in the tutorials of Microsoft: a file is named after the run."""
    made.write("in/2024/a.csv", "x\n1\n")
    made.pipeline = {
        "parameters": {"year": {"type": "String"}, "end": {"type": "String", "defaultValue": "csv"}}
    }
    made.service["typeProperties"]["host"] = f"{made.data}/@{{pipeline().parameters.folder}}"
    made.source["typeProperties"]["location"]["folderPath"] = "@pipeline().parameters.year"
    name = "@CONCAT('Incremental-', pipeline().RunId, '.', pipeline().parameters.end)"
    made.sink["typeProperties"]["location"] = {"type": "FileServerLocation", "fileName": name}
    assert [str(each) for each in made.plan()[1] if each.severity != "note"] == []
    given = {"year": "2024", "end": "csv", "folder": "in"}
    made.run(Scope(parameters=given, system={"RunId": "r1"}))
    assert (made.data / "in" / "Incremental-r1.csv").read_text().replace('"', "").split() == ["x", "1"]


@pytest.mark.parametrize("mapping", ["a: x, b: y", {"a": "x", "b": "y"}])
def test_the_older_forms_of_a_mapping(made: Made, mapping: Any) -> None:
    made.write("in/a.csv", "a,b,c\n1,2,3\n")
    made.activity["translator"] = {"type": "TabularTranslator", "columnMappings": mapping}
    made.run()
    assert made.out("a.csv") == ["x,y", "1,2"]


def test_wildcards_begin_at_the_host_and_skip_lines(made: Made) -> None:
    for day in ("one", "two"):
        made.write(f"days/{day}/x.csv", f"a comment\na\n{day}\n")
        made.write(f"days/{day}/x.txt", "not this")
    settings = {"type": "FileServerReadSettings", "wildcardFolderPath": "days/*", "wildcardFileName": "*.csv"}
    made.activity["source"] |= {"storeSettings": settings, "formatSettings": {"skipLineCount": 1}}
    made.activity["sink"]["storeSettings"]["copyBehavior"] = "mergefiles"
    made.sink = made.text("out", "all.csv", firstRowAsHeader=True)
    made.run()
    assert made.out("all.csv") == ["a", "one", "two"]


def test_a_list_of_files_is_below_the_host(made: Made) -> None:
    for name in ("a", "b", "c"):
        made.write(f"in/{name}.csv", f"x\n{name}\n")
    made.write("lists/wanted.txt", "a.csv\nc.csv\n")
    made.activity["source"]["storeSettings"]["fileListPath"] = "lists/wanted.txt"
    made.run()
    assert sorted(each.name for each in (made.data / "out").iterdir()) == ["a.csv", "c.csv"]


def test_backslashes_before_anything_but_a_quote_stay(made: Made) -> None:
    content = 'a,b\r\n"C:\\temp\\new","\\\\server\\x"\r\n"say \\"yes\\"","end\\\\"\r\n'
    made.write("in/a.csv", content)
    made.sink = made.dataset("Parquet", "out")
    sink = made.activity["sink"]
    made.activity["sink"] = {"type": "ParquetSink", "storeSettings": {"type": "FileServerWriteSettings"}}
    made.run()
    assert pq.read_table(made.data / "out" / "a.parquet").to_pydict() == {
        "a": ["C:\\temp\\new", 'say "yes"'], "b": ["\\\\server\\x", "end\\"]
    }  # fmt: skip
    # And back: the same bytes.
    made.source, made.sink = (
        made.dataset("Parquet", "out", "a.parquet"),
        made.text("back", firstRowAsHeader=True),
    )
    made.activity["source"] = {"type": "ParquetSource", "storeSettings": {"type": "FileServerReadSettings"}}
    made.activity["sink"] = sink
    made.run()
    assert (made.data / "back" / "a.csv").read_bytes().decode() == content


def test_text_to_parquet_with_parameters_of_the_run(made: Made) -> None:
    made.write("in/7/a.csv", "a\n01\n")
    made.pipeline["parameters"] = {"day": {"type": "string"}}
    made.source["typeProperties"]["location"]["folderPath"] = "@concat('in/', dataset().day)"
    made.source["parameters"] = {"day": {"type": "string", "defaultValue": "7"}}
    made.sink = made.dataset("Parquet", "out", compressionCodec="gzip")
    made.activity["sink"] = {"type": "ParquetSink", "storeSettings": {"type": "FileServerWriteSettings"}}
    made.run(Scope(parameters={"day": "7"}))
    file = pq.ParquetFile(made.data / "out" / "a.parquet")
    assert file.read().to_pydict() == {"a": ["01"]}
    assert file.metadata.row_group(0).column(0).compression == "GZIP"


def test_binary_is_copied_as_it_is_deleted_and_verified(made: Made) -> None:
    made.write("in/deep/a.bin", b"\0\1\2")
    made.source, made.sink = made.dataset("Binary", "in"), made.dataset("Binary", "out")
    read = {"type": "FileServerReadSettings", "recursive": True, "deleteFilesAfterCompletion": True}
    made.activity = {
        "source": {
            "type": "BinarySource",
            "storeSettings": read,
            "formatSettings": {"type": "BinaryReadSettings"},
        },
        "sink": {"type": "BinarySink", "storeSettings": {"type": "FileServerWriteSettings"}},
        "validateDataConsistency": True,
        "preserve": ["Attributes"],
        "parallelCopies": 2,
    }
    (made.data / "in" / "deep" / "a.bin").chmod(0o640)
    plan, _ = made.plan()
    assert plan is not None
    assert (plan.settings, plan.sink.options["preserve"]) == (
        {"verify": True, "parallel_copies": 2},
        "Attributes",
    )
    made.run()
    copied = made.data / "out" / "deep" / "a.bin"
    assert (copied.read_bytes(), copied.stat().st_mode & 0o777) == (b"\0\1\2", 0o640)
    assert not (made.data / "in" / "deep" / "a.bin").exists()


def test_a_staged_copy_goes_by_the_folder_that_it_names(made: Made) -> None:
    made.write("in/a.csv", "a\n1\n")
    stage = {
        "linkedServiceName": {"referenceName": "files", "type": "LinkedServiceReference"},
        "path": "stage/x",
    }
    made.activity |= {"enableStaging": True, "stagingSettings": stage}
    plan, _ = made.plan()
    assert plan is not None
    assert plan.stage is not None
    assert plan.stage.address == f"file://{made.data}/stage/x/"
    made.run()
    assert made.out("a.csv") == ["a", "1"]


@pytest.mark.parametrize(
    ("kind", "codec"),
    [("Orc", {"orcCompressionCodec": "zlib"}), ("Avro", {"avroCompressionCodec": "snappy"}), ("Json", {})],
)
def test_text_to_another_format_and_back(made: Made, kind: str, codec: Json) -> None:
    made.write("in/a.csv", "a,b\n007,x\n8,\n")
    made.sink = made.dataset(kind, "out", f"a.{kind.lower()}", **codec)
    sink = made.activity["sink"]
    made.activity["sink"] = {"type": f"{kind}Sink", "storeSettings": {"type": "FileServerWriteSettings"}}
    made.run()
    made.source, made.sink = made.sink, made.text("out", "back.csv", firstRowAsHeader=True)
    made.activity["source"] = {"type": f"{kind}Source", "storeSettings": {"type": "FileServerReadSettings"}}
    made.activity["sink"] = sink
    made.run()
    assert made.out("back.csv") == ["a,b", "007,x", "8,"]


def test_a_prefix_of_parts_is_of_no_use_where_there_are_none(made: Made) -> None:
    made.write("in/a.csv", "a,b\n1,x\n")
    made.activity["sink"]["formatSettings"] |= {"fileNamePrefix": "part", "maxRowsPerFile": 0}
    made.run()
    assert made.out("a.csv") == ["a,b", "1,x"]


# -- what is not honoured -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("activity", "skipErrorFile", {"invalidFileName": True}),
        ("activity", "madeUp", 1),
        ("source", "madeUp", 1),
        ("sink", "madeUp", 1),
        ("source.storeSettings", "madeUp", 1),
        ("sink.storeSettings", "copyBehavior", "Sideways"),
        ("translator", "type", "OtherTranslator"),
    ],
)
def test_what_is_not_honoured_is_a_finding(made: Made, place: str, key: str, value: Any) -> None:
    target = made.activity
    for step in filter(None, place.removeprefix("activity").split(".")):
        target = target.setdefault(step, {})
    target[key] = value
    found = [each for each in made.plan()[1] if each.severity == "unsupported"]
    assert len(found) == 1, found
    where = f"properties.activities[0].typeProperties.{place}.{key}".replace(".activity", "")
    assert found[0].place.path.startswith(where)
    assert (found[0].owner, found[0].activity) == ("pipeline 'p'", "Copy it")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("compressionCodec", "lzo"),
        ("odd", 1),
    ],
)
def test_a_dialect_that_is_not_supported_is_a_finding(made: Made, key: str, value: Any) -> None:
    made.source["typeProperties"][key] = value
    assert "unsupported" in {each.severity for each in made.plan()[1]}


def test_what_is_off_or_by_default_is_no_finding(made: Made) -> None:
    made.activity |= {
        "enableStaging": False,
        "stagingSettings": {"linkedServiceName": {"referenceName": "x", "type": "LinkedServiceReference"}},
        "enableSkipIncompatibleRow": False,
        "dataIntegrationUnits": 4,
        "logSettings": {"enableCopyActivityLog": False, "logLocationSettings": {}},
        "skipErrorFile": {"fileMissing": False},
        "translator": {"type": "TabularTranslator", "typeConversion": True, "typeConversionSettings": {
            "allowDataTruncation": False, "treatBooleanAsNumber": False}},
    }  # fmt: skip
    assert made.unsupported() == []


def test_a_value_of_the_wrong_type_is_an_error_with_its_place(made: Made) -> None:
    made.activity["parallelCopies"] = ["many"]
    (found,) = made.plan()[1]
    assert (found.severity, found.place.path) == (
        "error",
        "properties.activities[0].typeProperties.parallelCopies",
    )


def test_a_source_that_does_not_go_with_its_dataset(made: Made) -> None:
    made.activity["source"]["type"] = "ParquetSource"
    assert made.unsupported() == ["unsupported type"]


# -- ahead of the run -----------------------------------------------------------------------------------


def test_what_is_known_only_in_the_run_is_planned_all_the_same(made: Made) -> None:
    made.source["typeProperties"]["location"]["folderPath"] = "@dataset().folder"
    made.source["typeProperties"]["firstRowAsHeader"] = "@dataset().header"
    made.source["parameters"] = {"folder": {"type": "string"}, "header": {"type": "bool"}}
    made.activity["parallelCopies"] = "@activity('Look').output.count"
    made.activity["source"]["storeSettings"]["wildcardFileName"] = "@item().name"
    made.activity["translator"] = {"value": "@json(variables('map'))", "type": "Expression"}
    assert made.unsupported() == []


def test_an_expression_that_can_never_be_evaluated_is_an_error(made: Made) -> None:
    made.activity["parallelCopies"] = "@div(1, 0)"
    (found,) = made.plan()[1]
    assert (found.severity, found.code) == ("error", "InvalidExpression")


def test_the_policy_of_the_activity_is_kept(made: Made) -> None:
    made.policy = {"timeout": "1.02:03:04", "retry": 3, "retryIntervalInSeconds": 45, "secureInput": True}
    plan, _ = made.plan()
    assert plan is not None
    attempts = plan.attempts
    assert (attempts.timeout, attempts.retries, attempts.wait) == (93_784, 3, 45)
    assert (attempts.secure_input, attempts.secure_output) == (True, False)


def test_a_policy_that_makes_no_sense_is_an_error(made: Made) -> None:
    made.policy = {"timeout": "soon", "retry": "often", "secureInput": 1}
    _, found = made.plan()
    assert {each.place.path.rpartition(".")[2] for each in found if each.severity == "error"} == {
        "timeout",
        "retry",
        "secureInput",
    }


def test_folders_outside_of_the_allowed_ones_are_errors(made: Made, tmp_path: Path) -> None:
    allowed = Policy(roots=(str(made.data),))
    assert [each.code for each in made.plan(policy=allowed)[1]] == []
    (tmp_path / "elsewhere").mkdir()
    (made.data / "link").symlink_to(tmp_path / "elsewhere")
    for host in (str(made.data / "link"), f"{made.data}/../elsewhere", "/"):
        made.service["typeProperties"]["host"] = host
        # Of each dataset once.
        assert [each.code for each in made.plan(policy=allowed)[1]] == ["Forbidden", "Forbidden"]


@pytest.mark.parametrize("climb", ["../elsewhere", "a/../../elsewhere"])
def test_a_folder_path_cannot_climb_out_of_what_is_allowed(made: Made, climb: str) -> None:
    made.source["typeProperties"]["location"]["folderPath"] = climb
    found = made.plan(policy=Policy(roots=(str(made.data),)))[1]
    assert [each.code for each in found] == ["Forbidden"]


def sample_plan(pipeline: str, name: str, policy: Policy | None = None) -> tuple[CopyPlan, list[Finding]]:
    factory = load(SAMPLE)
    owner = factory.find("pipeline", pipeline)
    assert owner is not None
    activity = next(each for each in activities(owner) if each.name == name)
    made, findings = plan_copy(factory, owner, activity, policy=policy)
    assert made is not None
    return made, findings


@pytest.mark.parametrize(
    ("pipeline", "name", "source", "sink"),
    [
        ("files", "Share to landing", "file:///srv/contoso/2024-05-01/", "az://landing/2024-05-01/"),
        ("files", "Images to the lake", "az://landing/images/",
         "abfss://raw@contosolake.dfs.core.windows.net/images/"),
        ("tables", "Server to warehouse", "mssql://reader@sql.contoso.example:1433/shop",
         "mssql://loader@contoso.database.windows.net/warehouse#%5Bdbo%5D.%5Borders%5D"),
        ("unload", "Warehouse to text",
         "mssql://loader@contoso.database.windows.net/warehouse#%5Bdbo%5D.%5Borders%5D",
         "file:///srv/contoso/out/orders.csv"),
    ],
)  # fmt: skip
def test_addresses_of_the_sample(pipeline: str, name: str, source: str, sink: str) -> None:
    made, _ = sample_plan(pipeline, name)
    assert (made.source.address, made.sink.address) == (source, sink)


def test_secrets_that_are_only_referred_to_are_named_and_nothing_of_them_is_in_the_options() -> None:
    made, findings = sample_plan("tables", "Server to warehouse")
    assert made.missing == [
        "the Key Vault secret 'shop-password' of 'vault' (password of the source)",
        "the Key Vault secret 'warehouse-password' of 'vault' (password of the sink)",
    ]
    assert [each.code for each in findings] == ["ValueNeeded"] * 2
    assert "password" not in made.options()["sink_options"]


def test_text_that_goes_to_a_table_has_types() -> None:
    made, _ = sample_plan("load", "Text to warehouse")
    assert made.source.options["infer"] == "true"
    assert [(each.source, each.sink) for each in made.settings["map"].columns] == [
        ("id", ("id",)), ("total", ("amount",)),
    ]  # fmt: skip
    assert (made.sink.mode, made.sink.options["table_option"]) == ("append", "auto_create")


def test_a_plan_that_lacks_a_secret_is_not_carried_out() -> None:
    made, _ = sample_plan("tables", "Server to warehouse")
    with pytest.raises(ConfigError, match="shop-password"):
        made.run()


def test_a_share_of_another_server_needs_a_folder_and_makes_none(made: Made) -> None:
    made.service["typeProperties"]["host"] = "\\\\server\\share"
    plan, findings = made.plan()
    assert [each.severity for each in findings] == ["note", "note"]
    assert plan is not None
    with pytest.raises(ConfigError, match="mounted"):
        plan.run()


def test_an_unknown_key_of_a_policy_is_noted(made: Made) -> None:
    made.policy = {"retry": 1, "concurrency": 2}
    assert made.unsupported() == ["note concurrency"]
