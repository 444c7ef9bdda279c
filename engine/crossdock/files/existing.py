"""What is at the sink already, for mode ``error``: asked before any data moves, without a request a file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..errors import AccessDeniedError, NotFoundError
from ..spi.store import ObjectStore


@dataclass(eq=False, repr=False)
class Existing:
    """The first page of the sink's listing answers for objects whose write refuses what exists by itself;
    for all others the store is asked about each.
    """

    store: ObjectStore

    @cached_property
    def _listed(self) -> frozenset[str]:
        """Of a folder with more than a page, the others are found by the write."""
        try:
            return frozenset(info.path for info in next(iter(self.store.list()), ()))
        except (AccessDeniedError, NotFoundError):
            return frozenset()  # the credentials may only write

    def __contains__(self, path: str) -> bool:
        try:
            self.store.stat(path)
        except NotFoundError:
            return False
        return True

    def seen(self, path: str) -> bool:
        """As ``in``, but False may mean that nobody has looked."""
        return path in self._listed
