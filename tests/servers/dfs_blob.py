"""The blob endpoint of the test server of ADLS Gen2, on the same data as its dfs endpoint."""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.utils import formatdate
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from .dfs_checks import check, check_lease, check_sum, content_headers, lease, ranged
from .dfs_tree import Fault, FileSystem, Node
from .dfs_wire import Account, Reply, Request, about, described

Query = Mapping[str, str]
_META = "x-ms-meta-"
_AS_BLOB = {"PathNotFound": "BlobNotFound", "PathAlreadyExists": "BlobAlreadyExists"}
_XML = {"Content-Type": "application/xml"}


def answer(account: Account, request: Request, query: Query) -> Reply:
    body = request.body
    if "x-ms-copy-source" in request.headers:
        # It may be this very server: no lock is held meanwhile.
        body, fetched = _fetch(request.headers, account.trust)
    else:
        check_sum(request.headers, body)
        fetched = {}
    with account.lock:
        try:
            if not request.path:
                return _container(account, request, query)
            return _blob(account.system(request), request, query, body, fetched)
        except Fault as fault:
            if fault.code in _AS_BLOB:
                raise Fault(_AS_BLOB[fault.code]) from fault
            raise


def _fetch(headers: Mapping[str, str], trust: ssl.SSLContext) -> tuple[bytes, dict[str, str]]:
    """Read a copy source over HTTPS, with the conditions and the authorization that came along."""
    url = headers["x-ms-copy-source"]
    if not url.startswith("https://"):
        raise Fault("InvalidHeaderValue")
    asked = urllib.request.Request(url, headers={"x-ms-version": "2021-12-02"})  # noqa: S310
    if span := headers.get("x-ms-source-range"):
        asked.add_header("x-ms-range", span)
    for name in ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since"):
        if value := headers.get(f"x-ms-source-{name}"):
            asked.add_header(name, value)
    if token := headers.get("x-ms-copy-source-authorization"):
        asked.add_header("Authorization", token)
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
    )
    try:
        with direct.open(asked, timeout=60) as reply:
            return reply.read(), {name.lower(): value for name, value in reply.headers.items()}
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 412:
            raise Fault("SourceConditionNotMet") from None
        if error.code == 416:
            raise Fault("InvalidRange") from None
        raise Fault("CannotVerifyCopySource", status=error.code) from None
    except OSError as error:
        raise Fault("CannotVerifyCopySource", str(error)) from None


def _container(account: Account, request: Request, query: Query) -> Reply:
    name = request.filesystem
    if not name:
        names = "".join(
            f"<Container><Name>{each}</Name><Properties><Last-Modified>{formatdate(usegmt=True)}"
            f"</Last-Modified><Etag>x</Etag></Properties></Container>"
            for each in sorted(account.systems)
        )
        text = f"<EnumerationResults><Containers>{names}</Containers><NextMarker/></EnumerationResults>"
        return Reply(200, dict(_XML), text.encode())
    if request.method == "PUT" and query.get("comp") is None:
        if name in account.systems:
            raise Fault("ContainerAlreadyExists")
        account.systems[name] = FileSystem()
        return Reply(201, about(account.systems[name].nodes[""]))
    system = account.system(request)
    if request.method == "DELETE":
        del account.systems[name]
        return Reply(202)
    if query.get("comp") == "list":
        return _list(system, query)
    return Reply(200, about(system.nodes[""]))


def _list(system: FileSystem, query: Query) -> Reply:
    """Flat, or with a delimiter one level; directories are listed too, as the service does."""
    prefix, marker = query.get("prefix", ""), query.get("marker", "")
    most = min(int(query.get("maxresults", 5000)), 5000)
    found = [(n, node) for n, node in system.walk("", recursive=True) if n.startswith(prefix)]
    if query.get("delimiter") == "/":
        found = [(n, node) for n, node in found if "/" not in n[len(prefix) :]]
    if marker:
        found = [(n, node) for n, node in found if n.split("/") > marker.split("/")]
    items = []
    for name, node in found[:most]:
        if node.folder and query.get("delimiter"):
            items.append(f"<BlobPrefix><Name>{escape(name)}/</Name></BlobPrefix>")
            continue
        kind = "directory" if node.folder else "file"
        items.append(
            f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>"
            f"{formatdate(node.modified, usegmt=True)}</Last-Modified><Etag>{node.etag}</Etag>"
            f"<ResourceType>{kind}</ResourceType><Content-Length>{len(node.data)}</Content-Length>"
            f"<BlobType>BlockBlob</BlobType></Properties></Blob>"
        )
    following = escape(found[most - 1][0]) if len(found) > most else ""
    text = (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>{"".join(items)}</Blobs>'
        f"<NextMarker>{following}</NextMarker></EnumerationResults>"
    )
    return Reply(200, dict(_XML), text.encode())


