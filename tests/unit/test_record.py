"""Records behave as frozen dataclasses do, but for an assignment at run time."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, fields, replace

import pytest

from crossdock.spi.record import record


@record(slots=True)
class Place:
    path: str
    size: int = 0
    secret: str = field(default="", repr=False)
    seen: list[int] = field(default_factory=list, compare=False)


@dataclass(frozen=True, slots=True)
class Plain:
    path: str
    size: int = 0
    secret: str = field(default="", repr=False)
    seen: list[int] = field(default_factory=list, compare=False)


@record
class Named:
    name: str

    def __repr__(self) -> str:
        return self.name


@pytest.mark.parametrize("values", [("a",), ("a", 3, "s3cret"), ("b", 0, "", [1])], ids=str)
def test_as_dataclasses(values: tuple[str, int, str, list[int]]) -> None:
    ours, theirs = Place(*values), Plain(*values)
    assert repr(ours) == repr(theirs).replace("Plain", "Place")
    assert hash(ours) == hash(theirs)
    assert [part.name for part in fields(ours)] == [part.name for part in fields(theirs)]
    assert pickle.loads(pickle.dumps(ours)) == ours  # noqa: S301 - of this test's own making
    assert replace(ours, path="z") == Place("z", *values[1:])


def test_equal_by_the_values_compared() -> None:
    assert Place("a", seen=[1]) == Place("a", seen=[2])
    assert len({Place("a"), Place("a"), Place("a", 1)}) == 2
    assert Place("a") != Place("b")
    assert Place("a") != ("a", 0, "")
    assert Named("a") != Place("a")


def test_what_the_class_says_itself_stays() -> None:
    assert repr(Named("x")) == "x"
    assert not hasattr(Place("a"), "__dict__")
    with pytest.raises(TypeError, match="path"):
        Place()  # type: ignore[call-arg]  # the test is that it is refused
