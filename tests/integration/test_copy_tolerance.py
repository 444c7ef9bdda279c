"""Copies that Data Factory defines, with fault tolerance and a log: by their effect on files and tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from copy_definitions import Made, put
from observing import Record
from postgres_rows import sql, stored

import crossdock
from crossdock import ColumnMapping, CopyResult, CrossdockError, DataError, MappedColumn
from crossdock_scheduler.pipeline.activity_types import Attempt, activity_types
from crossdock_scheduler.pipeline.definitions import load
from crossdock_scheduler.pipeline.definitions.activities import activities
from crossdock_scheduler.pipeline.expressions import Scope
from crossdock_scheduler.pipeline.policy import Policy

LOG = {"linkedServiceName": {"referenceName": "files", "type": "LinkedServiceReference"}, "path": "logs/here"}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def run(made: Made, activity_run_id: str = "run-1") -> CopyResult:
    plan, findings = made.plan(Scope())
    assert [str(each) for each in findings if each.severity != "note"] == []
    assert plan is not None
    return plan.run(home=made.root / "home", activity_run_id=activity_run_id)


def log_lines(folder: Path) -> list[list[str]]:
    found = []
    for file in folder.glob("*.csv"):
        with file.open(newline="", encoding="utf-8") as text:
            header, *rows = csv.reader(text)
        assert header == ["Timestamp", "Level", "OperationName", "OperationItem", "Message"]
        found += rows
    return found


def logged(level: str = "Warning", *, reliable: bool = False) -> dict[str, Any]:
    return {
        "enableCopyActivityLog": True,
        "copyActivityLogSettings": {"logLevel": level, "enableReliableLogging": reliable},
        "logLocationSettings": LOG,
    }


def binary(made: Made, *names: str) -> None:
    for name in names:
        made.write(f"in/{name}", f"content of {name}")
    made.source, made.sink = made.dataset("Binary", "in"), made.dataset("Binary", "out")
    made.activity = {
        "source": {"type": "BinarySource", "storeSettings": {"type": "FileServerReadSettings"}},
        "sink": {"type": "BinarySink", "storeSettings": {"type": "FileServerWriteSettings"}},
    }


# -- rows -----------------------------------------------------------------------------------------------


def to_postgres(made: Made, database: str, table: str) -> None:
    server = urlsplit(database)
    put(made.root, "linkedService", "db", {"type": "PostgreSqlV2", "typeProperties": {
        "server": server.hostname, "port": server.port, "database": server.path.strip("/"),
        "username": server.username, "authenticationType": "Basic", "sslMode": 0,
        "password": {"type": "SecureString", "value": server.password or "none"},
    }})  # fmt: skip
    made.sink = {
        "type": "PostgreSqlV2Table",
        "linkedServiceName": {"referenceName": "db", "type": "LinkedServiceReference"},
        "typeProperties": {"schema": "public", "table": table},
    }
    made.activity["sink"] = {"type": "AzurePostgreSqlSink"}


@pytest.fixture
def table(made: Made, database: str) -> str:
    """Text files into a table of PostgreSQL, with rows that do not fit for every reason."""
    sql(database, "CREATE TABLE t (id int PRIMARY KEY, day timestamp, word varchar(5))")
    to_postgres(made, database, "t")
    made.write("in/a.csv", "id,day,word\n1,2024-01-01,one\n123456abc,2024-01-01,bad\n2,2024-01-02,two\n")
    made.write("in/b.csv", "id,day,word\n3,not a day,bad\n3,2024-01-03,three\n1,2024-01-01,again\n"
               "4,2024-01-04\n"
               "5,2024-01-05,five,5\n6,2024-01-06,too long\n")  # fmt: skip
    return "t"


def test_rows_that_do_not_fit_end_a_copy_or_are_left_out(made: Made, table: str, database: str) -> None:
    with pytest.raises(DataError):
        run(made)
    assert stored(database, table) == []
    made.activity |= {"enableSkipIncompatibleRow": True, "logSettings": logged()}
    result = run(made, "0000-1")
    assert [(row[0], row[2]) for row in stored(database, table)] == [(1, "one"), (2, "two"), (3, "three")]
    output = result.output()
    assert (output["rowsRead"], output["rowsCopied"], output["rowsSkipped"]) == (9, 3, 6)
    assert output["logFilePath"].endswith("/logs/here/copyactivity-logs/Copy it/0000-1/")
    lines = log_lines(made.data / "logs/here/copyactivity-logs/Copy it/0000-1")
    assert {(level, name) for _, level, name, _, _ in lines} == {("Warning", "TabularRowSkip")}
    assert sorted(item for _, _, _, item, _ in lines) == [
        "1,2024-01-01,again", "123456abc,2024-01-01,bad", "3,not a day,bad", "4,2024-01-04",
        "5,2024-01-05,five,5", "6,2024-01-06,too long",
    ]  # fmt: skip


@pytest.mark.parametrize("older", ["logStorageSettings", "redirectIncompatibleRowSettings"])
def test_the_older_names_of_the_log(made: Made, older: str) -> None:
    made.write("in/a.csv", "a,b\n1,2\n3\n")
    made.activity |= {"enableSkipIncompatibleRow": True, older: LOG}
    run(made, "r")
    assert made.out("a.csv") == ["a,b", "1,2"]
    assert [line[3] for line in log_lines(made.data / "logs/here/copyactivity-logs/Copy it/r")] == ["3"]


def test_a_procedure_gets_all_rows_or_none(made: Made) -> None:
    made.activity["enableSkipIncompatibleRow"] = True
    made.activity["sink"]["sqlWriterStoredProcedureName"] = "p"
    assert "unsupported enableSkipIncompatibleRow" in made.unsupported()


def test_a_log_needs_a_place(made: Made) -> None:
    made.activity["logSettings"] = {**logged(), "logLocationSettings": {**LOG, "path": ""}}
    assert made.unsupported() == ["unsupported path"]


# -- files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reliable", [True, False])
def test_the_log_of_files(made: Made, reliable: bool) -> None:
    binary(made, "a.bin", "deep/b.bin", 'with "quotes", commas.bin')
    made.activity["logSettings"] = logged("Info", reliable=reliable)
    output = run(made, "r1").output()
    lines = log_lines(made.data / "logs/here/copyactivity-logs/Copy it/r1")
    assert (output["filesRead"], output["filesWritten"], len(lines)) == (3, 3, 12)
    of_b = [line for line in lines if line[3] == "deep/b.bin"]
    assert [(level, name) for _, level, name, _, _ in of_b] == [
        ("Info", "FileRead"), ("Info", "FileWrite"), ("Info", "FileRead"), ("Info", "FileWrite"),
    ]  # fmt: skip
    about = json.loads(of_b[0][4].removeprefix("Start to read file: "))
    assert (about["Path"], about["Size"]) == ("deep/b.bin", len("content of deep/b.bin"))
    assert of_b[3][4].endswith("File is successfully copied.")
    assert len([line for line in lines if line[3] == 'with "quotes", commas.bin']) == 4


def test_a_warning_log_of_files_that_were_all_copied_is_a_header(made: Made) -> None:
    binary(made, "a.bin")
    made.activity["logSettings"] = logged()
    run(made, "r")
    (file,) = (made.data / "logs/here/copyactivity-logs/Copy it/r").iterdir()
    assert file.read_text() == "Timestamp,Level,OperationName,OperationItem,Message\n"


def hooked(made: Made, record: Record, how: str, **more: str) -> tuple[Any, dict[str, Any]]:
    """The plan of a copy whose source fails at one file."""
    plan, findings = made.plan(Scope())
    assert [str(each) for each in findings if each.severity != "note"] == []
    assert plan is not None
    options = plan.options(secrets=True)
    trouble = {"fail": how, "fail_unit": "b.bin", "fail_times": "0"}
    options["source_options"] = options["source_options"] | record.options | trouble | more
    return plan, options


@pytest.mark.parametrize(
    ("how", "key"),
    [
        ("read:missing", "fileMissing"),
        ("read:forbidden", "fileForbidden"),
        ("read:changed", "dataInconsistency"),
    ],
)
@pytest.mark.parametrize("skipped", [True, False])
def test_files_that_cannot_be_copied(
    made: Made, source_record: Record, how: str, key: str, skipped: bool
) -> None:
    binary(made, "a.bin", "b.bin", "c.bin")
    made.activity |= {"skipErrorFile": {key: skipped}, "logSettings": logged()}
    plan, options = hooked(made, source_record, how)
    source = plan.source.address.replace("file://", "hooked://")
    if not skipped:
        with pytest.raises(CrossdockError):
            crossdock.copy(source, plan.sink.address, **options)
        return
    result = crossdock.copy(source, plan.sink.address, **options)
    output = result.output()
    assert (output["filesRead"], output["filesWritten"], output["filesSkipped"]) == (2, 2, 1)
    assert sorted(each.name for each in (made.data / "out").iterdir()) == ["a.bin", "c.bin"]
    (line,) = log_lines(made.data / "logs/here/copyactivity-logs/Copy it/run")
    assert line[1:4] == ["Warning", "FileSkip", "b.bin"]


def test_rows_that_the_mapping_cannot_convert(made: Made) -> None:
    good = "".join(f"{n},2024-02-0{n}\n" for n in range(1, 9))
    made.write("in/a.csv", "id,day\n" + good + "x,2024-02-01\n9,2024-31-31\n")
    columns = (MappedColumn(("id",), "id", type="int32"), MappedColumn(("day",), "day", type="date"))
    result = crossdock.copy(
        made.data / "in", f"{made.data}/out/", sink_format="parquet", map=ColumnMapping(columns),
        source_options={"infer": "false"}, skip_rows=True, log=made.data / "log", verify=True,
    )  # fmt: skip
    table = pq.read_table(made.data / "out" / "a.parquet")
    assert (table.schema.types[0], table["id"].to_pylist()) == (pa.int32(), list(range(1, 9)))
    assert (result.rows_copied, result.rows_skipped) == (8, 2)
    assert [line[3] for line in log_lines(made.data / "log")] == ["x,2024-02-01", "9,2024-31-31"]


@pytest.mark.parametrize(("split", "kept"), [("0", []), ("1", ["a.bin", "b.bin"])])
def test_a_file_that_is_not_what_was_read_is_taken_back(
    made: Made, source_record: Record, split: str, kept: list[str]
) -> None:
    """Verified, and left out: the sink changes the first block of each file, or the second of the only file
    that has one.
    """
    binary(made, "a.bin", "b.bin")
    made.write("in/large.bin", b"x" * 40_000)
    made.activity |= {"validateDataConsistency": True, "skipErrorFile": {"dataInconsistency": True}}
    plan, _ = made.plan(Scope())
    assert plan is not None
    options = plan.options(secrets=True) | {"block_size": 32 << 10}
    options["sink_options"] |= source_record.options | {
        "corrupt": "flip",
        "corrupt_split": split,
        "pull": "false",
    }
    sink = plan.sink.address.replace("file://", "hooked://")
    result = crossdock.copy(plan.source.address, sink, **options)
    assert result.output()["dataConsistencyVerification"] == {
        "VerificationResult": "Verified", "InconsistentData": "Skipped"
    }  # fmt: skip
    assert (result.files_skipped, result.files_written) == (3 - len(kept), len(kept))
    assert sorted(each.name for each in (made.data / "out").iterdir()) == kept
    with pytest.raises(crossdock.VerificationError):
        crossdock.copy(plan.source.address, sink, **options | {"skip_files": "none", "mode": "overwrite"})


def test_a_staged_copy_leaves_rows_out_of_both_hops(made: Made, table: str, database: str) -> None:
    stage = {"linkedServiceName": LOG["linkedServiceName"], "path": "stage"}
    made.activity |= {"enableStaging": True, "stagingSettings": stage, "logSettings": logged()}
    made.activity["enableSkipIncompatibleRow"] = True
    output = run(made, "r").output()
    assert [(row[0], row[2]) for row in stored(database, table)] == [(1, "one"), (2, "two"), (3, "three")]
    assert (output["rowsRead"], output["rowsCopied"], output["rowsSkipped"]) == (9, 3, 6)
    assert len(output["executionDetails"]) == 2
    assert len(log_lines(made.data / "logs/here/copyactivity-logs/Copy it/r")) == 6


def test_the_output_of_the_activity(made: Made) -> None:
    """Every name of Data Factory, as the runner of the activity returns them."""
    binary(made, "a.bin")
    made.service["connectVia"] = {"referenceName": "mine", "type": "IntegrationRuntimeReference"}
    put(made.root, "integrationRuntime", "mine", {"type": "SelfHosted"})
    made.plan()
    factory = load(made.root)
    pipeline = factory.find("pipeline", "p")
    assert pipeline is not None
    (activity,) = activities(pipeline)
    attempt = Attempt(factory, pipeline, activity, Scope(), Policy(), "0000-2")
    output = activity_types()["copy"].run(attempt)
    assert output["effectiveIntegrationRuntime"] == "mine"
    assert output["durationInQueue"] == {"integrationRuntimeQueue": 0}
    assert output["billingReference"]["activityType"] == "DataMovement"
    assert {*output} >= {
        "dataRead", "dataWritten", "filesRead", "filesWritten", "copyDuration", "throughput", "errors",
        "sourcePeakConnections", "sinkPeakConnections", "usedParallelCopies", "executionDetails",
        "dataConsistencyVerification",
    }  # fmt: skip
    assert not [name for name in output if name.startswith("rows")]
