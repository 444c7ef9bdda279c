"""From addresses to open endpoints: which connector, which format, one object or many."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from .carry import classified
from .errors import ConfigError, NotFoundError
from .files.binary import DEFAULT_BLOCK, BinarySink, BinarySource, FileTarget
from .files.listing import Selection, split_wildcard
from .files.tabular import FormatSink, FormatSource
from .plan import End, decide
from .plugins import Registry, registry
from .request import CopyRequest, Resolved, SinkEnd, SourceEnd, public_url, validate_options
from .spi.endpoints import Sink, Source
from .spi.spec import ConnectorSpec, Location
from .spi.store import ObjectStore


def resolve(request: CopyRequest) -> Resolved:
    """Decide how to copy. Asks the stores what exists; changes nothing. Raises UserError."""
    plugins = registry()
    source = _Side(plugins, request.source, request.source_format, request.source_options, "source")
    sink = _Side(plugins, request.sink, request.sink_format, request.sink_options, "sink")
    with blaming(source.spec.name, "source"):
        found = source.find()
    with blaming(sink.spec.name, "sink"):
        placed = sink.place(source, found)
    source.sort_options()
    sink.sort_options()
    merging = source.spec.kind == "store" and not found.get("name") and "name" in placed
    ends = source.end(found.get("name", "")), sink.end(placed.get("name", ""))
    payload = decide(*ends, mapped=request.map is not None, merging=merging)
    tabular = payload == "tabular"
    block = _block(request.block_size, sink.spec)
    if tabular and sink.format and "name" not in placed:
        placed |= {"extension": next(iter(sink.format.extensions), ""), "replaces": source.ending()}
    return _merge(
        Resolved(
            payload=payload,
            source=SourceEnd(**source.common(tabular), **found),
            sink=SinkEnd(**sink.common(tabular), **placed, block=block),
        )
    )


@dataclass
class _Side:
    """One side of the request on its way to an end."""

    plugins: Registry
    address: str
    format_name: str | None
    given: dict[str, str]
    side: str

    def __post_init__(self) -> None:
        if not self.address:
            raise ConfigError(f"the {self.side} is empty; give a path or a URL")
        location = Location.parse(self.address)
        self.spec = self.plugins.by_scheme(location.scheme, location.authority)
        self.location = self.spec.absolute(location)
        self.path, self.pattern = self.location.path, ""
        if self.spec.kind == "store":
            self.path, self.pattern = split_wildcard(self.location.path)
        self.sample = self.pattern or self.path
        self.format = self._format()
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
        self.options, self.format_options = _sorted(self.given, self.spec, self.format, self.side)

    def end(self, name: str) -> End:
        return End(self.spec, self.format, self.extension(), bool(self.format_options), name)

    def extension(self) -> str:
        """The extension by which the file's name claims its format."""
        last = self.sample.rpartition("/")[2].lower()
        if self.format is None or self.spec.kind != "store":
            return ""
        return max((e for e in self.format.extensions if last.endswith(e)), key=len, default="")

    def ending(self) -> str:
        """What the files' names end with: an extension of the format, else any (``.txt``)."""
        if self.spec.kind != "store":
            return ""
        _, dot, last = self.sample.rpartition("/")[2].lower().rpartition(".")
        return self.extension() or (dot + last if dot and last.isalnum() else "")

    def common(self, tabular: bool) -> dict[str, Any]:
        return {
            "connector": self.spec.name,
            "options": self.options,
            "format": self.format.name if self.format and tabular else "",
            "format_options": self.format_options if tabular else {},
        }

    def with_path(self, path: str) -> str:
        # A store has no use for a fragment, which is part of its file names.
        return replace(self.location, fragment="").with_path(path).url

    def store(self, path: str) -> ObjectStore:
        own = self.spec.config.model_fields
        options = {k: v for k, v in self.given.items() if k in own}
        return open_store(self.spec, self.with_path(path), options)

    def find(self) -> dict[str, Any]:
        """What the address means as a source: root, and an object's name or a pattern."""
        if self.spec.kind != "store":
            return {"root": self.location.url}
        folder, name = _parent(self.path)
        if self.pattern or not name or self._is_folder(folder, name):
            self._look_inside()
            return {"root": self.with_path(self.path), "pattern": self.pattern}
        return {"root": self.with_path(folder), "name": name}

    def _is_folder(self, folder: str, name: str) -> bool:
        with closing(self.store(folder)) as store:
            try:
                store.stat(name)
            except NotFoundError:
                if store.is_folder(name):
                    return True
                raise NotFoundError(f"{public_url(self.address)} does not exist") from None
        return False

    def _look_inside(self) -> None:
        """Where nothing says the format: the one that the first objects have by their extensions."""
        if self.pattern and self.format:
            return
        with closing(self.store(self.path)) as store:
            page = next(Selection(store, public_url(self.location.url), pattern=self.pattern).pages())
        formats = [self.plugins.by_extension(info.path) for info in page]
        if self.format is None and all(found is formats[0] for found in formats):
            self.format = formats[0]
        self.sample = page[0].path

    def place(self, source: _Side, found: dict[str, Any]) -> dict[str, Any]:
        """What the address means as a sink: a folder if it says so, is one, or many objects come."""
        if self.spec.kind != "store":
            return {"root": self.location.url}
        if self.pattern:
            raise ConfigError(f"the sink {public_url(self.address)} has a wildcard; name a file or a folder")
        folder, name = _parent(self.path)
        many = not found.get("name")
        if not name or (many and not self.extension()) or self._exists_as_folder(folder, name):
            return {"root": self.with_path(self.path)}
        return {"root": self.with_path(folder), "name": name}

    def _exists_as_folder(self, folder: str, name: str) -> bool:
        with closing(self.store(folder)) as store:
            return store.is_folder(name)


