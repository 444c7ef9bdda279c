"""What the test server of ADLS Gen2 keeps, directories and files, and the faults it answers with."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

_COUNT = itertools.count(int(time.time() * 1000))

# Code: status and sentence, as the service sends them.
CODES = {
    "AuthenticationFailed": (
        403,
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed "
        "correctly including the signature.",
    ),
    "AuthorizationPermissionMismatch": (
        403,
        "This request is not authorized to perform this operation using this permission.",
    ),
    "AuthorizationResourceTypeMismatch": (
        403,
        "This request is not authorized to perform this operation using this resource type.",
    ),
    "BlobNotFound": (404, "The specified blob does not exist."),
    "BlobAlreadyExists": (409, "The specified blob already exists."),
    "CannotVerifyCopySource": (404, "The specified copy source cannot be read."),
    "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
    "ContainerAlreadyExists": (409, "The specified container already exists."),
    "ContainerNotFound": (404, "The specified container does not exist."),
    "Crc64Mismatch": (400, "The CRC64 value specified in the request did not match with the content."),
    "DirectoryNotEmpty": (
        409,
        "The recursive query parameter value must be true to delete a non-empty directory.",
    ),
    "FilesystemAlreadyExists": (409, "The specified filesystem already exists."),
    "FilesystemNotFound": (404, "The specified filesystem does not exist."),
    "InvalidBlockList": (400, "The specified block list is invalid."),
    "InvalidFlushPosition": (
        400,
        "The uploaded data is not contiguous or the position query parameter value is not equal to the "
        "length of the file after appending the uploaded data.",
    ),
    "InvalidHeaderValue": (400, "The value for one of the HTTP headers is not in the correct format."),
    "InvalidQueryParameterValue": (400, "Value for one of the query parameters is invalid."),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "LeaseAlreadyPresent": (409, "There is already a lease present."),
    "LeaseIdMissing": (412, "There is currently a lease on the resource and no lease ID was specified."),
    "LeaseIdMismatch": (412, "The lease ID specified did not match the lease ID for the resource."),
    "Md5Mismatch": (400, "The MD5 value specified in the request did not match with the content."),
    "NoAuthenticationInformation": (
        401,
        "Server failed to authenticate the request. Please refer to the information in the "
        "www-authenticate header.",
    ),
    "PathAlreadyExists": (409, "The specified path already exists."),
    "PathNotFound": (404, "The specified path does not exist."),
    "RenameDestinationParentPathNotFound": (
        404,
        "The parent directory of the destination path does not exist.",
    ),
    "ResourceTypeMismatch": (
        409,
        "The specified path, or an element of the path, exists and its resource type is invalid for this "
        "operation.",
    ),
    "SourceConditionNotMet": (412, "The source condition specified is not met."),
    "SourcePathNotFound": (404, "The source path for a rename operation does not exist."),
    "UnsupportedHttpVerb": (405, "The resource doesn't support specified Http Verb."),
}


class Fault(Exception):
    """An answer that is no success. ``detail`` goes into the body as the service's own does."""

    def __init__(self, code: str, detail: str = "", status: int | None = None) -> None:
        super().__init__(code)
        self.code, self.detail = code, detail
        known, self.message = CODES[code]
        self.status = status or known


@dataclass
class Node:
    """A directory or a file. ``appended`` is not flushed yet; ``blocks`` are those of its data, if any."""

    folder: bool
    data: bytes = b""
    metadata: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    owner: str = "$superuser"
    group: str = "$superuser"
    acl: list[str] = field(default_factory=list)
    blocks: dict[str, bytes] = field(default_factory=dict)
    appended: dict[int, bytes] = field(default_factory=dict)
    lease: str = ""
    etag: str = ""
    modified: float = 0.0

    def touch(self) -> None:
        """A new version: no two have the same ETag."""
        self.etag, self.modified = f"0x8D{next(_COUNT):X}", float(int(time.time()))

    @property
    def permissions(self) -> str:
        """As ``ls`` shows them: the group's are the mask where there is one; ``+`` for more entries."""
        plain = {}
        extended = False
        for entry in self.acl:
            kind, who, rights = entry.rsplit(":", 2)
            if who or kind.startswith("default"):
                extended = True
            else:
                plain[kind] = rights
        middle = plain.get("mask", plain["group"])
        return plain["user"] + middle + plain["other"] + "+" * extended

    def permit(self, text: str) -> None:
        """Set the permissions, octal or symbolic; the group's go to the mask where there is one."""
        if text.isdigit():
            bits = [int(digit, 8) for digit in text[-3:]]
            text = "".join(
                f"{'r' * (b >> 2) or '-'}{'w' * (b >> 1 & 1) or '-'}{'x' * (b & 1) or '-'}" for b in bits
            )
        if len(text.rstrip("+")) != 9:
            raise Fault("InvalidHeaderValue")
        new = {"user": text[:3], "group": text[3:6], "other": text[6:9]}
        if any(entry.startswith("mask::") for entry in self.acl):
            new["mask"] = new.pop("group")
        kept = [entry for entry in self.acl if entry.rpartition("::")[0] not in new]
        self.acl = kept + [f"{kind}::{rights}" for kind, rights in new.items()]


