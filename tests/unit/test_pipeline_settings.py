"""Settings over definitions: what they change, what is refused, and that their secrets stay hidden."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from definition_samples import SAMPLE, change, put
from pydantic import SecretStr

from crossdock import ConfigError
from crossdock.redact import redacted
from crossdock_scheduler.pipeline.copy import CopyPlan, plan_copy
from crossdock_scheduler.pipeline.definitions import Factory, load
from crossdock_scheduler.pipeline.definitions.activities import activities
from crossdock_scheduler.pipeline.expressions import Scope, evaluate
from crossdock_scheduler.pipeline.policy import Policy
from crossdock_scheduler.pipeline.settings import Settings, apply, read_settings

CANARY = "canary-of-the-settings-1"


def given(tmp_path: Path, content: Any, *arguments: str) -> Settings:
    file = tmp_path / "settings.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_settings(file, arguments)


def services(**values: Any) -> dict[str, Any]:
    return {"linkedServices": values}


def load_sample(settings: Settings, **environment: str) -> Factory:
    return apply(settings, load(SAMPLE), environment)


def planned(factory: Factory, name: str, pipeline: str) -> CopyPlan:
    found = factory.find("pipeline", pipeline)
    assert found is not None
    activity = next(each for each in activities(found) if each.name == name)
    plan, _ = plan_copy(factory, found, activity)
    assert plan is not None
    return plan


def properties(factory: Factory, name: str) -> dict[str, Any]:
    found = factory.find("linkedService", name)
    assert found is not None
    return dict(found.properties["typeProperties"])


def copies(factory: Factory, kind: str) -> list[CopyPlan]:
    """The plans whose sink or source is of a linked service."""
    found = []
    for pipeline in factory.of_kind("pipeline"):
        for each in activities(pipeline):
            if each.type == "Copy" and (plan := plan_copy(factory, pipeline, each)[0]):
                found += [plan] if kind in plan.source.address + plan.sink.address else []
    assert found
    return found


def test_a_property_of_a_linked_service_is_another(tmp_path: Path) -> None:
    made = load_sample(given(tmp_path, services(WAREHOUSE={"Server": "other.example"})))
    assert properties(made, "warehouse")["server"] == "other.example"
    assert "Server" not in properties(made, "warehouse")
    assert copies(made, "mssql://loader@other.example/warehouse")
    with pytest.raises(AssertionError):
        copies(made, "contoso.database.windows.net/warehouse")


def test_the_command_line_is_over_the_file_and_that_over_the_environment(tmp_path: Path) -> None:
    settings = given(
        tmp_path,
        services(warehouse={"server": "file", "database": "file"}),
        "Warehouse.SERVER=line",
    )
    made = properties(load_sample(settings), "warehouse")
    assert (made["server"], made["database"]) == ("line", "file")
    variable = {"CROSSDOCK_LINKED_SERVICE_WAREHOUSE_PASSWORD": "of-the-environment"}
    secret = properties(load_sample(Settings(), **variable), "warehouse")["password"]
    assert secret.get_secret_value() == "of-the-environment"
    (tmp_path / "p").write_text("of-the-file\n")
    settings = given(tmp_path, services(warehouse={"password": {"file": str(tmp_path / "p")}}))
    assert (
        properties(load_sample(settings, **variable), "warehouse")["password"].get_secret_value()
        == "of-the-file"
    )


@pytest.mark.parametrize("how", ["env", "file", "literal", "variable", "argument", "argument file"])
def test_a_secret_that_the_definitions_lack(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes into the copy, and is nowhere to be read on the way."""
    secret = f"@{CANARY}"  # which is no expression
    monkeypatch.setenv("CANARY", secret)
    file = tmp_path / "secret"
    file.write_text(secret + "\n")
    value = {"env": {"env": "CANARY"}, "file": {"file": str(file)}, "literal": secret}.get(how)
    arguments = {
        "argument": ["warehouse.password=env:CANARY"],
        "argument file": [f"warehouse.password=@{file}"],
    }
    content = services(warehouse={"password": value}) if value else {}
    settings = given(tmp_path, content, *arguments.get(how, []))
    variables = {"CROSSDOCK_LINKED_SERVICE_WAREHOUSE_PASSWORD": secret} if how == "variable" else {}
    made = load_sample(settings, **variables)
    for plan in copies(made, "contoso.database.windows.net"):
        assert not any("warehouse" in each for each in plan.missing)
        ends = [end for end in (plan.source, plan.sink) if "contoso.database" in end.address]
        assert [end.secrets["password"] for end in ends] == [SecretStr(secret)] * len(ends)
        assert secret in str(plan.options(secrets=True))
        assert CANARY not in repr(plan) + repr(made) + repr(settings) + str(plan.options())
    assert CANARY not in redacted(f"the server said: {secret}")


