"""Frozen dataclasses that are cheap to import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, slots: bool) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T] | None = None, /, *, slots: bool = False) -> Any:
    """
    A dataclass that is equal and hashed by its values, and frozen for a type checker.

    `@dataclass(frozen=True)` compiles six methods for each class, which takes 0.7 ms, and the smallest copy
    imports some sixty of them. Here `__init__` alone is compiled, in 0.2 ms (Python 3.11). Nothing stops an
    assignment at run time.
    """
    return (lambda given: _made(given, slots)) if cls is None else _made(cls, slots)


def _made(cls: Any, slots: bool) -> Any:
    made: Any = dataclass(eq=False, repr=False, slots=slots)(cls)
    made.__record_shown__ = tuple(part.name for part in fields(made) if part.repr)
    made.__record_compared__ = tuple(part.name for part in fields(made) if part.compare)
    for method in (__repr__, __eq__, __hash__):
        # What the class says itself stays, as with dataclasses.
        if method.__name__ not in cls.__dict__:
            setattr(made, method.__name__, method)
    return made


def __repr__(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__record_shown__)
    return f"{type(self).__qualname__}({shown})"


def __eq__(self: Any, other: object) -> bool:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _values(self) == _values(other)


def __hash__(self: Any) -> int:
    return hash(_values(self))


def _values(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self.__record_compared__])