def _blob(
    system: FileSystem, request: Request, query: Query, body: bytes, fetched: Mapping[str, str]
) -> Reply:
    key = f"{request.method} {query.get('comp', '')}".strip()
    plain: dict[str, Callable[[FileSystem, Request], Reply]] = {
        "GET": _read, "HEAD": _read, "DELETE": _delete, "PUT lease": _lease, "GET blocklist": _blocks,
        "PUT metadata": _set_metadata, "PUT properties": _set_properties,
    }  # fmt: skip
    if key in plain:
        return plain[key](system, request)
    if key == "PUT block":
        system.staged.setdefault(request.path, {})[query["blockid"]] = body
        return Reply(201)
    there = system.nodes.get(request.path)
    if there is not None and there.folder:
        raise Fault("ResourceTypeMismatch")
    if there is not None and request.headers.get("if-none-match") == "*":
        raise Fault("BlobAlreadyExists")
    check(there, request.headers)
    if there is not None:
        check_lease(there, request.headers)
    if key == "PUT blocklist":
        return _commit(system, request)
    if key == "PUT":
        return _put(system, request, body, fetched)
    raise Fault("UnsupportedHttpVerb")


def _read(system: FileSystem, request: Request) -> Reply:
    node = system.get(request.path)
    check(node, request.headers)
    headers = described(node)
    if request.method == "HEAD":
        return Reply(200, headers | {"Content-Length": str(len(node.data))})
    status, more, body = ranged(node, request.headers)
    return Reply(status, headers | more, body)


def _delete(system: FileSystem, request: Request) -> Reply:
    node = system.get(request.path)
    check(node, request.headers)
    check_lease(node, request.headers)
    if node.folder and system.below(request.path):
        raise Fault("DirectoryNotEmpty")
    system.remove(request.path)
    return Reply(202)


def _lease(system: FileSystem, request: Request) -> Reply:
    node = system.get(request.path)
    status, headers = lease(node, request.headers)
    return Reply(status, about(node) | headers)


def _written(node: Node, request: Request, fetched: Mapping[str, str]) -> Reply:
    headers = request.headers
    own = {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)}
    theirs = {name.removeprefix(_META): value for name, value in fetched.items() if name.startswith(_META)}
    node.metadata = own or theirs
    node.headers = content_headers(fetched, "") | content_headers(headers, "x-ms-blob-")
    if "x-ms-blob-cache-control" in headers:
        node.headers["cache-control"] = headers["x-ms-blob-cache-control"]
    copied = {"x-ms-copy-id": node.etag, "x-ms-copy-status": "success"} if fetched else {}
    return Reply(202 if fetched and "x-ms-blob-type" not in headers else 201, about(node) | copied)


def _put(system: FileSystem, request: Request, body: bytes, fetched: Mapping[str, str]) -> Reply:
    node = system.new(request.path, folder=False)
    node.data = body
    return _written(node, request, fetched)


def _commit(system: FileSystem, request: Request) -> Reply:
    staged = system.staged.get(request.path, {})
    there = system.nodes.get(request.path)
    committed = there.blocks if there is not None else {}
    kept: dict[str, bytes] = {}
    parts = []
    for item in ElementTree.fromstring(request.body):  # noqa: S314
        name = item.text or ""
        places = {"Latest": (staged, committed), "Uncommitted": (staged,), "Committed": (committed,)}[
            item.tag
        ]
        found = next((place[name] for place in places if name in place), None)
        if found is None:
            raise Fault("InvalidBlockList")
        kept[name] = found
        parts.append(found)
    node = system.new(request.path, folder=False)
    node.data, node.blocks = b"".join(parts), kept
    return _written(node, request, {})


def _blocks(system: FileSystem, request: Request) -> Reply:
    staged, node = system.staged.get(request.path, {}), system.nodes.get(request.path)
    if node is None and not staged:
        raise Fault("BlobNotFound")

    def listed(tag: str, blocks: Mapping[str, bytes]) -> str:
        items = "".join(f"<Block><Name>{n}</Name><Size>{len(d)}</Size></Block>" for n, d in blocks.items())
        return f"<{tag}>{items}</{tag}>"

    kind = request.query.get("blocklisttype", "committed")
    text = listed("CommittedBlocks", node.blocks if node and kind != "uncommitted" else {})
    text += listed("UncommittedBlocks", staged if kind != "committed" else {})
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{text}</BlockList>'.encode()
    return Reply(200, dict(_XML) | (about(node) if node else {}), body)


def _set_metadata(system: FileSystem, request: Request) -> Reply:
    node = system.get(request.path)
    check(node, request.headers)
    check_lease(node, request.headers)
    headers = request.headers
    node.metadata = {n.removeprefix(_META): v for n, v in headers.items() if re.match(_META, n)}
    node.touch()
    return Reply(200, about(node))


def _set_properties(system: FileSystem, request: Request) -> Reply:
    node = system.get(request.path)
    check(node, request.headers)
    check_lease(node, request.headers)
    node.headers = content_headers(request.headers, "x-ms-blob-")
    node.touch()
    return Reply(200, about(node))
