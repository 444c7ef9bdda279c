"""Functions of arrays, objects, and strings as collections of characters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from ..limits import check_items, check_length
from ..registry import function
from ..values import check_depth, identity, same, to_text, type_name, with_article

_SUBJECT = "Collections"


@function(
    _SUBJECT,
    "contains(collection: string|array|object, value: any)",
    "Whether a text has a part, an array an item, an object a property; case counts.",
)
def contains(collection: Any, value: Any) -> bool:
    if isinstance(collection, str | Mapping):
        if not isinstance(value, str):
            kind = with_article(type_name(collection))
            raise ValueError(f"takes a string as value for {kind}, not {with_article(type_name(value))}")
        return value in collection
    check_depth(value)
    return any(same(each, value) for each in collection)


@function(_SUBJECT, "empty(collection: string|array|object|null)", "Whether nothing is in it.")
def empty(collection: Any) -> bool:
    return not collection


@function(_SUBJECT, "first(collection: string|array)", "The first item or character; null if there is none.")
def first(collection: Any) -> Any:
    return collection[0] if collection else _none_of(collection)


@function(_SUBJECT, "last(collection: string|array)", "The last item or character; null if there is none.")
def last(collection: Any) -> Any:
    return collection[-1] if collection else _none_of(collection)


def _none_of(collection: Any) -> str | None:
    return "" if isinstance(collection, str) else None


@function(_SUBJECT, "length(collection: string|array)", "How many items or characters there are.")
def length(collection: Any) -> int:
    return len(collection)


@function(
    _SUBJECT, "join(collection: array, delimiter: string)", "The items as one text, with a delimiter between."
)
def join(collection: list[Any], delimiter: str) -> str:
    texts = [to_text(each) for each in collection]
    check_length(sum(map(len, texts)) + len(delimiter) * max(len(texts) - 1, 0))
    return delimiter.join(texts)


@function(_SUBJECT, "skip(collection: string|array, count: integer)", "What follows the first items.")
def skip(collection: Any, count: int) -> Any:
    return collection[_count(count) :]


@function(_SUBJECT, "take(collection: string|array, count: integer)", "The first items.")
def take(collection: Any, count: int) -> Any:
    return collection[: _count(count)]


def _count(count: int) -> int:
    if count < 0:
        raise ValueError(f"takes a count of 0 or more, not {count}")
    return count


@function(
    _SUBJECT,
    "union(collection: array|object, more...: array|object)",
    "All items of all collections, each once; of a name that several objects have, the last.",
)
def union(*collections: Any) -> Any:
    if _are_objects(collections):
        return {key: value for each in collections for key, value in each.items()}
    check_items(sum(map(len, collections)))
    return list(_distinct(chain.from_iterable(collections)).values())


@function(
    _SUBJECT,
    "intersection(collection: array|object, more...: array|object)",
    "The items that all collections have; of a name that all objects have, the last.",
)
def intersection(*collections: Any) -> Any:
    if _are_objects(collections):
        common = set(collections[0]).intersection(*collections[1:])
        return {key: collections[-1][key] for key in collections[0] if key in common}
    others = [_distinct(each) for each in collections[1:]]
    return [item for key, item in _distinct(collections[0]).items() if all(key in each for each in others)]


def _distinct(items: Iterable[Any]) -> dict[str, Any]:
    """The first of equal items, in their order."""
    found: dict[str, Any] = {}
    for item in items:
        found.setdefault(identity(item), item)
    return found


def _are_objects(collections: tuple[Any, ...]) -> bool:
    kinds = {type_name(each) for each in collections}
    if len(kinds) > 1:
        raise ValueError("takes arrays only or objects only, not both")
    return kinds == {"object"}
