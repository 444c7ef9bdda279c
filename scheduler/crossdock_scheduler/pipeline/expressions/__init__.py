"""Data Factory's expression language: ``@concat(...)``, ``@{pipeline().parameters.day}``, and its functions.

    evaluate(value, scope)   a JSON value with every expression in it replaced by what it is in a scope
    parse(text)              the tree of one JSON string, checked: functions exist and have arguments enough
    references(value)        what the expressions in a JSON value refer to, without evaluating them

All raise ExpressionError, whose text is one sentence and the place with a caret below it.
"""

from .errors import ExpressionError, did_you_mean
from .evaluation import evaluate, expression_of
from .functions.contexts import SYSTEM_NAMES
from .references import Reference, references
from .registry import FUNCTIONS, Function
from .scope import ABSENT, Scope
from .template import parse
from .timestamps import EPOCH
from .tree import Template

__all__ = [
    "ABSENT",
    "EPOCH",
    "ExpressionError",
    "FUNCTIONS",
    "Function",
    "Reference",
    "SYSTEM_NAMES",
    "Scope",
    "Template",
    "did_you_mean",
    "evaluate",
    "expression_of",
    "parse",
    "references",
]
