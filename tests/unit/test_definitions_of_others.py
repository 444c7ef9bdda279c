"""What people's definitions have that no documentation speaks of; found in public folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from definition_samples import put

from crossdock import ConfigError
from crossdock_scheduler.pipeline.copy import plan_copy
from crossdock_scheduler.pipeline.coverage import cover
from crossdock_scheduler.pipeline.definitions import load
from crossdock_scheduler.pipeline.definitions.activities import activities
from crossdock_scheduler.pipeline.definitions.links import referenced

Json = dict[str, Any]


def found(root: Path) -> list[tuple[str, str]]:
    """What is said that is more than a note."""
    findings = cover(load(root)).findings
    return [(each.severity, each.message) for each in findings if each.severity != "note"]


def link(name: str, kind: str = "LinkedServiceReference", **arguments: Any) -> Json:
    return {"referenceName": name, "type": kind, "parameters": arguments}


def copy_of(name: str, source: str, sink: str) -> Json:
    return {
        "name": name,
        "type": "Copy",
        "inputs": [link("from", "DatasetReference")],
        "outputs": [link("to", "DatasetReference")],
        "typeProperties": {"source": {"type": source}, "sink": {"type": sink}},
    }


def table(root: Path, name: str, service: str, kind: str, **arguments: Any) -> None:
    linked = link(service, **arguments)
    properties = {"schema": "s", "table": "t"}
    put(root, "dataset", name, {"type": kind, "linkedServiceName": linked, "typeProperties": properties})


def test_keys_that_the_designer_leaves_in_a_linked_service(tmp_path: Path) -> None:
    """Its own parameters once more, and the name of a secret that is not in a vault any more."""
    properties = {
        "server": "@{linkedService().host}",
        "database": "d",
        "host": "@{linkedService().host}",
        "secretName": "old",
        "hostNameInCertificate": "",
    }
    declared = {"host": {"type": "String"}}
    service = {"type": "SqlServer", "parameters": declared, "typeProperties": properties}
    put(tmp_path, "linkedService", "db", service)
    table(tmp_path, "from", "db", "SqlServerTable", host="h")
    table(tmp_path, "to", "db", "SqlServerTable", host="h")
    activity = copy_of("c", "SqlServerSource", "SqlServerSink")
    put(tmp_path, "pipeline", "p", {"activities": [activity]})
    assert found(tmp_path) == []
    put(tmp_path, "linkedService", "db", service | {"typeProperties": properties | {"other": "x"}})
    assert found(tmp_path) == [("unsupported", "other is not supported here")]


def test_sql_server_at_amazon_is_sql_server(tmp_path: Path) -> None:
    rds = {"type": "AmazonRdsForSqlServer", "typeProperties": {"server": "h", "database": "d"}}
    put(tmp_path, "linkedService", "rds", rds)
    table(tmp_path, "from", "rds", "AmazonRdsForSqlServerTable")
    put(tmp_path, "linkedService", "db", {"type": "SqlServer", "typeProperties": rds["typeProperties"]})
    table(tmp_path, "to", "db", "SqlServerTable")
    activity = copy_of("c", "AmazonRdsForSqlServerSource", "SqlServerSink")
    put(tmp_path, "pipeline", "p", {"activities": [activity]})
    assert found(tmp_path) == []


@pytest.mark.parametrize("state", ["Inactive", "Active"])
def test_what_is_inside_of_an_inactive_activity_is_not_planned(tmp_path: Path, state: str) -> None:
    inner = {"name": "notebook", "type": "DatabricksNotebook", "typeProperties": {}}
    loop = {"items": {"value": "@createArray(1)", "type": "Expression"}, "activities": [inner]}
    around = {"name": "each", "type": "ForEach", "state": state, "typeProperties": loop}
    put(tmp_path, "pipeline", "p", {"activities": [around]})
    assert [severity for severity, _ in found(tmp_path)] == ([] if state == "Inactive" else ["unsupported"])


def test_folders_with_an_s_are_a_factory_where_they_hold_definitions(tmp_path: Path) -> None:
    put(tmp_path, "pipelines", "p", {"activities": []})
    put(tmp_path, "linkedServices", "l", {"type": "FileServer", "typeProperties": {"host": "/"}})
    assert [each.owner for each in load(tmp_path).definitions] == ["linked service 'l'", "pipeline 'p'"]


def test_a_folder_with_a_factory_in_it_says_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "azure.yml").touch()
    put(tmp_path / "adf", "pipeline", "p", {"activities": []})
    with pytest.raises(ConfigError, match=f"no folder of Data Factory.*; one is {tmp_path / 'adf'}"):
        load(tmp_path)


def test_parameters_of_an_export_of_the_portal_are_beside_it(tmp_path: Path) -> None:
    resource = {
        "name": "f/l",
        "type": "Microsoft.DataFactory/factories/linkedServices",
        "properties": {"type": "FileServer", "typeProperties": {"host": "[parameters('host')]"}},
    }
    template = {"parameters": {"host": {"type": "string"}}, "resources": [resource]}
    given = {"parameters": {"host": {"value": "/srv"}}}
    (tmp_path / "arm_template.json").write_text(json.dumps(template))
    (tmp_path / "arm_template_parameters.json").write_text(json.dumps(given))
    for path in (tmp_path, tmp_path / "arm_template.json"):
        (definition,) = load(path).definitions
        assert definition.properties["typeProperties"] == {"host": "/srv"}


def test_the_template_that_moves_files_says_recursive_twice(tmp_path: Path) -> None:
    put(tmp_path, "linkedService", "l", {"type": "FileServer", "typeProperties": {"host": "/d"}})
    for name in ("from", "to"):
        location = {"location": {"type": "FileServerLocation", "folderPath": name}}
        put(
            tmp_path,
            "dataset",
            name,
            {"type": "Binary", "linkedServiceName": link("l"), "typeProperties": location},
        )
    activity = copy_of("c", "BinarySource", "BinarySink")
    activity["typeProperties"]["source"] |= {
        "storeSettings": {"type": "FileServerReadSettings", "recursive": True},
        "recursive": False,
    }
    put(tmp_path, "pipeline", "p", {"activities": [activity]})
    assert found(tmp_path) == []


def test_tables_of_a_dedicated_pool_are_those_of_the_workspaces_server(tmp_path: Path) -> None:
    """Datasets of Synapse name a pool and no linked service: the workspace has one with the database as its
    parameter."""
    text = "Data Source=tcp:w.sql.azuresynapse.net,1433;Initial Catalog=@{linkedService().DBName}"
    server = {"type": "AzureSqlDW", "parameters": {"DBName": {"type": "String"}},
              "typeProperties": {"connectionString": text}}  # fmt: skip
    put(tmp_path, "linkedService", "w-WorkspaceDefaultSqlServer", server)
    pool = {"referenceName": "Pool1", "type": "SqlPoolReference"}
    for name, table in (("from", "a"), ("to", "b")):
        properties = {
            "type": "SqlPoolTable",
            "sqlPool": pool,
            "typeProperties": {"schema": "dbo", "table": table},
        }
        put(tmp_path, "dataset", name, properties)
    put(tmp_path, "pipeline", "p", {"activities": [copy_of("c", "SqlPoolSource", "SqlPoolSink")]})
    assert found(tmp_path) == []
    factory = load(tmp_path)
    pipeline = factory.find("pipeline", "p")
    assert pipeline is not None
    plan, _ = plan_copy(factory, pipeline, activities(pipeline)[0])
    assert plan is not None
    assert (plan.source.address, plan.sink.address) == (
        "mssql://w.sql.azuresynapse.net:1433/Pool1#%5Bdbo%5D.%5Ba%5D",
        "mssql://w.sql.azuresynapse.net:1433/Pool1#%5Bdbo%5D.%5Bb%5D",
    )
    used = {each.owner for each in referenced(factory, pipeline.properties)}
    assert "linked service 'w-WorkspaceDefaultSqlServer'" in used  # what a node is sent
    (tmp_path / "linkedService" / "w-WorkspaceDefaultSqlServer.json").unlink()
    without = "it names no linked service"
    assert sorted(found(tmp_path)) == [("error", without), ("error", without)]


def test_what_is_inside_of_other_objects_of_a_template_is_counted(tmp_path: Path) -> None:
    kind = "Microsoft.DataFactory/factories/managedVirtualNetworks"
    nested = [{"name": "f/default/e", "type": f"{kind}/managedPrivateEndpoints", "properties": {}}]
    resources = [{"name": "f/default", "type": kind, "properties": {}}, *nested]
    (tmp_path / "arm.json").write_text(json.dumps({"parameters": {}, "resources": resources}))
    factory = load(tmp_path / "arm.json")
    assert factory.faults == ()
    assert factory.others == {
        "managedVirtualNetworks": 1,
        "managedVirtualNetworks/managedPrivateEndpoints": 1,
    }
