"""Reading a sheet: its cells as columns, whose types follow from the kinds of their values."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
import zlib
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError

from crossdock import (
    ConfigError,
    DataError,
    ObjectInfo,
)

from .column_types import apply_types, did_you_mean, parse_types
from .excel_config import column_number, corners
from .read_only import ReadOnlyFormat

if TYPE_CHECKING:
    from .excel_config import ExcelConfig

_ROWS = 8192
LARGEST = 128 << 20
"""The library holds a whole workbook: this much of the file, and four times as much unpacked."""
_UNPACKED = 4 * LARGEST
_DAMAGE = (
    CalamineError,
    OSError,
    ValueError,
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    zlib.error,
)
_MOST_CELLS = 32 << 20
_CELL = re.compile(rb"""\sr\s*=\s*["'](?:([A-Za-z]{1,3})([0-9]{1,7})["']|[^"']*&)""")
_NAME_ROOM = 64


class ExcelFormat(ReadOnlyFormat):
    """A workbook is one piece."""

    refusal = "Excel workbooks are only read; choose another sink format, such as delimited or parquet"

    def __init__(self, config: ExcelConfig) -> None:
        self._config = config
        self._types = parse_types(config.types)

    def schema(self, file: io.RawIOBase, info: ObjectInfo) -> pa.Schema:
        names, rows = self._table(file, info)
        kinds: list[set[type]] = [set() for _ in names]
        for row in rows:
            for kind, value in zip(kinds, row, strict=True):
                if value is not None:
                    kind.add(_kind(value))
        schema = pa.schema([(name, _type(kind)) for name, kind in zip(names, kinds, strict=True)])
        return apply_types(schema, self._types, info.path)

    def memory(self, info: ObjectInfo) -> int:
        return min(_UNPACKED, 20 * info.size + (16 << 20))

    def batches(
        self, file: io.RawIOBase, info: ObjectInfo, schema: pa.Schema
    ) -> Generator[pa.RecordBatch, None, None]:
        names, rows = self._table(file, info)
        places = [names.index(name) if name in names else -1 for name in schema.names]
        if -1 in places:
            name = schema.names[places.index(-1)]
            raise DataError(f"{info.path} has no column {name!r}, which other files here have")
        done = 0
        while some := list(islice(rows, _ROWS)):
            columns = [
                _array([row[place] for row in some], field, info, done)
                for place, field in zip(places, schema, strict=True)
            ]
            done += len(some)
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def _table(self, file: io.RawIOBase, info: ObjectInfo) -> tuple[list[str], Iterator[list[Any]]]:
        """The names of the columns and the rows below, each as long; None for an empty cell."""
        sheet = self._sheet(file, info)
        top, left, bottom, right = corners(self._config.range or "A1")
        start, end = sheet.start or (0, 0), sheet.end or (-1, -1)
        if not self._config.range:
            top, left = start
        bottom, right = min(bottom or end[0], end[0]), min(end[1] if right is None else right, end[1])
        width = right - left + 1
        if bottom < top or width < 1:
            return [], iter(())
        rows = _cells(sheet, start, (top, left, bottom, right), self._config.null_value)
        if not self._config.header:
            return [f"Prop_{index}" for index in range(width)], rows
        first = next(rows, [None] * width)
        names = ["" if value is None else _text(value) for value in first]
        names = [name or f"Prop_{index}" for index, name in enumerate(names)]
        double = next((name for name in names if names.count(name) > 1), None)
        if double is not None:
            raise DataError(f"{info.path}: two columns are called {double!r}; -s header=false numbers them")
        return names, rows

    def _sheet(self, file: io.RawIOBase, info: ObjectInfo) -> CalamineSheet:
        if info.size > LARGEST and not getattr(file, "open_ended", False):
            raise DataError(f"{info.path} is larger than {LARGEST >> 20} MiB, which a workbook may not be")
        file.seek(0)
        try:
            data = io.BytesIO(_all(file, info))
            if zipfile.is_zipfile(data):
                with zipfile.ZipFile(data) as packed:
                    _refuse_bombs(packed, info)
            data.seek(0)
            book = CalamineWorkbook.from_filelike(data)
            return book.get_sheet_by_name(self._name(book, info))
        except PasswordError as error:
            raise DataError(f"{info.path} is protected by a password; save it without") from error
        except _DAMAGE as error:
            said = str(error)[:200]
            raise DataError(
                f"{info.path} cannot be read as a workbook; it is damaged", detail=said
            ) from error

    def _name(self, book: CalamineWorkbook, info: ObjectInfo) -> str:
        names, wanted, index = book.sheet_names, self._config.sheet_name, self._config.sheet_index
        if not names:
            raise DataError(f"{info.path} cannot be read as a workbook; it has no sheets")
        if wanted and wanted not in names:
            raise ConfigError(f"{info.path} has no sheet {wanted!r}{did_you_mean(wanted, names)}")
        if not wanted and index >= len(names):
            raise ConfigError(f"{info.path} has {len(names)} sheets and none with the index {index}")
        return wanted or names[index]


def _refuse_bombs(packed: zipfile.ZipFile, info: ObjectInfo) -> None:
    """Raise DataError for what takes far more memory than its size says.

    The library keeps an empty cell for each place up to the last one: two cells can be 17 thousand million.
    """
    if sum(part.file_size for part in packed.infolist()) > _UNPACKED:
        raise DataError(f"{info.path} is more than {_UNPACKED >> 20} MiB when unpacked")
    for name in packed.namelist():
        if not name.startswith("xl/worksheets/") or not name.endswith(".xml"):
            continue
        row, column, rest = 0, 0, b""
        with packed.open(name) as part:
            while data := part.read(1 << 20):
                for letters, digits in _CELL.findall(rest + data):
                    if not letters and not digits:
                        raise DataError(
                            f"{info.path} cannot be read as a workbook; {name} hides a cell's name"
                        )
                    row, column = max(row, int(digits)), max(column, column_number(letters.decode()) + 1)
                rest = data[-_NAME_ROOM:]
        if row * column > _MOST_CELLS:
            raise DataError(f"{info.path} has a sheet of {row} rows and {column} columns, which is too large")


def _all(file: io.RawIOBase, info: ObjectInfo) -> bytes:
    open_ended = getattr(file, "open_ended", False)
    parts, left = [], LARGEST + 1 if open_ended else info.size
    while left > 0 and (part := file.read(min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    if open_ended and not left:
        raise DataError(f"{info.path} is larger than {LARGEST >> 20} MiB, which a workbook may not be")
    if left and not open_ended:
        raise DataError(f"{info.path} ended {left} bytes too early")
    return b"".join(parts)


def _cells(
    sheet: CalamineSheet, start: tuple[int, int], box: tuple[int, int, int, int], null: str
) -> Iterator[list[Any]]:
    """The rows of a box. The library gives rows from the first on, and columns from ``start`` on."""
    top, left, bottom, right = box
    width = right - left + 1
    before, first = [None] * max(0, min(start[1] - left, width)), max(0, left - start[1])
    for row in islice(sheet.iter_rows(), top, bottom + 1):
        cells = [None if value in ("", null) else value for value in row[first : right - start[1] + 1]]
        yield [*before, *cells, *[None] * (width - len(before) - len(cells))]


def _kind(value: Any) -> type:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return int  # Excel has no integers: 1 is 1.0
    return type(value)


def _type(kinds: set[type]) -> pa.DataType:
    for known, kind in _TYPES:
        if kinds and kinds <= known:
            return kind
    return pa.string()


_TYPES: Sequence[tuple[set[type], pa.DataType]] = (
    ({bool}, pa.bool_()),
    ({int}, pa.int64()),
    ({int, float}, pa.float64()),
    ({dt.date}, pa.date32()),
    ({dt.date, dt.datetime}, pa.timestamp("us")),
    ({dt.time}, pa.time64("us")),
    ({dt.timedelta}, pa.duration("us")),
)


def _array(values: list[Any], field: pa.Field, info: ObjectInfo, done: int) -> pa.Array:
    kind = field.type
    try:
        if pa.types.is_string(kind):
            return pa.array([None if value is None else _text(value) for value in values], kind)
        if pa.types.is_timestamp(kind):
            return pa.array([_moment(value) for value in values], kind)
        if pa.types.is_decimal(kind):
            texts = pa.array([None if value is None else _text(value) for value in values], pa.string())
            return texts.cast(kind)
        return (
            pa.array(values).cast(kind) if any(v is not None for v in values) else pa.nulls(len(values), kind)
        )
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f"{info.path}, rows {done + 1} to {done + len(values)}, column {field.name!r}: "
            f"a value is no {kind}",
            hint=f"-s types={field.name}:string",
            detail=str(error)[:200],
        ) from error


def _moment(value: Any) -> Any:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day)
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and _kind(value) is int:
        return str(int(value))
    return value.isoformat(" ") if isinstance(value, dt.datetime) else str(value)