def test_what_is_missing_says_how_it_can_be_given(tmp_path: Path) -> None:
    folder = Path(copytree(SAMPLE, tmp_path / "factory"))
    masked = {"type": "SecureString", "value": "*****"}
    change(folder / "linkedService" / "warehouse.json", "properties", "typeProperties", "password", to=masked)
    name = "CROSSDOCK_LINKED_SERVICE_WAREHOUSE_PASSWORD"
    told = f"password of 'warehouse', in the settings or in {name} (password of the sink)"
    plans = copies(load(folder), "contoso.database.windows.net")
    assert told in [each for plan in plans for each in plan.missing]
    given = copies(apply(Settings(), load(folder), {name: "x"}), "contoso.database.windows.net")
    assert told not in [each for plan in given for each in plan.missing]


def test_a_whole_connection_string_has_its_expressions(tmp_path: Path) -> None:
    text = (
        f"Data Source=new.example;Initial Catalog=@{{linkedService().database}};User ID=u;Password={CANARY}"
    )
    made = load_sample(given(tmp_path, services(shopServer={"connectionString": text, "password": None})))
    plan = copies(made, "new.example")[0]
    assert "mssql://u@new.example/shop" in plan.source.address + plan.sink.address
    assert CANARY in str(plan.options(secrets=True))
    assert CANARY not in redacted(f"{CANARY} was refused")


def test_a_secret_of_a_key_vault_is_a_reference(tmp_path: Path) -> None:
    value = {"keyVault": "vault", "secretName": "s", "secretVersion": "2"}
    made = load_sample(given(tmp_path, services(synapse={"connectionString": value})))
    assert properties(made, "synapse")["connectionString"] == {
        "type": "AzureKeyVaultSecret", "secretName": "s", "secretVersion": "2",
        "store": {"referenceName": "vault", "type": "LinkedServiceReference"},
    }  # fmt: skip


def test_what_only_data_factory_decrypts_gives_way(tmp_path: Path) -> None:
    put(
        tmp_path,
        "linkedService",
        "s",
        {"type": "Odbc", "typeProperties": {"connectionString": "DSN=x", "encryptedCredential": "e"}},
    )
    made = apply(given(tmp_path, services(s={"password": "p"})), load(tmp_path), {})
    assert "encryptedCredential" not in properties(made, "s")


