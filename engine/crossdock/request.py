"""A copy as it was asked for: what is journaled, and what a child process gets."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from .errors import ConfigError
from .files.settings import READ_DEFAULTS, WRITE_DEFAULTS, StoreReadSettings, StoreWriteSettings
from .mapping import ColumnMapping
from .report import Payload
from .spi.data import WriteMode
from .spi.record import record

if TYPE_CHECKING:
    from pydantic import BaseModel, TypeAdapter

    from .spi.spec import ConnectorSpec

_ADAPTERS: dict[type, TypeAdapter[Any]] = {}
Verify = bool | Literal["full"]
"""Whether the content is proved; ``full``: by every value, also where bytes and a sample prove it."""

SkipFiles = Literal["missing", "forbidden", "inconsistent"]
LogLevel = Literal["info", "warning"]
DEFAULT_SKIPPED_FILES = ("missing",)


@record
class CopyRequest:
    """``parallel_copies`` None: automatic. Sizes in bytes, ``bandwidth`` in bytes per second.

    ``skip_rows``: rows that do not fit are left out. ``skip_files``: why a file may be. ``log``: the folder
    that says which.
    """

    source: str
    sink: str
    source_format: str | None = None
    sink_format: str | None = None
    source_options: dict[str, str] = field(default_factory=dict)
    sink_options: dict[str, str] = field(default_factory=dict)
    map: ColumnMapping | None = None
    parallel_copies: int | None = None
    block_size: int | None = None
    memory: int = 512 << 20
    bandwidth: int | None = None
    mode: WriteMode = WriteMode.ERROR
    verify: Verify = False
    stage: str | None = None
    stage_options: dict[str, str] = field(default_factory=dict)
    keep_staging: bool = False
    skip_rows: bool = False
    skip_files: tuple[str, ...] = DEFAULT_SKIPPED_FILES
    log: str | None = None
    log_options: dict[str, str] = field(default_factory=dict)
    log_level: LogLevel = "warning"
    log_reliable: bool = False

    def dump(self) -> dict[str, Any]:
        """As JSON values, which ``load`` reads again."""
        return vars(self) | {"map": None if self.map is None else self.map.dump()}

    @classmethod
    def load(cls, facts: dict[str, Any]) -> CopyRequest:
        columns = facts["map"] and ColumnMapping.load(facts["map"])
        more = {"mode": WriteMode(facts["mode"]), "skip_files": tuple(facts["skip_files"]), "map": columns}
        return cls(**facts | more)


@record
class SourceEnd:
    """A source after resolving: opens the same way in every process.

    ``root`` is the address of the store's root or of the table; ``name`` one object, else
    ``pattern`` or what the settings choose; ``merge``: all objects are one unit, whose tables are read with
    ``columns``, an Arrow schema. ``notes``: what the format had to say when it was asked for them.
    ``path_columns`` are columns to add, which hold the path of the file.
    ``stage``: the folder is a stage, whose manifest says what is read; a ``hop`` of a staged copy, or one
    that is ``kept`` or ``removed`` once all is copied. ``skip_rows``: rows that cannot be read are left out;
    ``wanted`` is then what the sink takes, an Arrow schema with columns of the source.
    ``single``: the sink is one file, so an archive that is unpacked may have one only.
    """

    connector: str
    root: str
    options: dict[str, str] = field(default_factory=dict)
    format: str = ""
    format_options: dict[str, str] = field(default_factory=dict)
    name: str = ""
    pattern: str = ""
    merge: bool = False
    columns: str = ""
    path_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stage: Literal["", "hop", "kept", "removed"] = ""
    skip_rows: bool = False
    wanted: str = ""
    single: bool = False
    settings: StoreReadSettings = READ_DEFAULTS


@record
class SinkEnd:
    """A sink after resolving. ``name`` is one object; else units keep their names.

    ``extension`` then takes the place of ``replaces`` at their end, or is added where they end otherwise.
    ``block`` is in bytes; a ``fixed_block`` does not grow with the object.
    ``digest``: receipts of files of a format have digests of what was written.
    ``stage``: the folder is a stage, and gets a manifest. ``proved_later``: who reads it next proves it.
    ``loads``: the sink fetches staged files by itself.
    ``takes``: types of the table's columns, of those that the mapping leaves open; ``targets``: those of all
    columns, by their names, where rows are added to a table.
    """

    connector: str
    root: str
    options: dict[str, str] = field(default_factory=dict)
    format: str = ""
    format_options: dict[str, str] = field(default_factory=dict)
    name: str = ""
    extension: str = ""
    replaces: str = ""
    block: int = 8 << 20
    fixed_block: bool = False
    digest: bool = False
    stage: bool = False
    proved_later: bool = False
    loads: bool = False
    takes: dict[str, str] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    settings: StoreWriteSettings = WRITE_DEFAULTS


@record
class Resolved:
    """The decision, journaled once: a resumed run does not decide anew from a changed world."""

    payload: Payload
    source: SourceEnd
    sink: SinkEnd
    log: SinkEnd | None = None

    def dump(self) -> dict[str, Any]:
        """As JSON values, which ``load`` reads again. Without the log, which is the run's alone."""
        ends = {side: vars(end) | {"settings": _given(end.settings)} for side, end in self._ends().items()}
        return {"payload": self.payload} | ends

    def called(self) -> dict[str, str]:
        """The sides that people know under another name."""
        return {side: "stage" for side, end in self._ends().items() if end.stage}

    def _ends(self) -> dict[str, SourceEnd | SinkEnd]:
        return {"source": self.source, "sink": self.sink}

    @classmethod
    def load(cls, facts: dict[str, Any]) -> Resolved:
        source, sink = facts["source"], facts["sink"]
        read, write = source["settings"], sink["settings"]
        return cls(
            facts["payload"],
            SourceEnd(
                **source
                | {"notes": tuple(source["notes"]), "path_columns": tuple(source["path_columns"])}
                | {"settings": validated(StoreReadSettings, read) if read else READ_DEFAULTS}
            ),
            SinkEnd(**sink | {"settings": validated(StoreWriteSettings, write) if write else WRITE_DEFAULTS}),
        )


