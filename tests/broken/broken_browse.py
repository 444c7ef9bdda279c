"""Stores that are each wrong about what they show of themselves: variations of the template's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import broken_stores

from crossdock import Browsable, Entry, EntryPage, Location, NotFoundError, Reached
from crossdock.template.store import SPEC, SampleStore


class Wrong(broken_stores.Wrong):
    """As there; not collected itself."""

    __test__ = False


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


class DeepStore(ShownStore):
    def level(self, prefix: str) -> list[Entry]:
        super().level(prefix)
        return [Entry(i.path, "file", i.path, i.size) for page in self.list(prefix) for i in page]


def open_deep(config: Any, location: Location) -> DeepStore:
    return DeepStore(location.path)


class TestShowsAllLevels(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_deep)
    caught_by = frozenset({"test_browse"})


class BlindStore(ShownStore):
    def browse(self, path: str = "", after: str | None = None, most: int = 1000) -> EntryPage:
        return EntryPage(super().browse(path, after, most).entries)


def open_blind(config: Any, location: Location) -> BlindStore:
    return BlindStore(location.path)


class TestLosesTheRestOfAPage(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_blind)
    caught_by = frozenset({"test_browse"})


class TolerantStore(ShownStore):
    def level(self, prefix: str) -> list[Entry]:
        try:
            return super().level(prefix)
        except NotFoundError:
            return []


def open_tolerant(config: Any, location: Location) -> TolerantStore:
    return TolerantStore(location.path)


class TestShowsWhatIsNotThere(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_tolerant)
    caught_by = frozenset({"test_browse"})


class HalfStore(SampleStore):
    """Has the method without the ability: nobody would call it."""

    def browse(self, path: str = "", after: str | None = None, most: int = 1000) -> EntryPage:
        return EntryPage(())


def open_half(config: Any, location: Location) -> HalfStore:
    return HalfStore(location.path)


class TestOffersWhatIsNotDeclared(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_half)
    caught_by = frozenset({"test_browse"})


class AnonymousStore(ShownStore):
    def test(self) -> Reached:
        return Reached("")


def open_anonymous(config: Any, location: Location) -> AnonymousStore:
    return AnonymousStore(location.path)


class TestDoesNotSayWhatItReached(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_anonymous)
    caught_by = frozenset({"test_reached"})
