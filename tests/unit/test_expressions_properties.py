"""Properties of the expression language: whatever is written is read, evaluated or refused."""

from __future__ import annotations

import json
from typing import Any

from expression_samples import SCOPE
from hypothesis import given
from hypothesis import strategies as st

from crossdock_scheduler.pipeline.expressions import FUNCTIONS, ExpressionError, Scope, evaluate, parse

_SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20)
_SCALARS |= st.floats(allow_nan=False, allow_infinity=False)


def _written(value: Any) -> str:
    """A value in the language, as a person writes it."""
    match value:
        case None | bool():
            return json.dumps(value)
        case str():
            return "'" + value.replace("'", "''") + "'"
        case list():
            return f"createArray({', '.join(map(_written, value))})"
        case _:
            return repr(value)


@given(st.recursive(_SCALARS, lambda inner: st.lists(inner, min_size=1, max_size=4), max_leaves=12))
def test_what_is_written_is_read(value: Any) -> None:
    written = _written(value)
    assert evaluate(f"@{written}", SCOPE) == value
    if isinstance(value, str):
        assert evaluate(f"a@{{{written}}}z", SCOPE) == f"a{value}z"


_PUNCTUATION = st.text(alphabet="@{}'()[].,? a1-+\n", max_size=30)


@given(st.text() | _PUNCTUATION, st.sampled_from(["{}", "@{}", "@{{{}}}"]))
def test_any_text_is_read_or_refused(text: str, form: str) -> None:
    whole = form.format(text)
    try:
        parse(whole)
    except ExpressionError as raised:
        error = raised
    else:
        return
    assert error.text == whole
    assert 0 <= error.at <= len(whole)
    assert str(error).startswith(error.message)


@given(st.text().filter(lambda text: "@" not in text))
def test_text_without_an_at_sign_stays(text: str) -> None:
    assert evaluate(text, SCOPE) == text
    assert evaluate(f"@@{text}", SCOPE) == f"@{text}"


@given(
    st.dictionaries(st.text(min_size=1, max_size=5), _SCALARS, max_size=4), st.text(min_size=1, max_size=5)
)
def test_properties_that_are_missing_are_null_if_asked_safely(item: dict[str, Any], name: str) -> None:
    result = evaluate(f"@item()?[{_written(name)}]", Scope(item=item))
    known = {key.lower(): value for key, value in reversed(item.items())}
    assert result == item.get(name, known.get(name.lower()))


_TEXTS = st.text(max_size=9) | st.sampled_from(
    ["2018-01-01T00:00:00Z", "<a>1</a>", "//a", "[1]", "aGVsbG8=", "UTC", "Day", "data:,x", "%41", "d", "-1"]
)
_JSON = st.recursive(
    _SCALARS | _TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner)
)
_OF_TYPE = {
    "string": _TEXTS,
    "integer": st.integers(-3, 9) | st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-3, 9),
    "boolean": st.booleans(),
    "null": st.none(),
    "array": st.lists(_JSON, max_size=3) | st.lists(st.integers(), max_size=3),
    "object": st.dictionaries(_TEXTS, _JSON, max_size=3),
    "any": _JSON,
}


@st.composite
def _calls(draw: st.DrawFn) -> tuple[str, list[Any]]:
    """A function and arguments of its types, most of the time."""
    function = FUNCTIONS[draw(st.sampled_from(sorted(FUNCTIONS)))]
    types = [draw(st.sampled_from(parameter.types)) for parameter in function.parameters]
    return function.name, [draw(st.one_of(_OF_TYPE[each], _JSON)) for each in types]


@given(_calls())
def test_any_function_of_any_values_is_a_value_or_an_error(call: tuple[str, list[Any]]) -> None:
    name, values = call
    scope = Scope(variables={f"v{index}": value for index, value in enumerate(values)})
    arguments = ", ".join(f"variables('v{index}')" for index in range(len(values)))
    try:
        result = evaluate(f"@{name}({arguments})", scope)
    except ExpressionError as raised:
        error = raised
    else:
        json.dumps(result)
        return
    assert error.message
    assert "Traceback" not in str(error)
