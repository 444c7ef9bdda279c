"""A factory with one copy between two folders, which the tests of copies plan and carry out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crossdock_scheduler.pipeline.copy import CopyPlan, plan_copy
from crossdock_scheduler.pipeline.definitions import Finding, load
from crossdock_scheduler.pipeline.definitions.activities import activities
from crossdock_scheduler.pipeline.expressions import Scope
from crossdock_scheduler.pipeline.policy import Policy

Json = dict[str, Any]


def put(root: Path, kind: str, name: str, properties: Json) -> None:
    file = root / kind / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"name": name, "properties": properties}))


class Made:
    """A factory with one copy between two folders of a FileServer, whose parts a test changes."""

    def __init__(self, root: Path) -> None:
        self.root, self.data = root / "factory", root / "data"
        self.data.mkdir()
        self.service: Json = {"type": "FileServer", "typeProperties": {"host": str(self.data)}}
        self.source = self.text("in", firstRowAsHeader=True)
        self.sink = self.text("out", firstRowAsHeader=True)
        self.activity: Json = {
            "source": {"type": "DelimitedTextSource", "storeSettings": {"type": "FileServerReadSettings"}},
            "sink": {
                "type": "DelimitedTextSink",
                "storeSettings": {"type": "FileServerWriteSettings"},
                "formatSettings": {"type": "DelimitedTextWriteSettings", "fileExtension": ".csv"},
            },
        }
        self.pipeline: Json = {}
        self.policy: Json = {}

    def dataset(self, kind: str, folder: str, file: str = "", **properties: Any) -> Json:
        location = {"type": "FileServerLocation", "folderPath": folder} | ({"fileName": file} if file else {})
        return {
            "type": kind,
            "linkedServiceName": {"referenceName": "files", "type": "LinkedServiceReference"},
            "typeProperties": {"location": location, **properties},
        }

    def text(self, folder: str, file: str = "", **properties: Any) -> Json:
        return self.dataset("DelimitedText", folder, file, **properties)

    def write(self, name: str, content: str | bytes) -> None:
        file = self.data / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def plan(
        self, scope: Scope | None = None, policy: Policy | None = None
    ) -> tuple[CopyPlan | None, list[Finding]]:
        put(self.root, "linkedService", "files", self.service)
        put(self.root, "dataset", "source", self.source)
        put(self.root, "dataset", "sink", self.sink)
        copy = {
            "name": "Copy it",
            "type": "Copy",
            "policy": self.policy,
            "typeProperties": self.activity,
            "inputs": [{"referenceName": "source", "type": "DatasetReference"}],
            "outputs": [{"referenceName": "sink", "type": "DatasetReference"}],
        }
        put(self.root, "pipeline", "p", {"activities": [copy]} | self.pipeline)
        factory = load(self.root)
        pipeline = factory.find("pipeline", "p")
        assert pipeline is not None
        return plan_copy(factory, pipeline, activities(pipeline)[0], scope=scope, policy=policy)

    def out(self, name: str) -> list[str]:
        """The lines of a file that was written; whether texts are quoted is no matter."""
        return (self.data / "out" / name).read_text().replace('"', "").split()

    def run(self, scope: Scope | None = None) -> None:
        made, findings = self.plan(scope or Scope())
        assert [str(each) for each in findings if each.severity != "note"] == []
        assert made is not None
        made.run(home=self.root / "home")

    def unsupported(self) -> list[str]:
        return [f"{each.severity} {each.place.path.rpartition('.')[2]}" for each in self.plan()[1]]
