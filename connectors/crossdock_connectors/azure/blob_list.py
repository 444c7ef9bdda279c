"""Listing blobs: pages of the service, as the service sorts them; folders of a large listing at once.

Plain accounts sort by the whole name (``a-b`` before ``a/b``), those with a hierarchical namespace folder by
folder (``a/b`` before ``a-b``). Either way all that a folder holds lies together, at the folder's place among
its neighbours: listings of single folders, one after the other, are the listing of all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import groupby
from urllib.parse import unquote
from xml.etree import ElementTree

from crossdock import ConfigError, InternalError, NotSupportedError, ObjectInfo

from .address import Place
from .wire import Wire

# The first version that can start a listing behind a name.
_STARTS_FROM = {"x-ms-version": "2026-02-06"}
PAGE = 5000
AHEAD = 4
# More folders would cost more requests than they save, and so would deeper searches for some.
_MOST_FOLDERS = 64
_DEEPEST = 8
_WIDEST = 5000
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


@dataclass(frozen=True, slots=True)
class Page:
    """Blobs without folder markers, paths below the root; with a delimiter also ``folders``, ending in ``/``.

    ``tree``: the account has a hierarchical namespace.
    """

    infos: list[ObjectInfo]
    marker: str
    folders: tuple[str, ...] = ()
    tree: bool = False


def pages(
    wire: Wire, place: Place, prefix: str, after: str | None, most: int | None = None
) -> Iterator[Sequence[ObjectInfo]]:
    """Pages of blobs whose path below the root starts with ``prefix``, behind ``after``; none is empty."""
    listing = Listing(wire, place, most)
    marker, seen = "", frozenset[str]()
    if after is None:
        first = listing.page(prefix)
        if first.infos:
            yield first.infos
        if not first.marker:
            return
        marker, seen = first.marker, frozenset(info.path for info in first.infos)
    level = listing.folders(prefix)
    with _Threads() as threads:
        if level is None:
            yield from threads.joined(iter([listing.flat(prefix, after, marker)]))
            return
        for page in threads.joined(listing.apart(level, after)):
            # Not by comparing names: nothing is lost where the service sorts them in another way.
            if left := [info for info in page if info.path not in seen] if seen else page:
                yield left


@dataclass(frozen=True)
class Listing:
    """Asks one service for the blobs of one place."""

    wire: Wire
    place: Place
    most: int | None = None

    def page(self, prefix: str, **more: str) -> Page:
        page = parse(self._ask(prefix, more), self.place.root)
        if page.tree or all(info.size for info in page.infos):
            return page
        # An empty blob may be a folder (`hdi_isfolder`), which only its metadata says.
        return parse(self._ask(prefix, more | {"include": "metadata"}), self.place.root)

    def _ask(self, prefix: str, more: dict[str, str]) -> bytes:
        query = {"restype": "container", "comp": "list", "maxresults": str(self.most or PAGE), **more}
        if full := self.place.prefix(prefix):
            query["prefix"] = full
        headers = _STARTS_FROM if "startFrom" in query else {}
        return self.wire.call("GET", f"/{self.place.container}", query, headers).body

    def flat(self, prefix: str, after: str | None, marker: str = "") -> Iterator[Sequence[ObjectInfo]]:
        """One page after the other, behind ``after`` or from a marker on."""
        more = {"marker": marker} if marker else {}
        if after is not None and self.place.root + after > self.place.prefix(prefix):
            more["startFrom"] = self.place.root + after
        while True:
            try:
                page = self.page(prefix, **more)
            except (ConfigError, InternalError, NotSupportedError):
                if "startFrom" not in more:
                    raise
                more = {}  # a service that cannot do that lists from the beginning
                continue
            if found := [info for info in page.infos if after is None or _later(info.path, after, page.tree)]:
                yield found
            if not page.marker:
                return
            more["marker"] = page.marker

    def folders(self, prefix: str) -> Page | None:
        """The first level that has several folders; None where listing them apart would not pay."""
        for _ in range(_DEEPEST):
            level = self.page(prefix, delimiter="/", maxresults=str(_WIDEST))
            if level.marker or len(level.folders) > _MOST_FOLDERS:
                return None
            if level.infos or len(level.folders) != 1:
                break
            prefix = level.folders[0]
        else:
            return None
        if len(level.folders) < 2:
            return None
        tree = level.tree or self.page(prefix).tree
        return Page(level.infos, "", level.folders, tree)

    def apart(self, level: Page, after: str | None) -> Iterator[Iterator[Sequence[ObjectInfo]]]:
        """What each folder and the blobs between them have behind ``after``, in the listing's order."""
        entries: list[tuple[list[str], ObjectInfo | str]]
        entries = [(_place(info.path, level.tree), info) for info in level.infos]
        entries += [(_place(folder, level.tree), folder) for folder in level.folders]
        entries.sort(key=lambda entry: entry[0])
        for is_folder, group in groupby(entries, lambda entry: isinstance(entry[1], str)):
            if not is_folder:
                infos = [entry for _, entry in group if isinstance(entry, ObjectInfo)]
                yield iter([[i for i in infos if after is None or _later(i.path, after, level.tree)]])
                continue
            for _, folder in group:
                assert isinstance(folder, str)  # noqa: S101 - so grouped
                if after is None or _later(folder, after, level.tree):
                    yield self.flat(folder, None)
                elif after.startswith(folder):
                    yield self.flat(folder, after)


