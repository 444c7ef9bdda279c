"""Compiles a column mapping for the schema of a unit."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ..conversion.fitting import fits
from ..conversion.matrix import Convert, Converter, Wanted
from ..errors import ConfigError, DataError, SchemaMismatchError
from ..json_text import is_list, list_offsets
from .model import COPY_OF, FILE_PATH, Apply, ColumnMapping, MappedColumn, of_column
from .nesting import Nesting
from .path_text import parse_path
from .paths import Take, follow, taken

Array: TypeAlias = pa.Array
Read = Callable[[pa.RecordBatch], Array]
_SHOWN = 60  # characters of a value that cannot be converted
_TEXT = Wanted(pa.string())


@dataclass(frozen=True, slots=True)
class _Input:
    """A column of the source, of its own or added."""

    field: pa.Field
    read: Read


@dataclass(frozen=True, slots=True)
class _Output:
    """A column of the sink. ``inner``: it is taken from the items of the list that is unfolded."""

    column: MappedColumn
    field: pa.Field
    read: Read
    taking: Sequence[Take] = ()
    inner: bool = False
    convert: Convert | None = None


def compiled(
    schema: pa.Schema, mapping: ColumnMapping, where: str, notes: list[str] | None
) -> tuple[pa.Schema, Apply | None]:
    """See ``compile_mapping``."""
    return _Compiler(schema, mapping, where, notes if notes is not None else []).compiled()


class _Compiler:
    def __init__(self, schema: pa.Schema, mapping: ColumnMapping, where: str, notes: list[str]) -> None:
        self._schema, self._mapping, self._where, self._notes = schema, mapping, where, notes
        self._inputs = [_Input(field, _column(at)) for at, field in enumerate(schema)]
        self._inputs += self._added()
        self._names = [each.field.name for each in self._inputs]
        self._list: tuple[pa.DataType, Read, Sequence[Take]] | None = None
        self._targets = dict(mapping.targets)

    def compiled(self) -> tuple[pa.Schema, Apply | None]:
        mapping = self._mapping
        if mapping.unfold:
            self._list = self._unfolded(mapping.unfold)
        columns = mapping.columns or tuple(
            MappedColumn((name,), name, at) for at, name in enumerate(self._names, 1)
        )
        outputs = [self._converted(self._output(each)) for each in columns]
        same = len(outputs) == len(self._schema) and not mapping.columns and not mapping.unfold
        if same and not any(each.convert for each in outputs):
            return self._schema, None
        nesting = Nesting([(each.column.sink, each.field) for each in outputs])
        return nesting.schema, _Mapper(outputs, nesting, self._list, self._where)

    # -- columns of the source -------------------------------------------------------------------------

    def _added(self) -> list[_Input]:
        found = []
        for name, value in self._mapping.added:
            if value.upper() == FILE_PATH:
                continue  # the source has added it
            if name in self._schema.names:
                raise SchemaMismatchError(
                    f"{self._where} has a column {name!r} of its own; add it under another name"
                )
            if value.upper().startswith(COPY_OF):
                copied = self._inputs[self._place(value[len(COPY_OF) :].strip())]
                found.append(_Input(copied.field.with_name(name), copied.read))
            else:
                found.append(_Input(pa.field(name, pa.string()), _constant(value)))
        return found

    def _place(self, name: str) -> int:
        names = [each.field.name for each in self._inputs]
        places = [at for at, each in enumerate(names) if each == name]
        if len(places) > 1:
            raise SchemaMismatchError(f"{self._where} has the column {name!r} twice, so it cannot be mapped")
        if not places:
            raise SchemaMismatchError(f"{self._where} has no column {name!r} to map; {nearest(name, names)}")
        return places[0]

    def _output(self, column: MappedColumn) -> _Output:
        if column.path:
            return self._at_path(column)
        if column.ordinal:
            if column.ordinal > len(self._inputs):
                count = len(self._inputs)
                raise SchemaMismatchError(
                    f"{self._where} has {count} columns, so there is no column {column.ordinal} to map"
                )
            found = self._inputs[column.ordinal - 1]
        else:
            found = self._inputs[self._place(column.source)]
        return _Output(column, found.field.with_name(column.sink[-1]), found.read)

    def _at_path(self, column: MappedColumn) -> _Output:
        rooted, steps = parse_path(column.path)
        if self._list is not None and not rooted:
            # A path without a step is the item itself.
            found = follow(self._list[0].value_type, steps)
            if found is not None:
                return _Output(column, pa.field(column.sink[-1], found[0]), _no_read, found[1], inner=True)
        elif not steps:
            kind = pa.struct(list(self._schema))
            return _Output(column, pa.field(column.sink[-1], kind), lambda batch: batch.to_struct_array())
        elif isinstance(steps[0], str) and steps[0] in self._names:
            begin = self._inputs[self._place(steps[0])]
            found = follow(begin.field.type, steps[1:])
            if found is not None:
                field = begin.field if not steps[1:] else pa.field("", found[0])
                return _Output(column, field.with_name(column.sink[-1]), begin.read, found[1])
        self._notes.append(
            f"{self._where} has nothing at {column.path}: {'.'.join(column.sink)} is null there"
        )
        return _Output(column, pa.field(column.sink[-1], pa.null()), _nulls)

    def _unfolded(self, path: str) -> tuple[pa.DataType, Read, Sequence[Take]]:
        _, steps = parse_path(path)
        if not steps or not isinstance(steps[0], str):
            raise ConfigError(f"the path {path!r} names no list; it begins with the name of a column")
        if steps[0] not in self._names:
            self._notes.append(f"{self._where} has nothing at {path}: no rows come of it")
            return pa.list_(pa.null()), _nulls, [lambda values: values.cast(pa.list_(pa.null()))]
        begin = self._inputs[self._place(steps[0])]
        found = follow(begin.field.type, steps[1:])
        kind = begin.field.type if found is None else found[0]
        if found is not None and pa.types.is_null(kind):
            empty = pa.list_(pa.null())
            return empty, begin.read, [*found[1], lambda values: values.cast(empty)]
        if found is None or not is_list(kind):
            raise SchemaMismatchError(f"{self._where}: there is no list at {path} to unfold, but {kind}")
        return kind, begin.read, found[1]

    # -- conversion ------------------------------------------------------------------------------------

    def _converted(self, output: _Output) -> _Output:
        column, kind = output.column, output.field.type
        where, nested = f"column {column.origin!r}", pa.types.is_nested(_values_of(kind))
        settings = self._mapping.conversion
        last = Converter(column.origin, settings, column.format, column.culture)
        steps: list[tuple[Converter, Wanted]] = []
        if column.read_type:
            first = Converter(column.origin, settings, column.read_format, column.read_culture)
            steps.append((first, Wanted.named(column.read_type, where)))
        if column.type:
            steps.append((last, Wanted.named(column.type, where)))
        elif output.read is _nulls or (nested and self._mapping.nested_as_text):
            steps.append((last, _TEXT))
        if nested and steps and not pa.types.is_string(steps[0][1].kind):
            raise SchemaMismatchError(f"{where} is nested ({kind}), so it is not converted to {steps[0][1]}")
        if not steps and (wanted := self._target(column, kind)) is not None:
            steps.append((replace(last, strict=True), wanted))
        made: list[Convert] = []
        for converter, wanted in steps:
            kind, convert = converter.to(kind, wanted)
            made += [convert] if convert else []
        if self._mapping.as_text and last.is_asked_for(kind):
            kind, convert = last.to(kind, _TEXT)
            made += [convert] if convert else []
        return replace(output, field=output.field.with_type(kind), convert=_chained(made))

    def _target(self, column: MappedColumn, kind: pa.DataType) -> Wanted | None:
        """What values of ``kind`` become in the table's column; None: what they are."""
        name = of_column(self._targets, column.sink[0]) if len(column.sink) == 1 else None
        wanted = Wanted.named(name, name) if name else None
        return wanted if wanted is not None and fits(kind, wanted.kind) else None


