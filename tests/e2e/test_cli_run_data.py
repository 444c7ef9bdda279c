"""``crossdock run`` of a pipeline that looks files up, waits for them, and deletes those that are named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]
READ = {"type": "FileServerReadSettings", "recursive": False}


def put(root: Path, kind: str, name: str, properties: Json) -> None:
    file = root / kind / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"name": name, "properties": properties}))


def dataset(root: Path, name: str, kind: str, file: str, **more: Any) -> None:
    service = {"referenceName": "files", "type": "LinkedServiceReference"}
    location = {"type": "FileServerLocation", "folderPath": "in", "fileName": file}
    properties: Json = {"location": location, **more}
    made: Json = {"type": kind, "linkedServiceName": service, "typeProperties": properties}
    put(root, "dataset", name, made | {"parameters": {"name": {"type": "string", "defaultValue": ""}}})


def activity(name: str, kind: str, on: str = "", after: str = "", **properties: Any) -> Json:
    given: Json = dict(properties)
    if on:
        arguments = {"name": "@item().file"} if on == "one" else {}
        given["dataset"] = {"referenceName": on, "type": "DatasetReference", "parameters": arguments}
    depends = [{"activity": after, "dependencyConditions": ["Succeeded"]}] if after else []
    return {"name": name, "type": kind, "dependsOn": depends, "typeProperties": given}


def test_files_that_a_list_names_are_deleted(tmp_path: Path) -> None:
    root, data = tmp_path / "factory", tmp_path / "data" / "in"
    data.mkdir(parents=True)
    (data / "list.csv").write_text("file\na.bin\nb.bin\n")
    for number, name in enumerate(("a.bin", "b.bin", "c.bin"), 1):
        (data / name).write_bytes(b"x" * number)
    put(root, "linkedService", "files", {"type": "FileServer", "typeProperties": {"host": str(data.parent)}})
    dataset(root, "list", "DelimitedText", "list.csv", firstRowAsHeader=True)
    dataset(root, "one", "Binary", "@dataset().name")
    dataset(root, "all", "Binary", "")
    source = {"type": "DelimitedTextSource", "storeSettings": READ}
    inner = [
        activity("Size", "GetMetadata", "one", fieldList=["size"]),
        activity("Gone", "Delete", "one", "Size", storeSettings=READ, enableLogging=False),
    ]
    activities = [
        activity("There", "Validation", "list", timeout="0.00:00:05", sleep=1, minimumSize=4),
        activity("Rows", "Lookup", "list", "There", source=source, firstRowOnly=False),
        activity("Each", "ForEach", "", "Rows", items="@activity('Rows').output.value", activities=inner),
        activity("Left", "GetMetadata", "all", "Each", fieldList=["childItems"]),
    ]
    put(root, "pipeline", "tidy", {"activities": activities})
    ran = subprocess.run(
        [sys.executable, "-m", "crossdock", "run", str(root), "tidy", "--output", "json"],
        check=False, capture_output=True, text=True, timeout=100, env=os.environ,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    runs = json.loads(ran.stdout)["activityRuns"]
    outputs = [(each["activityName"], each["output"]) for each in runs]
    assert dict(outputs)["Rows"] == {"count": 2, "value": [{"file": "a.bin"}, {"file": "b.bin"}]}
    assert sorted(out["size"] for name, out in outputs if name == "Size") == [1, 2]
    assert [out["filesDeleted"] for name, out in outputs if name == "Gone"] == [1, 1]
    assert dict(outputs)["Left"] == {
        "childItems": [{"name": "c.bin", "type": "File"}, {"name": "list.csv", "type": "File"}]
    }
    assert sorted(each.name for each in data.iterdir()) == ["c.bin", "list.csv"]
