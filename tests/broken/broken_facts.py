"""Stores that tell wrong things of their objects and folders: variations of the template's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import broken_stores

from crossdock import Described, Facts, Location, NotFoundError
from crossdock.template.store import SPEC, SampleStore


class Wrong(broken_stores.Wrong):
    """As there; not collected itself."""

    __test__ = False


class TellingStore(SampleStore, Described):
    """Correct."""

    def facts(self, path: str) -> Facts:
        if path and not path.endswith("/"):
            info = self.stat(path)
            return Facts(info.size, info.modified)
        if not self.is_folder(path):
            raise NotFoundError(f"{path} does not exist")
        return Facts()


class ForgedStore(TellingStore):
    def facts(self, path: str) -> Facts:
        found = super().facts(path)
        return Facts(found.size, found.modified, md5=b"0" * 16 if found.size else None)


def open_forged(config: Any, location: Location) -> ForgedStore:
    return ForgedStore(location.path)


class TestTellsTheDigestOfSomethingElse(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_forged)
    caught_by = frozenset({"test_facts"})


class LenientStore(TellingStore):
    def facts(self, path: str) -> Facts:
        return super().facts(path if self.is_folder(path) else path.rstrip("/"))


def open_lenient(config: Any, location: Location) -> LenientStore:
    return LenientStore(location.path)


class TestTakesAnObjectForAFolder(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_lenient)
    caught_by = frozenset({"test_facts"})


class SecretStore(SampleStore):
    """Has the method without the ability: nobody would call it."""

    def facts(self, path: str) -> Facts:
        return Facts()


def open_secret(config: Any, location: Location) -> SecretStore:
    return SecretStore(location.path)


class TestTellsWhatNobodyAsksFor(Wrong):
    __test__ = True
    spec = replace(SPEC, open_store=open_secret)
    caught_by = frozenset({"test_facts"})