def _chained(steps: Sequence[Convert]) -> Convert | None:
    """One after the other."""
    if len(steps) < 2:
        return steps[0] if steps else None

    def convert(values: Array) -> Array:
        for step in steps:
            values = step(values)
        return values

    return convert


def nearest(name: str, known: list[str]) -> str:
    """What somebody who wrote ``name`` may have meant."""
    folded = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), folded, 1, 0.5)
    return f"did you mean {folded[near[0]]!r}?" if near else f"its columns: {', '.join(known[:20])}"


def _values_of(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _column(at: int) -> Read:
    return lambda batch: batch.column(at)


def _constant(text: str) -> Read:
    return lambda batch: pa.repeat(pa.scalar(text, pa.string()), batch.num_rows)


def _no_read(batch: pa.RecordBatch) -> Array:
    """Of a column that is taken from the items of a list."""
    raise NotImplementedError


def _nulls(batch: pa.RecordBatch) -> Array:
    return pa.nulls(batch.num_rows)


class _Mapper:
    """Maps the batches of one unit."""

    def __init__(
        self,
        outputs: Sequence[_Output],
        nesting: Nesting,
        unfold: tuple[pa.DataType, Read, Sequence[Take]] | None,
        where: str,
    ) -> None:
        self._outputs, self._nesting, self._unfold, self._where = outputs, nesting, unfold, where

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        items, parents = self._items(batch)
        columns = []
        for output in self._outputs:
            values = self._read(output, batch, items, parents)
            if output.convert is not None:
                made = output.convert(values)
                if made.null_count > values.null_count:
                    at = pc.index(_lost(values, made), True).as_py()
                    row = at if parents is None else parents[at].as_py()
                    raise self._failure(output, values[at], row)
                values = made
            columns.append(values)
        return self._nesting.batch(columns, batch.num_rows if items is None else len(items))

    def unfit(self, batch: pa.RecordBatch) -> dict[int, str]:
        """The rows that have values which do not convert, and of each the first such value, in order."""
        items, parents = self._items(batch)
        found: dict[int, str] = {}
        for output in self._outputs:
            if output.convert is None:
                continue
            values = self._read(output, batch, items, parents)
            places = pc.indices_nonzero(_lost(values, output.convert(values)))
            rows = places if parents is None else parents.take(places)
            for row, value in zip(rows.to_pylist(), values.take(places), strict=True):
                if row not in found:
                    found[row] = self._failure(output, value, row).message
        return dict(sorted(found.items()))

    def _items(self, batch: pa.RecordBatch) -> tuple[Array | None, Array | None]:
        """The items of the list that is unfolded, and the row of each."""
        if self._unfold is None:
            return None, None
        _, read, taking = self._unfold
        lists = taken(read(batch), taking)
        starts = list_offsets(lists)
        items = lists.flatten()
        return items, pc.list_parent_indices(pa.ListArray.from_arrays(starts, pa.nulls(len(items))))

    @staticmethod
    def _read(output: _Output, batch: pa.RecordBatch, items: Array | None, parents: Array | None) -> Array:
        values = taken(items if output.inner else output.read(batch), output.taking)
        if parents is not None and not output.inner:
            values = values.take(parents)
        is_encoded = output.convert is not None and pa.types.is_dictionary(values.type)
        return values.dictionary_decode() if is_encoded else values

    def _failure(self, output: _Output, value: pa.Scalar, row: int) -> DataError:
        column = output.column
        text = str(value)
        shown = repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
        how = f" in the format {column.format!r}" if column.format else ""
        error = DataError(
            f"{self._where}, column {column.origin!r}: {shown} cannot be converted to "
            f"{column.type or output.field.type}{how}"
        )
        error.row = row
        return error


def _lost(values: Array, made: Array) -> Array:
    """Which values have become null."""
    return pc.and_(pc.is_null(made), pc.is_valid(values))
