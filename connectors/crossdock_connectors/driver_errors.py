"""What drivers of databases say, looked up in a connector's tables of what that means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crossdock import CrossdockError, InternalError

Kind = type[CrossdockError]
Rule = tuple[str, Kind, str]
"""Words in lower case that are in the driver's text, the error, and what it means: ``where`` goes before."""


def by_words(text: str, *tables: Sequence[Rule]) -> Rule | None:
    """The first rule whose words are in the text."""
    lower = text.lower()
    return next((rule for table in tables for rule in table if rule[0] in lower), None)


def by_state(state: str, table: Iterable[tuple[str, Kind]]) -> Kind:
    """The error of the first prefix that the SQLSTATE has."""
    return next((kind for prefix, kind in table if state.startswith(prefix)), InternalError)
