"""Stores that are each wrong about what they show of themselves: variations of the template's."""

from __future__ import annotations

from typing import Any

from broken_stores import found_by

from crossdock import Browsable, Entry, EntryPage, NotFoundError, Reached
from crossdock.template.store import SampleStore


class ShownStore(SampleStore, Browsable):
    """Correct."""

    def test(self) -> Reached:
        return Reached(str(self.root))

    def level(self, prefix: str) -> list[Entry]:
        found = {}
        for info in (info for page in self.list(prefix) for info in page):
            name, slash, _ = info.path[len(prefix) :].partition("/")
            kind: Any = "folder" if slash else "file"
            found[name] = Entry(name, kind, prefix + name + slash, None if slash else info.size)
        if prefix and not found:
            raise NotFoundError(f"{prefix} does not exist")
        return sorted(found.values(), key=lambda entry: entry.path)

    def browse(self, path: str = "", after: str | None = None, most: int = 1000) -> EntryPage:
        found = self.level(f"{path.rstrip('/')}/" if path else "")
        left = [entry for entry in found if after is None or entry.path > after]
        return EntryPage(tuple(left[:most]), left[most - 1].path if len(left) > most else None)


@found_by("test_browse")
class DeepStore(ShownStore):
    """Shows all levels."""

    def level(self, prefix: str) -> list[Entry]:
        super().level(prefix)
        return [Entry(i.path, "file", i.path, i.size) for page in self.list(prefix) for i in page]


@found_by("test_browse")
class BlindStore(ShownStore):
    """Loses the rest of a page."""

    def browse(self, path: str = "", after: str | None = None, most: int = 1000) -> EntryPage:
        return EntryPage(super().browse(path, after, most).entries)


@found_by("test_browse")
class TolerantStore(ShownStore):
    """Shows what is not there."""

    def level(self, prefix: str) -> list[Entry]:
        try:
            return super().level(prefix)
        except NotFoundError:
            return []


@found_by("test_browse")
class HalfStore(SampleStore):
    """Has the method without the ability: nobody would call it."""

    def browse(self, path: str = "", after: str | None = None, most: int = 1000) -> EntryPage:
        return EntryPage(())


@found_by("test_reached")
class AnonymousStore(ShownStore):
    """Does not say what it reached."""

    def test(self) -> Reached:
        return Reached("")
