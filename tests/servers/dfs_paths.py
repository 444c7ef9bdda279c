"""The dfs endpoint of the test server: file systems, paths, rename, append and flush, access control."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from email.utils import formatdate

from .dfs_auth import source_of
from .dfs_checks import check, check_lease, check_sum, content_headers, lease, ranged
from .dfs_tree import Fault, FileSystem, Node
from .dfs_wire import ACCOUNT, Account, Reply, Request, about, described

Query = Mapping[str, str]
PAGE = 5000


def answer(account: Account, request: Request, query: Query) -> Reply:
    with account.lock:
        if not request.filesystem:
            return _filesystems(account, request)
        if not request.path:
            return _filesystem(account, request, query)
        system = account.system(request)
        by_method: dict[str, Callable[[], Reply]] = {
            "PUT": lambda: _create(account, system, request, query),
            "PATCH": lambda: _update(system, request, query),
            "HEAD": lambda: _head(system, request, query),
            "GET": lambda: _read(system, request),
            "DELETE": lambda: _delete(system, request, query),
            "POST": lambda: _lease(system, request),
        }
        return by_method[request.method]()


def _filesystems(account: Account, request: Request) -> Reply:
    if request.method != "GET":
        raise Fault("UnsupportedHttpVerb")
    found = [
        {"name": name, **_item("", system.nodes[""])} for name, system in sorted(account.systems.items())
    ]
    return Reply(200, {"Content-Type": "application/json"}, json.dumps({"filesystems": found}).encode())


def _filesystem(account: Account, request: Request, query: Query) -> Reply:
    name = request.filesystem
    if request.method == "PUT":
        if name in account.systems:
            raise Fault("FilesystemAlreadyExists")
        account.systems[name] = FileSystem()
        return Reply(201, about(account.systems[name].nodes[""]) | {"x-ms-namespace-enabled": "true"})
    system = account.system(request)
    if request.method == "DELETE":
        del account.systems[name]
        return Reply(202)
    if request.method == "GET":
        return _list(system, query)
    if query.get("action") == "getAccessControl":
        return _head(system, request, query)
    if request.method == "PATCH" and query.get("action") == "setAccessControl":
        return _update(system, request, query)
    return Reply(200, about(system.nodes[""]) | {"x-ms-namespace-enabled": "true"})


def _list(system: FileSystem, query: Query) -> Reply:
    """A page of paths; the continuation names the last path of the page before."""
    directory = query.get("directory", "").strip("/")
    if not system.get(directory).folder:
        raise Fault("ResourceTypeMismatch")
    most = min(int(query.get("maxresults", PAGE)), PAGE)
    found = list(system.walk(directory, recursive=query.get("recursive") == "true"))
    if token := query.get("continuation"):
        last = base64.b64decode(token).decode().split("/")
        found = [(name, node) for name, node in found if name.split("/") > last]
    headers = {"Content-Type": "application/json;charset=utf-8"}
    if len(found) > most:
        headers["x-ms-continuation"] = base64.b64encode(found[most - 1][0].encode()).decode()
    body = json.dumps({"paths": [_item(name, node) for name, node in found[:most]]})
    return Reply(200, headers, body.encode())


def _item(name: str, node: Node) -> dict[str, str]:
    item = {
        "name": name,
        "contentLength": str(len(node.data)),
        "etag": node.etag,
        "lastModified": formatdate(node.modified, usegmt=True),
        "owner": node.owner,
        "group": node.group,
        "permissions": node.permissions,
    }
    return item | ({"isDirectory": "true"} if node.folder else {})


def _create(account: Account, system: FileSystem, request: Request, query: Query) -> Reply:
    path, headers = request.path, request.headers
    there = system.nodes.get(path)
    if there is not None and headers.get("if-none-match") == "*":
        raise Fault("PathAlreadyExists")
    check(there, headers)
    if there is not None:
        check_lease(there, headers)
    if "x-ms-rename-source" in headers:
        return _rename(account, system, request)
    folder = query.get("resource") == "directory"
    if query.get("resource") not in ("file", "directory"):
        raise Fault("InvalidQueryParameterValue")
    if folder and there is not None and there.folder:
        node = there
        node.touch()
    else:
        node = system.new(path, folder=folder)
    _set_properties(node, headers)
    if "x-ms-permissions" in headers:
        node.permit(headers["x-ms-permissions"])
    return Reply(201, about(node))


def _rename(account: Account, system: FileSystem, request: Request) -> Reply:
    old = source_of(request.headers["x-ms-rename-source"]).lstrip("/").removeprefix(f"{ACCOUNT}/")
    name, _, path = old.partition("/")
    source = account.systems.get(name)
    if source is None or path not in source.nodes:
        raise Fault("SourcePathNotFound")
    check(source.nodes[path], request.headers, "x-ms-source-", "SourceConditionNotMet")
    check_lease(source.nodes[path], request.headers, "x-ms-source-lease-id")
    node = system.rename(source, path, request.path)
    if "x-ms-properties" in request.headers:
        _set_properties(node, request.headers)
    return Reply(201, about(node))


def _set_properties(node: Node, headers: Mapping[str, str]) -> None:
    node.headers |= content_headers(headers, "x-ms-")
    if "x-ms-properties" in headers:
        pairs = [pair.partition("=") for pair in headers["x-ms-properties"].split(",") if pair]
        node.metadata = {name: base64.b64decode(value).decode() for name, _, value in pairs}


def _update(system: FileSystem, request: Request, query: Query) -> Reply:
    node, headers = system.get(request.path), request.headers
    check(node, headers)
    action = query.get("action")
    if action == "setAccessControl":
        return _set_access(node, headers)
    check_lease(node, headers)
    if action == "setProperties":
        _set_properties(node, headers)
        node.touch()
        return Reply(200, about(node))
    if node.folder:
        raise Fault("ResourceTypeMismatch")
    if action == "append":
        check_sum(headers, request.body)
        if int(query["position"]) < len(node.data):
            raise Fault("InvalidFlushPosition")
        node.appended[int(query["position"])] = request.body
        if query.get("flush") == "true":
            _flush(node, int(query["position"]) + len(request.body))
        return Reply(202, about(node))
    if action == "flush":
        _flush(node, int(query["position"]))
        _set_properties(node, headers)
        return Reply(200, about(node))
    raise Fault("InvalidQueryParameterValue")


def _flush(node: Node, position: int) -> None:
    """What was appended must lead without a gap to the position; what lies behind it is dropped."""
    at, parts = len(node.data), [node.data]
    for start in sorted(node.appended):
        if at == position:
            break
        if start != at:
            raise Fault("InvalidFlushPosition")
        parts.append(node.appended[start])
        at += len(node.appended[start])
    if at != position:
        raise Fault("InvalidFlushPosition")
    node.data, node.appended = b"".join(parts), {}
    node.touch()


def _set_access(node: Node, headers: Mapping[str, str]) -> Reply:
    if "x-ms-acl" in headers and "x-ms-permissions" in headers:
        raise Fault("InvalidHeaderValue")
    if "x-ms-acl" in headers:
        entries = headers["x-ms-acl"].split(",")
        if not {"user::", "group::", "other::"} <= {entry[: entry.rfind(":") + 1] for entry in entries}:
            raise Fault("InvalidHeaderValue")
        node.acl = entries
    if "x-ms-permissions" in headers:
        node.permit(headers["x-ms-permissions"])
    node.owner = headers.get("x-ms-owner", node.owner)
    node.group = headers.get("x-ms-group", node.group)
    node.touch()
    return Reply(200, about(node))


def _head(system: FileSystem, request: Request, query: Query) -> Reply:
    node = system.get(request.path)
    check(node, request.headers)
    headers = described(node) | {"Content-Length": str(len(node.data))}
    if query.get("action") == "getAccessControl":
        headers["x-ms-acl"] = ",".join(node.acl)
    return Reply(200, headers)


def _read(system: FileSystem, request: Request) -> Reply:
    node = system.get(request.path)
    check(node, request.headers)
    if node.folder:
        raise Fault("ResourceTypeMismatch")
    status, more, body = ranged(node, request.headers)
    return Reply(status, described(node) | more, body)


def _delete(system: FileSystem, request: Request, query: Query) -> Reply:
    node = system.get(request.path)
    check(node, request.headers)
    check_lease(node, request.headers)
    if node.folder and query.get("recursive") != "true" and system.below(request.path):
        raise Fault("DirectoryNotEmpty")
    system.remove(request.path)
    return Reply(200)


def _lease(system: FileSystem, request: Request) -> Reply:
    node = system.get(request.path)
    status, headers = lease(node, request.headers)
    return Reply(status, about(node) | headers)
