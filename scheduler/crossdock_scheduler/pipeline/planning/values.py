"""JSON of an activity or a dataset with its expressions evaluated, before a run as far as that goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from crossdock import AdfComputed

from ..checks.expressions import is_secure
from ..expressions import ABSENT, ExpressionError, Reference, Scope, evaluate, expression_of, references

COMPUTED = AdfComputed("computed")


@dataclass(frozen=True, slots=True)
class Values:
    """Evaluates in a scope. ``ahead``: before the run, where what is not known yet becomes ``COMPUTED``."""

    scope: Scope
    ahead: bool = True

    def of(self, value: Any) -> Any:
        """Raises ExpressionError, before a run only for what is wrong whatever is still to be known."""
        if isinstance(value, Mapping) and is_secure(value):
            return dict(value) | {
                key: self._secure(each) for key, each in value.items() if key.lower() == "value"
            }
        if not self.ahead and not isinstance(value, Mapping | list):
            return evaluate(value, self.scope)
        text = value if isinstance(value, str) else expression_of(value)
        if text is not None:
            return self._text(text) if self.ahead else evaluate(text, self.scope)
        if isinstance(value, Mapping):
            return {key: self.of(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.of(each) for each in value]
        return value

    def _secure(self, value: Any) -> Any:
        """A password may begin with ``@``: it is an expression only where it is one that can be read."""
        if isinstance(value, SecretStr):
            made = self._secure(value.get_secret_value())
            return SecretStr(made) if type(made) is str else made
        if not isinstance(value, str):
            return value
        try:
            named = references(value)
        except ExpressionError:
            return value
        return self.of(value) if named else value

    def _text(self, text: str) -> Any:
        if "@" not in text or isinstance(text, AdfComputed):
            return text
        try:
            named = references(text)
        except ExpressionError:
            return COMPUTED  # the checks of expressions say it
        if not all(self._knows(each) for each in named):
            return COMPUTED
        try:
            made = evaluate(text, self.scope)
        except ExpressionError:
            if named:
                return COMPUTED  # another value of a parameter may do
            raise
        # An empty default is there to be replaced.
        replaceable = any(each.kind in ("parameter", "globalParameter") for each in named)
        return COMPUTED if made == "" and replaceable else made

    def _knows(self, reference: Reference) -> bool:
        scope = self.scope
        values = {
            "parameter": scope.parameters,
            "globalParameter": scope.global_parameters,
            "dataset": scope.dataset,
            "linkedService": scope.linked_service,
        }.get(reference.kind)
        if reference.kind == "item":
            return scope.item is not ABSENT
        if not values or reference.name is None:
            return False
        lowered = {name.lower(): value for name, value in values.items()}
        return reference.name.lower() in lowered and not _computed(lowered[reference.name.lower()])


def _computed(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_computed, value.values()))
    if isinstance(value, list):
        return any(map(_computed, value))
    return isinstance(value, AdfComputed)
