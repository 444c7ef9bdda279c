"""Reading XML: a streaming pass that keeps one row at a time."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from lxml import etree

from crossdock import (
    ConfigError,
    DataError,
    ObjectInfo,
    ShortReadError,
)

from .column_types import parse_types
from .read_only import ReadOnlyFormat
from .xml_config import prefixes
from .xml_validation import check_dtd, schema_for

if TYPE_CHECKING:
    from .xml_config import XmlConfig

Row = dict[str, str]

_CHUNK = 64 << 10
_ROWS = 4096
_BYTES = 8 << 20
LARGEST_ROW = 16 << 20
_MAX_COLUMNS = 10_000
_MEMORY = 128 << 20
# Leading zeros are no number's, and a number with more digits is not what a float would make of it.
_KINDS = (
    (re.compile(r"-?(0|[1-9][0-9]{0,17})"), pa.int64()),
    (re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?([eE][-+]?[0-9]{1,2})?"), pa.float64()),
    (re.compile(r"true|false", re.IGNORECASE), pa.bool_()),
)


class XmlFormat(ReadOnlyFormat):
    """A file is one piece. Columns are named by path below the row: ``@id``, ``buyer.name``."""

    refusal = "XML is only read; choose another sink format, such as delimited or jsonlines"

    def __init__(self, config: XmlConfig) -> None:
        self._config = config
        self._types = parse_types(config.types)
        self._path = [part for part in config.row_path.split("/") if part]

    def schema(self, file: io.RawIOBase, info: ObjectInfo) -> pa.Schema:
        names: dict[str, None] = {}
        texts: dict[str, list[str]] = {}
        size = 0
        for _, row in self._rows(file, info):
            names.update(dict.fromkeys(row))
            for name, value in row.items() if self._config.infer else ():
                texts.setdefault(name, []).append(value)
            size += sum(len(value) + 16 for value in row.values())
            if size > self._config.sample_bytes:
                break
        if len(names) > _MAX_COLUMNS:
            raise DataError(f"{info.path} has more than {_MAX_COLUMNS} columns; is row_path right?")
        kinds = {name: self._kind(texts.get(name, [])) for name in names} | self._types
        return pa.schema(list(kinds.items()))

    def _kind(self, sampled: list[str]) -> pa.DataType:
        """The type that all sampled values have; text where one would not survive it."""
        for pattern, kind in _KINDS:
            if sampled and all(pattern.fullmatch(value.strip()) for value in sampled):
                return kind
        return pa.string()

    def memory(self, info: ObjectInfo) -> int:
        return _MEMORY

    def batches(
        self, file: io.RawIOBase, info: ObjectInfo, schema: pa.Schema
    ) -> Generator[pa.RecordBatch, None, None]:
        if self._config.validation_mode == "dtd":
            check_dtd(self._chunks(file, info), info.path, self._parser_encoding, self._beside())
        known = set(schema.names)
        some: list[Row] = []
        first = room = 0
        for line, row in self._rows(file, info, validate=self._config.validation_mode == "xsd"):
            if unknown := row.keys() - known:
                name = min(unknown)
                raise DataError(
                    f"{info.path}, line {line}: {name!r} is not in the sample that columns are taken from",
                    hint=f"-s types={name}:string adds it",
                )
            first = first or line
            some.append(row)
            room += sum(map(len, row.values()))
            if len(some) >= _ROWS or room >= _BYTES:
                yield _batch(some, schema, info, (first, line))
                some, first, room = [], 0, 0
        if some:
            yield _batch(some, schema, info, (first, line))

    @property
    def _parser_encoding(self) -> str | None:
        return "utf-8" if self._config.encoding else None

    def _chunks(self, file: io.RawIOBase, info: ObjectInfo) -> Iterator[bytes]:
        """The file's bytes; of an encoding that was given, its text in UTF-8, for not all are libxml2's."""
        if self._config.encoding in ("", "utf-8"):
            yield from _chunks(file, info)
            return
        decoder = codecs.getincrementaldecoder(self._config.encoding)()
        try:
            for data in _chunks(file, info):
                yield decoder.decode(bytes(data)).encode()
            yield decoder.decode(b"", final=True).encode()
        except UnicodeDecodeError as error:
            raise DataError(f"{info.path} is not {self._config.encoding}: {error.reason}") from error

    def _beside(self) -> Callable[[str], bytes]:
        if self.beside is None:
            raise ConfigError("there is no store here, in which files name the schemas to validate them with")
        return self.beside

    def _parser(self, schema: etree.XMLSchema | None = None) -> Any:
        """One for each pass; nothing is fetched, no entity is replaced, libxml2's limits hold."""
        return etree.XMLPullParser(
            events=("start", "end"), resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False,
            remove_comments=True, remove_pis=True, encoding=self._parser_encoding, schema=schema,
        )  # fmt: skip

    def _schema(self, file: io.RawIOBase, info: ObjectInfo) -> etree.XMLSchema | None:
        """The XML schema that the file's root names; None where there is no root to find."""
        parser = self._parser()
        with suppress(etree.XMLSyntaxError):  # said where the rows are read
            for data in self._chunks(file, info):
                parser.feed(bytes(data))
                for _, root in parser.read_events():
                    return schema_for(dict(root.attrib), info.path, self._beside())
        return None

    def _rows(
        self, file: io.RawIOBase, info: ObjectInfo, *, validate: bool = False
    ) -> Iterator[tuple[int, Row]]:
        """The line on which each row's element begins, and its values by column."""
        parser = self._parser(self._schema(file, info) if validate else None)
        walk = _Walk(self._config, self._path, info.path)
        fed = 0
        try:
            for data in self._chunks(file, info):
                parser.feed(bytes(data))
                fed += len(data)
                rows = list(walk.rows(parser.read_events()))
                if rows:
                    fed = 0
                if walk.inside and fed > LARGEST_ROW:
                    raise DataError(
                        f"{info.path}: a row is larger than {LARGEST_ROW >> 20} MiB; is row_path right?"
                    )
                yield from rows
            parser.close()
            yield from walk.rows(parser.read_events())
        except etree.XMLSyntaxError as error:
            log = list(parser.feed_error_log)
            line, said = (log[0].line, log[0].message) if log else (1, error.msg or "no XML")
            line = line or walk.line  # the validation of a schema does not know it
            raise DataError(f"{info.path}, line {line}: {said.splitlines()[0][:200]}") from error
        if not walk.found and self._path:
            raise ConfigError(f"{info.path} has no element /{'/'.join(self._path)}; its root is /{walk.root}")


