"""Options of one side, sorted: those of the connector, of the format, and the store settings."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .errors import ConfigError
from .files.settings import READ_DEFAULTS, WRITE_DEFAULTS, StoreReadSettings, StoreWriteSettings
from .plugins import registry
from .request import Resolved, validate_options

if TYPE_CHECKING:
    from .spi.spec import ConnectorSpec

FLAGS = {"source": "-s", "sink": "-k", "stage": "--stage-option"}
Settings = type[StoreReadSettings] | type[StoreWriteSettings]


def settings_model(spec: ConnectorSpec, side: str) -> Settings | None:
    """The store settings that the connector takes on that side; tables take none, and stages."""
    if spec.kind != "store" or side == "stage":
        return None
    return StoreReadSettings if side == "source" else StoreWriteSettings


def given_settings(given: dict[str, str], spec: ConnectorSpec, side: str) -> Any:
    """The store settings among the options, validated; None for tables. Raises ConfigError."""
    model = settings_model(spec, side)
    if model is None:
        return None
    chosen = {k: v for k, v in given.items() if k in model.model_fields and k not in spec.config.model_fields}
    if not chosen:
        return READ_DEFAULTS if side == "source" else WRITE_DEFAULTS
    return validate_options(model, chosen, spec.name)


def sort_options(
    given: dict[str, str], spec: ConnectorSpec, file_format: ConnectorSpec | None, side: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The options of the connector and those of the format, each validated. Raises ConfigError."""
    own = spec.config.model_fields
    model = settings_model(spec, side)
    settings = model.model_fields if model else {}
    shape = file_format.config.model_fields if file_format else {}
    for key in given:
        if key not in own and key not in shape and key not in settings:
            raise _unknown(key, sorted({*own, *shape, *settings}), side)
    options = {k: v for k, v in given.items() if k in own}
    format_options = {k: v for k, v in given.items() if k in shape and k not in settings}
    validate_options(spec.config, options, spec.name)
    if file_format and format_options:
        validate_options(file_format.config, format_options, file_format.name)
    return options, format_options


def _unknown(key: str, known: list[str], side: str) -> ConfigError:
    near = difflib.get_close_matches(key, known, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return ConfigError(
        f"{FLAGS[side]} {key}=...: the {side} has no option {key!r}{hint} "
        f"(known: {', '.join(known) or 'none'})"
    )


def add_options(resolved: Resolved, source: dict[str, str], sink: dict[str, str]) -> Resolved:
    """The same with more options on both ends: secrets, which the journal does not keep."""
    ends = [(resolved.source, source, "source"), (resolved.sink, sink, "sink")]
    return replace(resolved, **{side: _add(end, given, side) for end, given, side in ends})


def _add(end: Any, given: dict[str, str], side: str) -> Any:
    plugins = registry()
    spec = plugins.by_name(end.connector)
    file_format = plugins.by_name(end.format, "format") if end.format else None
    model = settings_model(spec, side)
    for key in given:
        if model and key in model.model_fields and key not in spec.config.model_fields:
            raise ConfigError(f"a resumed run keeps its store settings; leave out {key}")
    options, shape = sort_options(end.options | end.format_options | given, spec, file_format, side)
    return replace(end, options=options, format_options=shape)
