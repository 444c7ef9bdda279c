"""SetVariable, of a variable or of the pipeline's return value, and AppendVariable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock import AdfProperties

from ...expressions import did_you_mean
from ..failure import ActivityFailed
from ..step import Step
from ..values import Variables, check_variable, converted
from . import ControlType, register
from .planning import Checked, is_computed, objects, plan_of

_RETURN = "pipelineReturnValue"


async def _set(step: Step) -> Mapping[str, Any]:
    if step.properties.flag("setSystemVariable"):
        value = _return_value(step)
        step.input = {"name": _RETURN, "value": value}
        step.set("", value)
        return {"name": _RETURN, "value": value}
    name, value = _variable(step), step.evaluate("value")
    if not is_computed(step.properties.get("value")):
        value = _as_written(value, step.variables.type(name))
    step.input = {"variableName": name, "value": value}
    _change(step, name, value)
    return {"name": name, "value": value}


def _as_written(value: Any, kind: str) -> Any:
    """A value that the definition itself says is read as one of the variable's type; a result is not."""
    try:
        return converted(value, kind)
    except ValueError:
        return value


async def _append(step: Step) -> Mapping[str, Any]:
    name, value = _variable(step), step.evaluate("value")
    step.input = {"variableName": name, "value": value}
    before = step.variables[name]
    if step.variables.type(name) != "array":
        raise ActivityFailed("InvalidVariable", f"the variable {name!r} is no Array: nothing can be appended")
    _change(step, name, [*(before or ()), value])
    return {"name": name, "value": value}


def _variable(step: Step) -> str:
    wanted = step.properties.text("variableName")
    name: str | None = step.variables.find(wanted)
    if name is None:
        raise ActivityFailed("InvalidVariable", _unknown(wanted, step.variables))
    return name


def _unknown(name: str, known: Variables) -> str:
    return f"the pipeline has no variable {name!r}{did_you_mean(name, list(known))}"


def _change(step: Step, name: str, value: Any) -> None:
    try:
        step.set(name, value)
    except ValueError as error:
        raise ActivityFailed("InvalidVariable", str(error)) from None


def _return_value(step: Step) -> dict[str, Any]:
    """Of ``[{"key": ..., "value": {"type": "Expression", "content": ...}}]``."""
    value = step.properties.get("value")
    if not isinstance(value, list):
        value = step.value(value)
        if not isinstance(value, Mapping):
            raise ActivityFailed("InvalidValue", "a return value is a list of keys, each with a value")
        return dict(value)
    return {each.text("key"): _typed(step, each.get("value")) for each in objects(value)}


def _typed(step: Step, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return step.value(value)
    typed = AdfProperties(value)
    kind, content = typed.text("type").lower(), typed.get("content")
    match kind:
        case "null":
            return None
        case "array" if isinstance(content, list):
            return [_typed(step, each) for each in content]
        case "object" if isinstance(content, list):
            return {each.text("key"): _typed(step, each.get("value")) for each in objects(content)}
        case "expression":
            return step.value(content)
        case _:
            return content if "content" in typed else step.value(value)


def _check_set(checked: Checked) -> None:
    properties = checked.properties
    if properties.flag("setSystemVariable"):
        if properties.text("variableName").lower() != _RETURN.lower():
            checked.say("InvalidVariable", f"the only system variable is {_RETURN}", "variableName")
        return
    name, known = _declared(checked)
    value = checked.known("value")
    if name is not None and value is not None:
        try:
            check_variable(name, known.type(name), _as_written(value, known.type(name)))
        except ValueError as error:
            checked.say("InvalidVariable", str(error), "value")


def _check_append(checked: Checked) -> None:
    checked.properties.ignore("value")
    name, known = _declared(checked)
    if name is not None and known.type(name) != "array":
        checked.say(
            "InvalidVariable", f"the variable {name!r} is no Array: nothing can be appended", "variableName"
        )


def _declared(checked: Checked) -> tuple[str | None, Variables]:
    known = Variables(checked.pipeline)
    checked.need("variableName")
    wanted = checked.properties.text("variableName")
    name = known.find(wanted)
    if wanted and name is None:
        checked.say("InvalidVariable", _unknown(wanted, known), "variableName")
    return name, known


register(ControlType("SetVariable", "sets a variable, or the return value", plan_of(_check_set), _set))
register(ControlType("AppendVariable", "adds an item to an Array", plan_of(_check_append), _append))
