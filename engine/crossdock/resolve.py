"""What addresses mean: which connector, which format, one object or many."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from .credentials import public_url
from .errors import ConfigError, NotFoundError
from .files.binary import DEFAULT_BLOCK
from .files.listing import split_wildcard
from .files.merging import MergedSource
from .files.names import merged
from .files.selecting import check_address, parent, rooted, select
from .files.settings import StoreReadSettings, StoreWriteSettings
from .gate import NoGate
from .mapping import ColumnMapping
from .mapping.model import FILE_PATH
from .meter import Worker
from .opening import blaming, open_sink, open_source, open_store
from .options import given_settings, sort_options
from .packing.checks import check_packing
from .plan import End, decide
from .plugins import Registry, registry
from .request import CopyRequest, Resolved, SinkEnd, SourceEnd
from .retry import again
from .run_log import log_end
from .spi.data import WriteMode
from .spi.skipping import TypedSink
from .spi.spec import ConnectorSpec, Location
from .spi.store import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

Answer = TypeVar("Answer")


def resolve(request: CopyRequest, cancel: threading.Event | None = None, *, staged: bool = False) -> Resolved:
    """Decide how to copy. Asks the stores what exists, again after transient errors; changes nothing.

    ``staged``: as tables, whatever the files are.

    Raises UserError, TransientError, and CancelledError when ``cancel`` is set while it waits.
    """
    plugins, ended = registry(), cancel or threading.Event()
    source = Side(plugins, request.source, request.source_format, request.source_options, "source", ended)
    sink = Side(plugins, request.sink, request.sink_format, request.sink_options, "sink", ended)
    with blaming(source.spec.name, "source"):
        found = source.find()
    with blaming(sink.spec.name, "sink"):
        placed = sink.place(source, found)
    source.sort_options()
    sink.sort_options()
    merging = source.spec.kind == "store" and not found.get("name") and "name" in placed
    ends = source.end(found.get("name", "")), sink.end(placed.get("name", ""))
    payload = decide(
        *ends, mapped=request.map is not None, merging=merging, staged=staged, skip_rows=request.skip_rows
    )
    tabular = payload == "tabular"
    check_payload(source.settings, tabular=tabular)
    paths = path_columns(request.map, source.spec)
    check_packing(source.settings, sink.settings, tabular=tabular)
    wanted = wanted_block(request.block_size, sink.settings)
    block = block_size(wanted, sink.spec, source.spec)
    if tabular and sink.format and "name" not in placed:
        placed |= {"extension": next(iter(sink.format.extensions), ""), "replaces": source.ending()}
    resolved = Resolved(
        payload=payload,
        source=SourceEnd(
            **source.common(tabular),
            **found,
            path_columns=paths,
            skip_rows=tabular and request.skip_rows,
            single="name" in placed,
        ),
        sink=SinkEnd(
            **sink.common(tabular),
            **placed,
            block=block,
            fixed_block=is_fixed(sink.settings),
            digest=request.verify is True,
        ),
        log=log_end(request),
    )
    return one_unit(_typed(resolved, request, ended), ended)


def _typed(resolved: Resolved, request: CopyRequest, cancel: threading.Event) -> Resolved:
    """A format of texts leaves columns that are converted as they are; where rows may be left out, the others
    get the types of the table that they go into.
    """
    if not (resolved.payload == "tabular" and resolved.source.format):
        return resolved
    converted = request.map.converted if request.map else ()
    types = _types_of_sink(resolved, request, cancel) if request.skip_rows else {}
    if not (types or converted):
        return resolved
    import pyarrow as pa

    from .files.tabular import packed

    columns = request.map.names if request.map and request.map.columns else {name: name for name in types}
    wanted = {old: types[new] for old, new in columns.items() if new in types}
    schema = pa.schema([*wanted.items(), *((name, pa.string()) for name in converted)])
    return replace(resolved, source=replace(resolved.source, wanted=packed(schema)))


def _types_of_sink(
    resolved: Resolved, request: CopyRequest, cancel: threading.Event
) -> Mapping[str, pa.DataType]:
    """What texts become in the table that is there."""

    def attempt(number: int) -> Mapping[str, pa.DataType]:
        with blaming(resolved.sink.connector, "sink"), closing(open_sink(resolved)) as sink:
            if isinstance(sink, TypedSink) and sink.one_target and request.mode is WriteMode.APPEND:
                return sink.column_types()
            return {}

    return again(attempt, cancel, Worker(), NoGate())


@dataclass
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
        discovering = (
            isinstance(self.settings, StoreReadSettings) and self.settings.enable_partition_discovery
        )
        return End(self.spec, self.format, self.extension(), bool(self.format_options) or discovering, name)

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
        if self.ask(folder, lambda store: _exists(store, name)):
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
        if self.format is not None and self.as_table and self.format is not source.format:
            ending = next(iter(self.format.extensions), "")
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


def _exists(store: ObjectStore, name: str) -> bool:
    try:
        store.stat(name)
    except NotFoundError:
        return store.is_folder(name)
    return True


def path_columns(mapping: ColumnMapping | None, source: ConnectorSpec) -> tuple[str, ...]:
    """The columns to add that hold the path of the file. Raises ConfigError where the source has no files."""
    found = mapping.path_columns if mapping else ()
    if found and source.kind != "store":
        raise ConfigError(f"--add-column {found[0]}: {FILE_PATH} needs files, and {source.name} has tables")
    return found


def check_payload(settings: StoreReadSettings | None, *, tabular: bool) -> None:
    """Raises ConfigError for settings that make no sense for that payload."""
    if settings is None:
        return
    if tabular and settings.delete_files_after_completion:
        raise ConfigError(
            "delete_files_after_completion needs a binary copy, and this one has tables; --source-format "
            "binary with --sink-format binary makes it one"
        )
    if not tabular and settings.enable_partition_discovery:
        raise ConfigError("enable_partition_discovery adds columns, which a binary copy does not have")


def wanted_block(size: int | None, settings: StoreWriteSettings | None) -> int | None:
    """The block size in bytes that was asked for in either way."""
    set_to = settings.block_size_in_mb if settings else None
    if set_to is None:
        return size
    if size not in (None, set_to << 20):
        raise ConfigError(f"--block-size and block_size_in_mb={set_to} are two sizes; give one of them")
    return set_to << 20


def is_fixed(settings: StoreWriteSettings | None) -> bool:
    return settings is not None and settings.block_size_in_mb is not None


def block_size(wanted: int | None, spec: ConnectorSpec, source: ConnectorSpec) -> int:
    """The block size as asked for, else what suits both stores: the smaller one, which takes less memory."""
    smallest, largest = spec.capabilities.block_range or (1, sys.maxsize)
    if wanted is None:
        best = filter(None, (spec.capabilities.best_block, source.capabilities.best_block))
        return min(max(min(best, default=DEFAULT_BLOCK), smallest), largest)
    if spec.kind == "store" and not smallest <= wanted <= largest:
        raise ConfigError(
            f"a block size of {wanted:,} bytes is outside what {spec.name} takes "
            f"({smallest:,} to {largest:,} bytes)"
        )
    return wanted


def one_unit(resolved: Resolved, cancel: threading.Event) -> Resolved:
    """Many objects into one target become one unit, whose columns they agree on."""
    decided = _merge(resolved)
    return _agree(decided, cancel) if decided.payload == "tabular" and decided.source.merge else decided


def _merge(resolved: Resolved) -> Resolved:
    """Many objects into one target become one unit; bytes of many objects cannot."""
    with closing(open_sink(resolved)) as sink:
        one = sink.one_target
    if not one or resolved.source.name:
        return resolved
    binary = resolved.payload == "binary"
    if binary and resolved.sink.settings.copy_behavior != "MergeFiles":
        raise ConfigError(
            "several files cannot go into one file byte for byte; name a folder as the sink, or append "
            "them to each other with -k copy_behavior=MergeFiles"
        )
    source = replace(resolved.source, merge=binary or bool(resolved.source.format))
    resolved = replace(resolved, source=source)
    if source.merge:
        _refuse_itself(resolved)
    return resolved


def _refuse_itself(resolved: Resolved) -> None:
    """A file that is merged into itself would double with every run."""
    source, sink = resolved.source, resolved.sink
    below, into = Location.parse(source.root), Location.parse(sink.root)
    root, target = f"{below.path.rstrip('/')}/", f"{into.path.rstrip('/')}/{sink.name}"
    same = (source.connector, below.authority) == (sink.connector, into.authority)
    if not (same and target.startswith(root)):
        return
    from .files.tabular import FormatSource

    path = target.removeprefix(root)
    with closing(open_source(resolved)) as opened, blaming(source.connector, "source"):
        assert isinstance(opened, MergedSource | FormatSource)  # noqa: S101 - only those merge
        if opened.selection.includes(path) and _exists(opened.store, path):
            raise ConfigError(
                f"{path} is one of the files that would be merged into it; name a sink outside of "
                f"{public_url(source.root)}, or choose the files so that it is none of them"
            )


def _agree(resolved: Resolved, cancel: threading.Event) -> Resolved:
    """Which columns the merged files have is decided once: files may come and go before a run is resumed."""

    from .files.tabular import FormatSource, packed

    def attempt(number: int) -> SourceEnd:
        with blaming(resolved.source.connector, "source"), closing(open_source(resolved)) as source:
            assert isinstance(source, FormatSource)  # noqa: S101 - tables of a store
            schema = source.merged_schema()
            columns = packed(schema) if schema.names else ""
            return replace(resolved.source, columns=columns, notes=tuple(source.format.notes()))

    return replace(resolved, source=again(attempt, cancel, Worker(), NoGate()))
