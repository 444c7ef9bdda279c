"""Scriptable: statements and procedures of a database, run for what they do; and what they give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from ..errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

ParameterType = Literal[
    "string", "int16", "int32", "int64", "decimal", "float", "double", "bool", "datetime",
    "datetimeoffset", "date", "time", "guid", "bytes",
]  # fmt: skip
MOST_BYTES = 64 << 20
ParameterValue = str | int | float | Decimal | bool | datetime | date | time | UUID | bytes | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value for ``@name`` or ``:name`` in a script, or for the parameter of a procedure of that name.

    ``value`` has the Python type of its ``type``. ``size``: characters or bytes of what comes ``out``.
    """

    name: str
    value: ParameterValue = field(repr=False)
    type: ParameterType = "string"
    direction: Literal["in", "out", "inout"] = "in"
    size: int | None = None


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """``tables`` are the result sets, in order. ``affected`` counts the rows that all statements changed.

    ``outputs``: what parameters came out with, as Arrow scalars. ``messages``: what the server said.
    """

    tables: tuple[pa.Table, ...] = ()
    affected: int = 0
    outputs: Mapping[str, pa.Scalar] = field(default_factory=dict)
    messages: tuple[str, ...] = ()


class Scriptable(ABC):
    """Ability of the source of a table connector: it runs what a user writes, in the database's own SQL."""

    @abstractmethod
    def script(
        self, text: str, parameters: Sequence[Parameter] = (), *, rows: int | None = None
    ) -> ScriptResult:
        """Run the statements of a script. Values never become part of the text unquoted.

        ``rows``: nobody wants more of a result set; it may then end there.
        Raises NotSupportedError for a direction or type that the database does not have; what an error
        leaves done is as the database has it.
        """

    @abstractmethod
    def call(
        self, procedure: str, parameters: Sequence[Parameter] = (), *, rows: int | None = None
    ) -> ScriptResult:
        """Call a procedure by its name, with the schema where that is not the default one.

        Raises NotFoundError, or NotSupportedError where the database has no procedures.
        """


def gathered(schema: pa.Schema, batches: Iterable[pa.RecordBatch], rows: int | None = None) -> pa.Table:
    """A result set in memory, at most ``rows`` of it; names that repeat get a number.

    Raises ConfigError beyond ``MOST_BYTES``.
    """
    import pyarrow as pa

    found: list[pa.RecordBatch] = []
    taken = 0
    for each in batches:
        batch = each if rows is None else each.slice(0, rows)
        taken += batch.nbytes
        if taken > MOST_BYTES:
            raise ConfigError(
                f"a result of the script takes more than {MOST_BYTES >> 20} MiB; select less, or copy it"
            )
        found.append(batch)
        if rows is not None:
            rows -= batch.num_rows
            if rows <= 0:
                break
    return pa.Table.from_batches(found, schema).rename_columns(_distinct(schema.names))


def _distinct(names: Sequence[Any]) -> list[str]:
    found: list[str] = []
    for name in names:
        number, unique = 0, name
        while unique in found:
            number += 1
            unique = f"{name}{number}"
        found.append(unique)
    return found
