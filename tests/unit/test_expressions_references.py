"""What expressions refer to, found without evaluating them."""

from __future__ import annotations

from typing import Any

import pytest

from crossdock_scheduler.pipeline.expressions import ExpressionError, references

FOUND: list[tuple[Any, list[tuple[str, str | None, bool]]]] = [
    ("plain", []),
    ("@@pipeline().RunId", []),
    ("@concat('activity(''x'')', 'a')", []),
    ("@activity('Copy 1').output.rowsCopied", [("activity", "Copy 1", False)]),
    ("@ACTIVITY('it''s')", [("activity", "it's", False)]),
    ("@activity(concat('a', variables('v'))).output", [("activity", None, False), ("variable", "v", False)]),
    ("@pipeline().parameters.day", [("parameter", "day", False)]),
    ("@pipeline().Parameters?['day']", [("parameter", "day", True)]),
    ("@pipeline().parameters[item()]", [("parameter", None, False), ("item", None, False)]),
    ("@pipeline().parameters", [("parameter", None, False)]),
    ("@pipeline().globalParameters.region", [("globalParameter", "region", False)]),
    ("@pipeline().libraryVariables.x", [("libraryVariable", "x", False)]),
    ("@pipeline().RunId", [("pipeline", "RunId", False)]),
    ("@pipeline()?.TriggeredByPipelineRunId", [("pipeline", "TriggeredByPipelineRunId", True)]),
    ("@pipeline()", [("pipeline", None, False)]),
    ("@item().x[variables('i')]", [("item", None, False), ("variable", "i", False)]),
    ("@dataset().path", [("dataset", "path", False)]),
    ("@linkedService().server", [("linkedService", "server", False)]),
    ("@trigger().outputs.windowStartTime", [("trigger", "outputs", False)]),
    ("@triggerBody().fileName", [("trigger", "outputs", False)]),
    ("a@{variables('x')}b@{variables('y')}", [("variable", "x", False), ("variable", "y", False)]),
    ("@if(true, 1, activity('never evaluated').output)", [("activity", "never evaluated", False)]),
    ({"value": "@variables('x')", "type": "Expression"}, [("variable", "x", False)]),
    ({"a": ["@item()", 1, {"b": "@variables('x')"}]}, [("item", None, False), ("variable", "x", False)]),
]


@pytest.mark.parametrize(("value", "expected"), FOUND, ids=lambda each: str(each)[:60])
def test_references(value: Any, expected: list[tuple[str, str | None, bool]]) -> None:
    assert [(each.kind, each.name, each.safe) for each in references(value)] == expected


def test_a_reference_knows_its_place() -> None:
    value = {"source": {"query": "SELECT @{pipeline().parameters.tabel}"}}
    (reference,) = references(value)
    error = reference.unknown(["table", "day"])
    assert isinstance(error, ExpressionError)
    assert str(error).split("\n") == [
        "There is no parameter 'tabel': did you mean 'table'?",
        "  SELECT @{pipeline().parameters.tabel}",
        "                                 ^",
    ]
    assert str(reference.problem("Not here")).startswith("Not here\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@activity('Cpy')", "There is no activity 'Cpy': did you mean 'Copy'?"),
        ("@pipeline().globalParameters.cpy", "There is no global parameter 'cpy': did you mean 'Copy'?"),
        ("@pipeline().Coppy", "There is no property of pipeline() 'Coppy': did you mean 'Copy'?"),
        ("@variables('zzz')", "There is no variable 'zzz': there is 'Copy'"),
    ],
)
def test_unknown_names(text: str, expected: str) -> None:
    assert references(text)[0].unknown(["Copy"]).message == expected


def test_what_is_not_well_formed_is_an_error() -> None:
    with pytest.raises(ExpressionError, match="There is no function cncat"):
        references(["fine", "@cncat('a')"])
