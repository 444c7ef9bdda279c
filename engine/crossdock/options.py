"""Options of one side, sorted: those of the connector, of the format, and the store settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .credentials import FLAGS
from .errors import ConfigError
from .files.settings import (
    READ_DEFAULTS,
    WRITE_DEFAULTS,
    StagingSettings,
    StoreReadSettings,
    StoreWriteSettings,
)
from .plugins import registry
from .request import Resolved, configured, validate_options

if TYPE_CHECKING:
    from .spi.spec import ConnectorSpec

Settings = type[StoreReadSettings] | type[StoreWriteSettings] | type[StagingSettings]
_MODELS: dict[str, Settings] = {
    "source": StoreReadSettings,
    "sink": StoreWriteSettings,
    "stage": StagingSettings,
}
_DEFAULTS = {"source": READ_DEFAULTS, "sink": WRITE_DEFAULTS}


def settings_model(spec: ConnectorSpec, side: str) -> Settings | None:
    """The settings that the connector takes on that side; tables take none."""
    return _MODELS.get(side) if spec.kind == "store" else None


def _names(model: Settings) -> Iterable[str]:
    return model.__dataclass_fields__


def given_settings(given: dict[str, str], spec: ConnectorSpec, side: str) -> Any:
    """The settings among the options, validated; None for tables. Raises ConfigError."""
    model = settings_model(spec, side)
    if model is None:
        return None
    chosen = {k: v for k, v in given.items() if k in _names(model) and k not in spec.config.model_fields}
    if not chosen:
        return _DEFAULTS.get(side) or model()
    return validate_options(model, chosen, spec.name)


def sort_options(
    given: dict[str, str], spec: ConnectorSpec, file_format: ConnectorSpec | None, side: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The options of the connector and those of the format, each validated. Raises ConfigError."""
    if not given:
        configured(spec, {})
        return {}, {}
    own = spec.config.model_fields
    model = settings_model(spec, side)
    settings = _names(model) if model else ()
    shape = file_format.config.model_fields if file_format else {}
    for key in given:
        if key not in own and key not in shape and key not in settings:
            raise _unknown(key, sorted({*own, *shape, *settings}), side)
    options = {k: v for k, v in given.items() if k in own}
    format_options = {k: v for k, v in given.items() if k in shape and k not in settings}
    configured(spec, options)
    if file_format and format_options:
        configured(file_format, format_options)
    return options, format_options


def _unknown(key: str, known: list[str], side: str) -> ConfigError:
    from difflib import get_close_matches  # late: for names that nobody knows

    near = get_close_matches(key, known, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return ConfigError(
        f"{FLAGS[side]} {key}=...: the {side} has no option {key!r}{hint} "
        f"(known: {', '.join(known) or 'none'})"
    )


def add_options(
    resolved: Resolved, source: dict[str, str], sink: dict[str, str], called: Mapping[str, str] | None = None
) -> Resolved:
    """The same with more options on both ends: secrets, which the journal does not keep.

    ``called``: the side that people know under another name.
    """
    names = called or {}
    ends = [(resolved.source, source, "source"), (resolved.sink, sink, "sink")]
    return replace(resolved, **{side: _add(end, given, names.get(side, side)) for end, given, side in ends})


def _add(end: Any, given: dict[str, str], side: str) -> Any:
    plugins = registry()
    spec = plugins.by_name(end.connector)
    file_format = plugins.by_name(end.format, "format") if end.format else None
    model = settings_model(spec, side)
    for key in given:
        # Those of a stage, whose folder is known by now, people may give again with its secrets.
        if side != "stage" and model and key in _names(model) and key not in spec.config.model_fields:
            raise ConfigError(f"a resumed run keeps its store settings; leave out {key}")
    options, shape = sort_options(end.options | end.format_options | given, spec, file_format, side)
    return replace(end, options=options, format_options=shape)