def plain_acl(folder: bool) -> list[str]:
    return ["user::rwx", "group::r-x", "other::---"] if folder else ["user::rw-", "group::r--", "other::---"]


@dataclass
class FileSystem:
    """``nodes`` by path, the root's is empty. ``staged``: blocks of blobs that were not committed."""

    nodes: dict[str, Node] = field(default_factory=dict)
    staged: dict[str, dict[str, bytes]] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        root = Node(folder=True, acl=plain_acl(True))
        root.touch()
        self.nodes[""] = root

    def get(self, path: str) -> Node:
        if path not in self.nodes:
            raise Fault("PathNotFound")
        return self.nodes[path]

    def new(self, path: str, *, folder: bool) -> Node:
        """A new node in place of what is there, with its parents; access as the parent's defaults say."""
        there = self.nodes.get(path)
        if there is not None and there.folder != folder:
            raise Fault("ResourceTypeMismatch")
        parent = self.parents(path)
        node = Node(folder=folder, acl=plain_acl(folder))
        defaults = [entry for entry in parent.acl if entry.startswith("default:")]
        if defaults:
            node.acl = [entry.removeprefix("default:") for entry in defaults] + defaults * folder
        node.touch()
        self.nodes[path] = node
        self.staged.pop(path, None)
        return node

    def parents(self, path: str) -> Node:
        """Make the directories above; returns the lowest."""
        parent = path.rpartition("/")[0]
        if parent not in self.nodes:
            self.new(parent, folder=True)
        if not self.nodes[parent].folder:
            raise Fault("ResourceTypeMismatch")
        return self.nodes[parent]

    def below(self, path: str) -> list[str]:
        inside = f"{path}/" if path else ""
        return [name for name in self.nodes if name.startswith(inside) and name != path]

    def walk(self, path: str, *, recursive: bool) -> Iterator[tuple[str, Node]]:
        """What is below a directory: brothers by name, and what is in a directory behind it."""
        inside = f"{path}/" if path else ""
        names = self.below(path)
        if not recursive:
            names = [name for name in names if "/" not in name[len(inside) :]]
        for name in sorted(names, key=lambda n: n.split("/")):
            yield name, self.nodes[name]

    def remove(self, path: str) -> None:
        for name in [path, *self.below(path)]:
            self.nodes.pop(name, None)

    def rename(self, source: FileSystem, old: str, new: str) -> Node:
        """Atomic, with all that is below; the caller holds the lock and has checked the conditions."""
        if old not in source.nodes or not old:
            raise Fault("SourcePathNotFound")
        parent = new.rpartition("/")[0]
        if parent not in self.nodes:
            raise Fault("RenameDestinationParentPathNotFound")
        if not self.nodes[parent].folder:
            raise Fault("ResourceTypeMismatch")
        moving, there = source.nodes[old], self.nodes.get(new)
        if there is not None and there.folder != moving.folder:
            raise Fault("ResourceTypeMismatch")
        if there is not None and self.below(new):
            raise Fault("DirectoryNotEmpty")
        moved = {new + name[len(old) :]: source.nodes[name] for name in [old, *source.below(old)]}
        source.remove(old)
        self.nodes.update(moved)
        self.staged.pop(new, None)
        node = replace(moving, modified=moving.modified)
        node.etag = f"0x8D{next(_COUNT):X}"
        self.nodes[new] = node
        return node
