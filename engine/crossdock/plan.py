"""Decides how a copy goes: byte for byte or as tables. Pure: no store is asked here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import ConfigError
from .spi.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .report import Payload
    from .spi.spec import ConnectorSpec


@record(slots=True)
class End:
    """One end as far as the decision needs it.

    ``format`` is None where neither an option nor an extension names one. ``extension`` is that of
    the format (with the dot), empty for folders and tables. ``shaped``: format options were given.
    ``name`` is the file's name where the end is one file.
    """

    spec: ConnectorSpec
    format: ConnectorSpec | None
    extension: str = ""
    shaped: bool = False
    name: str = ""

    @property
    def is_store(self) -> bool:
        return self.spec.kind == "store"

    @property
    def as_bytes(self) -> bool:
        return self.format is not None and self.format.open_format is None


def decide(
    source: End,
    sink: End,
    *,
    mapped: bool,
    merging: bool = False,
    staged: bool = False,
    skip_rows: bool = False,
) -> Payload:
    """``binary`` when both ends are stores and nothing has to look into the files; else ``tabular``.

    Files of the same format and extension are copied as they are unless columns are mapped, format
    options ask for another encoding, many files become one (``merging``), or rows may be left out
    (``skip_rows``). What is ``staged`` has tables.
    Raises ConfigError where a format is needed and nothing says which.
    """
    if source.is_store and sink.is_store:
        if source.as_bytes or sink.as_bytes:
            if staged:
                raise ConfigError("a stage holds tables; copy the bytes as they are without one")
            if skip_rows:
                raise ConfigError("--skip-rows needs tables; a binary copy carries bytes as they are")
            _only_bytes(source, sink, mapped)
            return "binary"
        _refuse_other_extension(source, sink)
        same = source.format is sink.format or sink.format is None
        extension = not sink.extension or source.extension == sink.extension
        changed = mapped or source.shaped or sink.shaped or (merging and sink.format)
        if same and extension and not (changed or staged or skip_rows):
            return "binary"
    for end, side, other in ((source, "source", sink), (sink, "sink", source)):
        if end.is_store and end.format is None:
            raise _name_format(side, other)
        if end.is_store and end.as_bytes:
            raise ConfigError(f"the {side} is read as bytes, but the other end has tables")
    return "tabular"


def decide_stage(
    stage: ConnectorSpec, sink: ConnectorSpec | None, formats: Iterable[ConnectorSpec]
) -> tuple[ConnectorSpec, bool]:
    """The format in which tables are staged there, and whether the sink (None: not known yet) fetches the
    files by itself. Raises ConfigError where the two sides have no store or format in common.
    """
    if stage.kind != "store" or not stage.capabilities.write_modes:
        raise ConfigError(f"{stage.name} cannot be a stage: it needs a folder of a store that can be written")
    able = [spec for spec in formats if spec.capabilities.stages]
    if not able:
        raise ConfigError("no format that is installed can stage tables; parquet, which is built in, can")
    loads = sink.capabilities.bulk_load if sink else None
    if loads is not None and stage.capabilities.fetched_by in loads.schemes:
        for spec in able:
            if spec.name in loads.formats:
                return spec, True
    if sink is not None and sink.kind == "table" and sink.open_sink is None:
        raise ConfigError(f"{sink.name} cannot be written to")
    return able[0], False


def _refuse_other_extension(source: End, sink: End) -> None:
    """A table under the name of a format that nobody knows is a mistake more often than a wish."""
    _, dot, suffix = sink.name.rpartition(".")
    if source.format is not None and sink.format is None and dot and suffix and source.name != sink.name:
        raise ConfigError(
            f"nothing says which format .{suffix} is; name it with --sink-format, or copy the bytes as they "
            "are with --sink-format binary"
        )


def _only_bytes(source: End, sink: End, mapped: bool) -> None:
    if mapped:
        raise ConfigError("--map needs tables; a binary copy carries bytes as they are")
    for end, side in ((source, "--source-format"), (sink, "--sink-format")):
        if end.shaped and not end.as_bytes:
            raise ConfigError(
                f"format options make no sense in a binary copy; leave them out or change {side}"
            )


def _name_format(side: str, other: End) -> ConfigError:
    name = other.format.name if other.format is not None and not other.as_bytes else "parquet"
    return ConfigError(
        f"nothing says which format the {side} has; name it, for example --{side}-format {name}"
    )
