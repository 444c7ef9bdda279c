"""What an expression may cost: one that was written to do harm ends with an error, not with this process.

The language has no loops, so the work is bounded by its text and by the sizes of what functions return.
"""

from __future__ import annotations

CHARACTERS = 65_536  # of one expression; Data Factory takes 8,192
DEPTH = 100  # of calls in calls, and of properties in a row
JSON_DEPTH = 200
ITEMS = 1_000_000  # of an array that a function makes
RESULT = 16 << 20  # characters of a string that a function makes
WORK = 128 << 20  # characters and items that all functions of one evaluation make


class LimitError(ValueError):
    """A result that would be larger than it may be."""


def check_length(characters: int) -> None:
    """Refuse a string before it is made."""
    if characters > RESULT:
        raise LimitError(f"makes a string of {characters:,} characters, and {RESULT:,} are the most")


def check_items(count: int) -> None:
    """Refuse an array before it is made."""
    if count > ITEMS:
        raise LimitError(f"makes an array of {count:,} items, and {ITEMS:,} are the most")
