"""Checks of the ability to look at what is there, for stores and tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest

from ..errors import NotFoundError
from ..spi import Browsable, Entry, ObjectStore, Source
from .store_base import StoreBase, noise
from .table_base import SCHEMA, TableBase, rows


def entries(browsable: Browsable, path: str = "", most: int = 1000) -> list[Entry]:
    """All of one level, page by page; a page holds no more than was asked for, and cursors come to an end."""
    found: list[Entry] = []
    after: str | None = None
    for _ in range(1000):
        page = browsable.browse(path, after, most)
        assert len(page.entries) <= most, f"{len(page.entries)} entries in a page of {most}"
        found += page.entries
        if page.cursor is None:
            return found
        after = page.cursor
    pytest.fail("the cursors never end")


def not_offered(connector: object) -> None:
    offered = [name for name in ("browse", "test") if hasattr(connector, name)]
    assert not offered, f"{', '.join(offered)}() without the ability Browsable is never called"


class StoreBrowseChecks(StoreBase):
    """Declared: one level at a time, whole, without staged data. Not declared: it is not offered."""

    def test_browse(self, store: ObjectStore) -> None:
        if not isinstance(store, Browsable):
            not_offered(store)
            return
        for path, size in (("b.txt", 5), ("a/x", 7), ("a/y/z", 1), ("c d/ü", 3), ("a-b", 2)):
            self.put(store, path, noise(size))
        self.stage(store, "never", self.cut(noise(10)))
        found = entries(store)
        named = {entry.path: (entry.name, entry.kind) for entry in found}
        wanted = {
            "a/": ("a", "folder"), "c d/": ("c d", "folder"),
            "b.txt": ("b.txt", "file"), "a-b": ("a-b", "file"),
        }  # fmt: skip
        assert named == wanted
        assert {entry.path: entry.size for entry in found if entry.kind == "file"} == {"b.txt": 5, "a-b": 2}
        for spelt in ("a/", "a"):
            assert {(e.path, e.name, e.kind) for e in entries(store, spelt)} == {
                ("a/x", "x", "file"),
                ("a/y/", "y", "folder"),
            }
        assert [entry.path for entry in entries(store, most=1)] == [entry.path for entry in found]
        with self.raises(NotFoundError):
            store.browse("missing/")

    def test_browse_nothing(self, store: ObjectStore) -> None:
        if isinstance(store, Browsable):
            with self.may_raise(NotFoundError):
                assert entries(store) == []

    def test_reached(self, store: ObjectStore) -> None:
        if isinstance(store, Browsable):
            self.put(store, "x", noise(1))
            assert store.test().server, "test() names what it reached"


class TableBrowseChecks(TableBase):
    """As of stores; what a path of a table means, the same behind the ``#`` of an address means."""

    def test_browse(self, source: Source[Any], url: str) -> None:
        if not isinstance(source, Browsable):
            not_offered(source)
            return
        self.seed(url, "t", rows(0, 3))
        self.seed(url, "u", rows(0, 3))
        if self.spec.open_sink is not None:
            with closing(self.open_sink(url)) as sink:
                begun = self.begin(sink, "staged", self.creating)
                self.stage(sink, begun, "staged", rows(0, 3))
        with closing(self.open_source(url)) as opened:
            assert isinstance(opened, Browsable)
            assert opened.test().server, "test() names what it reached"
            tables = list(_tables(opened))
            assert sorted(entry.name for entry in tables) == ["t", "u"]
            assert [entry.path for entry in _tables(opened, most=1)] == [entry.path for entry in tables]
            table = next(entry for entry in tables if entry.name == "t")
            columns = entries(opened, table.path)
            assert [(column.name, column.kind) for column in columns] == [(n, "column") for n in SCHEMA.names]
            assert all(column.type for column in columns), "a column has the database's own type"
            with self.raises(NotFoundError):
                opened.browse(f"{table.path}_never_was")
        with closing(self.open_source(f"{url}#{quote(table.path)}")) as named:
            units = [unit for page in named.units() for unit in page.units]
            assert len(units) == 1, f"behind #, {table.path} means {len(units)} tables"
            schema = named.schema(units[0])
            assert schema is not None
            assert schema.names == SCHEMA.names


def _tables(browsable: Browsable, most: int = 1000) -> Iterator[Entry]:
    """All tables of all schemas."""
    for entry in entries(browsable, most=most):
        if entry.kind == "schema":
            assert entry.path.endswith("."), f"the path of a schema ends in a dot: {entry.path!r}"
            yield from entries(browsable, entry.path, most)
        else:
            yield entry
