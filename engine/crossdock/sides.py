"""What the address of one side means: which connector, which format, one object or many."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from .credentials import public_url
from .errors import ConfigError, NotFoundError
from .files.listing import split_wildcard
from .files.names import merged
from .files.selecting import check_address, parent, rooted, select
from .gate import NoGate
from .meter import Worker
from .opening import blaming, open_store
from .options import given_settings, sort_options
from .plan import End
from .plugins import Registry, registry
from .request import SourceEnd
from .retry import again
from .spi.spec import ConnectorSpec, Location
from .spi.store import ObjectStore

Answer = TypeVar("Answer")


@dataclass(eq=False, repr=False)
class Side:
    """One side of the request on its way to an end. ``patient``: ask again after transient errors."""

    plugins: Registry
    address: str
    format_name: str | None
    given: dict[str, str]
    side: str
    cancel: threading.Event
    patient: bool = True

    @classmethod
    def asked_once(
        cls, address: str, format_name: str | None, given: dict[str, str], cancel: threading.Event
    ) -> Side:
        """A source for somebody who waits for the answer."""
        return cls(registry(), address, format_name, given, "source", cancel, patient=False)

    def __post_init__(self) -> None:
        if not self.address:
            raise ConfigError(f"the {self.side} is empty; give a path or a URL")
        location = Location.parse(self.address)
        self.spec = self.plugins.by_scheme(location.scheme, location.authority)
        path, self.pattern = location.path, ""
        if self.spec.kind == "store" and self.side == "source":
            path, self.pattern = split_wildcard(location.path)
        # Only what was given may hold wildcards: the working folder is called what it is called.
        self.location = self.spec.absolute(location.with_path(path) if self.pattern else location)
        self.path = self.location.path
        self.sample = self.pattern or self.path
        self.format = self._format()
        self.settings = given_settings(self.given, self.spec, self.side)
        self.options: dict[str, str] = {}
        self.format_options: dict[str, str] = {}

    def _format(self) -> ConnectorSpec | None:
        if self.format_name:
            if self.spec.kind != "store":
                raise ConfigError(f"--{self.side}-format makes no sense for {self.spec.name}: it has tables")
            return self.plugins.by_name(self.format_name, "format")
        if self.spec.kind != "store":
            return None
        return self.plugins.by_extension(self.sample)

    def sort_options(self) -> None:
        """Options go to the connector or to the format, whichever has the key."""
        self.options, self.format_options = sort_options(self.given, self.spec, self.format, self.side)

    def end(self, name: str) -> End:
        asked = bool(self.format_options) or (self.settings is not None and self.settings.needs_tables)
        return End(self.spec, self.format, self.extension(), asked, name)

    def extension(self) -> str:
        """The extension by which the file's name claims its format."""
        last = self.sample.rpartition("/")[2].lower()
        if self.format is None or self.spec.kind != "store":
            return ""
        return max((e for e in self.format.extensions if last.endswith(e)), key=len, default="")

    def ending(self) -> str:
        """What the files' names end with, in their case: an extension of the format, else any (``.txt``)."""
        if self.spec.kind != "store":
            return ""
        name = self.sample.rpartition("/")[2]
        if known := self.extension():
            return name[-len(known) :]
        _, dot, last = name.rpartition(".")
        return dot + last if dot and last.isalnum() else ""

    def new_ending(self) -> str:
        """What the names of files end with that are written in the format."""
        wanted: str = self.settings.file_extension if self.settings is not None else ""
        if wanted:
            return wanted if wanted.startswith(".") else f".{wanted}"
        return next(iter(self.format.extensions), "") if self.format else ""

    def common(self, tabular: bool) -> dict[str, Any]:
        return {
            "connector": self.spec.name,
            "options": self.options,
            "format": self.format.name if self.format and tabular else "",
            "format_options": self.format_options if tabular else {},
            **({} if self.settings is None else {"settings": self.settings}),
        }

    def with_path(self, path: str) -> str:
        # A store has no use for a fragment, which is part of its file names.
        return replace(self.location, fragment="").with_path(path).url

    def store(self, path: str) -> ObjectStore:
        options = {k: v for k, v in self.given.items() if k in self.spec.config.model_fields}
        return open_store(self.spec, self.with_path(path), options)

    def open_folder(self, path: str) -> ObjectStore:
        return self.store(path or self.path)

    def ask(self, folder: str, question: Callable[[ObjectStore], Answer]) -> Answer:
        """Ask the store at ``folder``."""

        def attempt(number: int) -> Answer:
            with blaming(self.spec.name, self.side), closing(self.store(folder)) as store:
                return question(store)

        if not self.patient:
            return attempt(1)
        return again(attempt, self.cancel, Worker(), NoGate())

    def find(self) -> dict[str, Any]:
        """What the address means as a source: root, and an object's name or a pattern."""
        if self.spec.kind != "store":
            return {"root": self.location.url}
        self._take_literally()
        folder, name = parent(self.path)
        single = not self.pattern and name and not self._is_folder(folder, name)
        check_address(public_url(self.address), self.pattern, name if single else "", self.settings)
        if single:
            return {"root": self.with_path(folder), "name": name}
        self.path, self.settings = rooted(self.path, self.settings)
        self._look_inside()
        return {"root": self.with_path(self.path), "pattern": self.pattern}

    def _take_literally(self) -> None:
        """An address with brackets only is no pattern where it names what is there: ``report [1].csv``."""
        if not re.search("[*?]", self.pattern):
            self.take_literally()

    def take_literally(self) -> None:
        """No pattern where the address names what is there, whatever its name holds."""
        if not self.pattern:
            return
        path = f"{self.path.rstrip('/')}/{self.pattern}"
        folder, name = parent(path.rstrip("/"))
        if self.ask(folder, lambda store: exists(store, name)):
            self.path = self.sample = path
            self.location = self.location.with_path(path)
            self.pattern = ""
            self.format = self._format()

    def _is_folder(self, folder: str, name: str) -> bool:
        def look(store: ObjectStore) -> bool:
            try:
                store.stat(name)
            except NotFoundError:
                if store.is_folder(name):
                    return True
                raise NotFoundError(f"{public_url(self.address)} does not exist") from None
            return False

        return self.ask(folder, look)

    def _look_inside(self) -> None:
        """Where nothing says the format: the one that the first objects have by their extensions."""
        if self.pattern and self.format:
            return
        where = public_url(self.with_path(self.path))
        if self.pattern:
            where = f"{where.rstrip('/')}/{self.pattern}"
        any_time = self.settings.any_time()
        page = self.ask(
            self.path,
            lambda store: next(
                select(store, where, any_time, self.open_folder, pattern=self.pattern).pages(), None
            ),
        )
        if page is None:
            return
        formats = [self.plugins.by_extension(info.path) for info in page]
        if self.format is None and all(found is formats[0] for found in formats):
            self.format = formats[0]
        self.sample = page[0].path

    def place(self, source: Side, found: dict[str, Any]) -> dict[str, Any]:
        """What the address means as a sink: a folder if it says so, is one, or many objects come."""
        if self.spec.kind != "store":
            return {"root": self.location.url}
        if re.search("[*?]", Location.parse(self.address).path):
            raise ConfigError(f"the sink {public_url(self.address)} has a wildcard; name a file or a folder")
        folder, name = parent(self.path)
        many = not found.get("name")
        merging = many and self.settings.copy_behavior == "MergeFiles"
        if merging and source.spec.kind != "store":
            raise ConfigError("copy_behavior=MergeFiles merges files, and the source has tables")
        is_folder = not name or self._exists_as_folder(folder, name)
        if merging and (is_folder or "." not in name) and self.format is None and source.as_table:
            self.format = source.format
        if is_folder and merging:
            return {"root": self.with_path(self.path), "name": self._merged_name(source)}
        if is_folder or (many and not merging and not self.extension()):
            return {"root": self.with_path(self.path)}
        return {"root": self.with_path(folder), "name": name}

    @property
    def as_table(self) -> bool:
        return self.format is not None and self.format.open_format is not None

    def _merged_name(self, source: Side) -> str:
        """What the file is called that all go into: as the source's folder."""
        ending = source.ending()
        if self.as_table and (self.format is not source.format or self.settings.file_extension):
            ending = self.new_ending()
        self.sample = merged(source.path, ending)
        return self.sample

    def _exists_as_folder(self, folder: str, name: str) -> bool:
        return self.ask(folder, lambda store: store.is_folder(name))


def find_source(side: Side) -> SourceEnd:
    """What the address of a source of tables means. Raises ConfigError where it has none."""
    with blaming(side.spec.name, "source"):
        found = side.find()
    side.sort_options()
    if side.spec.kind == "store" and not side.as_table:
        if side.format is not None:
            raise ConfigError(f"{public_url(side.address)} is read as bytes, which have no columns")
        raise ConfigError(
            f"nothing says which format {public_url(side.address)} has; name it, for example "
            "--source-format parquet"
        )
    return SourceEnd(**side.common(True), **found)


def exists(store: ObjectStore, name: str) -> bool:
    try:
        store.stat(name)
    except NotFoundError:
        return store.is_folder(name)
    return True