class _Walk:
    """Follows the elements down to the rows, and lets go of what is behind."""

    def __init__(self, config: XmlConfig, path: list[str], file: str) -> None:
        self._config = config
        self._prefixes = prefixes(config.namespace_prefixes)
        self._file = file
        self._wanted = path
        self._at: list[str] = []
        self._row: Any = None
        self.root = ""
        self.found = False
        self.line = 1

    @property
    def inside(self) -> bool:
        return self._row is not None

    def rows(self, events: Any) -> Iterator[tuple[int, Row]]:
        for event, element in events:
            if event == "start":
                self.line = element.sourceline or self.line
                self._start(element)
            elif element is self._row:
                yield element.sourceline or 0, self._values(element)
                self._row = None
                self._leave(element)
            elif self._row is None:
                self._leave(element)

    def _start(self, element: Any) -> None:
        if self._row is not None:
            return
        known = self._config.validation_mode == "dtd"
        if not known and element.getroottree().docinfo.internalDTD is not None:
            raise DataError(
                f"{self._file} has a DOCTYPE, which is not read: it can define entities; remove it"
            )
        name = self._name(element.tag, element)
        self._at.append(name)
        self.root = self.root or name
        if self._at == self._wanted or (not self._wanted and len(self._at) == 2):
            self._wanted = list(self._at)
            self._row, self.found = element, True

    def _leave(self, element: Any) -> None:
        self._at.pop()
        element.clear()
        parent = element.getparent()
        if parent is not None:
            parent.remove(element)

    def _name(self, tag: str, element: Any) -> str:
        uri, brace, local = tag.removeprefix("{").rpartition("}")
        if not self._config.namespaces or not brace:
            return local
        prefix = self._prefixes.get(uri)
        if prefix is None and self._config.own_prefixes:
            own = [each or "" for each, named in element.nsmap.items() if named == uri]
            # Of an element, lxml knows which of several; an attribute has none without a prefix.
            prefix = element.prefix or "" if tag == element.tag else next(filter(None, own), None)
        return tag if prefix is None else f"{prefix}:{local}" if prefix else local

    def _values(self, row: Any) -> Row:
        found: Row = {}
        self._collect(row, "", found)
        return {name: value for name, value in found.items() if value != self._config.null_value}

    def _collect(self, top: Any, prefix: str, found: Row) -> None:
        open_: list[tuple[Any, str]] = [(top, prefix)]
        while open_:
            element, prefix = open_.pop()
            dot = f"{prefix}." if prefix else ""
            for name, value in element.attrib.items():
                self._put(
                    found, f"{dot}{self._config.attribute_prefix}{self._name(name, element)}", value, element
                )
            children = [child for child in element if isinstance(child.tag, str)]
            if len(children) < len(element):
                raise DataError(f"{self._file}, line {element.sourceline}: an entity that is not XML's own")
            text = (element.text or "").strip() if children else element.text or ""
            plain = bool(prefix) and not children and not element.attrib
            if plain or text:
                column = prefix if plain else f"{dot}{self._config.text_column}"
                self._put(found, column, text, element)
            open_ += [(child, f"{dot}{self._name(child.tag, child)}") for child in reversed(children)]

    def _put(self, found: Row, column: str, value: str, element: Any) -> None:
        if column in found:
            raise DataError(
                f"{self._file}, line {element.sourceline}: {column!r} is there twice in one row; "
                f"it may be the row itself",
                hint=f"-s row_path=/{'/'.join([*self._wanted, *column.split('.')])}",
            )
        found[column] = value


def _chunks(file: io.RawIOBase, info: ObjectInfo) -> Iterator[bytes]:
    file.seek(0)
    source: Any = file
    zipped = info.path.lower().endswith(".gz")
    if zipped:
        source = gzip.GzipFile(fileobj=file, mode="rb")
    size = 0
    try:
        while data := source.read(_CHUNK):
            size += len(data)
            yield data
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{info.path} is not a complete gzip file", detail=str(error)) from error
    if not zipped and size < info.size and not getattr(file, "open_ended", False):
        raise ShortReadError(f"{info.path} ended {info.size - size} bytes too early")


def _batch(rows: list[Row], schema: pa.Schema, info: ObjectInfo, lines: tuple[int, int]) -> pa.RecordBatch:
    columns = []
    for field in schema:
        column = pa.array([row.get(field.name) for row in rows], pa.string())
        if not pa.types.is_string(field.type):
            column = pc.utf8_trim_whitespace(column)
        try:
            columns.append(column if pa.types.is_string(field.type) else column.cast(field.type))
        except pa.ArrowInvalid as error:
            raise DataError(
                f"{info.path}, lines {lines[0]} to {lines[1]}, column {field.name!r}: "
                f"a value is no {field.type}",
                detail=str(error)[:200],
            ) from error
    return pa.RecordBatch.from_arrays(columns, schema=schema)
