"""The expression language itself: text and expressions, errors that point, hostile input."""

from __future__ import annotations

import pickle
import time
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from expression_samples import SCOPE

from crossdock_scheduler.pipeline.expressions import ABSENT, ExpressionError, Scope, evaluate

VALUES: list[tuple[Any, Any]] = [
    # The page's own table
    ("parameters", "parameters"),
    ("parameters[1]", "parameters[1]"),
    ("@@", "@"),
    (" @", " @"),
    ("@pipeline().parameters.myString", "foo"),
    ("@{pipeline().parameters.myString}", "foo"),
    ("@pipeline().parameters.myNumber", 42),
    ("@{pipeline().parameters.myNumber}", "42"),
    ("Answer is: @{pipeline().parameters.myNumber}", "Answer is: 42"),
    ("@concat('Answer is: ', string(pipeline().parameters.myNumber))", "Answer is: 42"),
    ("Answer is: @@{pipeline().parameters.myNumber}", "Answer is: @{pipeline().parameters.myNumber}"),
    (
        '{ \n  "type": "@{if(equals(1, 2), \'Blob\', \'Table\' )}",\n  "name": "@{toUpper(\'myData\')}"\n}',
        '{ \n  "type": "Table",\n  "name": "MYDATA"\n}',
    ),
    # Text and escapes
    ("", ""),
    ("@", "@"),
    ("a@b.c", "a@b.c"),
    ("@@pipeline()", "@pipeline()"),
    ("@@x @{1}", "@x @{1}"),
    ("@@{1}", "@{1}"),
    ("@{1}@@{1}@{2}", "1@{1}2"),
    ("@{1}@{2}", "12"),
    ("@{'}'}", "}"),
    ("@{'it''s }'}{", "it's }{"),
    ("@{concat('@{', variables('brace'))}", "@{}"),
    ("x@{null}y", "xy"),
    ("x@{true}y", "xTruey"),
    ("@{variables('list')}", '["a","b",{"Deep":[10,20]}]'),
    ("@{\n  1\n}", "1"),
    # Literals
    ("@'a''b'", "a'b"),
    ("@''", ""),
    ("@1", 1),
    ("@-1", -1),
    ("@+1.5", 1.5),
    ("@.5", 0.5),
    ("@1e3", 1000.0),
    ("@True", True),
    ("@FALSE", False),
    ("@null", None),
    # Whitespace and case
    ("@  concat ( 'a' ,\n\t'b' ) ", "ab"),
    ("@CONCAT('a', 'b')", "ab"),
    ("@Pipeline().PARAMETERS.MYNUMBER", 42),
    ("@activity('LOOK UP').OUTPUT.firstrow.NAME", "n"),
    ("@variables('GRÖSSE')", ExpressionError),
    ("@variables('GRÖßE')", "ä"),
    # Properties
    ("@pipeline().parameters.with-dash", 1),
    ("@pipeline().parameters['with-dash']", 1),
    ("@pipeline().parameters['a b']", 2),
    ("@activity('Look up').output.firstRow[concat('su', 'b')].field4", 4),
    ("@activity('Look up').output.value[0].a", 1),
    ("@variables('list')[2].deep[variables('i')]", 20),
    ("@variables('list')?[9]", None),
    ("@variables('list')?[9]?.x?['y']", None),
    ("@variables('list')[1.0]", "b"),
    ("@pipeline().parameters.none?.x", None),
    ("@pipeline().parameters?.missing", None),
    ("@activity('Look up')?.error?.message", None),
    ("@coalesce(item()?.x, item()?.z, 'default')", "default"),
    ('@json(\'{"a":{"b":[1,2]}}\').a.b[1]', 2),
    # Contexts
    ("@pipeline().RunId", "r1"),
    ("@pipeline().Pipeline", "P"),
    ("@pipeline().TriggerTime", "2018-01-01T00:00:00Z"),
    ("@pipeline()?.TriggeredByPipelineRunId", None),
    ("@pipeline().GroupId", None),
    ("@pipeline().globalParameters.region", "eu"),
    ("@pipeline().libraryVariables.lib", "x"),
    ("@item().y", [1]),
    ("@dataset().path", "p/q"),
    ("@linkedService().Server", "s"),
    ("@trigger().scheduledTime", "t1"),
    ("@trigger().outputs.windowStartTime", "w0"),
    ("@trigger().outputs.body.fileName", "f"),
    ("@triggerBody().folderPath", "d"),
    ("@triggerOutputs().windowEndTime", "w1"),
    # JSON
    (1, 1),
    (None, None),
    ({"value": "@variables('i')", "type": "Expression"}, 1),
    ({"value": "x@{variables('i')}", "type": "expression"}, "x1"),
    ({"value": "plain", "type": "Expression"}, "plain"),
    ({"value": "@variables('i')", "type": "SecureString"}, {"value": 1, "type": "SecureString"}),
    ({"value": 1, "type": "Expression"}, {"value": 1, "type": "Expression"}),
    ({"a": ["@item().y", {"b": "@{1}"}], "c": True}, {"a": [[1], {"b": "1"}], "c": True}),
]


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=lambda each: str(each)[:60])
def test_values(value: Any, expected: Any) -> None:
    if expected is ExpressionError:
        with pytest.raises(ExpressionError):
            evaluate(value, SCOPE)
        return
    result = evaluate(value, SCOPE)
    assert (type(result), result) == (type(expected), expected)


