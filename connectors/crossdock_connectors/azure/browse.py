"""Looking into a storage account: containers, folders, blobs; and who we are there."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from xml.etree import ElementTree

from crossdock import Entry, EntryPage, InternalError, NotFoundError, ObjectInfo, Reached

from .address import Place
from .adls_list import Tree
from .auth import Signer
from .blob_list import Listing, moment
from .wire import Wire

_CLAIMS = ("upn", "preferred_username", "unique_name", "app_displayname", "appid", "oid")


def blob_level(wire: Wire, place: Place, path: str, after: str | None, most: int) -> EntryPage:
    """What lies directly in a folder of blobs, as the service sorts it."""
    prefix = f"{path.rstrip('/')}/" if path else ""
    page = Listing(wire, place, most).page(prefix, delimiter="/", **({"marker": after} if after else {}))
    found = [_file(info, prefix) for info in page.infos]
    found += [Entry(folder[len(prefix) :].rstrip("/"), "folder", folder) for folder in page.folders]
    found.sort(key=lambda entry: entry.path)
    if not found and not page.marker and place.prefix(prefix) and after is None:
        raise NotFoundError(f"{wire.shown(place.url_path(place.prefix(prefix)))} does not exist")
    return EntryPage(tuple(found), page.marker or None)


def path_level(wire: Wire, place: Place, path: str, after: str | None, most: int) -> EntryPage:
    """What lies directly in a directory of a file system, as the service sorts it."""
    query = {"resource": "filesystem", "recursive": "false", "maxResults": str(most)}
    if directory := (place.root + path).rstrip("/"):
        query["directory"] = directory
    if after:
        query["continuation"] = after
    answer = wire.call("GET", f"/{place.container}", query)
    prefix = f"{path.rstrip('/')}/" if path else ""
    found = [
        _file(info, prefix)
        if not info.path.endswith("/")
        else Entry(info.path[len(prefix) :].rstrip("/"), "folder", info.path)
        for info in Tree(wire, place).parsed(answer.body)
    ]
    return EntryPage(tuple(found), answer.headers.get("x-ms-continuation") or None)


def _file(info: ObjectInfo, prefix: str) -> Entry:
    return Entry(info.path[len(prefix) :], "file", info.path, info.size, info.modified)


def containers(wire: Wire, after: str | None, most: int) -> EntryPage:
    """The containers of an account."""
    query = {"comp": "list", "maxresults": str(most)} | ({"marker": after} if after else {})
    try:
        tree = ElementTree.fromstring(wire.call("GET", "/", query).body)  # noqa: S314 - the service's own
    except ElementTree.ParseError as error:
        raise InternalError("the service sent a listing that is no XML") from error
    found = []
    for each in tree.iterfind("Containers/Container"):
        name = each.findtext("Name") or ""
        modified = moment(each.findtext("Properties/Last-Modified") or "") or None
        found.append(Entry(name, "container", f"{name}/", modified=modified))
    return EntryPage(tuple(found), tree.findtext("NextMarker") or None)


def reached(wire: Wire, place: Place, query: dict[str, str]) -> Reached:
    """Ask for one name of the container, or of the account where the address has none."""
    path = f"/{place.container}" if place.container else "/"
    headers = wire.call("GET", path, query).headers
    said = headers.get("server", "").split(" ")[0]
    return Reached(f"{wire.service.url}{path}".rstrip("/"), said, _whom(wire.signer, wire.service.account))


def _whom(signer: Signer, account: str) -> str:
    if signer.kind == "key":
        return f"the account key of {account}"
    if signer.kind == "sas":
        return "a SAS" + (f" that ends at {signer.ends:%Y-%m-%d %H:%M} UTC" if signer.ends else "")
    if signer.kind == "anonymous":
        return "nobody (anonymous)"
    with suppress(Exception):
        # What the token says of itself; the service has accepted it just now.
        body = signer.bearer().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return next(str(claims[name]) for name in _CLAIMS if claims.get(name))
    return "Entra ID"