def _given(settings: StoreReadSettings | StoreWriteSettings) -> dict[str, Any]:
    """All settings, or none where all are the defaults."""
    if settings in (READ_DEFAULTS, WRITE_DEFAULTS):
        return {}
    dumped: dict[str, Any] = _adapter(type(settings)).dump_python(settings, mode="json")
    return dumped


def configured(spec: ConnectorSpec, options: dict[str, str]) -> Any:
    """What the connector's factories get for these options. Raises ConfigError."""
    if not options and spec.defaults is not None:
        return spec.defaults
    return validate_options(spec.config, options, spec.name)


def validated(model: type, values: dict[str, Any]) -> Any:
    """An instance of a pydantic model or of a dataclass. Raises pydantic's ValidationError."""
    from pydantic import BaseModel

    if issubclass(model, BaseModel):
        return model.model_validate(values)
    return _adapter(model).validate_python(values)


def _adapter(model: type) -> TypeAdapter[Any]:
    """Made once for each model, which takes longer than to validate many times."""
    if model not in _ADAPTERS:
        from pydantic import TypeAdapter

        _ADAPTERS[model] = TypeAdapter(model)
    return _ADAPTERS[model]


def validate_options(model: type, options: dict[str, str], where: str) -> Any:
    """A config or settings from ``key=value`` texts. Raises ConfigError: key, value, what is allowed."""
    from pydantic import BaseModel, ValidationError

    lists: set[str] = set()
    if issubclass(model, BaseModel):
        if not options and not _checks_defaults(model):
            return model.model_construct()
        lists = {key for key, field in model.model_fields.items() if "list[" in str(field.annotation)}
    values = {key: value.split(",") if key in lists else value for key, value in options.items()}
    try:
        return validated(model, values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise ConfigError(f"{where} needs the option {key}; give it with {key}=...") from None
        message = first["msg"].removeprefix("Value error, ")
        what = f"the option {key} is" if key else "the options are"
        raise ConfigError(f"{where}: {what} not valid: {message}") from None


def _checks_defaults(model: type[BaseModel]) -> bool:
    """Whether there is anything to validate where no option is given: to prepare that takes time."""
    hooks = model.__pydantic_decorators__
    return bool(
        hooks.model_validators
        or hooks.root_validators
        or model.__pydantic_post_init__
        or model.model_config.get("validate_default")
        or any(field.is_required() or field.validate_default for field in model.model_fields.values())
    )
