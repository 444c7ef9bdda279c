"""Connectors in words. Everything comes from the specs: their config's JSON schema, their capabilities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..options import settings_model
from ..plugins import missing_modules
from ..report import camel
from ..spi.spec import Capabilities, ConnectorSpec
from . import figures
from .session import one_line

_READ_BACK = {
    "no": "written data cannot be read back for --verify",
    "before_commit": "--verify reads back before anything becomes visible",
    "after_commit": "--verify reads back after the commit",
}
_VISIBILITY = {
    "atomic": "what is copied appears at once, complete",
    "per_object": "each file appears at once, complete; many files one after the other",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One option, as ``-s`` and ``-k`` take it. ``default`` is text, empty where there is none."""

    name: str
    type: str
    required: bool
    default: str
    description: str


def config_fields(spec: ConnectorSpec) -> list[Field]:
    """The options of a connector in the order of its config: of both sides, of the source, of the sink."""
    return sorted(
        fields_of(spec.config),
        key=lambda field: (field.description.startswith("Sink:"), field.description.startswith("Source:")),
    )


def settings_of(spec: ConnectorSpec) -> dict[str, type]:
    """The store settings by side: what every store takes beside its own options. Others have none."""
    found = {side: settings_model(spec, side) for side in ("source", "sink")}
    return {side: model for side, model in found.items() if model is not None}


def fields_of(config: type) -> list[Field]:
    """The fields of a pydantic model, or of a dataclass that pydantic reads."""
    schema = TypeAdapter(config).json_schema()
    required = schema.get("required", ())
    return [
        Field(
            name,
            _type(about, schema.get("$defs", {})),
            name in required,
            _default(about),
            str(about.get("description", "")),
        )
        for name, about in schema.get("properties", {}).items()
    ]


def _type(about: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in about:
        return _type(definitions[about["$ref"].rsplit("/", 1)[1]], definitions)
    if "anyOf" in about:
        kinds = [_type(kind, definitions) for kind in about["anyOf"] if kind.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "const" in about or "enum" in about:
        return " | ".join(str(value) for value in about.get("enum", [about.get("const")]) if value != "")
    if about.get("format") == "password":
        return "secret"
    if about.get("type") == "array":
        return f"list of {_type(about.get('items', {}), definitions)}"
    return str(about.get("type", "any"))


def _default(about: dict[str, Any]) -> str:
    value = about.get("default")
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else repr(value)


def install_line(spec: ConnectorSpec) -> str:
    """The pip line for what the connector lacks here; empty when it is ready."""
    if not missing_modules(spec):
        return ""
    return f"pip install '{spec.extra or 'crossdock[all]'}'"


def answers_to(spec: ConnectorSpec) -> list[str]:
    """The URL schemes and file extensions that choose the connector."""
    return [*(f"{scheme}://" if scheme else "a path" for scheme in sorted(spec.schemes)), *spec.extensions]


def as_json(spec: ConnectorSpec) -> dict[str, Any]:
    """The connector as a JSON value; ``config`` is the JSON schema of its options."""
    return {
        "name": spec.name,
        "kind": spec.kind,
        "summary": spec.summary,
        "schemes": list(spec.schemes),
        "extensions": list(spec.extensions),
        "adfTypes": list(spec.adf_types),
        "installed": not missing_modules(spec),
        "install": install_line(spec),
        "config": spec.config.model_json_schema(),
        "storeSettings": {
            side: TypeAdapter(model).json_schema() for side, model in settings_of(spec).items()
        },
        "capabilities": {
            camel(f.name): _plain(getattr(spec.capabilities, f.name)) for f in fields(Capabilities)
        },
        "example": spec.example,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(str(item) for item in value)
    return value.total_seconds() if isinstance(value, timedelta) else value


def table(specs: Iterable[ConnectorSpec]) -> RenderableType:
    """All connectors, one line each."""
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("NAME", "KIND", "CHOSEN BY", "INSTALLED"):
        found.add_column(heading, no_wrap=heading != "CHOSEN BY")
    found.add_column("SUMMARY")
    for spec in specs:
        lacking = install_line(spec)
        found.add_row(
            Text(spec.name, style="bold cyan"),
            Text(spec.kind),
            Text(", ".join(answers_to(spec))),
            Text(lacking or "yes", style="yellow" if lacking else "green"),
            Text(one_line(spec.summary)),
        )
    return found


def page(spec: ConnectorSpec) -> RenderableType:
    """One connector: what it is, its options, what it can do, an example."""
    parts: list[RenderableType] = [
        Text.assemble((spec.name, "bold cyan"), f" ({spec.kind}): {one_line(spec.summary)}"),
        _facts(spec),
        Text(),
        _options(spec),
    ]
    for side, model in settings_of(spec).items():
        title = f"\nStore settings of the {side} ({'-s' if side == 'source' else '-k'})"
        parts += [Text(title, style="bold"), _option_table(fields_of(model))]
    if able := list(abilities(spec)):
        parts += [Text("\nCapabilities", style="bold"), *(Text(f"  {line}") for line in able)]
    if spec.example:
        parts += [Text("\nExample", style="bold"), _command_line(spec.example)]
    return Group(*parts)


def _command_line(line: str) -> Text:
    """Never folded, so that it can be copied: the terminal itself goes on in the next row."""
    return Text(f"  {one_line(line)}", no_wrap=True, overflow="ignore")


def _facts(spec: ConnectorSpec) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    facts = [
        ("chosen by", ", ".join(answers_to(spec)) or "its name"),
        ("Data Factory types", ", ".join(spec.adf_types)),
        ("install with", install_line(spec)),
    ]
    for label, value in facts:
        if value:
            grid.add_row(Text(label), Text(value))
    return grid


def _options(spec: ConnectorSpec) -> RenderableType:
    options = config_fields(spec)
    if not options:
        return Text("It takes no options.")
    title = Text("Options (-s at the source, -k at the sink)", style="bold")
    return Group(title, _option_table(options))


def _option_table(options: Iterable[Field]) -> Table:
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("OPTION", "TYPE", "DEFAULT", "DESCRIPTION"):
        found.add_column(heading, no_wrap=heading == "OPTION")
    for option in options:
        default = Text("required", style="yellow") if option.required else Text(option.default)
        found.add_row(
            Text(option.name, style="cyan"), Text(option.type), default, Text(one_line(option.description))
        )
    return found


def abilities(spec: ConnectorSpec) -> Iterable[str]:
    """The declared capabilities as sentences. A format has none: the store's hold."""
    if spec.kind == "format":
        return
    able = spec.capabilities
    yield f"write modes: {', '.join(sorted(able.write_modes)) or 'none, it is only read'}"
    yield _VISIBILITY[able.visibility]
    yield _READ_BACK[able.read_back]
    if not able.private_staging:
        yield "of two runs that write the same object at once, one fails or starts over"
    if able.block_range:
        smallest, largest = (figures.size(limit) for limit in able.block_range)
        yield f"blocks of {smallest} to {largest}"
    if able.max_blocks:
        yield f"at most {able.max_blocks:,} blocks in an object"
    if able.resume_window:
        window = str(able.resume_window).removesuffix(", 0:00:00")
        yield f"staged data is kept for {window}; a run resumed later starts its open files over"
    if able.cancel:
        yield "a blocked call can be cancelled"
    if able.gil_bound or able.isolated:
        yield "its work runs in child processes"
