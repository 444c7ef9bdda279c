"""Which objects of a store a source means: one object, a folder, or a wildcard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from ..errors import ConfigError, NotFoundError
from ..spi.data import Unit, UnitPage
from ..spi.record import record
from ..spi.store import ObjectInfo, ObjectStore
from . import filters
from .file_list import FileList
from .settings import READ_DEFAULTS, StoreReadSettings

_MAGIC = re.compile(r"[*?\[]")


def split_wildcard(path: str) -> tuple[str, str]:
    """``"data/2024/*.csv"`` -> (``"data/2024"``, ``"*.csv"``); the pattern is empty without a wildcard."""
    segments = path.split("/")
    for at, segment in enumerate(segments):
        if _MAGIC.search(segment):
            return "/".join(segments[:at]) or ("/" if at else ""), "/".join(segments[at:])
    return path, ""


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """A glob: ``*`` and ``?`` stay within a folder, ``**`` goes through folders."""
    out, parts, at = "", [""], 0
    while at < len(pattern):
        if pattern.startswith("**", at):
            slash = pattern.startswith("/", at + 2)
            out += filters.between_stars(parts) + ("(?:.*/)?" if slash else ".*")
            parts, at = [""], at + 2 + slash
        elif pattern[at] == "*":
            parts.append("")
            at += 1
        elif pattern[at] == "?":
            parts[-1] += "[^/]"
            at += 1
        elif pattern[at] == "[" and "]" in pattern[at + 2 :]:
            end = pattern.index("]", at + 2)
            parts[-1] += _character_class(pattern[at + 1 : end])
            at = end + 1
        else:
            parts[-1] += re.escape(pattern[at])
            at += 1
    return re.compile(out + filters.between_stars(parts), re.DOTALL)


def _character_class(body: str) -> str:
    """``a-z_`` or ``!a-z_`` as a regular expression for one character that is no ``/``."""
    negated = body.startswith("!")
    body, out, at = body.removeprefix("!"), "", 0
    while at < len(body):
        first, last = body[at], body[at + 2 : at + 3]
        if body[at + 1 : at + 2] == "-" and last:
            if last < first:
                raise ConfigError(f"the wildcard [{body}] has the range {first}-{last}, which is backwards")
            out, at = out + f"{re.escape(first)}-{re.escape(last)}", at + 3
        else:
            out, at = out + re.escape(first), at + 1
    return f"(?!/)[{'^' * negated}{out}]"


@record
class Selection:
    """Objects of one store: ``name`` is one object; else what ``listed`` names, what matches ``pattern``,
    or (without either) what the settings choose. ``settings`` filter by time in any case.
    """

    store: ObjectStore
    where: str
    name: str = ""
    pattern: str = ""
    settings: StoreReadSettings = READ_DEFAULTS
    listed: FileList | None = None

    @property
    def is_whole_folder(self) -> bool:
        """Whether all that is in the folder is meant, whenever it was modified."""
        any_time = self.settings == self.settings.any_time()
        return not (self.name or self.pattern or self.listed or self.settings.chooses) and any_time

    @cached_property
    def _matches(self) -> re.Pattern[str]:
        return pattern_regex(self.pattern) if self.pattern else filters.chosen(self.settings)

    @cached_property
    def _prefix(self) -> str:
        """What all matches start with: the store lists no more than that."""
        return _MAGIC.split(self.pattern, maxsplit=1)[0] if self.pattern else filters.prefix_of(self.settings)

    def pages(self, after: str | None = None) -> Iterator[list[ObjectInfo]]:
        """Pages of matching objects, ordered by path but where a list says otherwise.

        Raises NotFoundError where nothing matches. That none was modified in the wanted time is fine, and so
        is a folder that is empty because its files are deleted once they are copied.
        """
        found = after is not None
        for page in self._found(after):
            found = found or bool(page)
            if infos := [info for info in page if self.settings.within(info.modified)]:
                yield infos
        if not (found or (self.settings.delete_files_after_completion and self.store.is_folder(""))):
            way = self.settings.chooses
            given = f" with {way}={getattr(self.settings, way)}" if way else ""
            raise NotFoundError(f"no file matches {self.where}{given}")

    def _found(self, after: str | None) -> Iterator[list[ObjectInfo]]:
        if self.name:
            if after is None:
                yield [self.store.stat(self.name)]
        elif self.listed is not None:
            yield from self.listed.pages(after)
        else:
            for page in self.store.list(self._prefix, after):
                yield [info for info in page if self._matches.fullmatch(info.path)]

    def includes(self, path: str) -> bool:
        """Whether an object of that path is meant, whenever it was modified."""
        if self.listed is not None:
            return path in self.listed.paths()
        return path == self.name if self.name else self._matches.fullmatch(path) is not None

    def infos(self) -> Iterator[ObjectInfo]:
        return (info for page in self.pages() for info in page)

    def merged(self, after: bytes | None) -> Iterator[UnitPage]:
        """One unit of all objects, their number its token; none where there is no object."""
        if after is None:
            sizes = [info.size for info in self.infos()]
            name = self.name or self.where.rstrip("/*").rpartition("/")[2] or "all"
            yield UnitPage((Unit(name, sum(sizes), b"%d" % len(sizes)),) if sizes else ())

    def units(self, after: bytes | None) -> Iterator[UnitPage]:
        """One unit per object; its token is the version."""
        for page in self.pages(after.decode(errors="surrogateescape") if after else None):
            yield UnitPage(
                tuple(Unit(info.path, info.size, version(info)) for info in page),
                page[-1].path.encode(errors="surrogateescape"),
            )


def version(info: ObjectInfo) -> bytes:
    """The version of an object as a unit's token."""
    return f"{info.modified!r} {info.etag}".encode()


def info_of(unit: Unit) -> ObjectInfo:
    """The inverse of ``version``: the object that the unit was listed as."""
    return of_version(unit.name, unit.size or 0, unit.token)


def of_version(name: str, size: int, token: bytes) -> ObjectInfo:
    """The object of that name and size whose ``version`` is the token."""
    modified, _, etag = token.decode().partition(" ")
    return ObjectInfo(name, size, etag, float(modified))
