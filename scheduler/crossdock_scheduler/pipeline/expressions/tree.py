"""An expression as a tree. Positions count characters of the whole JSON string."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .registry import Function


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, a number, a boolean or null."""

    value: Any
    at: int
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Call:
    """``name(arguments)``."""

    function: Function
    arguments: tuple[Node, ...]
    at: int
    depth: int


@dataclass(frozen=True, slots=True)
class Member:
    """``target.key``, ``target[key]``; ``safe`` with a question mark before: null if it is missing."""

    target: Node
    key: Node
    safe: bool
    at: int
    depth: int


Node = Literal | Call | Member


@dataclass(frozen=True, slots=True)
class Template:
    """A JSON string: text and expressions. ``whole`` is one expression whose value keeps its type."""

    text: str
    parts: tuple[str | Node, ...]
    whole: bool = False
