"""Columns of numbers that are read as text because of a word that stands for null."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from .arrow_io import text_array

# What programs write for a value that is not there, and nobody writes among numbers for another reason.
WORDS = (
    "NA", "N/A", "n/a", "na", "#N/A", "NULL", "Null", "null", "None", "none", "NIL", "nil", "\\N", "(null)",
    "<NA>", "<null>", "-", "--", "?", ".", "*", "missing", "MISSING", "unknown", "#VALUE!", "#REF!",
    "#DIV/0!",
)  # fmt: skip
_NUMBER = r"^\s*-?((0|[1-9][0-9]{0,14})(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"
_MOST = 20


@dataclass(frozen=True, slots=True)
class Marked:
    """A column with such words, and the row among those sampled that has the first one, counted from 0."""

    column: str
    words: tuple[str, ...]
    row: int


def marked_columns(schema: pa.Schema, text: pa.Table, counted: int) -> Iterator[Marked]:
    """The columns of text that would be numbers but for such words. ``text`` has all values as texts.

    The row is -1 where it is not among the first ``counted``.
    """
    words = text_array(WORDS)
    for index, field in enumerate(schema):
        if not pa.types.is_string(field.type):
            continue
        column = text.column(index)
        found = pc.is_in(column, value_set=words)
        if not pc.any(found).as_py():
            continue
        others = pc.filter(column, pc.and_not(pc.is_valid(column), found))
        if len(others) and pc.all(pc.match_substring_regex(others, _NUMBER)).as_py():
            named = pc.unique(pc.filter(column, found)).to_pylist()
            row = pc.index(found, True).as_py()
            yield Marked(field.name, tuple(named), row if row < counted else -1)


class NullNotes:
    """Collects what was found in the files of a copy; one note for files that are alike."""

    def __init__(self) -> None:
        self._found: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str | int]] = {}

    def add(self, path: str, line: int, columns: Sequence[Marked]) -> None:
        words = tuple(dict.fromkeys(word for column in columns for word in column.words))
        key = (tuple(column.column for column in columns), words)
        if key in self._found:
            self._found[key][2] = int(self._found[key][2]) + 1
        elif len(self._found) < _MOST:
            self._found[key] = [path, line, 0]

    def knows(self, columns: Sequence[Marked]) -> bool:
        """Whether a file like that was noted already, so that its line need not be looked for."""
        return any(key[0] == tuple(column.column for column in columns) for key in self._found)

    def __iter__(self) -> Iterator[str]:
        for (columns, words), (path, line, more) in list(self._found.items()):
            where = f"{path}, line {line}" if line else str(path)
            others = f" (as in {more} more)" if more else ""
            which = f"column {columns[0]!r} is" if len(columns) == 1 else f"columns {', '.join(columns)} are"
            named = " and ".join(map(repr, words))
            nulls = "|".join([*words, ""])
            yield (
                f"{where}: {which} text and no number because of {named}{others}; "
                f"-s 'null_value={nulls}' reads that as null"
            )