def _parent(path: str) -> tuple[str, str]:
    """Folder and last name; the name is empty where the path says that it is a folder."""
    folder, _, name = path.rpartition("/")
    if name in ("", ".", ".."):
        return path, ""
    return folder or ("/" if path.startswith("/") else ""), name


def _block(wanted: int | None, spec: ConnectorSpec) -> int:
    """The block size as asked for, else what suits the store."""
    smallest, largest = spec.capabilities.block_range or (1, sys.maxsize)
    if wanted is None:
        return min(max(spec.capabilities.best_block or DEFAULT_BLOCK, smallest), largest)
    if spec.kind == "store" and not smallest <= wanted <= largest:
        raise ConfigError(
            f"a block size of {wanted:,} bytes is outside what {spec.name} takes "
            f"({smallest:,} to {largest:,} bytes)"
        )
    return wanted


def _merge(resolved: Resolved) -> Resolved:
    """Many objects into one target become one unit; bytes of many objects cannot."""
    with closing(open_sink(resolved)) as sink:
        one = sink.one_target
    if not one or resolved.source.name:
        return resolved
    if resolved.payload == "binary":
        raise ConfigError("several files cannot go into one file byte for byte; name a folder as the sink")
    source = resolved.source.model_copy(update={"merge": bool(resolved.source.format)})
    return resolved.model_copy(update={"source": source})


@contextmanager
def blaming(connector: str, side: str) -> Iterator[None]:
    """Errors of a connector that is asked outside a run come out classified."""
    try:
        yield
    except Exception as error:
        raise classified(error, registry().by_name(connector).classify, side) from error


def open_store(spec: ConnectorSpec, url: str, options: dict[str, str]) -> ObjectStore:
    assert spec.open_store is not None  # noqa: S101 - check_spec demands it of stores
    return spec.open_store(validate_options(spec.config, options, spec.name), Location.parse(url))


def open_source(resolved: Resolved) -> Source[Any]:
    """Open the source of a resolved copy, in any process."""
    with blaming(resolved.source.connector, "source"):
        return _open_source(resolved)


def _open_source(resolved: Resolved) -> Source[Any]:
    end, plugins = resolved.source, registry()
    spec = plugins.by_name(end.connector)
    if spec.kind == "table":
        if spec.open_source is None:
            raise ConfigError(f"{spec.name} cannot be read from")
        return spec.open_source(
            validate_options(spec.config, end.options, spec.name), Location.parse(end.root)
        )
    store = open_store(spec, end.root, end.options)
    where = f"{public_url(end.root).rstrip('/')}/{end.name or end.pattern}"
    selection = Selection(store, where, end.name, end.pattern)
    if resolved.payload == "binary":
        return BinarySource(store, selection)
    return FormatSource(store, _open_format(end.format, end.format_options), selection, end.merge)


