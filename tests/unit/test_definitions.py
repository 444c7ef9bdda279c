"""Reading definitions: folders, single files, and what is wrong with them."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from definition_samples import SAMPLE, change, errors, only, put, wait
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock import ConfigError, NotFoundError
from crossdock_scheduler.pipeline.checks import check
from crossdock_scheduler.pipeline.definitions import load
from crossdock_scheduler.pipeline.definitions.activities import activities
from crossdock_scheduler.pipeline.definitions.links import links_of


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "factory"))


def test_the_sample_loads_whole_and_has_no_error() -> None:
    factory = load(SAMPLE)
    assert len(factory.definitions) == len(list(SAMPLE.glob("*/*.json")))
    assert errors(SAMPLE) == []
    assert factory.global_parameters == {"environment": "test"}
    nightly = factory.find("pipeline", "NIGHTLY")
    assert nightly is not None
    assert [(each.name, len(each.within)) for each in activities(nightly)] == [
        ("Load", 0), ("Tables", 0), ("Each table", 1),
    ]  # fmt: skip


def test_names_of_keys_have_no_case_and_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    text = '{"Name": "p", "PROPERTIES": {"Activities": [{"NAME": "a", "Type": "Wait"}]}}'
    file = tmp_path / "Pipeline" / "p.json"
    file.parent.mkdir()
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = load(tmp_path).find("pipeline", "P")
    assert found is not None
    assert [each.name for each in activities(found)] == ["a"]
    assert errors(tmp_path) == []


def test_broken_json_says_file_line_and_column(sample: Path) -> None:
    (sample / "pipeline" / "bad.json").write_text('{\n  "name": "bad",\n  "properties": {"a" 1}\n}')
    found = only(sample)
    assert (found.place.file, found.place.line, found.place.column) == ("pipeline/bad.json", 3, 22)
    assert "line 3, column 22" in found.message


@pytest.mark.parametrize(
    "content",
    [
        b"[1]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"name": 5, "properties": {}}',
        b'{"name": "x"}',
        b"",
        b'{"name": "x", "properties": {"a": ' + b"9" * 5000 + b"}}",
    ],
)
def test_a_file_that_holds_no_definition_is_one_error(sample: Path, content: bytes) -> None:
    (sample / "dataset" / "bad.json").write_bytes(content)
    assert only(sample).place.file == "dataset/bad.json"


def test_all_that_is_wrong_is_said_at_once_and_nothing_twice(sample: Path) -> None:
    (sample / "pipeline" / "bad.json").write_text("{")
    change(
        sample / "dataset" / "shopTable.json",
        "properties",
        "linkedServiceName",
        "referenceName",
        to="shopServr",
    )
    change(
        sample / "pipeline" / "nightly.json",
        "properties",
        "activities",
        1,
        "dependsOn",
        0,
        "activity",
        to="Laod",
    )
    found = errors(sample)
    assert sorted(each.code for each in found) == ["BrokenFile", "NotFound", "NotFound"]
    assert len(set(found)) == len(found)


def test_a_reference_to_nothing_names_who_refers_and_what_may_be_meant(sample: Path) -> None:
    file = sample / "dataset" / "shopTable.json"
    change(file, "properties", "linkedServiceName", "referenceName", to="shopServr")
    found = only(sample)
    assert str(found) == (
        "dataset 'shopTable': refers to the linked service 'shopServr', which does not exist: "
        "did you mean 'shopServer'?"
    )
    assert found.place.path == "properties.linkedServiceName.referenceName"


def test_a_missing_dataset_is_said_with_its_activity(sample: Path) -> None:
    (sample / "dataset" / "lakeBinary.json").unlink()
    found = only(sample)
    assert (found.owner, found.activity) == ("pipeline 'files'", "Images to the lake")


def test_pipelines_in_a_circle_are_shown_as_one(tmp_path: Path) -> None:
    for name, target in (("a", "b"), ("b", "c"), ("c", "a")):
        call = {"pipeline": {"referenceName": target, "type": "PipelineReference"}}
        put(
            tmp_path,
            "pipeline",
            name,
            {"activities": [{"name": "x", "type": "ExecutePipeline", "typeProperties": call}]},
        )
    found = only(tmp_path)
    assert (found.code, found.message) == ("Cycle", "refers to itself in a circle: a -> b -> c -> a")


def test_activities_that_wait_for_each_other_are_a_circle(tmp_path: Path) -> None:
    put(tmp_path, "pipeline", "p", {"activities": [wait("a", "c"), wait("b", "a"), wait("c", "b")]})
    assert only(tmp_path).message == "activities wait for each other: a -> c -> b -> a"


def test_depends_on_an_activity_that_is_not_there(tmp_path: Path) -> None:
    put(tmp_path, "pipeline", "p", {"activities": [wait("First"), wait("Second", "Frist")]})
    assert "depends on the activity 'Frist', which does not exist: did you mean 'First'?" in str(
        only(tmp_path)
    )


def test_an_unknown_condition_is_an_error(tmp_path: Path) -> None:
    second = wait("b", "a")
    second["dependsOn"][0]["dependencyConditions"] = ["Suceeded"]
    put(tmp_path, "pipeline", "p", {"activities": [wait("a"), second]})
    assert "did you mean 'succeeded'?" in only(tmp_path).message


def test_a_name_that_is_taken_in_another_case(sample: Path) -> None:
    put(
        sample,
        "dataset",
        "SHOPTABLE2",
        json.loads((sample / "dataset" / "shopTable.json").read_text())["properties"],
    )
    change(sample / "dataset" / "SHOPTABLE2.json", "name", to="SHOPTABLE")
    assert only(sample).code == "DuplicateName"


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        ({}, "MissingParameter", "needs the parameter 'table', which is not given"),
        ({"tabel": "x", "table": "x"}, "UnknownParameter", "did you mean 'table'?"),
        ({"table": ["x"]}, "InvalidType", "is of the type string, and is given a list"),
    ],
)
def test_arguments_of_a_dataset(sample: Path, arguments: dict[str, Any], code: str, part: str) -> None:
    file = sample / "pipeline" / "unload.json"
    change(file, "properties", "activities", 2, "inputs", 0, "parameters", to=arguments)
    found = only(sample)
    assert (found.code, found.activity) == (code, "Server to parquet")
    assert part in found.message


def test_arguments_of_a_pipeline_and_a_linked_service(sample: Path) -> None:
    change(
        sample / "pipeline" / "nightly.json",
        "properties",
        "activities",
        0,
        "typeProperties",
        "parameters",
        to={},
    )
    change(
        sample / "dataset" / "shopTable.json",
        "properties",
        "linkedServiceName",
        "parameters",
        to={"databse": "x"},
    )
    found = {each.code: each.owner for each in errors(sample)}
    assert found == {"MissingParameter": "pipeline 'nightly'", "UnknownParameter": "dataset 'shopTable'"}


@pytest.mark.parametrize("key", ["x.y", "x[3]", "x].[", "."])
def test_arguments_are_found_beside_the_reference_whatever_the_keys_around_are(
    tmp_path: Path, key: str
) -> None:
    put(tmp_path, "pipeline", "q", {"parameters": {"n": {"type": "int"}}, "activities": []})
    call = {"pipeline": {"referenceName": "q", "type": "PipelineReference"}, "parameters": {"n": "x"}}
    kept = {"name": "a", "type": "Later", "typeProperties": {key: call}}
    put(tmp_path, "pipeline", "p", {"activities": [kept]})
    assert (only(tmp_path).code, only(tmp_path).activity) == ("InvalidType", "a")


@pytest.mark.parametrize(
    "declared",
    [{"type": "Strin"}, {"type": "Int", "defaultValue": "seven"}, {"type": "Bool", "defaultValue": 7}],
)
def test_a_declaration_that_makes_no_sense(tmp_path: Path, declared: dict[str, Any]) -> None:
    put(tmp_path, "pipeline", "p", {"parameters": {"x": declared}, "activities": []})
    assert only(tmp_path).code == "InvalidType"


@pytest.mark.parametrize(
    ("text", "sentence", "at"),
    [
        (
            "@concat('a', pipeline().parameters.dya)",
            "There is no parameter 'dya': did you mean 'day'?",
            "dya",
        ),
        (
            "@variables('watermrk')",
            "There is no variable 'watermrk': did you mean 'watermark'?",
            "'watermrk'",
        ),
        ("@activity('Frist').output", "There is no activity 'Frist': did you mean 'First'?", "'Frist'"),
        ("@pipeline().RunID2", "There is no property of pipeline() 'RunID2'", "RunID2"),
        ("@item().x", "item() is only there inside of a ForEach and in a Filter", "item"),
        ("@activity('Set').output", "The activity 'Set' cannot use its own output", "'Set'"),
        ("@concat('a'", "", ""),
    ],
)
def test_an_expression_error_has_a_caret(tmp_path: Path, text: str, sentence: str, at: str) -> None:
    chosen = {
        "name": "Set",
        "type": "SetVariable",
        "typeProperties": {"variableName": "watermark", "value": text},
    }
    declared = {"parameters": {"day": {"type": "string"}}, "variables": {"watermark": {"type": "String"}}}
    put(tmp_path, "pipeline", "p", declared | {"activities": [wait("First"), chosen]})
    found = only(tmp_path)
    first, shown, caret = found.message.split("\n")
    assert first.startswith(sentence)
    assert shown.strip() == text
    assert text[caret.index("^") - 2 :].startswith(at)
    assert found.place.path == "properties.activities[1].typeProperties.value"


@pytest.mark.parametrize("key", ["connectionString", "password"])
def test_no_password_is_in_what_is_said_about_an_expression(sample: Path, key: str) -> None:
    texts = {
        "connectionString": "Server=h;Password=@{hunter2",
        "password": {"type": "SecureString", "value": "@hunter2("},
    }
    file = sample / "linkedService" / "shopServer.json"
    change(file, "properties", "typeProperties", key, to=texts[key])
    found = check(load(sample))
    assert "hunter2" not in "".join(str(each) for each in found)
    # A password is no expression; a connection string is.
    assert len([each for each in found if each.code == "InvalidExpression"]) == (key == "connectionString")


def test_item_is_there_in_a_loop_and_what_may_be_missing_is_no_error(tmp_path: Path) -> None:
    inner = {
        "name": "s",
        "type": "SetVariable",
        "typeProperties": {"variableName": "v", "value": "@item().x"},
    }
    loop = {
        "name": "l",
        "type": "ForEach",
        "typeProperties": {"items": "@pipeline()?.Nothing", "activities": [inner]},
    }
    put(tmp_path, "pipeline", "p", {"variables": {"v": {"type": "String"}}, "activities": [loop]})
    assert errors(tmp_path) == []


def test_a_dataset_names_its_own_parameters_only(sample: Path) -> None:
    change(
        sample / "dataset" / "shopTable.json", "properties", "typeProperties", "table", to="@dataset().tabel"
    )
    assert "did you mean 'table'?" in only(sample).message


def nested(outer: str, inner: str) -> dict[str, Any]:
    lists = {"ForEach": "activities", "Until": "activities", "IfCondition": "ifFalseActivities"}
    within = {"name": "inner", "type": inner, "typeProperties": {}}
    if outer == "Switch":
        return {
            "name": "outer",
            "type": outer,
            "typeProperties": {"cases": [{"value": "x", "activities": [within]}]},
        }
    return {"name": "outer", "type": outer, "typeProperties": {lists[outer]: [within]}}


@pytest.mark.parametrize("outer", ["ForEach", "Until", "IfCondition", "Switch"])
@pytest.mark.parametrize("inner", ["ForEach", "Until", "IfCondition", "Switch", "Wait", "Validation"])
def test_what_may_be_inside_of_what(tmp_path: Path, outer: str, inner: str) -> None:
    put(tmp_path, "pipeline", "p", {"activities": [nested(outer, inner)]})
    loop, branch = ("ForEach", "Until"), ("IfCondition", "Switch")
    allowed = inner == "Wait" or (outer in loop and inner in branch)
    assert [each.code for each in errors(tmp_path)] == ([] if allowed else ["Nesting"])


@pytest.mark.parametrize(
    "kind", ["linkedService", "dataset", "pipeline", "trigger", "integrationRuntime", "factory"]
)
def test_a_single_file_is_the_kind_that_it_looks_like(kind: str) -> None:
    for file in SAMPLE.glob(f"{kind}/*.json"):
        assert [each.kind for each in load(file).definitions] == [kind]


def test_what_is_no_factory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder of Data Factory"):
        load(tmp_path)
    with pytest.raises(NotFoundError, match="does not exist"):
        load(tmp_path / "nothing")


def test_unknown_kinds_types_and_keys_are_kept(sample: Path) -> None:
    put(sample, "dataflow", "flow", {"type": "MappingDataFlow"})
    put(
        sample,
        "dataset",
        "odd",
        {
            "type": "OddTable",
            "linkedServiceName": {"referenceName": "lake", "type": "LinkedServiceReference"},
            "extra": 1,
        },
    )
    factory = load(sample)
    odd = factory.find("dataset", "odd")
    assert odd is not None
    assert (odd.type, odd.properties["extra"], dict(factory.others)) == ("OddTable", 1, {"dataflow": 1})
    assert errors(sample) == []


WORDS = [
    "@x",
    "@{",
    "@item()",
    "DatasetReference",
    "PipelineReference",
    "x",
    "Copy",
    "ForEach",
    "Switch",
    "Binary",
]
KEYS = [
    "name", "type", "properties", "activities", "typeProperties", "referenceName", "parameters", "dependsOn",
    "inputs", "outputs", "sink", "cases", "variables", "linkedServiceName", "defaultValue", "translator",
    "source", "pipeline", "a.b", "a[0]",
]  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(["linkedService", "dataset", "pipeline", "trigger", "factory"]), value=json_values
)
def test_whatever_the_json_holds_is_findings_and_no_crash(
    tmp_path_factory: pytest.TempPathFactory, kind: str, value: Any
) -> None:
    from crossdock_scheduler.pipeline.coverage import cover

    root = tmp_path_factory.mktemp("any")
    (root / kind).mkdir()
    (root / kind / "x.json").write_text(json.dumps({"name": "x", "properties": value}))
    assert cover(load(root)).exit_code in (0, 1, 2)


def test_a_thousand_objects_load_quickly(tmp_path: Path) -> None:
    for kind in ("linkedService", "dataset", "pipeline"):
        for file in (SAMPLE / kind).glob("*.json"):
            value = json.loads(file.read_text())
            for number in range(1000 // 21 + 1):
                put(tmp_path, kind, f"{value['name']}{number}", value["properties"])
    began = time.process_time()
    factory = load(tmp_path)
    assert len(factory.definitions) >= 1000
    # Two seconds is what is promised; a busy machine counts its own time only.
    assert time.process_time() - began < 2


def test_references_are_looked_for_once_however_long_the_row_of_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crossdock_scheduler.pipeline import coverage

    for number in range(20):
        called = {"pipeline": {"referenceName": f"p{number + 1}", "type": "PipelineReference"}}
        call = {"name": "call", "type": "ExecutePipeline", "typeProperties": called}
        put(tmp_path, "pipeline", f"p{number}", {"activities": [call]})
    put(tmp_path, "pipeline", "p20", {"activities": [{"name": "w", "type": "NoSuchType"}]})
    asked = []
    monkeypatch.setattr(coverage, "links_of", lambda each: asked.append(1) or links_of(each))
    found = coverage.cover(load(tmp_path))
    assert len(asked) == 21
    # What the last one cannot do is said of all that lead to it.
    assert all(any("NoSuchType" in one.message for one in each.findings) for each in found.pipelines)
