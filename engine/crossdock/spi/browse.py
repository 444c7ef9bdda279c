"""Browsable: looking at what is there, level by level, without copying it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from .record import record

EntryKind = Literal["container", "folder", "file", "schema", "table", "view", "column"]


@record(slots=True)
class Reached:
    """What answered to a test of the connection, without secrets.

    ``server`` is its name and place, ``version`` what it says it is, ``user`` whom it takes us for; empty
    where that is not known.
    """

    server: str
    version: str = ""
    user: str = ""


@record(slots=True)
class Entry:
    """Something that is there. ``path`` is what ``Browsable.browse`` takes to look into it.

    Below the root of a store it is a relative path, a folder's ends in ``/``; of a table it is what stands
    behind the ``#`` of its address (``sales.orders``), of a schema that with a dot at its end (``sales.``).
    A column has none. ``size`` is in bytes, ``modified`` in seconds since 1970, ``rows`` about how many there
    are. ``type`` is a column's in the database's own words.
    """

    name: str
    kind: EntryKind
    path: str = ""
    size: int | None = None
    modified: float | None = None
    rows: int | None = None
    type: str = ""
    nullable: bool | None = None


@record(slots=True)
class EntryPage:
    """Some entries and a cursor from which looking goes on (None: no more)."""

    entries: tuple[Entry, ...]
    cursor: str | None = None


class Browsable(ABC):
    """Ability of a store or of the source of a table connector. What any run has staged is not shown."""

    @abstractmethod
    def test(self) -> Reached:
        """Ask the server for something small. Raises what a copy would: NotFoundError, AuthError, ..."""

    @abstractmethod
    def browse(self, path: str = "", after: str | None = None, most: int = 1000) -> EntryPage:
        """At most ``most`` of what lies directly in ``path``, behind the cursor ``after``; one level only.

        The columns of a table come in its order, all at once; everything else in a stable order. Raises
        NotFoundError where there is no ``path``; a root that is empty has no entries.
        """
