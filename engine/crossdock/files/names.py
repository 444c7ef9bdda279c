"""Names that the store settings make."""

from __future__ import annotations

from hashlib import blake2b

LONGEST = 200


def flattened(path: str) -> str:
    """One name for a path, another for every other path (``FlattenHierarchy``).

    ``~`` becomes ``~0`` and ``/`` becomes ``~1``, as in a JSON pointer. Of a name longer than 200 bytes
    the start becomes a digest behind ``~2``, which no other name has.
    """
    name = path.replace("~", "~0").replace("/", "~1")
    data = name.encode(errors="surrogateescape")
    if len(data) <= LONGEST:
        return name
    digest = blake2b(data, digest_size=20).hexdigest()
    # The end stays: it has the extension. A character cut in two is left out.
    return f"~2{digest}-" + data[-100:].decode(errors="ignore")


def merged(folder: str, ending: str) -> str:
    """The name of the file that a folder's files become (``MergeFiles``)."""
    return (folder.rstrip("/").rpartition("/")[2] or "merged") + ending