def test_values_from_elsewhere_are_no_expressions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("@data@{x}", "data@{x}", "@{x}", "plain"):
        monkeypatch.setenv("FOLDER", text)
        made = load_sample(given(tmp_path, services(share={"host": {"env": "FOLDER"}})))
        assert evaluate(properties(made, "share")["host"], Scope()) == text


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        (f"warehouse.password={CANARY}", "warehouse.password=env:NAME or warehouse.password=@FILE"),
        (f"warehouse.PASSWORD=@@{CANARY}", "not given on the command line"),
        (f"synapse.connectionString=Server=x;Password={CANARY}", "not given on the command line"),
        (f"synapse.connectionString=Server=x; Password = '{CANARY}'", "not given on the command line"),
        (f"landing.connectionString=AccountName=a;AccountKey= {CANARY}", "not given on the command line"),
        (f"landing.sasUri=https://a.blob.core.windows.net/?sig={CANARY}", "not given on the command line"),
        (f"landing.serviceEndpoint=https://a/?sig={CANARY}", "not given on the command line"),
        (f"share.host=https://me:{CANARY}@here/", "not given on the command line"),
        (f"lake.servicePrincipalKey={CANARY}", "not given on the command line"),
    ],
)
def test_no_secret_on_the_command_line(argument: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(None, [argument])
    assert told in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_connection_string_without_a_secret_may_be_given() -> None:
    settings = read_settings(None, ["synapse.connectionString=Server=x;Database=y"])
    assert properties(load_sample(settings), "synapse")["connectionString"] == "Server=x;Database=y"


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    content = {
        "linkedServices": {"warehouse": {"password": {"env": "NOT_SET_ANYWHERE"}}, "b": 1},
        "parameter": {},
        "parameters": {"x": {"keyVault": "vault"}},
        "ssis": {"dtexe": "x"},
        "webHooks": {"listen": "127.0.0.1:0"},
    }
    with pytest.raises(ConfigError) as caught:
        given(tmp_path, content, f"nothing={CANARY}", CANARY)
    told = str(caught.value)
    for part in (
        "warehouse.password: the environment variable 'NOT_SET_ANYWHERE' is not set",
        "linkedServices.b must be an object",
        "'parameter' is no setting: did you mean 'parameters'?",
        "parameters.x must be a value",
        "ssis.dtexe is no setting",
        "ssis needs 'dtexec'",
        "webHooks needs 'address'",
        "--linked-service 'nothing' is not of the form NAME.property=value",
    ):
        assert part in told
    assert CANARY not in told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (services(warehose={"server": "x"}), "no linked service 'warehose': did you mean 'warehouse'?"),
        (services(warehouse={"pasword": "x"}), "no property 'pasword': did you mean 'password'?"),
        (services(warehouse={"databse": "x"}), "no property 'databse': did you mean 'database'?"),
        ({"globalParameters": {"regin": 1}}, "the factory has no global parameter 'regin'"),
    ],
)
def test_unknown_names_are_refused(content: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told.replace("?", r"\?")):
        load_sample(given(tmp_path, content))


def test_two_linked_services_do_not_share_a_variable(tmp_path: Path) -> None:
    for name in ("a-b", "a_b"):
        put(tmp_path, "linkedService", name, {"type": "AzureSqlDatabase", "typeProperties": {}})
    with pytest.raises(ConfigError, match="A_B_PASSWORD is of several linked services: a-b, a_b"):
        apply(Settings(), load(tmp_path), {"CROSSDOCK_LINKED_SERVICE_A_B_PASSWORD": "x"})


def test_broken_json_is_said_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"line 2, column 1"):
        given(tmp_path, "{\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(tmp_path / "none.json")


def test_parameters_of_a_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIDDEN", "hidden-parameter-7")
    declared = {"Day": {"type": "String"}, "Pass": {"type": "SecureString"}, "N": {"type": "int"}}
    put(tmp_path, "pipeline", "p", {"activities": [], "parameters": declared})
    found = load(tmp_path).find("pipeline", "p")
    assert found is not None
    settings = given(tmp_path, {"parameters": {"day": "monday", "PASS": {"env": "HIDDEN"}, "n": 3}})
    assert settings.arguments(found) == {"Day": "monday", "Pass": "hidden-parameter-7", "N": 3}
    assert redacted("is hidden-parameter-7") == "is ***"
    with pytest.raises(ConfigError, match="no parameter 'dy': did you mean 'Day'"):
        given(tmp_path, {"parameters": {"dy": 1}}).arguments(found)


def test_global_parameters_are_others(tmp_path: Path) -> None:
    known = load(SAMPLE).global_parameters or {}
    name = next(iter(known))
    made = load_sample(given(tmp_path, {"globalParameters": {name.upper(): "other"}}))
    assert made.global_parameters == {**known, name: "other"}


def test_what_this_machine_offers(tmp_path: Path) -> None:
    hooks = {"listen": "127.0.0.1:8443", "address": "https://me.example:8443"}
    settings = given(tmp_path, {"webHooks": hooks, "ssis": {"dtexec": "/opt/ssis/bin/dtexec"}})
    policy = settings.policy(Policy(("/data",), private=False))
    assert policy == Policy(("/data",), private=False, web_hooks=hooks, dtexec="/opt/ssis/bin/dtexec")
    assert Settings().policy(Policy()) == Policy()
