"""Looking before copying: is it reachable, what is there, which columns, the first rows.

Nothing is tried again, nothing is journaled, nothing changes. Addresses and options are those of ``copy``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .credentials import know, public_url
from .errors import ConfigError, NotFoundError, NotSupportedError
from .files.selecting import parent
from .json_values import plain
from .opening import blaming, open_end, open_table
from .report import camel
from .sides import Side, find_source
from .spelling import snake_case
from .spi.browse import Browsable, Entry
from .spi.data import PlanHint, Unit
from .spi.endpoints import Source

if TYPE_CHECKING:
    import pyarrow as pa

Options = Mapping[str, str]
MOST_ROWS = 10_000
MOST_ENTRIES = 100_000


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """What a connection reached, as whom, and in how many ``seconds``; ``address`` holds no secret."""

    connector: str
    address: str
    server: str
    version: str
    user: str
    seconds: float

    def output(self) -> dict[str, Any]:
        """The JSON object of ``crossdock test-connection --output json``."""
        found = asdict(self)
        return {"status": "Succeeded", **found, "seconds": round(self.seconds, 3)}


@dataclass(frozen=True, slots=True)
class Found:
    """An entry and the ``address`` to look into it, or to copy it; a column has none."""

    entry: Entry
    address: str

    def output(self) -> dict[str, Any]:
        known = {key: value for key, value in asdict(self.entry).items() if value not in (None, "")}
        known.pop("path", None)
        if self.entry.modified is not None:
            known["modified"] = datetime.fromtimestamp(self.entry.modified, UTC).isoformat()
        return known | ({"address": self.address} if self.address else {})


@dataclass(frozen=True, slots=True)
class Listing:
    """One level of what is there. ``next``: the cursor behind which more comes, None where that is all."""

    address: str
    found: tuple[Found, ...]
    next: str | None = None

    def output(self) -> dict[str, Any]:
        """The JSON object of ``crossdock browse --output json``."""
        return {"address": self.address, "entries": [each.output() for each in self.found], "next": self.next}


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A column: the Arrow type it is read as, and the database's own word for it, where it has one."""

    name: str
    type: str
    native_type: str = ""
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class TableSchema:
    """The columns of the file or table ``unit``, one of ``address``."""

    address: str
    unit: str
    columns: tuple[ColumnInfo, ...]

    def output(self) -> dict[str, Any]:
        """The JSON object of ``crossdock schema --output json``."""
        columns = [{camel(key): value for key, value in asdict(each).items()} for each in self.columns]
        return {"address": self.address, "unit": self.unit, "columns": columns}


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of the file or table ``unit``. ``more``: there are rows behind them."""

    address: str
    unit: str
    rows: pa.Table = field(repr=False)
    more: bool = False

    def output(self) -> dict[str, Any]:
        """The JSON object of ``crossdock preview --output json``: rows are lists, in the columns' order.

        Numbers without a JSON number (NaN) are texts, and so are decimals, dates and times; bytes are
        hexadecimal.
        """
        columns = [{"name": each.name, "type": str(each.type)} for each in self.rows.schema]
        values = [[plain(value) for value in column] for column in self.rows.columns]
        listed = [list(row) for row in zip(*values, strict=True)]
        return {
            "address": self.address, "unit": self.unit, "columns": columns, "rows": listed, "more": self.more,
        }  # fmt: skip


def test_connection(
    address: str | Path,
    *,
    source_format: str | None = None,  # noqa: PT028 - no test
    source_options: Options | None = None,  # noqa: PT028 - no test
) -> ConnectionTest:
    """Reach the server or folder of an address and sign in, as a copy would.

    Raises CrossdockError: NotSupportedError where the connector cannot do that.
    """
    side = _side(address, source_format, source_options)
    began = time.perf_counter()
    with _browsable(side) as opened:
        reached = opened.test()
        return ConnectionTest(
            side.spec.name, public_url(side.location.url), reached.server, reached.version, reached.user,
            time.perf_counter() - began,
        )  # fmt: skip


def browse(
    address: str | Path,
    *,
    source_format: str | None = None,
    source_options: Options | None = None,
    limit: int = 1000,
    after: str | None = None,
) -> Listing:
    """One level of what is there: files and folders, schemas, tables, columns.

    The address of a schema ends in ``#name.``. At most ``limit`` entries, behind the cursor ``after`` of an
    earlier Listing. Raises CrossdockError: NotSupportedError where the connector cannot do that.
    """
    if not 1 <= limit <= MOST_ENTRIES:
        raise ConfigError(f"the limit is from 1 to {MOST_ENTRIES:,}, not {limit}")
    side = _side(address, source_format, source_options)
    side.take_literally()
    shown = public_url(side.location.url)
    if side.spec.kind == "store" and after is None and (file := _file_at(side)):
        return Listing(shown, (Found(file, shown),))
    with _browsable(side) as opened:
        within = side.location.fragment if side.spec.kind == "table" else ""
        page = opened.browse(within, after, limit)
    return Listing(shown, tuple(Found(entry, _address(side, entry)) for entry in page.entries), page.cursor)


def schema(
    address: str | Path, *, source_format: str | None = None, source_options: Options | None = None
) -> TableSchema:
    """The columns of a table or file; of a folder those of its first file. Raises CrossdockError."""
    side = _side(address, source_format, source_options)
    with _source(side) as (source, unit):
        found = source.schema(unit) or ()
        native = _native(source, side, unit)
        columns = tuple(
            ColumnInfo(
                each.name,
                str(each.type),
                native[each.name].type if each.name in native else "",
                bool(native[each.name].nullable) if each.name in native else each.nullable,
            )
            for each in found
        )
    return TableSchema(public_url(side.location.url), unit.name, columns)


def preview(
    address: str | Path,
    *,
    source_format: str | None = None,
    source_options: Options | None = None,
    rows: int = 10,
) -> Preview:
    """The first rows of a table or file; of a folder those of its first file. Raises CrossdockError."""
    import pyarrow as pa

    if not 0 <= rows <= MOST_ROWS:
        raise ConfigError(f"a preview has 0 to {MOST_ROWS:,} rows, not {rows}")
    side = _side(address, source_format, source_options)
    with _source(side) as (source, unit):
        found = source.schema(unit)
        table = pa.Table.from_batches(_first(source, unit, rows + 1), found)
    more = table.num_rows > rows
    return Preview(public_url(side.location.url), unit.name, table.slice(0, rows), more)


def _side(address: str | Path, source_format: str | None, options: Options | None) -> Side:
    given = snake_case(options)
    know(str(address), "", {"source": given, "sink": {}})
    return Side.asked_once(str(address), source_format, given, threading.Event())


@contextmanager
def _browsable(side: Side) -> Iterator[Browsable]:
    """The store at the address, or the source of its whole database."""
    if side.pattern:
        raise ConfigError(f"{public_url(side.address)} has a wildcard; name a folder")
    side.sort_options()
    with blaming(side.spec.name, "source"):
        if side.spec.kind == "store":
            opened: Any = side.store(side.path)
        else:
            opened = open_table(side.spec, replace(side.location, fragment=""), side.options)
        with closing(opened):
            if not isinstance(opened, Browsable):
                raise NotSupportedError(f"{side.spec.name} cannot be looked into; crossdock preview may work")
            yield opened


def _file_at(side: Side) -> Entry | None:
    """The file that the address names; None where it names a folder, or nothing."""
    folder, name = parent(side.path)
    if not name or side.pattern:
        return None
    with blaming(side.spec.name, "source"), closing(side.store(folder)) as store:
        try:
            info = store.stat(name)
        except NotFoundError:
            return None
    return Entry(name, "file", name, info.size, info.modified)


def _address(side: Side, entry: Entry) -> str:
    """Of something that was found, without secrets; empty for what cannot be looked into."""
    if not entry.path:
        return ""
    if side.spec.kind == "store":
        return public_url(side.with_path(f"{side.path.rstrip('/')}/{entry.path}"))
    return public_url(replace(side.location, fragment=entry.path).with_path(side.location.path).url)


@contextmanager
def _source(side: Side) -> Iterator[tuple[Source[Any], Unit]]:
    """The source of an address and the one unit of it to look at."""
    end = find_source(side)
    with blaming(end.connector, "source"), closing(open_end(end, "tabular")) as source:
        yield source, only_unit(source, side)


def only_unit(source: Source[Any], side: Side) -> Unit:
    """The one table that the address names, or its first file."""
    units = (unit for page in source.units() for unit in page.units)
    found = list(islice(units, 2 if side.spec.kind == "table" else 1))
    if not found:
        raise NotFoundError(f"there is nothing at {public_url(side.address)}")
    if len(found) > 1:
        raise ConfigError(
            f"{public_url(side.address)} has several tables; name one, as in "
            f"{_address(side, Entry('', 'table', found[0].name))}",
            hint="crossdock browse lists them",
        )
    return found[0]


def _native(source: Source[Any], side: Side, unit: Unit) -> dict[str, Entry]:
    """The columns as the database has them; none for files and queries."""
    if not isinstance(source, Browsable) or side.spec.kind != "table" or side.options.get("query"):
        return {}
    try:
        page = source.browse(side.location.fragment or unit.name)
    except NotFoundError:
        return {}
    return {entry.name: entry for entry in page.entries if entry.kind == "column"}


def _first(source: Source[Any], unit: Unit, wanted: int) -> list[pa.RecordBatch]:
    found: list[pa.RecordBatch] = []
    for split in source.plan(unit, PlanHint(max_splits=1, first_rows=wanted)):
        with source.read(split) as batches:
            for batch in batches:
                found.append(batch.slice(0, wanted))
                wanted -= found[-1].num_rows
                if wanted <= 0:
                    return found
    return found