def open_sink(resolved: Resolved) -> Sink[Any]:
    """Open the sink of a resolved copy, in any process. Changes nothing."""
    with blaming(resolved.sink.connector, "sink"):
        return _open_sink(resolved)


def _open_sink(resolved: Resolved) -> Sink[Any]:
    end, plugins = resolved.sink, registry()
    spec = plugins.by_name(end.connector)
    if spec.kind == "table":
        if spec.open_sink is None:
            raise ConfigError(f"{spec.name} cannot be written to")
        return spec.open_sink(validate_options(spec.config, end.options, spec.name), Location.parse(end.root))
    store = open_store(spec, end.root, end.options)
    target = FileTarget(store, public_url(end.root), end.name, end.extension, end.replaces)
    if resolved.payload == "binary":
        able = spec.capabilities
        return BinarySink(store, target, end.block, able.max_blocks, (able.block_range or (1, None))[1])
    return FormatSink(store, _open_format(end.format, end.format_options), target, end.block)


def _open_format(name: str, options: dict[str, str]) -> Any:
    spec = registry().by_name(name, "format")
    assert spec.open_format is not None  # noqa: S101 - plan.decide saw to it
    return spec.open_format(validate_options(spec.config, options, spec.name))


def add_options(resolved: Resolved, source: dict[str, str], sink: dict[str, str]) -> Resolved:
    """The same with more options on both ends: secrets, which the journal does not keep."""
    ends = [(resolved.source, source, "source"), (resolved.sink, sink, "sink")]
    return resolved.model_copy(update={side: _add(end, given, side) for end, given, side in ends})


def _add(end: Any, given: dict[str, str], side: str) -> Any:
    plugins = registry()
    file_format = plugins.by_name(end.format, "format") if end.format else None
    old = end.options | end.format_options
    options, shape = _sorted(old | given, plugins.by_name(end.connector), file_format, side)
    return end.model_copy(update={"options": options, "format_options": shape})


def _sorted(
    given: dict[str, str], spec: ConnectorSpec, file_format: ConnectorSpec | None, side: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The options of the connector and those of the format, each validated. Raises ConfigError."""
    own = spec.config.model_fields
    shape = file_format.config.model_fields if file_format else {}
    for key in given:
        if key not in own and key not in shape:
            known = sorted({*own, *shape})
            near = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(
                f"{'-s' if side == 'source' else '-k'} {key}=...: the {side} has no option {key!r} "
                f"(known: {', '.join(known) or 'none'}){hint}"
            )
    options = {k: v for k, v in given.items() if k in own}
    format_options = {k: v for k, v in given.items() if k in shape}
    validate_options(spec.config, options, spec.name)
    if file_format:
        validate_options(file_format.config, format_options, file_format.name)
    return options, format_options


def without_secrets(request: CopyRequest, resolved: Resolved) -> tuple[CopyRequest, Resolved]:
    """What a journal may keep: addresses without passwords, options without those typed as secret."""
    source, sink = resolved.source, resolved.sink
    hidden = _secret_keys(source.connector, source.format) | _secret_keys(sink.connector, sink.format)

    def shown(options: dict[str, str]) -> dict[str, str]:
        return {key: value for key, value in options.items() if key not in hidden}

    def end(side: Any) -> Any:
        kept = {"options": shown(side.options), "format_options": shown(side.format_options)}
        return side.model_copy(update={"root": public_url(side.root), **kept})

    kept = request.model_copy(
        update={
            "source": public_url(request.source),
            "sink": public_url(request.sink),
            "source_options": shown(request.source_options),
            "sink_options": shown(request.sink_options),
        }
    )
    return kept, resolved.model_copy(update={"source": end(source), "sink": end(sink)})


def _secret_keys(*connectors: str) -> set[str]:
    fields = (f for name in connectors if name for f in registry().by_name(name).config.model_fields.items())
    return {name for name, field in fields if "Secret" in str(field.annotation)}