def _place(name: str, tree: bool) -> list[str]:
    """By what the service sorts names; a folder's ends in ``/``."""
    return name.rstrip("/").split("/") if tree else [name]


def _later(name: str, than: str, tree: bool) -> bool:
    return _place(name, tree) > _place(than, tree) if tree else name > than


class _Threads:
    """Asks for pages in threads of its own, at most one page ahead in each of a few listings."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AHEAD, "crossdock-listing")

    def __enter__(self) -> _Threads:
        return self

    def __exit__(self, *_: object) -> None:
        # Whoever stops half-way does not wait for an answer.
        self._pool.shutdown(wait=False, cancel_futures=True)

    def joined(self, listings: Iterator[Iterator[Sequence[ObjectInfo]]]) -> Iterator[Sequence[ObjectInfo]]:
        """All listings, one after the other; the next ones have begun."""
        begun: deque[tuple[Iterator[Sequence[ObjectInfo]], Future[Sequence[ObjectInfo] | None]]] = deque()
        while True:
            while len(begun) < AHEAD and (listing := next(listings, None)) is not None:
                begun.append((listing, self._pool.submit(next, listing, None)))
            if not begun:
                return
            listing, future = begun.popleft()
            while (page := future.result()) is not None:
                future = self._pool.submit(next, listing, None)
                yield page


def parse(body: bytes, root: str) -> Page:
    """A page as the service sends it. Raises InternalError where it is none."""
    try:
        tree = ElementTree.fromstring(body)  # noqa: S314 - the service's own answer, over TLS
    except ElementTree.ParseError as error:
        raise InternalError("the service sent a listing that is no XML") from error
    found, hierarchical = [], False
    for blob in tree.iterfind("Blobs/Blob"):
        name, properties = blob.find("Name"), blob.find("Properties")
        if name is None or properties is None:
            raise InternalError("the service sent a listing without names")
        text = _text(name)
        size = int(properties.findtext("Content-Length") or 0)
        kind = properties.findtext("ResourceType")
        hierarchical = hierarchical or kind is not None
        if kind != "directory" and (size or not (text.endswith("/") or _marks_folder(blob))):
            etag = (properties.findtext("Etag") or "").strip('"')
            modified = moment(properties.findtext("Last-Modified") or "")
            found.append(ObjectInfo(text[len(root) :], size, etag, modified))
    folders = tuple(_text(name)[len(root) :] for name in tree.iterfind("Blobs/BlobPrefix/Name"))
    return Page(found, tree.findtext("NextMarker") or "", folders, hierarchical)


def _marks_folder(blob: ElementTree.Element) -> bool:
    """Whether an empty blob only stands for a folder, as Hadoop makes them."""
    found = (item for item in blob.iterfind("Metadata/*") if item.tag.lower() == "hdi_isfolder")
    return any((item.text or "").lower() == "true" for item in found)


def _text(name: ElementTree.Element) -> str:
    text = name.text or ""
    return unquote(text) if name.get("Encoded") == "true" else text


def moment(text: str) -> float:
    """Seconds since 1970 of an HTTP date; 0 where there is none."""
    try:
        # ``Sat, 21 Nov 2026 13:10:12 GMT``: the library's parser takes ten times as long.
        day, month, year, time = text[5:].removesuffix(" GMT").split(" ")
        hour, minute, second = map(int, time.split(":"))
        when = datetime(int(year), _MONTHS.index(month) // 3 + 1, int(day), hour, minute, second, tzinfo=UTC)
        return when.timestamp()
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return 0.0
