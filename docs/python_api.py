"""The page of the Python API, from the docstrings of what is public. ``generate.py`` writes it."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import crossdock
from crossdock import contract, errors, spi

_GROUPS = {
    "Copy": ("copy", "acopy", "resume", "show", "forget", "settle", "stage_out", "stage_in", "stage_remove"),
    "Look first": ("test_connection", "browse", "schema", "preview", "check", "registry"),
    "Act on stores and databases": ("read", "stat", "children", "delete", "run_script", "call_procedure"),
    "Results": ("CopyResult", "Snapshot", "RunInfo", "Item"),
    "Mapping": ("ColumnMapping", "MappedColumn", "ConversionSettings", "parse_type"),
    "For connectors and their formats": (
        "hookimpl", "packed_format", "json_rows", "json_value", "json_lines", "is_list", "list_offsets",
        "redacted", "state_folder",
    ),
}  # fmt: skip
_HEAD = """\
Names of the module `crossdock`, unless it says otherwise. They are imported on first use. Sizes are bytes and
durations seconds, unless it says otherwise; `Schema`, `Table` and `RecordBatch` are those of pyarrow.
"""
_CONTRACT = """\
What a connector implements or is given: names of `crossdock.spi`, and of `crossdock`. The
[guide](../authors/write-a-connector.md) builds one with them.
"""
_KIT = """\
`crossdock.contract`: subclass one of these in a test module, and pytest runs its checks.
"""


def parts() -> Iterator[str]:
    """The sections of the page."""
    yield _HEAD
    for title, names in _GROUPS.items():
        yield f"## {title}\n"
        for name in names:
            yield from _entry(name, getattr(crossdock, name))
    yield "## Errors\n"
    named = ", ".join(f"`{name}`" for name in sorted(crossdock._ERRORS))
    yield f"All are below `CrossdockError`, and [a page](errors.md) says what to do about each: {named}.\n"
    yield from _entry("CrossdockError", errors.CrossdockError)
    yield "## The contract of connectors\n"
    yield _CONTRACT
    for name in spi.__all__:
        yield from _entry(name, getattr(spi, name))
    yield "## The conformance kit\n"
    yield _KIT
    for name in contract.__all__:
        yield from _entry(name, getattr(contract, name), members=False)


def undocumented() -> list[str]:
    """Public names that no section has."""
    there = {name for names in _GROUPS.values() for name in names}
    there |= {"__version__", "errors", "spi", *crossdock._ERRORS, *spi.__all__}
    return sorted(set(crossdock.__all__) - there)


def _entry(name: str, thing: Any, *, members: bool = True) -> Iterator[str]:
    yield f"### {name}\n"
    if inspect.isclass(thing):
        yield f"{_code(f'class {name}{_bases(thing)}')}\n"
        yield f"{_text(thing)}\n"
        yield from _fields(thing)
        if members:
            yield from _methods(thing)
    elif callable(thing) and inspect.isroutine(thing):
        yield f"```python\n{_signature(name, thing)}\n```\n"
        yield f"{_text(thing)}\n"
    else:  # hookimpl is an object with a decorator
        yield f"{_text(thing)}\n"


def _bases(thing: type) -> str:
    found = [base.__name__ for base in thing.__bases__ if base.__module__.startswith("crossdock")]
    return f"({', '.join(found)})" if found else ""


def _signature(name: str, thing: Any) -> str:
    """On one line, or one line for each argument where that is too long."""
    signature = inspect.signature(thing)
    whole = f"{name}{_plain(signature)}"
    if len(whole) <= 100:
        return whole
    arguments, keyword = [], False
    for each in signature.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not keyword:
            keyword = True
            arguments.append("    *,")
        arguments.append(f"    {_plain(each)},")
    tail = (
        f" -> {_annotation(signature.return_annotation)}"
        if signature.return_annotation is not inspect._empty
        else ""
    )
    return "\n".join([f"{name}(", *arguments, f"){tail}"])


def _plain(thing: Any) -> str:
    """As it is written: annotations are texts, without quotes around them."""
    return re.sub(r"(?<=[:>] )'([^']*)'", r"\1", str(thing))


def _annotation(found: Any) -> str:
    return found if isinstance(found, str) else getattr(found, "__name__", str(found))


def _fields(thing: type) -> Iterator[str]:
    if issubclass(thing, enum.Enum):
        yield f"One of {', '.join(f'`{each.name}` (`{each.value}`)' for each in thing)}.\n"
    if not is_dataclass(thing):
        return
    lines = []
    for each in fields(thing):
        default = "" if each.default is MISSING else f" = {each.default!r}"
        lines.append(f"{each.name}: {_annotation(each.type)}{default if len(default) < 40 else ' = ...'}")
    # With the quotes that ruff wants in Markdown too.
    code = re.sub(r"'([^'\"]*)'", r'"\1"', "\n".join(lines))
    yield f"```python\n{code}\n```\n" if lines else ""


def _methods(thing: type) -> Iterator[str]:
    for name, raw in vars(thing).items():
        if name.startswith("_"):
            continue
        member = raw.__func__ if isinstance(raw, (classmethod, staticmethod)) else raw
        if isinstance(raw, property):
            yield f"**`{name}`**: {_text(raw.fget)}\n"
        elif inspect.isfunction(member):
            what = "classmethod " if isinstance(raw, classmethod) else ""
            duty = ", to be implemented" if getattr(member, "__isabstractmethod__", False) else ""
            yield f"**`{what}{name}{_plain(inspect.signature(member))}`**{duty}\n"
            yield f"{_text(member)}\n" if member.__doc__ else ""


def _text(thing: Any) -> str:
    text = inspect.getdoc(thing) or ""
    # What is drawn or indented stays as it is; the rest flows.
    blocks = [
        f"```text\n{block}\n```"
        if re.search(r"^ {4}\S|[├└│]", block, re.MULTILINE)
        else " ".join(block.split())
        for block in text.split("\n\n")
    ]
    return "\n\n".join(re.sub(r"``([^`]+)``", r"`\1`", block) for block in blocks)


def _code(text: str) -> str:
    return f"`{text}`"
