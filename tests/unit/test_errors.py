"""The error classes: the tree that is drawn is the tree that is, and codes are stable and unique."""

from __future__ import annotations

import inspect
import re

import pytest

from crossdock import errors
from crossdock.errors import CrossdockError, InternalError, ThrottledError, TransientError, UserError

CLASSES = [
    member
    for _, member in inspect.getmembers(errors, inspect.isclass)
    if issubclass(member, CrossdockError) and member.__module__ == errors.__name__
]
# A line of the tree: its branches, the class, and what the engine does about it.
LINE = re.compile(r"^    (?P<branches>[│├└─ ]*)(?P<name>[A-Z]\w+)(?P<text>.*)$")


def _drawn() -> dict[str, tuple[str | None, str]]:
    """Class name -> (name of its parent, text), as the docstring draws them; four columns a level."""
    tree: dict[str, tuple[str | None, str]] = {}
    open_branches: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := LINE.match(line):
            level = len(found["branches"]) // 4
            del open_branches[level:]
            tree[found["name"]] = (open_branches[-1] if open_branches else None, found["text"])
            open_branches.append(found["name"])
    return tree


def test_the_tree_in_the_docstring_is_the_class_tree() -> None:
    real = {c.__name__: None if c is CrossdockError else c.__base__.__name__ for c in CLASSES if c.__base__}
    assert {name: parent for name, (parent, _) in _drawn().items()} == real


def test_exit_codes_are_those_that_the_docstring_draws() -> None:
    """A line without an exit code has its parent's."""
    drawn = _drawn()

    def exit_code(name: str | None) -> int:
        if name is None:
            return 1
        parent, text = drawn[name]
        said = re.search(r"exit (\d+)", text)
        return int(said[1]) if said else exit_code(parent)

    assert {c.__name__: c.exit_code for c in CLASSES} == {c.__name__: exit_code(c.__name__) for c in CLASSES}


def test_every_error_has_its_own_code() -> None:
    # CrossdockError itself is never raised and speaks as InternalError does.
    codes = [c.code for c in CLASSES if c is not CrossdockError]
    assert len(codes) == len(set(codes))
    assert CrossdockError.code == InternalError.code
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", code) for code in codes)


def test_codes_are_stable() -> None:
    """Scripts depend on them: a code may be added here and never changed."""
    assert {c.__name__: c.code for c in CLASSES} == {
        "AccessDeniedError": "AccessDenied",
        "AlreadyExistsError": "AlreadyExists",
        "AuthError": "AuthenticationFailed",
        "CancelledError": "Cancelled",
        "ConfigError": "InvalidConfig",
        "CrossdockError": "Internal",
        "DataError": "DataError",
        "InternalError": "Internal",
        "MissingDependencyError": "MissingDependency",
        "NoSpaceError": "NoSpace",
        "NotFoundError": "NotFound",
        "NotSupportedError": "NotSupported",
        "SchemaMismatchError": "SchemaMismatch",
        "ShortReadError": "ShortRead",
        "SourceChangedError": "SourceChanged",
        "StageLostError": "StageLost",
        "ThrottledError": "Throttled",
        "TransientError": "Transient",
        "UnreachableError": "Unreachable",
        "UserError": "UserError",
        "VerificationError": "VerificationFailed",
    }


@pytest.mark.parametrize("error", CLASSES)
def test_message_detail_and_hint(error: type[CrossdockError]) -> None:
    said = error("no such file: a.csv", detail="errno 2", hint="try --mode")
    assert (said.message, said.detail, said.hint) == ("no such file: a.csv", "errno 2", "try --mode")
    assert str(said) == "no such file: a.csv (try --mode)"
    assert "errno 2" not in str(said)
    assert str(error("no such file: a.csv")) == "no such file: a.csv"


def test_a_transient_error_carries_the_servers_wish() -> None:
    assert ThrottledError("busy", retry_after=2.5).retry_after == 2.5
    assert TransientError("busy").retry_after is None
    assert not issubclass(TransientError, UserError)
