"""Columns of text that a file gets from its path: folders named ``key=value``, and the path itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..errors import ConfigError, SchemaMismatchError
from ..spi.record import record

if TYPE_CHECKING:
    import pyarrow as pa

NULL = "__HIVE_DEFAULT_PARTITION__"
_INSTEAD = "set partition_root_path to a folder below it, or turn enable_partition_discovery off"
Keys = dict[str, str | None]


@record
class Partitions:
    """Where the partition root lies: ``above`` are the folders from it down to the store's root,
    ``below`` those from the store's root down to it. One of them is empty. ``paths`` are columns of the
    file's path. Without ``discover`` folders are no columns.
    """

    above: str = ""
    below: str = ""
    paths: tuple[str, ...] = ()
    discover: bool = True

    @classmethod
    def between(cls, root: str, given: str) -> Partitions:
        """``root`` is the path of the store's root, ``given`` is below it or starts with ``/``."""
        if not given.startswith("/"):
            return cls(below=given.strip("/"))
        root, wanted = f"/{root.strip('/')}", given.rstrip("/")
        if f"{root}/".startswith(f"{wanted}/"):
            return cls(above=root[len(wanted) + 1 :])
        if wanted.startswith(root.rstrip("/") + "/"):
            return cls(below=wanted[len(root.rstrip("/")) + 1 :])
        raise ConfigError(f"the partition root {given} is neither above nor below {root}")

    def of(self, path: str) -> Keys:
        """The keys of a file in order. ``%xx`` is decoded and Hive's null becomes null.

        Raises ConfigError for what cannot be a column: a key twice, a name that is not UTF-8.
        """
        if self.below:
            if not path.startswith(f"{self.below}/"):
                raise ConfigError(f"{path} is not below the partition root {self.below}")
            path = path[len(self.below) + 1 :]
        keys: Keys = {}
        if not self.discover:
            return dict.fromkeys(self.paths, path)
        whole = path
        for folder in f"{self.above}/{path}".split("/")[:-1]:
            key, equals, value = folder.partition("=")
            if not (equals and key):
                continue
            name = _text(key, path)
            if name in keys:
                raise ConfigError(f"{path} lies in two folders named {name}=...; {_INSTEAD}")
            keys[name] = None if value == NULL else _text(value, path)
        return keys | dict.fromkeys(self.paths, whole)

    def extend(self, schema: pa.Schema, path: str) -> pa.Schema:
        """The file's schema with a column per key behind its own."""
        import pyarrow as pa

        for key in self.of(path):
            if key in schema.names and key in self.paths:
                raise SchemaMismatchError(
                    f"{path} has a column {key!r} of its own; add it under another name"
                )
            if key in schema.names:
                raise SchemaMismatchError(
                    f"{path} has a column {key} and a folder {key}=...; map or rename one, or turn "
                    "enable_partition_discovery off"
                )
            schema = schema.append(pa.field(key, pa.string()))
        return schema


def with_paths(partitions: Partitions | None, columns: tuple[str, ...]) -> Partitions | None:
    """The partitions (None: there are none), and columns of the file's path behind them."""
    if not columns:
        return partitions
    return replace(partitions or Partitions(discover=False), paths=columns)


def with_keys(batch: Any, keys: Keys) -> Any:
    """The batch with a column per key behind its own."""
    import pyarrow as pa

    columns = [pa.repeat(pa.scalar(value, pa.string()), batch.num_rows) for value in keys.values()]
    schema = batch.schema
    for key in keys:
        schema = schema.append(pa.field(key, pa.string()))
    return pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema)


def without_keys(schema: pa.Schema, keys: Keys) -> pa.Schema:
    """The inverse of ``extend``: what a file with these keys itself has.

    Raises SchemaMismatchError where the schema, which is that of many files, ends with other columns.
    """
    import pyarrow as pa

    own = len(schema) - len(keys)
    if schema.names[max(0, own) :] != list(keys):
        folder = "/".join(f"{key}={NULL if value is None else value}" for key, value in keys.items())
        raise SchemaMismatchError(
            f"the files in {folder} have other partition columns than the first files, and cannot go into "
            f"one target; the columns there are {', '.join(schema.names)}"
        )
    return pa.schema(list(schema)[:own], schema.metadata)


def _text(quoted: str, path: str) -> str:
    """Decode ``%xx``; what is no UTF-8 then stays as it is."""
    try:
        text = unquote(quoted, errors="strict")
    except UnicodeDecodeError:
        text = quoted
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{path!r} has a folder whose name is not UTF-8; {_INSTEAD}") from None
    return text
