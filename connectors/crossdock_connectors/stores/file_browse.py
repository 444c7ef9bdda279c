"""Looking into a folder of local files, level by level."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import islice

from crossdock import Entry, EntryPage, NotFoundError, ObjectInfo, Reached

from .file_errors import fault
from .file_list import Tree


def reached(root: str) -> Reached:
    """Raises NotFoundError, AccessDeniedError. A file is as good as a folder."""
    try:
        os.stat(root)
        os.scandir(root if os.path.isdir(root) else os.path.dirname(root)).close()
    except OSError as error:
        raise fault(error, root) from error
    user = ""
    with suppress(Exception):  # a container's user may have no name
        import getpass

        user = getpass.getuser()
    return Reached(root, "", user)


def level(root: str, folder: str, after: str | None, most: int) -> EntryPage:
    """What lies directly in the folder ``folder`` (empty, or ending in ``/``) below ``root``, by path."""
    place = os.path.join(root, folder).rstrip("/") or "/"
    if not os.path.isdir(place):
        raise NotFoundError(f"{place} {'is not a folder' if os.path.exists(place) else 'does not exist'}")
    try:
        found = list(islice(Tree(root.rstrip("/") + "/", folder, after).level(), most + 1))
    except OSError as error:
        raise fault(error, error.filename or root) from error
    entries = tuple(map(_entry, found[:most]))
    return EntryPage(entries, entries[-1].path if len(found) > most else None)


def _entry(found: ObjectInfo | str) -> Entry:
    if isinstance(found, str):
        return Entry(found.rstrip("/").rpartition("/")[2], "folder", found)
    return Entry(found.path.rpartition("/")[2], "file", found.path, found.size, found.modified)
