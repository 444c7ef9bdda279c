"""The factory of the demo: linked services, datasets and pipelines, under Data Factory's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

GROUP, FACTORY, RUNTIME = "demo", "flights", "here"
EACH, STAGED = "to-parquet", "staged"
_KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "csv": ("DelimitedText", {"firstRowAsHeader": True, "nullValue": "NA", "columnDelimiter": ","}),
    "parquet": ("Parquet", {}),
}


def create_runtime(client: Any) -> str:
    """One of the auth keys of a new integration runtime."""
    client.factories.create_or_update(GROUP, FACTORY, {})
    runtime = {"properties": {"type": "SelfHosted"}}
    client.integration_runtimes.create_or_update(GROUP, FACTORY, RUNTIME, runtime)
    key: str = client.integration_runtimes.list_auth_keys(GROUP, FACTORY, RUNTIME).auth_key1
    return key


def create_pipelines(client: Any, csv: Path, parquet: Path, stage: Path) -> None:
    """EACH makes Parquet files of the tables in its parameter; STAGED copies the one in its parameter by way
    of a stage."""
    via = {"referenceName": RUNTIME, "type": "IntegrationRuntimeReference"}
    for name, folder in (("csv", csv), ("parquet", parquet), ("stage", stage)):
        host = {"type": "FileServer", "connectVia": via, "typeProperties": {"host": str(folder)}}
        client.linked_services.create_or_update(GROUP, FACTORY, name, {"properties": host})
    for name, (kind, more) in _KINDS.items():
        file = {"value": f"@concat(dataset().folder, dataset().table, '.{name}')", "type": "Expression"}
        dataset = {
            "type": kind,
            "linkedServiceName": {"referenceName": name, "type": "LinkedServiceReference"},
            "parameters": {"table": {"type": "string"}, "folder": {"type": "string", "defaultValue": ""}},
            "typeProperties": {"location": {"type": "FileServerLocation", "fileName": file}, **more},
        }
        client.datasets.create_or_update(GROUP, FACTORY, f"table_{name}", {"properties": dataset})
    items = {"value": "@pipeline().parameters.tables", "type": "Expression"}
    loop = {"items": items, "activities": [_copy("@item()")]}
    each = {
        "activities": [{"name": "for each table", "type": "ForEach", "typeProperties": loop}],
        "parameters": {"tables": {"type": "array"}},
    }
    client.pipelines.create_or_update(GROUP, FACTORY, EACH, {"properties": each})
    link = {"referenceName": "stage", "type": "LinkedServiceReference"}
    copy = _copy("@pipeline().parameters.table", folder="staged/")
    at = {"linkedServiceName": link, "path": "copies"}
    copy["typeProperties"] |= {"enableStaging": True, "stagingSettings": at}
    staged = {"activities": [copy], "parameters": {"table": {"type": "string"}}}
    client.pipelines.create_or_update(GROUP, FACTORY, STAGED, {"properties": staged})


def _copy(table: str, **sink: str) -> dict[str, Any]:
    named = {"table": {"value": table, "type": "Expression"}}
    return {
        "name": "copy",
        "type": "Copy",
        "inputs": [{"referenceName": "table_csv", "type": "DatasetReference", "parameters": named}],
        "outputs": [
            {"referenceName": "table_parquet", "type": "DatasetReference", "parameters": named | sink}
        ],
        "typeProperties": {
            "source": {"type": "DelimitedTextSource", "storeSettings": {"type": "FileServerReadSettings"}},
            "sink": {"type": "ParquetSink", "storeSettings": {"type": "FileServerWriteSettings"}},
        },
    }
