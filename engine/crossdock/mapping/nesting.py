"""Columns of the sink that are fields of an object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from ..errors import ConfigError

Array: TypeAlias = pa.Array
Tree = dict[str, Any]


class Nesting:
    """Puts columns together by their names from the outside in; those of one name are all plain."""

    def __init__(self, columns: Sequence[tuple[tuple[str, ...], pa.Field]]) -> None:
        self._fields = [field for _, field in columns]
        self._flat = all(len(path) == 1 for path, _ in columns)
        self._tree: Tree = {}
        for number, (path, _) in enumerate(columns):
            self._place(path, number)
        self.schema = pa.schema([self._field(name, each) for name, each in self._tree.items()])

    def _place(self, path: tuple[str, ...], number: int) -> None:
        tree = self._tree
        for name in path[:-1]:
            tree = tree.setdefault(name, {})
            if not isinstance(tree, dict):
                raise ConfigError(
                    f"--map: {name!r} of {'.'.join(path)!r} is a column, and cannot have fields"
                )
        if path[-1] in tree:
            raise ConfigError(f"--map: the sink column {'.'.join(path)!r} would be written twice")
        tree[path[-1]] = number

    def _field(self, name: str, each: Any) -> pa.Field:
        if isinstance(each, int):
            return self._fields[each].with_name(name)
        return pa.field(name, pa.struct([self._field(*pair) for pair in each.items()]))

    def batch(self, columns: Sequence[Array], rows: int) -> pa.RecordBatch:
        """A batch of the columns, by their own types: a dictionary may stand for the values of its column."""
        if self._flat:
            pairs = zip(self.schema, columns, strict=True)
            schema = pa.schema([field.with_type(column.type) for field, column in pairs])
            return pa.RecordBatch.from_arrays(list(columns), schema=schema)
        arrays = [self._array(each, columns, rows) for each in self._tree.values()]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _array(self, each: Any, columns: Sequence[Array], rows: int) -> Array:
        if isinstance(each, int):
            column = columns[each]
            return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        arrays = [self._array(inner, columns, rows) for inner in each.values()]
        return pa.StructArray.from_arrays(arrays, fields=[self._field(*pair) for pair in each.items()])