# The text, the sentence, and where the caret is.
ERRORS = [
    ("@", None, None),
    ("@ ", "An expression is missing here", "@"),
    ("a @{ } b", "An expression is missing here", "a @{"),
    ("a @{concat('}'", "'@{' has no '}' that ends it", "a "),
    ("@concat('a', 'b'", "This expression ends too early: ',' or ')' is missing", "@concat('a', 'b'"),
    ("@concat('a',", "This expression ends too early: a value or a function is missing", "@concat('a',"),
    ("@pipeline().", "This expression ends too early: the name of a property is missing", "@pipeline()."),
    ("@variables('list')[0", "This expression ends too early: ']' is missing", "@variables('list')[0"),
    ("@concat('a', 'b)", "The string that begins here has no closing quote", "@concat('a', "),
    ("@concat('a' 'b')", "A string is not expected here: ',' or ')' is", "@concat('a' "),
    ("@concat('it's', 'b')", "The string ends before this character: a quote inside", "@concat('it'"),
    ("@concat(, 'b')", "',' is not expected here: a value or a function is", "@concat("),
    ("@concat('a'))", "')' is not expected here", "@concat('a')"),
    ("@pipeline()..x", "'.' is not expected here: the name of a property is", "@pipeline()."),
    ("@pipeline()?x", "'x' is not expected here", "@pipeline()?"),
    ('@concat("a")', "A string is written in single quotes: 'text'", "@concat("),
    (
        "@add(1, 2) + 3",
        "There are no operators: '+' is written as a function, as in add(1, 2)",
        "@add(1, 2) ",
    ),
    ("@1+2", "There are no operators: '+' is written as a function, as in add(1, 2)", "@"),
    ("@item().y == 1", "There are no operators: '=' is written", "@item().y "),
    ("@concat('a', @item())", "'@' begins an expression and is not written inside of one", "@concat('a', "),
    ("@1a", "'1a' is no number", "@"),
    ("@99999999999999999999", "99999999999999999999 is too large for an integer", "@"),
    ("@abc", "'abc' is no value, and a string needs single quotes", "@"),
    ("@pipeline.parameters.x", "pipeline is a function: write pipeline()", "@"),
    ("@'a'.b", "'.' is not expected here", "@'a'"),
    ("@null.b", "Properties are those of what a function returns, not of a literal", "@null."),
    ("@conct('a')", "There is no function conct(): did you mean concat()?", "@"),
    ("@toupper()", "toUpper() takes 1 argument, not 0: toUpper(text: string)", "@"),
    ("@item(1)", "item() takes no arguments, not 1: item()", "@"),
    ("@concat('a', toUpper(1))", "toUpper() takes a string as text, not an integer", "@concat('a', toUpper("),
    ("x@{toUpper(1)}", "toUpper() takes a string as text, not an integer", "x@{toUpper("),
    (
        "@pipeline().parameters.myNumbr",
        "pipeline().parameters has no property 'myNumbr': did you mean 'myNumber'?",
        "@pipeline().parameters.",
    ),
    ("@pipeline().RunIdd", "pipeline() has no property 'RunIdd': did you mean 'RunId'?", "@pipeline()."),
    ("@activity('Lookup').output", "activity() knows no activity 'Lookup': did you mean 'Look up'?", "@"),
    ("@activity('Look up').output.firstRow.x", "output.firstRow has no property 'x': there is 'Name'", None),
    ("@variables('x')", "variables() knows no variable 'x': there is 'brace', 'Größe', 'i', 'list'", "@"),
    (
        "@pipeline().parameters.none.x",
        "pipeline().parameters.none is null and has no property 'x'; ?.x is null",
        None,
    ),
    ("@variables('i').x", "variables('i') is an integer and has no property 'x'", "@variables('i')."),
    ("@variables('i')?.x", "variables('i') is an integer and has no property 'x'", "@variables('i')?."),
    ("@variables('list')[3]", "variables('list') has 3 items, and the first is [0]: there is no [3]", None),
    ("@variables('list')[-1]", "there is no [-1]", None),
    ("@variables('list').x", "variables('list') is an array: [...] takes an integer, not a string", None),
    ("@variables('list')['0']", "variables('list') is an array: [...] takes an integer, not a string", None),
    (
        "@variables('list')[2][0]",
        "variables('list')[2] is an object: [...] takes a name, not an integer",
        None,
    ),
    ("@item().y[0].z", "item().y[0] is an integer and has no property 'z'", None),
]


