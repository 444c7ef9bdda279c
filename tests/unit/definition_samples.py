"""Folders of definitions for the tests, and what is found wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crossdock_scheduler.pipeline.checks import check
from crossdock_scheduler.pipeline.definitions import Finding, load

SAMPLE = Path(__file__).parents[1] / "factories" / "sample"


def put(root: Path, kind: str, name: str, properties: dict[str, Any]) -> Path:
    file = root / kind / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"name": name, "properties": properties}))
    return file


def change(file: Path, *keys: str | int, to: Any) -> None:
    value = json.loads(file.read_text())
    inner = value
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    file.write_text(json.dumps(value))


def errors(root: Path) -> list[Finding]:
    return [each for each in check(load(root)) if each.severity == "error"]


def only(root: Path) -> Finding:
    found = errors(root)
    assert len(found) == 1, [str(each) for each in found]
    return found[0]


def wait(name: str, *after: str) -> dict[str, Any]:
    depends = [{"activity": each, "dependencyConditions": ["Succeeded"]} for each in after]
    return {"name": name, "type": "Wait", "dependsOn": depends, "typeProperties": {"waitTimeInSeconds": 1}}
