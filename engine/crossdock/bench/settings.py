"""What a sweep tries: how many parallel copies, which blocks, how many jobs at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from ..errors import ConfigError
from ..limits import parse_size

Dimension = Literal["parallel", "block", "jobs"]
WORDS: dict[Dimension, str] = {
    "parallel": "parallelCopies",
    "block": "blockSize",
    "jobs": "concurrentJobs",
}
MOST = {"parallel": 256, "jobs": 64}


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to run the copy. None: what the copy chooses by itself."""

    parallel: int | None = None
    block: int | None = None
    jobs: int = 1

    @property
    def cost(self) -> tuple[int, int]:
        """What it takes of a machine: how many workers, then how much memory for blocks."""
        return (self.parallel or 0) * self.jobs, self.block or 0

    def value(self, dimension: Dimension) -> int | None:
        found: int | None = getattr(self, dimension)
        return found

    def with_value(self, dimension: Dimension, value: int) -> Setting:
        return replace(self, **{dimension: value})

    def label(self, dimensions: Sequence[Dimension] = ("parallel", "block", "jobs")) -> str:
        """``4 copies, 8 MiB, 2 jobs``."""
        return ", ".join(f"{WORDS[each]} {shown(each, self.value(each))}" for each in dimensions)


def shown(dimension: Dimension, value: int | None) -> str:
    if value is None:
        return "auto"
    if dimension != "block":
        return str(value)
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value % size == 0:
            return f"{value // size} {unit}"
    return f"{value} B"


@dataclass(frozen=True, slots=True)
class Tried:
    """The values of each dimension, in ascending order; a dimension without any is left as it is."""

    parallel: tuple[int, ...] = ()
    block: tuple[int, ...] = ()
    jobs: tuple[int, ...] = ()

    def values(self, dimension: Dimension) -> tuple[int, ...]:
        found: tuple[int, ...] = getattr(self, dimension)
        return found

    def grid(self) -> list[Setting]:
        """All combinations, what takes less of the machine first."""
        every = product(self.parallel or (None,), self.block or (None,), self.jobs or (1,))
        return sorted((Setting(*each) for each in every), key=lambda setting: setting.cost)


def counts(text: str, option: str, most: int) -> tuple[int, ...]:
    """``1,2,4`` in ascending order; ``none`` is no value. Raises ConfigError."""

    def count(word: str) -> int:
        if not word.isascii() or not word.isdecimal() or not 1 <= int(word) <= most:
            raise ConfigError(f"{option} {text!r}: {word!r} is not a number from 1 to {most}")
        return int(word)

    return _several(text, option, count)


def sizes(text: str, option: str) -> tuple[int, ...]:
    """``4,8,16MiB`` in ascending order: a number has the next unit behind it. Raises ConfigError."""
    unit = ""
    for word in reversed(text.split(",")):
        unit = unit or re.sub(r"[\d.\s]", "", word)

    def size(word: str) -> int:
        return parse_size(word if re.search("[A-Za-z]", word) else word + unit, option)

    return _several(text, option, size)


def _several(text: str, option: str, read: Callable[[str], int]) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")]
    if words == ["none"]:
        return ()
    if not all(words):
        raise ConfigError(f"{option} {text!r}: write values with commas between them, for example 1,2,4")
    return tuple(sorted(set(map(read, words))))
