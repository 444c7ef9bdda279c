"""The functions of the expression language, by the examples of Microsoft's page and the cases beside them.

Each line is an expression without its ``@`` and its result. Where the page's result is a misprint (a fraction
after a colon, Thursday as day 3, zeros and ones of base64 text) it is what the rule beside it gives.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from crossdock_scheduler.pipeline.expressions import FUNCTIONS, ExpressionError, Scope, evaluate

PRODUCE = (
    '<?xml version="1.0"?><produce><item><name>Gala</name><count>20</count></item>'
    "<item><name>Honeycrisp</name><count>10</count></item></produce>"
)
FILE = '<?xml version="1.0"?> <file xmlns="http://contoso.com"> <location>Paris</location> </file>'
SCOPE = Scope(
    variables={
        "companyName": "Contoso-\nCorporation",
        "items": PRODUCE,
        "file": FILE,
        "people": '<root><person id="1"><name>A</name></person><person id="2"><name>B</name></person></root>',
        "nothing": None,
        "object": {"b": 1, "A": [1, 2]},
        "huge": 2**63 - 1,
    }
)

DOCUMENTED: list[tuple[str, Any]] = [
    ("add(1, 1.5)", 2.5),
    ("and(true, true)", True),
    ("and(false, true)", False),
    ("and(false, false)", False),
    ("and(equals(1, 1), equals(2, 2))", True),
    ("and(equals(1, 1), equals(1, 2))", False),
    ("and(equals(1, 2), equals(1, 3))", False),
    ("array('hello')", ["hello"]),
    ("base64('hello')", "aGVsbG8="),
    ("base64ToBinary('aGVsbG8=')", {"$content-type": "application/octet-stream", "$content": "aGVsbG8="}),
    ("base64ToString('aGVsbG8=')", "hello"),
    ("binary('hello')", {"$content-type": "application/octet-stream", "$content": "aGVsbG8="}),
    ("bool(1)", True),
    ("bool(0)", False),
    ("coalesce(null, true, false)", True),
    ("coalesce(null, 'hello', 'world')", "hello"),
    ("coalesce(null, null, null)", None),
    ("concat('Hello', 'World')", "HelloWorld"),
    ("concat('Baba', '''s ', 'book store')", "Baba's book store"),
    ("contains('hello world', 'world')", True),
    ("contains('hello world', 'universe')", False),
    ("createArray('h', 'e', 'l', 'l', 'o')", ["h", "e", "l", "l", "o"]),
    ("dataUri('hello')", "data:text/plain;charset=utf-8;base64,aGVsbG8="),
    (
        "dataUriToBinary('data:text/plain;charset=utf-8;base64,aGVsbG8=')",
        {"$content-type": "text/plain;charset=utf-8", "$content": "aGVsbG8="},
    ),
    ("dataUriToString('data:text/plain;charset=utf-8;base64,aGVsbG8=')", "hello"),
    ("decodeBase64('aGVsbG8=')", "hello"),
    (
        "decodeDataUri('data:text/plain;charset=utf-8;base64,aGVsbG8=')",
        {"$content-type": "text/plain;charset=utf-8", "$content": "aGVsbG8="},
    ),
    ("decodeUriComponent('https%3A%2F%2Fcontoso.com')", "https://contoso.com"),
    ("div(10, 5)", 2),
    ("div(11, 5)", 2),
    ("encodeUriComponent('https://contoso.com')", "https%3A%2F%2Fcontoso.com"),
    ("empty('')", True),
    ("empty('abc')", False),
    ("endsWith('hello world', 'world')", True),
    ("endsWith('hello world', 'universe')", False),
    ("equals(true, 1)", True),
    ("equals('abc', 'abcd')", False),
    ("first('hello')", "h"),
    ("first(createArray(0, 1, 2))", 0),
    ("float('10.333')", 10.333),
    ("greater(10, 5)", True),
    ("greater('apple', 'banana')", False),
    ("greaterOrEquals(5, 5)", True),
    ("greaterOrEquals('apple', 'banana')", False),
    ("if(equals(1, 1), 'yes', 'no')", "yes"),
    ("indexOf('hello world', 'world')", 6),
    ("int('10')", 10),
    ("json('[1, 2, 3]')", [1, 2, 3]),
    ("""json('{"fullName": "Sophia Owen"}')""", {"fullName": "Sophia Owen"}),
    ("intersection(createArray(1, 2, 3), createArray(101, 2, 1, 10), createArray(6, 8, 1, 2))", [1, 2]),
    ("join(createArray('a', 'b', 'c'), '.')", "a.b.c"),
    ("last('abcd')", "d"),
    ("last(createArray(0, 1, 2, 3))", 3),
    ("lastIndexOf('hello world', 'world')", 6),
    ("length('abcd')", 4),
    ("length(createArray(0, 1, 2, 3))", 4),
    ("less(5, 10)", True),
    ("less('banana', 'apple')", False),
    ("lessOrEquals(10, 10)", True),
    ("lessOrEquals('apply', 'apple')", False),
    ("max(1, 2, 3)", 3),
    ("max(createArray(1, 2, 3))", 3),
    ("min(1, 2, 3)", 1),
    ("min(createArray(1, 2, 3))", 1),
    ("mod(3, 2)", 1),
    ("mul(1, 2)", 2),
    ("mul(1.5, 2)", 3),
    ("not(false)", True),
    ("not(true)", False),
    ("not(equals(1, 2))", True),
    ("not(equals(1, 1))", False),
    ("or(true, false)", True),
    ("or(false, false)", False),
    ("or(equals(1, 1), equals(1, 2))", True),
    ("or(equals(1, 2), equals(1, 3))", False),
    ("range(1, 4)", [1, 2, 3, 4]),
    ("replace('the old string', 'old', 'new')", "the new string"),
    ("skip(createArray(0, 1, 2, 3), 1)", [1, 2, 3]),
    ("split('a_b_c', '_')", ["a", "b", "c"]),
    ("startsWith('hello world', 'hello')", True),
    ("startsWith('hello world', 'greetings')", False),
    ("string(10)", "10"),
    ("""string(json('{ "name": "Sophie Owen" }'))""", '{"name":"Sophie Owen"}'),
    ("sub(10.3, .3)", 10),
    ("substring('hello world', 6, 5)", "world"),
    ("take('abcde', 3)", "abc"),
    ("take(createArray(0, 1, 2, 3, 4), 3)", [0, 1, 2]),
    ("toLower('Hello World')", "hello world"),
    ("toUpper('Hello World')", "HELLO WORLD"),
    ("trim(' Hello World  ')", "Hello World"),
    ("union(createArray(1, 2, 3), createArray(1, 2, 10, 101))", [1, 2, 3, 10, 101]),
    ("uriComponent('https://contoso.com')", "https%3A%2F%2Fcontoso.com"),
    (
        "uriComponentToBinary('http%3A%2F%2Fcontoso.com')",
        {"$content-type": "application/octet-stream", "$content": "aHR0cDovL2NvbnRvc28uY29t"},
    ),
    ("uriComponentToString('https%3A%2F%2Fcontoso.com')", "https://contoso.com"),
    (
        "uriComponentToString(replace(uriComponent(variables('companyName')), '%0A', ''))",
        "Contoso-Corporation",
    ),
    ("""string(xml(json('{ "name": "Sophia Owen" }')))""", "<name>Sophia Owen</name>"),
    (
        """string(xml(json('{"person": {"name": "Sophia Owen", "city": "Seattle"}}')))""",
        "<person><name>Sophia Owen</name><city>Seattle</city></person>",
    ),
    ("xpath(xml(variables('items')), 'sum(/produce/item/count)')", 30),
    (
        """string(xpath(xml(variables('file')), '/*[name()="file"]/*[name()="location"]')[0])""",
        '<location xmlns="http://contoso.com">Paris</location>',
    ),
    (
        'string(xpath(xml(variables(\'file\')), \'/*[local-name()="file" and namespace-uri()="http://contoso.com"]'
        '/*[local-name()="location"]\')[0])',
        '<location xmlns="http://contoso.com">Paris</location>',
    ),
    ("""xpath(xml(variables('file')), 'string(/*[name()="file"]/*[name()="location"])')""", "Paris"),
]

BESIDE: list[tuple[str, Any]] = [
    # Strings
    ("CONCAT('a', 1, true, 2.5, null, createArray('x', 1))", 'a1True2.5["x",1]'),
    ("concat('a')", "a"),
    ("endsWith('STRASSE', 'asse')", True),
    ("startsWith('ÄPFEL', 'äp')", True),
    ("indexOf('Hello', 'L')", 2),
    ("lastIndexOf('Hello', 'L')", 3),
    ("indexOf('abc', 'z')", -1),
    ("lastIndexOf('abc', 'z')", -1),
    ("indexOf('straße X', 'x')", 7),
    ("replace('aAa', 'a', '')", "A"),
    ("split('a||b', '||')", ["a", "b"]),
    ("split('a,b', '')", ["a,b"]),
    ("split('', ',')", [""]),
    ("substring('abc', 3, 0)", ""),
    ("substring('abc', 1)", "bc"),
    ("substring('a😀b', 1, 1)", "😀"),
    ("toUpper('straße')", "STRAßE"),
    ("toLower('ÄÖÜ')", "äöü"),
    ("length('')", 0),
    # Collections
    ("contains(createArray(1, 2), 2)", True),
    ("contains(createArray(1, 2), '2')", False),
    ("contains(createArray(1, 2), true)", False),
    ("contains(createArray(createArray(1)), createArray(1))", True),
    ("contains(variables('object'), 'b')", True),
    ("contains(variables('object'), 'B')", False),
    ("empty(null)", True),
    ("empty(json('[]'))", True),
    ("empty(json('{}'))", True),
    ("first(json('[]'))", None),
    ("last(json('[]'))", None),
    ("first('')", ""),
    ("skip('abc', 1)", "bc"),
    ("skip(createArray(1), 5)", []),
    ("take('ab', 5)", "ab"),
    ("take(createArray(1), 0)", []),
    ("join(createArray(1, null, true), '-')", "1--True"),
    ("join(json('[]'), ',')", ""),
    ("union(createArray(1, true, 1.0, '1'), createArray(true))", [1, True, "1"]),
    ("""union(json('{"a":1,"b":2}'), json('{"b":3}'))""", {"a": 1, "b": 3}),
    ("""intersection(json('{"a":1,"b":2}'), json('{"b":3}'))""", {"b": 3}),
    ("intersection(createArray(2, 2, 1), createArray(2))", [2]),
    # Logic
    ("equals('a', 'A')", False),
    ("equals(1, 1.0)", True),
    ("equals('1', 1)", False),
    ("equals(null, null)", True),
    ("equals(createArray(1, 'a'), createArray(1, 'a'))", True),
    ("""equals(json('{"a":1,"b":2}'), json('{"b":2,"a":1}'))""", True),
    ("greater(2, 1.5)", True),
    ("and(true)", True),
    ("and(true, true, false)", False),
    ("or(false, false, true)", True),
    # Conversion
    ("array(createArray(1))", [1]),
    ("createArray()", []),
    ("bool('True')", True),
    ("bool('false')", False),
    ("int(' 42 ')", 42),
    ("int(2.5)", 2),
    ("int('-7')", -7),
    ("int(true)", 1),
    ("float('1e3')", 1000.0),
    ("float('1,000.5')", 1000.5),
    ("float(1)", 1.0),
    ("string(null)", ""),
    ("string(true)", "True"),
    ("string(1.0)", "1"),
    ("string(0.1)", "0.1"),
    ("string(1e20)", "1E+20"),
    ("string(1.5e15)", "1.5E+15"),
    ("string(123456789012345.6)", "123456789012345.6"),
    ("string(0.00001)", "1E-05"),
    ("string(-2.5e-7)", "-2.5E-07"),
    ("string(createArray('ä', null, true, 1.5))", '["ä",null,true,1.5]'),
    ("string(base64ToBinary('aGVsbG8='))", "hello"),
    ("base64(base64ToBinary('aGVsbG8='))", "aGVsbG8="),
    ("base64('ä😀')", "w6Twn5iA"),
    ("base64ToString(base64('ä😀'))", "ä😀"),
    ("dataUri(base64ToBinary('aGVsbG8='))", "data:application/octet-stream;base64,aGVsbG8="),
    ("dataUriToString('data:,a%20b')", "a b"),
    ("dataUriToString('data:text/plain;charset=iso-8859-1;base64,5A==')", "ä"),
    ("uriComponent('a b/ä~-._')", "a%20b%2F%C3%A4~-._"),
    ("json('null')", None),
    ("json(null)", {}),
    ("json('\"a\"')", "a"),
    ("json('1.0')", 1.0),
    (
        "json(xml(variables('people')))",
        {"root": {"person": [{"@id": "1", "name": "A"}, {"@id": "2", "name": "B"}]}},
    ),
    (
        """json(xml('<?xml version="1.0"?><a xmlns:p="urn:p" p:x="1">t<p:b/></a>'))""",
        {"?xml": {"@version": "1.0"}, "a": {"@xmlns:p": "urn:p", "@p:x": "1", "p:b": None, "#text": "t"}},
    ),
    (
        """string(xml(json('{"a":{"@x":1,"b":[true,null],"#text":"t"}}')))""",
        '<a x="1">t<b>true</b><b/></a>',
    ),
    ("string(xml('<a>ä</a>'))", "<a>ä</a>"),
    ("xpath(xml(variables('items')), '/produce/item/name/text()')", ["Gala", "Honeycrisp"]),
    ("xpath(variables('items'), 'count(//item) > 1')", True),
    ("xpath(xml(variables('items')), '/nothing')", []),
    ("xpath(xml('<a x=\"1\"/>'), '/a/@x')", ["1"]),
    # Math
    ("add(1, 2)", 3),
    ("div(-7, 2)", -3),
    ("div(7, -2)", -3),
    ("div(7, 2.0)", 3.5),
    ("mod(-7, 2)", -1),
    ("mod(7, -2)", 1),
    ("mod(5.5, 2)", 1.5),
    ("max(1, 2.5)", 2.5),
    ("min(json('[3, -1]'))", -1),
    ("range(5, 0)", []),
    ("range(-1, 2)", [-1, 0]),
    ("rand(4, 4)", 4),
    ("take('abc', 2.0)", "ab"),
]


@pytest.mark.parametrize(("expression", "expected"), DOCUMENTED + BESIDE, ids=lambda each: str(each)[:60])
def test_functions(expression: str, expected: Any) -> None:
    result = evaluate(f"@{expression}", SCOPE)
    assert result == expected
    assert isinstance(result, bool) == isinstance(expected, bool)


REFUSED = [
    ("concat()", "concat() takes at least 1 argument, not 0: concat(text: any, more...: any)"),
    ("toUpper(null)", "toUpper() takes a string as text, not null"),
    ("toUpper(1)", "toUpper() takes a string as text, not an integer"),
    ("substring('abc', -1, 1)", "startIndex -1 and length 1, which is outside of the text's 3 characters"),
    ("substring('abc', 2, 2)", "startIndex 2 and length 2"),
    ("substring('abc', 2, -1)", "startIndex 2 and length -1"),
    ("substring('abc', '1', 1)", "substring() takes an integer as startIndex, not a string"),
    ("substring('abc', 1.5, 1)", "substring() takes an integer as startIndex, not a number"),
    ("replace('abc', '', 'x')", "replace() was given an empty oldText"),
    ("contains('1', 1)", "contains() takes a string as value for a string, not an integer"),
    ("contains(1, 1)", "contains() takes a string, an array or an object as collection, not an integer"),
    ("length(variables('object'))", "length() takes a string or an array as collection, not an object"),
    ("skip(createArray(1), -1)", "skip() takes a count of 0 or more, not -1"),
    ("union(createArray(1), variables('object'))", "union() takes arrays only or objects only, not both"),
    ("and(true, 'true')", "and() takes a boolean as argument 2, not a string"),
    ("if('true', 1, 2)", "if() takes a boolean as expression, not a string"),
    ("greater(1, 'a')", "greater() compares two numbers or two strings, not an integer and a string"),
    ("greater(null, 1)", "greater() takes a number or a string as value, not null"),
    ("bool('yes')", "bool() cannot make a boolean of 'yes'"),
    ("int('1.5')", "int() cannot make an integer of '1.5'"),
    ("int('1_000')", "int() cannot make an integer of '1_000'"),
    ("int('9223372036854775808')", "int() results in an integer of more than 64 bits"),
    ("float('nan')", "float() cannot make a number of 'nan'"),
    ("float(null)", "float() cannot make a number of null"),
    ("json('{')", "json() was given text that is not JSON: Expecting property name"),
    ("json('[NaN]')", "json() was given text that is not JSON: NaN is no number"),
    ("json('1e999')", "json() was given JSON with a number that is too large: 1e999"),
    ("base64ToString('!')", "base64ToString() was given a string that is not base64"),
    ("base64ToString('/w==')", "base64ToString() was given bytes that are not utf-8 text"),
    ("dataUriToString('x')", "dataUriToString() was given a string that is not a data URI"),
    ("add('1', 2)", "add() takes a number as summand1, not a string"),
    ("add(true, 2)", "add() takes a number as summand1, not a boolean"),
    ("add(variables('huge'), 1)", "add() results in an integer of more than 64 bits"),
    ("mul(1e200, 1e200)", "mul() results in a number that is too large"),
    ("div(1, 0)", "div() was asked to divide by 0"),
    ("mod(1.5, 0)", "mod() was asked to divide by 0"),
    ("max(json('[]'))", "max() was given an empty array"),
    ("max(createArray(1, 'a'))", "max() takes numbers or one array of numbers, not a string"),
    ("max(1, createArray(1))", "max() takes a number as argument 2, not an array"),
    ("rand(5, 1)", "rand() takes a minValue that is not above maxValue, and 5 is above 1"),
    ("range(0, -1)", "range() takes a count of 0 or more, not -1"),
    ("guid('Q')", "guid() does not know the format 'Q': it is one of N, D, B, P, X"),
    ("xml('<a>')", "xml() was given text that is not XML"),
    ('xml(json(\'{"a":1,"b":2}\'))', "xml() takes an object with one property"),
    ("xml(json('{\"a b\":1}'))", "xml() cannot make XML of the property 'a b'"),
    ("xpath(xml('<a/>'), '///')", "xpath() was given an XPath that cannot be evaluated"),
]


@pytest.mark.parametrize(("expression", "message"), REFUSED, ids=lambda each: each[:60])
def test_what_functions_refuse(expression: str, message: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        evaluate(f"@{expression}", SCOPE)
    assert message in raised.value.message
    assert "\n" not in raised.value.message


def test_every_function_has_a_documented_example() -> None:
    """Those of contexts and dates have tests of their own."""
    tested = {expression.partition("(")[0].lower() for expression, _ in DOCUMENTED + BESIDE}
    here = {name for name, each in FUNCTIONS.items() if each.subject not in ("Context", "Dates")}
    inside = {"xml", "guid"}  # xml is tested through string() and xpath(), guid below
    assert here - inside == tested & here


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("'D'", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("'n'", r"[0-9a-f]{32}"),
        ("'B'", r"\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}"),
        ("'P'", r"\([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\)"),
        ("'X'", r"\{0x[0-9a-f]{8},(0x[0-9a-f]{4},){2}\{(0x[0-9a-f]{2},){7}0x[0-9a-f]{2}\}\}"),
    ],
)
def test_guid(form: str, pattern: str) -> None:
    first, second = (evaluate(f"@guid({form})", SCOPE) for _ in range(2))
    assert re.fullmatch(pattern, first)
    assert first != second


def test_rand_is_below_its_maximum() -> None:
    assert {evaluate("@rand(1, 3)", SCOPE) for _ in range(100)} == {1, 2}


@pytest.mark.parametrize(
    "expression",
    [
        "if(true, 1, json('{'))",
        "if(false, json('{'), 1)",
        "and(false, json('{'))",
        "or(true, json('{'))",
        "coalesce(1, json('{'))",
    ],
)
def test_what_is_not_needed_is_not_evaluated(expression: str) -> None:
    assert evaluate(f"@{expression}", SCOPE) in (1, True, False)


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        '<!DOCTYPE a [<!ENTITY l "lol"><!ENTITY m "&l;&l;&l;">]><a b="&m;"/>',
    ],
)
@pytest.mark.parametrize("function", ["xml", "xpath"])
def test_xml_with_a_type_declaration_is_refused(document: str, function: str) -> None:
    scope = Scope(variables={"x": document})
    call = "xml(variables('x'))" if function == "xml" else "xpath(variables('x'), '/a')"
    with pytest.raises(ExpressionError, match="document type declaration, which is not read"):
        evaluate(f"@{call}", scope)


def test_an_xpath_that_multiplies_work_is_refused() -> None:
    scope = Scope(variables={"x": f"<a>{'<b/>' * 5_000}</a>"})
    assert evaluate("@xpath(variables('x'), 'count(//b)')", scope) == 5_000
    with pytest.raises(ExpressionError, match="elements too often"):
        evaluate("@xpath(variables('x'), 'count(//b[//b[//b[//b]]])')", scope)
