"""What objects get beside their bytes: the settings ``metadata`` and ``preserve``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from ..errors import ConfigError, NotSupportedError
from ..spi.data import Unit
from ..spi.store import Attributes, ObjectAttributes, ObjectStore
from .listing import info_of
from .settings import LAST_MODIFIED, StoreWriteSettings

_FIELDS = {
    "Attributes": ("metadata", "headers", "modified_ns", "mode", "tier"),
    "ACL": ("acl",),
    "Owner": ("owner",),
    "Group": ("group",),
}


class GivenAttributes:
    """The attributes of each unit's object."""

    def __init__(
        self,
        settings: StoreWriteSettings,
        source: ObjectStore | None,
        sink: ObjectStore,
        names: tuple[str, str],
    ) -> None:
        """``source`` is the store of a binary copy, else None. ``names`` are the connectors'.

        Raises NotSupportedError for what a store does not have, ConfigError for what needs bytes.
        """
        self._metadata, self._source = settings.metadata, source
        if settings.metadata and not (isinstance(sink, Attributes) and "metadata" in sink.keeps):
            raise NotSupportedError(f"{names[1]} has no metadata; leave out the option metadata")
        if source is None and settings.preserve:
            raise ConfigError("preserve needs a binary copy: the files of a table are new ones")
        if source is None and any(item.value == LAST_MODIFIED for item in settings.metadata):
            raise ConfigError(f"{LAST_MODIFIED} needs a binary copy: the files of a table are new ones")
        self._fields = frozenset(
            name for word in settings.preserve for name in self._common(word, sink, names)
        )

    def _common(self, word: str, sink: ObjectStore, names: tuple[str, str]) -> Iterator[str]:
        """The fields of that word that both stores have."""
        ends = [(self._source, names[0]), (sink, names[1])]
        common = set(_FIELDS[word])
        for store, name in ends:
            keeps: frozenset[str] = store.keeps if isinstance(store, Attributes) else frozenset()
            has = keeps & set(_FIELDS[word])
            if not has:
                raise NotSupportedError(f"preserve={word}: {name} has none")
            common &= has
        if not common:
            raise NotSupportedError(f"preserve={word}: {names[0]} and {names[1]} have none in common")
        yield from common

    def __call__(self, unit: Unit) -> ObjectAttributes:
        """May raise what ``Attributes.attributes`` does."""
        kept = ObjectAttributes()
        if self._fields:
            assert isinstance(self._source, Attributes)  # noqa: S101 - made sure of above
            found = self._source.attributes(info_of(unit))
            kept = ObjectAttributes(**{name: getattr(found, name) for name in self._fields})
        own = {item.name: self._value(item.value, unit) for item in self._metadata}
        return replace(kept, metadata={**kept.metadata, **own})

    def _value(self, text: str, unit: Unit) -> str:
        if text != LAST_MODIFIED:
            return text
        modified = datetime.fromtimestamp(info_of(unit).modified, UTC)
        return modified.isoformat(timespec="milliseconds").replace("+00:00", "Z")
