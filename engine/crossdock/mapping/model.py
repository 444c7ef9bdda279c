"""The column mapping as it was asked for: what is journaled, and what a child process gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..conversion import ConversionSettings
from ..errors import ConfigError
from ..spi.record import record

if TYPE_CHECKING:
    import pyarrow as pa

Apply = Callable[["pa.RecordBatch"], "pa.RecordBatch"]
T = TypeVar("T")
AS_IT_IS = ConversionSettings()
FILE_PATH, COPY_OF = "$$FILEPATH", "$$COLUMN:"


@record(slots=True)
class MappedColumn:
    """A column of the sink. It comes from the ``source`` column of that name, from the one at ``ordinal``
    (from 1), or from a ``path`` into nested values.

    ``sink`` are names from the outside in: more than one make a field of an object. ``type`` is a name of a
    type (empty: as it is). ``format`` and ``culture`` are .NET's, in place of those of the settings. With a
    ``read_type`` the value becomes that before, by ``read_format`` and ``read_culture``.
    """

    sink: tuple[str, ...]
    source: str = ""
    ordinal: int = 0
    path: str = ""
    type: str = ""
    format: str = ""
    culture: str = ""
    read_type: str = ""
    read_format: str = ""
    read_culture: str = ""

    @property
    def origin(self) -> str:
        """Where it comes from, for people."""
        return self.source or self.path or f"column {self.ordinal}"


@record(slots=True)
class ColumnMapping:
    """``columns``: exactly those, in their order (none: all columns as they are).

    ``unfold`` is the path of a list: each of its items becomes a row, and paths that do not begin with ``$``
    lead into the item. ``nested_as_text``: what is nested becomes JSON. ``as_text``: for a sink of texts, for
    which the settings' formats say how they are written. ``added``: names of columns that the
    source gets behind its own, and their values: a text, ``$$FILEPATH`` or ``$$COLUMN:name``. ``targets``:
    types of the table's columns by their names; values become those where they fit.
    """

    columns: tuple[MappedColumn, ...] = ()
    unfold: str = ""
    nested_as_text: bool = False
    as_text: bool = False
    conversion: ConversionSettings = AS_IT_IS
    added: tuple[tuple[str, str], ...] = ()
    targets: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        _refuse_doubles([name for name, _ in self.added], "--add-column", "added")
        _refuse_doubles([".".join(each.sink) for each in self.columns], "--map", "written")

    @property
    def path_columns(self) -> tuple[str, ...]:
        """The added columns that hold the path of the file."""
        return tuple(name for name, value in self.added if value.upper() == FILE_PATH)

    @property
    def names(self) -> dict[str, str]:
        """Columns of the source by name, and those of the sink, as far as they stay what they are."""
        plain = (each for each in self.columns if each.source and not each.type and len(each.sink) == 1)
        return {each.source: each.sink[0] for each in plain}

    @property
    def converted(self) -> tuple[str, ...]:
        """Columns of the source that become another type; those without a name by that of their place."""
        typed = (each for each in self.columns if each.type or each.read_type)
        return tuple(each.source or f"Prop_{each.ordinal - 1}" for each in typed if not each.path)

    @property
    def unsettled(self) -> dict[str, str]:
        """Columns of the sink whose type says no more than what family it is of, with that type."""
        return {
            each.sink[0]: each.type
            for each in self.columns
            if each.type in ("decimal", "timestamp") and len(each.sink) == 1
        }

    def settled(self, types: Mapping[str, str]) -> ColumnMapping:
        """With the types that columns of the sink have, by name, in place of those that left them open."""
        columns = (replace(each, type=types.get(each.sink[0], each.type)) for each in self.columns)
        return replace(self, columns=tuple(columns))

    @classmethod
    def renaming(cls, names: dict[str, str]) -> ColumnMapping:
        """Columns of the source by those of the sink."""
        return cls(tuple(MappedColumn((sink,), source) for source, sink in names.items()))

    def dump(self) -> dict[str, Any]:
        """As JSON values, which ``load`` reads again."""
        return asdict(self)

    @classmethod
    def load(cls, facts: dict[str, Any]) -> ColumnMapping:
        """The mapping that was kept as those facts. Raises TypeError or KeyError for others."""
        columns = (MappedColumn(**each | {"sink": tuple(each["sink"])}) for each in facts["columns"])
        return cls(
            **facts
            | {
                "columns": tuple(columns),
                "conversion": ConversionSettings(**facts["conversion"]),
                "added": tuple((name, value) for name, value in facts["added"]),
                "targets": tuple((name, kind) for name, kind in facts.get("targets", ())),
            }
        )


def for_texts(mapping: ColumnMapping | None) -> ColumnMapping:
    """The mapping for a sink that holds nothing but texts."""
    return replace(mapping or ColumnMapping(), nested_as_text=True, as_text=True)


def of_column(known: Mapping[str, T], name: str) -> T | None:
    """What is known of the column of that name, else of the only one whose name differs in case alone."""
    same = [name] if name in known else [each for each in known if each.lower() == name.lower()]
    return known[same[0]] if len(same) == 1 else None


def _refuse_doubles(names: list[str], where: str, done: str) -> None:
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        kind = "sink column" if done == "written" else "column"
        raise ConfigError(f"{where}: the {kind} {doubles[0]!r} would be {done} twice")
