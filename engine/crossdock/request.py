"""A copy as it was asked for: what is journaled, and what a child process gets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from .errors import ConfigError
from .files.settings import StoreReadSettings, StoreWriteSettings
from .report import Payload
from .spi.data import WriteMode

Verify = bool | Literal["full"]
"""Whether the content is proved; ``full``: by every value, also where bytes and a sample prove it."""


class CopyRequest(BaseModel):
    """``parallel_copies`` None: automatic. Sizes in bytes, ``bandwidth`` in bytes per second."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    sink: str
    source_format: str | None = None
    sink_format: str | None = None
    source_options: dict[str, str] = {}
    sink_options: dict[str, str] = {}
    map: dict[str, str] | None = None
    parallel_copies: int | None = None
    block_size: int | None = None
    memory: int = 512 << 20
    bandwidth: int | None = None
    mode: WriteMode = WriteMode.ERROR
    verify: Verify = False


class SourceEnd(BaseModel):
    """A source after resolving: opens the same way in every process.

    ``root`` is the address of the store's root or of the table; ``name`` one object, else
    ``pattern`` or what the settings choose; ``merge``: all objects are one unit, whose tables are read with
    ``columns``, an Arrow schema. ``notes``: what the format had to say when it was asked for them.
    """

    model_config = ConfigDict(frozen=True)

    connector: str
    root: str
    options: dict[str, str] = {}
    format: str = ""
    format_options: dict[str, str] = {}
    name: str = ""
    pattern: str = ""
    merge: bool = False
    columns: str = ""
    notes: tuple[str, ...] = ()
    settings: StoreReadSettings = StoreReadSettings()


class SinkEnd(BaseModel):
    """A sink after resolving. ``name`` is one object; else units keep their names.

    ``extension`` then takes the place of ``replaces`` at their end, or is added where they end otherwise.
    ``block`` is in bytes; a ``fixed_block`` does not grow with the object.
    ``digest``: receipts of files of a format have digests of what was written.
    """

    model_config = ConfigDict(frozen=True)

    connector: str
    root: str
    options: dict[str, str] = {}
    format: str = ""
    format_options: dict[str, str] = {}
    name: str = ""
    extension: str = ""
    replaces: str = ""
    block: int = 8 << 20
    fixed_block: bool = False
    digest: bool = False
    settings: StoreWriteSettings = StoreWriteSettings()


class Resolved(BaseModel):
    """The decision, journaled once: a resumed run does not decide anew from a changed world."""

    model_config = ConfigDict(frozen=True)

    payload: Payload
    source: SourceEnd
    sink: SinkEnd


def validate_options(model: type[BaseModel], options: dict[str, str], where: str) -> Any:
    """The connector's config from ``key=value`` texts. Raises ConfigError: key, value, what is allowed."""
    from pydantic import ValidationError

    lists = {key for key, field in model.model_fields.items() if "list[" in str(field.annotation)}
    values = {key: value.split(",") if key in lists else value for key, value in options.items()}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise ConfigError(f"{where} needs the option {key}; give it with {key}=...") from None
        message = first["msg"].removeprefix("Value error, ")
        what = f"the option {key} is" if key else "the options are"
        raise ConfigError(f"{where}: {what} not valid: {message}") from None
