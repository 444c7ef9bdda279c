"""Checks of what a store tells of its objects: ``Described``, ``Fetchable``."""

from __future__ import annotations

import hashlib
import time

from ..errors import NotFoundError
from ..spi import Described, Facts, Fetchable, ObjectStore
from .store_base import StoreBase, noise


class FactChecks(StoreBase):
    """Declared: what is told is so, and objects are no folders. Not declared: it is not offered."""

    def test_facts(self, store: ObjectStore) -> None:
        if not isinstance(store, Described):
            assert not hasattr(store, "facts"), "facts() without the ability Described is never called"
            return
        content = noise(100)
        self.put(store, "a/x", content)
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        found, listed = store.facts("a/x"), store.stat("a/x")
        assert found.size == listed.size == 100
        assert abs((found.modified or 0) - listed.modified) < 1, "facts() and stat() tell two times"
        assert found.md5 in (None, digest), "it is not the digest of the content"
        for path in ("a/", ""):
            self._is_of_a_folder(store.facts(path))
        for path in ("missing", "missing/", "a", "a/x/"):
            with self.raises(NotFoundError):
                store.facts(path)

    def _is_of_a_folder(self, found: Facts) -> None:
        assert found.size is None, "a folder has no size"
        assert found.md5 is None, "a folder has no content"
        for moment in (found.created, found.modified):
            assert moment is None or 0 < moment < time.time() + 86_400

    def test_fetchable(self, store: ObjectStore) -> None:
        """``fetched_by``: an object has an address of that scheme, without what lets others in."""
        scheme = self.spec.capabilities.fetched_by
        assert isinstance(store, Fetchable) == bool(scheme), (
            "fetched_by is declared by a Fetchable, and by it alone"
        )
        if not isinstance(store, Fetchable):
            assert not hasattr(store, "fetchable"), (
                "fetchable() without the ability Fetchable is never called"
            )
            return
        self.put(store, "a b/x", noise(10))
        found = store.fetchable(store.stat("a b/x"), "parquet")
        assert found.url.startswith(f"{scheme}://"), f"{found.url} is not fetched by {scheme}"
        assert (found.format, found.size) == ("parquet", 10)
        assert bool(found.secret) == (found.credential in ("sas", "account key"))
        assert not found.secret or found.secret not in found.url, "the address has the secret in it"
