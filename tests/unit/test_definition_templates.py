"""Reading definitions from ARM templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from definition_samples import SAMPLE, only

from crossdock_scheduler.pipeline.checks import check
from crossdock_scheduler.pipeline.definitions import Factory, load


def arm(resources: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    parameters = {"factoryName": {"type": "string"}}
    return {
        "$schema": "x",
        "contentVersion": "1.0.0.0",
        "parameters": parameters,
        "resources": resources,
    } | more


def resources_of(root: Path) -> list[dict[str, Any]]:
    """The folder as an export has it."""
    found = []
    for file in sorted(root.glob("*/*.json")):
        value = json.loads(file.read_text())
        name = f"[concat(parameters('factoryName'), '/{value['name']}')]"
        kind = f"Microsoft.DataFactory/factories/{file.parent.name}s"
        if file.parent.name == "factory":
            name, kind = "[parameters('factoryName')]", "Microsoft.DataFactory/factories"
        found.append(
            {
                "name": name,
                "type": kind.replace("credentials", "Credentials"),
                "properties": value["properties"],
            }
        )
    return found


def test_a_template_is_the_same_factory_as_the_folder(tmp_path: Path) -> None:
    file = tmp_path / "ARMTemplateForFactory.json"
    file.write_text(json.dumps(arm(resources_of(SAMPLE))))
    found, wanted = load(file), load(SAMPLE)

    def bare(factory: Factory) -> set[tuple[str, str, str]]:
        return {
            (
                each.kind,
                each.name if each.kind != "factory" else "",
                json.dumps(each.properties, sort_keys=True),
            )
            for each in factory.definitions
        }

    assert bare(found) == bare(wanted)
    assert [each for each in check(found) if each.severity == "error"] == []


def test_values_of_a_template_come_from_its_parameters_and_variables(tmp_path: Path) -> None:
    service = {
        "name": "[concat(parameters('factoryName'), '/ls')]",
        "type": "Microsoft.Synapse/workspaces/linkedServices",
        "properties": {
            "type": "FileServer",
            "typeProperties": {
                "host": "[concat(variables('root'), '/it''s')]",
                "userId": "[[not evaluated]",
                "encryptedCredential": "[parameters('none')]",
                "password": {"type": "SecureString", "value": "[parameters('ls_password')]"},
            },
        },
    }
    template = arm([service], variables={"root": "[concat('/srv/', parameters('env'))]"})
    template["parameters"] |= {
        "env": {"type": "string", "defaultValue": "dev"},
        "ls_password": {"type": "secureString"},
        "none": {"type": "string", "defaultValue": "something"},
    }
    file = tmp_path / "ARMTemplateForFactory.json"
    file.write_text(json.dumps(template))
    given = {
        "parameters": {
            "env": {"value": "prod"},
            "factoryName": {"value": "f"},
            "none": {"value": ""},
            "ls_password": {"value": ""},
        }
    }
    (tmp_path / "ARMTemplateParametersForFactory.json").write_text(json.dumps(given))
    (found,) = load(file).definitions
    properties = found.read().inner("typeProperties")
    assert found.name == "ls"
    assert (properties["host"], properties["userId"]) == ("/srv/prod/it's", "[not evaluated]")
    assert set(properties["password"]["value"]) == {"*"}
    assert properties["encryptedCredential"] == ""


def test_a_parameter_of_a_template_without_a_value_is_one_error(tmp_path: Path) -> None:
    reference = {"referenceName": "[concat('x', parameters('store'))]", "type": "LinkedServiceReference"}
    resources = [
        {
            "name": f"[concat(parameters('factoryName'), '/{name}')]",
            "type": "Microsoft.DataFactory/factories/datasets",
            "properties": {"type": "Binary", "linkedServiceName": reference, "typeProperties": {}},
        }
        for name in ("a", "b")
    ]
    template = arm(resources)
    template["parameters"] |= {"store": {"type": "string"}}
    file = tmp_path / "template.json"
    file.write_text(json.dumps(template))
    assert [each.name for each in load(file).definitions] == ["a", "b"]
    found = only(file)
    assert found.message == "the parameter 'store' of the template has no value; give a file of parameters"


def test_a_template_that_names_no_parameter_is_an_error(tmp_path: Path) -> None:
    resource = {
        "name": "[parameters('nam')]",
        "type": "Microsoft.DataFactory/factories/datasets",
        "properties": {},
    }
    file = tmp_path / "template.json"
    file.write_text(json.dumps(arm([resource])))
    assert only(file).message == "the template has no parameter 'nam'"
