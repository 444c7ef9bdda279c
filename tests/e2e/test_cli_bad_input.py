"""What is wrong in definitions, on the command line: a message each, all in one pass, and nothing is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crossdock_scheduler.pipeline.run.local import Request, prepare

PIPELINES = ("Absent", "Lost", "Cycle", "Missing", "Wrong", "Expression", "Local", "Private", "Driver")


def linked_service(kind: str, **given: Any) -> dict[str, Any]:
    return {"type": kind, "typeProperties": given}


def file_of(service: str, place: Any, **parameters: Any) -> dict[str, Any]:
    location = {"type": "FileServerLocation", "folderPath": place, "fileName": "a.csv"}
    return {
        "type": "DelimitedText",
        "linkedServiceName": {"referenceName": service, "type": "LinkedServiceReference"},
        "parameters": parameters,
        "typeProperties": {"location": location, "firstRowAsHeader": True},
    }


def copying(name: str, source: str, *after: str, kind: str = "DelimitedTextSource") -> dict[str, Any]:
    return {
        "name": name,
        "type": "Copy",
        "dependsOn": [{"activity": each, "dependencyConditions": ["Succeeded"]} for each in after],
        "typeProperties": {"source": {"type": kind}, "sink": {"type": "DelimitedTextSink"}},
        "inputs": [{"referenceName": source, "type": "DatasetReference"}],
        "outputs": [{"referenceName": "Out", "type": "DatasetReference"}],
    }


@pytest.fixture
def factory(tmp_path: Path) -> Path:
    """Each pipeline is wrong in one way but ``Good``; each would write ``out/a.csv`` otherwise."""
    (tmp_path / "data" / "in").mkdir(parents=True)
    (tmp_path / "data" / "in" / "a.csv").write_text("x,y\n1,2\n")
    made = tmp_path / "factory"

    def save(kind: str, name: str, properties: dict[str, Any]) -> None:
        (made / kind).mkdir(parents=True, exist_ok=True)
        (made / kind / f"{name}.json").write_text(json.dumps({"name": name, "properties": properties}))

    def pipeline(name: str, *activities: dict[str, Any], **more: Any) -> None:
        save("pipeline", name, {"activities": list(activities), **more})

    save("linkedService", "Files", linked_service("FileServer", host=str(tmp_path / "data")))
    save("linkedService", "Machine", linked_service("FileServer", host="/etc"))
    driver = "Driver=/tmp/any.so;Server=h;Database=d;User ID=u;Password=p"
    save("linkedService", "Odd", linked_service("SqlServer", connectionString=driver))
    save("dataset", "In", file_of("Files", "in"))
    save("dataset", "Out", file_of("Files", "out"))
    save("dataset", "Etc", file_of("Machine", ""))
    save("dataset", "Unkept", file_of("File", "in"))
    folder = {"value": "@dataset().folder", "type": "Expression"}
    save("dataset", "Asks", file_of("Files", folder, folder={"type": "string"}))
    table = {"schema": "dbo", "table": "t"}
    odd = {"referenceName": "Odd", "type": "LinkedServiceReference"}
    save("dataset", "Table", {"type": "SqlServerTable", "linkedServiceName": odd, "typeProperties": table})
    pipeline("Good", copying("c", "In"))
    pipeline("Absent", copying("c", "Inn"))
    pipeline("Lost", copying("c", "Unkept"))
    pipeline("Cycle", copying("a", "In", "c"), copying("b", "In", "a"), copying("c", "In", "b"))
    pipeline("Missing", copying("c", "Asks"))
    pipeline("Wrong", copying("c", "In"), parameters={"n": {"type": "bool", "defaultValue": "perhaps"}})
    value = {"variableName": "v", "value": "@concat('a', toUper('b'))"}
    setting = {"name": "s", "type": "SetVariable", "typeProperties": value}
    pipeline("Expression", setting, copying("c", "In", "s"), variables={"v": {"type": "String"}})
    pipeline("Local", copying("c", "Etc"))
    call = {"url": "http://169.254.169.254/metadata", "method": "GET"}
    pipeline("Private", {"name": "w", "type": "WebActivity", "typeProperties": call}, copying("c", "In"))
    pipeline("Driver", copying("c", "Table", kind="SqlServerSource"))
    (made / "pipeline" / "Broken.json").write_text('{\n "name": "Broken",\n "properties" {}\n}\n')
    return made


def said_of(factory: Path) -> dict[str, str]:
    """What is to be said, with where it stands."""
    data = factory.parent / "data"
    return {
        "pipeline 'Absent', activity 'c': refers to the dataset 'Inn', which does not exist: "
        "did you mean 'In'?":
            "pipeline/Absent.json: properties.activities[0].inputs[0].referenceName",
        "dataset 'Unkept': refers to the linked service 'File', which does not exist: did you mean 'Files'?":
            "dataset/Unkept.json: properties.linkedServiceName.referenceName",
        "pipeline 'Cycle', activity 'a': activities wait for each other: a -> c -> b -> a":
            "pipeline/Cycle.json: properties.activities[0]",
        "pipeline 'Missing', activity 'c': the dataset 'Asks' needs the parameter 'folder', "
        "which is not given":
            "pipeline/Missing.json: properties.activities[0].inputs[0].referenceName",
        "pipeline 'Wrong': parameter 'n' is of the type bool, and its default is a text":
            "pipeline/Wrong.json: properties.parameters.n",
        "pipeline 'Expression', activity 's': There is no function toUper(): did you mean toUpper()?\n"
        "              @concat('a', toUper('b'))\n"
        "                           ^":
            "pipeline/Expression.json: properties.activities[0].typeProperties.value",
        f"dataset 'Etc': the folder '/etc/' is outside of what is allowed: {data}":
            "dataset/Etc.json: properties",
        "pipeline 'Private', activity 'w': the address 169.254.169.254 is a private one, which is forbidden":
            "pipeline/Private.json: properties.activities[0].typeProperties.url",
        "linked service 'Odd': connectionString: driver= is not allowed in the connection string "
        "of a definition":
            "linkedService/Odd.json: properties.typeProperties.connectionString",
    }  # fmt: skip


def crossdock(command: str, factory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    data = factory.parent / "data"
    whole = ["-m", "crossdock", command, factory, *arguments, "--allow-path", data, "--forbid-private"]
    return subprocess.run(
        [sys.executable, *map(str, whole)], check=False, capture_output=True, text=True, timeout=100,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "200"},
    )  # fmt: skip


def test_all_that_is_wrong_is_said_once_in_one_pass(factory: Path) -> None:
    ran = crossdock("validate", factory)
    assert (ran.returncode, ran.stderr) == (2, "")
    for message, place in said_of(factory).items():
        assert ran.stdout.count(f"{message}\n            {place}\n") == 1, message
    broken = "pipeline/Broken.json is no JSON: Expecting ':' delimiter (line 3, column 15)"
    assert ran.stdout.count(broken) == 1
    assert sum(line.startswith("error ") for line in ran.stdout.splitlines()) == len(PIPELINES) + 1
    states = [each.split("│")[3].strip() for each in ran.stdout.splitlines() if each.startswith("│ ")]
    assert (states.count("invalid"), "1 of 10 pipelines" in ran.stdout) == (len(PIPELINES), True)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_one_pipeline_that_is_wrong(factory: Path, pipeline: str) -> None:
    allowed = (str(factory.parent / "data"),)
    found = prepare(Request(str(factory), pipeline, allow_path=allowed, forbid_private=True))
    (error,) = (each for each in found.report.findings if each.severity == "error")
    said = list(said_of(factory))[PIPELINES.index(pipeline)]
    assert said.endswith(error.message.replace("\n", f"\n{' ' * 12}"))
    assert found.exit_code == 2


@pytest.mark.parametrize("pipeline", ["Local", "Private"])
def test_nothing_of_what_is_wrong_is_run(factory: Path, pipeline: str) -> None:
    ran = crossdock("run", factory, pipeline)
    assert (ran.returncode, ran.stderr) == (2, "")
    assert list(said_of(factory))[PIPELINES.index(pipeline)] in ran.stdout
    assert ran.stdout.endswith(f"the pipeline {pipeline} is wrong: nothing was run\n")
    assert not (factory.parent / "data" / "out").exists()


def test_a_pipeline_in_a_broken_file_and_one_that_is_nowhere(factory: Path) -> None:
    broken = "pipeline/Broken.json is no JSON: Expecting ':' delimiter (line 3, column 15)"
    ran = crossdock("run", factory, "broken")
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", f"crossdock: {broken}\n")
    ran = crossdock("run", factory, "Goodd")
    said = f"{factory} has no pipeline 'Goodd': did you mean 'Good'? (not read: {broken})"
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", f"crossdock: {said}\n")
    assert crossdock("run", factory, "Good").returncode == 0
    assert (factory.parent / "data" / "out" / "a.csv").exists()
