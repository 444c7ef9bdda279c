"""Delete: removes files, or a folder with all that is in it, and writes a log of them."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import crossdock
from crossdock import AdfProperties, CrossdockError

from ..activity_types import Attempt
from ..planning.ends import End
from .activity import DataActivity, registered
from .logs import log_address, put_file

_LOG = ("Name", "Category", "Status", "Error")
_CHOICES = ("wildcard_folder_path", "wildcard_file_name", "prefix", "file_list_path")


@dataclass(frozen=True, slots=True)
class Deletion:
    """``log`` is the folder for the log, where there shall be one."""

    end: End
    log: End | None = None

    @property
    def wildcard(self) -> bool:
        return bool(self.end.options.keys() & set(_CHOICES))


class DeleteActivity(DataActivity[Deletion]):
    """What a dataset's file name or the settings choose is deleted file by file; else the folder goes too."""

    def plan(self) -> Deletion | None:
        given = self.properties
        end = self.uses(self.dataset(given, as_is=True))
        log = self.uses(self._log(given))
        recursive, most = given.flag("recursive"), given.whole("maxConcurrentConnections")
        if end is None:
            return None
        if end.format is None:
            self.wrong("dataset", "a table is not deleted; a Script activity can drop it")
        options = {
            "recursive": "true" if recursive else "false",
            **({} if most is None else {"max_concurrent_connections": str(most)}),
            **end.options,
        }
        if "file_list_path" in options:
            del options["recursive"]  # a list says itself which files are meant
        return Deletion(_by_name(replace(end, options=options)), log)

    def _log(self, given: AdfProperties) -> End | None:
        """Where ``enableLogging`` is false the rest says nothing."""
        old, new = given.inner("logStorageSettings"), given.inner("logSettings")
        wanted = given.flag("enableLogging", default=bool(new))
        place = old if old else new.inner("logLocationSettings")
        if not wanted:
            old.ignore_all()
            new.ignore_all()
            return None
        if not place:
            self.wrong("logStorageSettings", "a log needs a linked service and a path")
            return None
        for name in ("enableCopyActivityLog", "copyActivityLogSettings"):
            new.ignore(name)
        return self.ends.folder("log", place)

    def carry_out(self, plan: Deletion, attempt: Attempt) -> Mapping[str, Any]:
        began = time.monotonic()
        output: dict[str, Any] = {
            "datasetName": self.properties.inner("dataset").text("referenceName"),
            "folderPath": plan.end.below,
            "recursive": plan.end.options.get("recursive") == "true",
            "isWildcardUsed": plan.wildcard,
        }
        with _log(plan, attempt) as (note, where):
            output["filesDeleted"] = crossdock.delete(
                plan.end.address,
                source_format=plan.end.format,
                source_options=plan.end.given(),
                keep_folder=not plan.end.below.strip("/"),
                cancel=attempt.cancel,
                told=note,
            )
        output |= {"logPath": where} if where else {}
        return output | {"executionDuration": round(time.monotonic() - began)}


def _by_name(end: End) -> End:
    """Wildcards in the dataset's file name choose as those of the settings do."""
    folder, _, name = end.address.rpartition("/")
    name = unquote(name)
    if not set(name) & set("*?") or end.options.keys() & set(_CHOICES):
        return end
    options = end.options | {"wildcard_file_name": name}
    return replace(end, address=f"{folder}/", options=options)


@contextmanager
def _log(plan: Deletion, attempt: Attempt) -> Iterator[tuple[Any, str]]:
    """What notes a file, and where the log will be; it is written also where deleting fails."""
    if plan.log is None:
        yield None, ""
        return
    name = f"{attempt.run_id}.csv"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "log.csv")
        with file.open("w", encoding="utf-8", newline="") as text:
            writer = csv.writer(text)
            writer.writerow(_LOG)

            def note(path: str, error: CrossdockError | None) -> None:
                writer.writerow(
                    [path, "File", "Failed" if error else "Deleted", error.message if error else ""]
                )

            try:
                yield note, log_address(plan.log, name)
            finally:
                text.flush()
                put_file(file, plan.log, name)


registered("Delete", "files, or a folder with all that is in it, with a log", DeleteActivity)
