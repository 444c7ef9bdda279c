"""The properties of copies in docs/adf-properties.toml: what is said about each, and what test shows it."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from crossdock_scheduler.pipeline.copy import plan_copy
from crossdock_scheduler.pipeline.definitions import Definition, Factory, Place
from crossdock_scheduler.pipeline.definitions.activities import activities

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
PLACES: list[Json] = tomllib.loads((ROOT / "docs" / "adf-properties.toml").read_text(encoding="utf-8"))[
    "place"
]
SECRET = {"type": "SecureString", "value": "x"}
SERVICES: Json = {
    "files": ("FileServer", {"host": "/srv/files"}),
    "SqlServer": ("SqlServer", {"server": "s", "database": "d", "userName": "u", "password": SECRET}),
    "SqlDW": ("AzureSqlDW", {"server": "s", "database": "d", "userName": "u", "password": SECRET}),
    "PostgreSql": ("PostgreSqlV2", {
        "server": "s", "database": "d", "username": "u", "password": SECRET, "sslMode": 0,
        "authenticationType": "Basic"}),
    "Odbc": ("Odbc", {"connectionString": "DSN=x;UID=u", "password": SECRET}),
}  # fmt: skip
TABLES = {
    "SqlServer": ("SqlServerTable", "SqlServerSource", "SqlServerSink"),
    "SqlDW": ("AzureSqlDWTable", "SqlDWSource", "SqlDWSink"),
    "PostgreSql": ("PostgreSqlV2Table", "AzurePostgreSqlSource", "AzurePostgreSqlSink"),
    "Odbc": ("OdbcTable", "OdbcSource", "OdbcSink"),
}
STATES = {"error": "error", "unsupported": "unsupported", "note": "no difference"}


def end_of(kind: str, *, sink: bool) -> tuple[Json, Json]:
    """A dataset and what the activity says of it."""
    side, folder = ("Sink", "out") if sink else ("Source", "in")
    if kind in TABLES:
        dataset, *sides = TABLES[kind]
        table = {"tableName": "t"} if kind == "Odbc" else {"schema": "dbo", "table": "t"}
        return linked(dataset, kind, **table), {"type": sides[sink]}
    if kind.endswith("Format"):
        return linked("FileShare", "files", folderPath=folder, format={"type": kind}), {
            "type": f"FileSystem{side}"
        }
    location = {"type": "FileServerLocation", "folderPath": folder}
    store = {"type": f"FileServer{'Write' if sink else 'Read'}Settings"}
    return linked(kind, "files", location=location), {"type": f"{kind}{side}", "storeSettings": store}


def linked(kind: str, service: str, **properties: Any) -> Json:
    reference = {"referenceName": service, "type": "LinkedServiceReference"}
    return {"type": kind, "linkedServiceName": reference, "typeProperties": properties}


def said(copy: list[str], values: Json) -> str:
    """The worst that is said about a copy with these values, by path."""
    (source, reading), (sink, writing) = end_of(copy[0], sink=False), end_of(copy[1], sink=True)
    activity: Json = {
        "name": "copy", "type": "Copy", "policy": {}, "typeProperties": {"source": reading, "sink": writing},
        "inputs": [{"referenceName": "source", "type": "DatasetReference"}],
        "outputs": [{"referenceName": "sink", "type": "DatasetReference"}],
    }  # fmt: skip
    roots = {
        "whole": activity, "activity": activity["typeProperties"],
        "translator": activity["typeProperties"].setdefault("translator", {"type": "TabularTranslator"}),
        "policy": activity["policy"], "source": reading,
        "sink": writing, "sourceDataset": source["typeProperties"], "sinkDataset": sink["typeProperties"],
    }  # fmt: skip
    for path, value in values.items():
        first, *between, name = path.split(".")
        place = roots[first]
        for step in between:
            place = place.setdefault(step, {})
        place[name] = value
    made = [
        Definition("linkedService", name, {"type": kind, "typeProperties": properties}, Place(name))
        for name, (kind, properties) in SERVICES.items()
    ]
    made += [Definition("dataset", "source", source, Place("source"))]
    made += [Definition("dataset", "sink", sink, Place("sink"))]
    pipeline = Definition("pipeline", "p", {"activities": [activity]}, Place("p"))
    factory = Factory("memory", (*made, pipeline))
    findings = plan_copy(factory, pipeline, activities(pipeline)[0])[1]
    found = {STATES[each.severity] for each in findings}
    return next((state for state in STATES.values() if state in found), "honoured")


ROOTS = {
    "typeProperties": "activity",
    "activity": "whole",
    "dataset": "sourceDataset",
    "dataset (sink)": "sinkDataset",
    "dataset.format": "sourceDataset.format",
}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place['at']} {place['of']}"[:40])
def test_what_is_said_about_each_property(place: Json) -> None:
    at = ROOTS.get(place["at"], place["at"])
    assert said(place["copy"], {}) == "honoured"
    for each in place["properties"]:
        state = said(place["copy"], {f"{at}.{each['name']}": each["value"], **each.get("with", {})})
        expected = "honoured" if each.get("silent") else each.get("state", "honoured")
        assert state == expected, each["name"]


def test_a_property_that_nobody_reads_is_found() -> None:
    """Else all of them would seem to be honoured."""
    for path in ("activity", "source", "sink", "source.storeSettings", "sourceDataset", "sinkDataset"):
        assert said(["DelimitedText", "DelimitedText"], {f"{path}.madeUp": 1}) == "unsupported"


@cache
def known() -> frozenset[str]:
    found = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)
    files = (ROOT / "tests").rglob("test_*.py")
    return frozenset(f"{file.stem}::{name}" for file in files for name in found.findall(file.read_text()))


def test_what_is_honoured_is_shown_by_a_test() -> None:
    honoured = [each for place in PLACES for each in place["properties"] if "state" not in each]
    assert [each["name"] for each in honoured if "shown" not in each and "note" not in each] == []
    shown = {each["shown"] for place in PLACES for each in place["properties"] if "shown" in each}
    assert shown - known() == set()