@pytest.mark.parametrize(("text", "message", "before"), ERRORS, ids=lambda each: str(each)[:60])
def test_errors_point_at_the_character(text: str, message: str | None, before: str | None) -> None:
    if message is None:
        assert evaluate(text, SCOPE) == text
        return
    with pytest.raises(ExpressionError) as raised:
        evaluate(text, SCOPE)
    error = raised.value
    assert message in error.message
    sentence, line, caret = str(error).split("\n")
    assert (sentence, line) == (error.message, f"  {text}")
    assert caret == "  " + " " * error.at + "^"
    if before is not None:
        assert text[: error.at] == before


def test_an_error_shows_the_line_that_it_is_in() -> None:
    with pytest.raises(ExpressionError) as raised:
        evaluate("SELECT 1\r\nWHERE\t'@{bad()}'\r\n", SCOPE)
    assert (raised.value.line, raised.value.column) == (2, 10)
    assert str(raised.value).split("\n")[1:] == ["  WHERE '@{bad()}'", "           ^"]


def test_a_long_line_is_cut_around_the_place() -> None:
    with pytest.raises(ExpressionError) as raised:
        evaluate(f"{'a' * 500}@{{bad()}}{'b' * 500}", SCOPE)
    _, line, caret = str(raised.value).split("\n")
    assert len(line) < 120
    assert line[caret.index("^") :].startswith("bad()}bbb")
    assert line.startswith("  ...aaa")
    assert line.endswith("bbb...")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@item()", "item() is for the activities of a ForEach and the condition of a Filter only"),
        ("@dataset().x", "dataset() is for datasets only"),
        ("@linkedService().x", "linkedService() is for linked services only"),
        ("@trigger().startTime", "trigger() is for runs that a trigger starts"),
    ],
)
def test_contexts_that_are_absent(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        evaluate(text, Scope())
    assert raised.value.message == message


def test_a_scope_with_what_json_does_not_have() -> None:
    scope = Scope(variables={"d": Decimal(1), "l": [Decimal(1)], "m": MappingProxyType({"a": (1, 2)})})
    with pytest.raises(ExpressionError, match=r"toUpper\(\) takes a string as text, not a Decimal"):
        evaluate("@toUpper(variables('d'))", scope)
    for text in ("@string(variables('l'))", "x@{variables('d')}"):
        with pytest.raises(ExpressionError, match="has a value that JSON does not have: a Decimal"):
            evaluate(text, scope)
    assert evaluate("@string(variables('m'))", scope) == '{"a":[1,2]}'
    assert evaluate("@variables('m').A[1]", scope) == 2


def test_an_error_goes_to_another_process_whole() -> None:
    error = ExpressionError("Wrong", "@abc", 1)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert str(again) == str(error) == "Wrong\n  @abc\n   ^"


def test_an_item_may_be_null() -> None:
    assert Scope().item is ABSENT
    assert evaluate("@item()", Scope(item=None)) is None


def test_values_of_the_scope_are_no_expressions() -> None:
    assert evaluate("@variables('x')", Scope(variables={"x": "@{1}"})) == "@{1}"


HOSTILE = [
    "@" + "not(" * 20_000 + "true" + ")" * 20_000,
    "@" + "(" * 60_000,
    "@" + "[" * 60_000,
    "@item()" + ".a" * 30_000,
    "@item()" + "[0]" * 20_000,
    "@" + "'" * 60_001,
    "@{" * 30_000,
    "@concat(" + ",".join(["'a'"] * 30_000) + ")" + "x" * 100,
    "@range(0, 1000000000)",
    "@range(0, 9000000000000000000)",
    "@length(join(range(0, 1000000), replace('1234567890', '1', '" + "x" * 1000 + "')))",
    "@replace(replace(replace(join(range(0, 999999), 'a'), 'a', '"
    + "a" * 1000
    + "'), 'a', 'aa'), 'a', 'aa')",
    "@concat(" + ",".join(["variables('big')"] * 100) + ")",
    "@{variables('big')}" * 100,
    "@createArray(" + ",".join(["concat(variables('big'), 'x')"] * 100) + ")",
    "@string(json('" + "[" * 5_000 + "]" * 5_000 + "'))",
    "@json('" + "[" * 50_000 + "')",
    "@json('" + '{"a":' * 10_000 + "1" + "}" * 10_000 + "')",
    "@equals(variables('deep'), variables('deep'))",
    "@union(createArray(variables('deep')), createArray(1))",
    "@contains(createArray(variables('deep')), variables('deep'))",
    "@string(variables('deep'))",
    "@xml(variables('deepxml'))",
    "@formatDateTime('" + "1" * 60_000 + "')",
    "@formatDateTime('2018-01-01', '" + "\\" * 59_999 + "')",
    "@addDays('2018-01-01', 9223372036854775807)",
    "@addToTime('2018-01-01', 9223372036854775807, 'Year')",
    "@mul(9223372036854775807, 9223372036854775807)",
    "@int('" + "9" * 60_000 + "')",
    "@" + "9" * 60_000,
    "@1e" + "9" * 60_000,
    "@convertFromUtc('2018-01-01', '../../../etc/passwd')",
    "@convertFromUtc('2018-01-01', '" + "A" * 60_000 + "')",
    "@conct('" + "a" * 60_000 + "')",
    "@" + "a" * 60_000 + "()",
    "@pipeline()." + "a" * 60_000,
    "@'" + "a" * 70_000 + "'",
]


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("text", HOSTILE, ids=lambda each: each[:40])
def test_hostile_expressions_end_soon_with_an_error(text: str) -> None:
    scope = Scope(
        variables={
            "big": "x" * 4_000_000,
            "deep": _deep(100_000),
            "deepxml": "<a>" * 100_000 + "</a>" * 100_000,
        },
        item={"a": {}},
    )
    began = time.process_time()
    with pytest.raises(ExpressionError) as raised:
        evaluate(text, scope)
    assert time.process_time() - began < 20
    assert len(str(raised.value)) < 2_000


LIMITED = [
    ("@" + "not(" * 101 + "true" + ")" * 101, "This expression is nested more than 100 levels deep"),
    ("@item()" + ".a" * 100, "This expression is nested more than 100 levels deep"),
    ("@'" + "a" * 70_000 + "'", "This expression has 70,002 characters, and 65,536 are the most"),
    ("@range(0, 1000001)", "range() makes an array of 1,000,001 items, and 1,000,000 are the most"),
    (
        "@concat(variables('big'), variables('big'), variables('big'), variables('big'), variables('big'))",
        "concat() makes a string of 20,000,000 characters, and 16,777,216 are the most",
    ),
    ("@replace(variables('big'), 'x', 'xxxxx')", "replace() makes a string of 20,000,000 characters"),
    ("@join(createArray('', '', ''), variables('huge'))", "join() makes a string of 24,000,000 characters"),
    ("@base64(variables('huge'))", None),
    ("@base64(variables('huge2'))", "base64() makes a string of"),
    (
        "@uriComponent(replace(variables('huge'), 'x', ' '))",
        "uriComponent() makes a string of 36,000,000 characters",
    ),
    ("@{variables('huge')}@{variables('huge')}", "This makes a string of more than 16,777,216 characters"),
    (
        "@length(createArray(" + ",".join(["concat(variables('huge'), 'x')"] * 12) + "))",
        "This expression makes more than 134,217,728 characters and items on its way",
    ),
    ("@string(variables('deep'))", "string() has a value that is nested more than 200 levels deep"),
    ("@json('" + "[" * 201 + "]" * 201 + "')", "json() has a value that is nested more than 200 levels deep"),
]


@pytest.mark.parametrize(("text", "message"), LIMITED, ids=lambda each: str(each)[:40])
def test_limits_are_named(text: str, message: str | None) -> None:
    big, huge = "x" * 4_000_000, "x" * 12_000_000
    scope = Scope(variables={"big": big, "huge": huge, "huge2": huge + big, "deep": _deep(201)}, item={})
    if message is None:
        assert len(evaluate(text, scope)) == 16_000_000
        return
    with pytest.raises(ExpressionError) as raised:
        evaluate(text, scope)
    assert message in raised.value.message


def test_nested_json_has_a_limit() -> None:
    with pytest.raises(ExpressionError, match="nested more than 200 levels deep"):
        evaluate(_deep(100_000), SCOPE)


def test_what_is_well_formed_and_large_is_evaluated() -> None:
    many = ",".join(f"'{index}'" for index in range(5_000))
    assert evaluate(f"@length(createArray({many}))", SCOPE) == 5_000
    assert evaluate("@" + "not(" * 90 + "true" + ")" * 90, SCOPE) is True
    assert len(evaluate("x" * 1_000_000 + "@{1}", SCOPE)) == 1_000_001
