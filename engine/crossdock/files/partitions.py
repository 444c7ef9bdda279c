"""Partition discovery: folders named ``key=value`` as columns of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..errors import ConfigError, SchemaMismatchError

if TYPE_CHECKING:
    import pyarrow as pa

NULL = "__HIVE_DEFAULT_PARTITION__"
Keys = dict[str, str | None]


@dataclass(frozen=True)
class Partitions:
    """Where the partition root lies: ``above`` are the folders from it down to the store's root,
    ``below`` those from the store's root down to it. One of them is empty.
    """

    above: str = ""
    below: str = ""

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
        """The keys of a file in order. ``%xx`` is decoded and Hive's null becomes null."""
        if self.below:
            if not path.startswith(f"{self.below}/"):
                raise ConfigError(f"{path} is not below the partition root {self.below}")
            path = path[len(self.below) + 1 :]
        keys: Keys = {}
        for folder in f"{self.above}/{path}".split("/")[:-1]:
            key, equals, value = folder.partition("=")
            if equals and key:
                keys[unquote(key)] = None if value == NULL else unquote(value)
        return keys

    def extend(self, schema: pa.Schema, path: str) -> pa.Schema:
        """The file's schema with a column per key behind its own."""
        import pyarrow as pa

        for key in self.of(path):
            if key in schema.names:
                raise SchemaMismatchError(
                    f"{path} has a column {key} and a folder {key}=...; map or rename one, or turn "
                    "enable_partition_discovery off"
                )
            schema = schema.append(pa.field(key, pa.string()))
        return schema


def with_keys(batch: Any, keys: Keys) -> Any:
    """The batch with a column per key behind its own."""
    import pyarrow as pa

    columns = [pa.repeat(pa.scalar(value, pa.string()), batch.num_rows) for value in keys.values()]
    schema = batch.schema
    for key in keys:
        schema = schema.append(pa.field(key, pa.string()))
    return pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema)


def without_keys(schema: pa.Schema, keys: Keys) -> pa.Schema:
    """The inverse of ``extend``: what the file itself has."""
    import pyarrow as pa

    return pa.schema(list(schema)[: len(schema) - len(keys)], schema.metadata)
