"""Listing blobs: pages of the service, as the service sorts them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from urllib.parse import unquote
from xml.etree import ElementTree

from crossdock import ConfigError, InternalError, NotSupportedError, ObjectInfo

from .address import Place
from .wire import Wire

# The first version that can start a listing behind a name.
_STARTS_FROM = {"x-ms-version": "2026-02-06"}
PAGE = 5000


def pages(
    wire: Wire, place: Place, prefix: str, after: str | None, most: int | None = None
) -> Iterator[Sequence[ObjectInfo]]:
    """Pages of blobs whose path below the root starts with ``prefix``, behind ``after``; none is empty."""
    full = place.prefix(prefix)
    query = {"restype": "container", "comp": "list", "maxresults": str(most or PAGE)}
    if full:
        query["prefix"] = full
    start = after is not None and place.root + after > full
    if start:
        query["startFrom"] = place.root + (after or "")
    while True:
        body, start = _page(wire, place, query, start)
        infos, marker = parse(body, place.root)
        found = [info for info in infos if after is None or info.path > after]
        if found:
            yield found
        if not marker:
            return
        query["marker"] = marker


def _page(wire: Wire, place: Place, query: dict[str, str], start: bool) -> tuple[bytes, bool]:
    """One page. A service that cannot start behind a name lists from the beginning; the rest is skipped."""
    path = f"/{place.container}"
    if start:
        try:
            return wire.call("GET", path, query, _STARTS_FROM).body, True
        except (ConfigError, InternalError, NotSupportedError):
            query.pop("startFrom")
            query.pop("marker", None)
    return wire.call("GET", path, query).body, False


def parse(body: bytes, root: str) -> tuple[list[ObjectInfo], str]:
    """The blobs of a page, without folder markers, paths below ``root``; and the marker of the next page."""
    try:
        tree = ElementTree.fromstring(body)  # noqa: S314 - the service's own answer, over TLS
    except ElementTree.ParseError as error:
        raise InternalError("the service sent a listing that is no XML") from error
    found = []
    for blob in tree.iterfind("Blobs/Blob"):
        name, properties = blob.find("Name"), blob.find("Properties")
        if name is None or properties is None:
            raise InternalError("the service sent a listing without names")
        text = name.text or ""
        if name.get("Encoded") == "true":
            text = unquote(text)
        size = int(properties.findtext("Content-Length") or 0)
        folder = properties.findtext("ResourceType") == "directory" or (text.endswith("/") and not size)
        if not folder:
            found.append(
                ObjectInfo(
                    text[len(root) :],
                    size,
                    (properties.findtext("Etag") or "").strip('"'),
                    moment(properties.findtext("Last-Modified") or ""),
                )
            )
    return found, tree.findtext("NextMarker") or ""


def moment(text: str) -> float:
    """Seconds since 1970 of an HTTP date; 0 where there is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return 0.0
