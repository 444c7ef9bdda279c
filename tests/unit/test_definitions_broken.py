"""Definitions that hold anything: what is said of them, and that nothing else happens."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from definition_samples import put

from crossdock import ConfigError, Location
from crossdock_scheduler.pipeline.coverage import cover
from crossdock_scheduler.pipeline.definitions import load
from crossdock_scheduler.pipeline.policy import Policy

SAMPLE = Path(__file__).parents[1] / "factories" / "sample"
ODD: tuple[Any, ...] = (
    None, True, -1, 1e300, 10**30, "", "@", "@{", "@item()", "\0", "http://[::1", "http://h:x/", "**/?[",
    "99:99", [], {}, [[None]], {"value": "@1", "type": "Expression"}, {"value": None, "type": "Expression"},
    {"type": "SecureString"}, {"type": "AzureKeyVaultSecret", "store": 1}, {"referenceName": 5},
)  # fmt: skip


def errors(root: Path) -> list[str]:
    return [each.message for each in cover(load(root)).findings if each.severity == "error"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is no JSON: Expecting value (line 1, column 1)"),
        (b"[1]", "holds no JSON object"),
        (b"\xff\xfe{\0}\0", "is no UTF-8 text (line 1, column 1)"),
        (b'{"a": "\xe9"}', "is no UTF-8 text (line 1, column 8)"),
        (b'{"a":' * 100_000, "is nested too deep"),
        (b'{"a": ' + b"9" * 5000 + b"}", "holds a number of more than 4,300 digits"),
        (b'{"a": -Infinity}', "holds -Infinity, which is no JSON"),
        (b'{"a": "x\\uD83dy"}', "holds \\ud83d, half of a character, without the other half"),
    ],
)
def test_a_file_that_is_no_definition(tmp_path: Path, text: bytes, said: str) -> None:
    put(tmp_path, "pipeline", "p", {"activities": []})
    (tmp_path / "pipeline" / "x.json").write_bytes(text)
    assert errors(tmp_path) == [f"pipeline/x.json {said}"]


def test_a_character_of_two_halves_is_one(tmp_path: Path) -> None:
    text = '{"name": "p", "properties": {"activities": [], "description": "\\ud83d\\ude00"}}'
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "p.json").write_text(text)
    assert errors(tmp_path) == []


def test_properties_that_are_an_expression(tmp_path: Path) -> None:
    properties = {"value": "@1", "type": "Expression"}
    for name in ("from", "to"):
        linked = {"referenceName": "db", "type": "LinkedServiceReference"}
        table = {"type": "SqlServerTable", "linkedServiceName": linked, "typeProperties": properties}
        put(tmp_path, "dataset", name, table)
    service = {"server": "h", "database": "d", "authenticationType": "SQL", "userName": "u"}
    put(tmp_path, "linkedService", "db", {"type": "SqlServer", "typeProperties": service})
    ends = [[{"referenceName": name, "type": "DatasetReference"}] for name in ("from", "to")]
    whole = {"name": "c", "type": "Copy", "inputs": ends[0], "outputs": ends[1]}
    kinds = {"source": {"type": "SqlServerSource"}, "sink": {"type": "SqlServerSink"}}
    put(tmp_path, "pipeline", "p", {"activities": [whole | {"typeProperties": kinds}]})
    put(tmp_path, "pipeline", "q", {"activities": [whole | {"typeProperties": properties}]})
    said = "typeProperties must be an object, and is an expression"
    assert errors(tmp_path).count(said) == 3


@pytest.mark.parametrize(
    ("properties", "source", "said"),
    [
        ({}, {}, ["the dataset names no table, and the activity no query", "the dataset names no table"]),
        ({"table": ""}, {"query": "SELECT 1", "sqlReaderQuery": "SELECT 1"}, ["the dataset names no table"]),
        (
            {"schema": "dbo", "table": ""},
            {"query": "SELECT 1", "sqlReaderQuery": "SELECT 1"},
            ["the dataset names no table"],
        ),
        ({"table": "@dataset().table"}, {}, []),
        ({"table": "@pipeline().globalParameters.table"}, {}, []),
        ({"table": "t"}, {}, []),
    ],
)
@pytest.mark.parametrize("kind", ["AzurePostgreSql", "Odbc", "SqlServer"])
def test_a_table_that_is_not_named(
    tmp_path: Path, kind: str, properties: dict[str, Any], source: dict[str, Any], said: list[str]
) -> None:
    put(tmp_path, "factory", "f", {"globalParameters": {"table": {"type": "string", "value": ""}}})
    put(tmp_path, "linkedService", "db", {"type": kind, "typeProperties": {"server": "h", "database": "d"}})
    given = {"table": "@pipeline().parameters.table"} if "dataset()" in properties.get("table", "") else {}
    ends = []
    for name in ("from", "to"):
        linked = {"referenceName": "db", "type": "LinkedServiceReference"}
        table = {"type": f"{kind}Table", "linkedServiceName": linked}
        declared = {"table": {"type": "string", "defaultValue": ""}} if given else {}
        put(tmp_path, "dataset", name, table | {"typeProperties": properties, "parameters": declared})
        ends.append([{"referenceName": name, "type": "DatasetReference", "parameters": given}])
    kinds = {"source": {"type": f"{kind}Source"} | source, "sink": {"type": f"{kind}Sink"}}
    activity = {"name": "c", "type": "Copy", "inputs": ends[0], "outputs": ends[1], "typeProperties": kinds}
    parameters = {"table": {"type": "string", "defaultValue": ""}}
    put(tmp_path, "pipeline", "p", {"activities": [activity], "parameters": parameters})
    assert sorted(errors(tmp_path)) == sorted(f"table: {each}" for each in said)


@pytest.mark.parametrize(
    ("service", "key"),
    [
        ({"serviceEndpoint": "https://[::1/"}, "serviceEndpoint"),
        ({"serviceEndpoint": "https://h:99999/"}, "serviceEndpoint"),
        ({"connectionString": "AccountName=a;BlobEndpoint=http://[x]/"}, "connectionString"),
        ({"sasUri": {"type": "SecureString", "value": "https://[h/c?sig=hidden"}}, "sasUri"),
        ({"authenticationType": "Anonymous", "containerUri": "https://h:p/"}, "containerUri"),
    ],
)
def test_an_address_of_a_store_that_is_none(tmp_path: Path, service: dict[str, Any], key: str) -> None:
    put(tmp_path, "linkedService", "blob", {"type": "AzureBlobStorage", "typeProperties": service})
    linked = {"referenceName": "blob", "type": "LinkedServiceReference"}
    place = {"location": {"type": "AzureBlobStorageLocation", "container": "c", "fileName": "f"}}
    put(tmp_path, "dataset", "d", {"type": "Json", "linkedServiceName": linked, "typeProperties": place})
    at = {"referenceName": "d", "type": "DatasetReference"}
    reading = {"dataset": at, "source": {"type": "JsonSource"}}
    put(
        tmp_path,
        "pipeline",
        "p",
        {"activities": [{"name": "l", "type": "Lookup", "typeProperties": reading}]},
    )
    (said,) = errors(tmp_path)
    assert said == f"{key}: there is no such address"


@pytest.mark.parametrize("text", ["sftp://u:hidden@[::1/x.csv", "az://[a/x", "mssql://[h]x]/d"])
def test_an_address_whose_host_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^an address with \w+:// has a host that is no host$"):
        Location.parse(text)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


@pytest.mark.parametrize("seed", range(25))
def test_whatever_stands_somewhere_is_a_finding_or_nothing(tmp_path: Path, seed: int) -> None:
    """Two values anywhere in the sample's definitions become odd ones."""
    chance = random.Random(seed)
    files = {each: json.loads(each.read_text()) for each in sorted(SAMPLE.glob("*/*.json"))}
    for _ in range(2):
        file = chance.choice(list(files))
        path = chance.choice(list(places(files[file])))
        around = files[file]
        for key in path[:-1]:
            around = around[key]
        around[path[-1]] = copy.deepcopy(chance.choice(ODD))
    for file, value in files.items():
        made = tmp_path / file.relative_to(SAMPLE)
        made.parent.mkdir(exist_ok=True)
        made.write_text(json.dumps(value))
    found = cover(load(tmp_path), Policy(None, False)).as_json()
    assert json.loads(json.dumps(found))["status"] in ("supported", "unsupported", "invalid")
