"""What ``look`` found, as tables for people. Names and values may hold anything: each is one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

from ..interactive import ConnectionTest, Listing, Preview, TableSchema
from ..json_values import plain
from . import figures
from .session import Session, one_line

_WIDEST = 40
"""Terminal cells that a value of a preview takes."""


Answer = ConnectionTest | Listing | TableSchema | Preview


def show(session: Session, found: Answer) -> None:
    """Whatever was found, for people."""
    match found:
        case ConnectionTest():
            connection(session, found)
        case Listing():
            listing(session, found)
        case TableSchema():
            columns(session, found)
        case Preview():
            rows(session, found)


def connection(session: Session, found: ConnectionTest) -> None:
    version = f" ({found.version})" if found.version else ""
    user = f" as {found.user}" if found.user else ""
    took = figures.duration(found.seconds)
    session.show(one_line(f"{found.connector}: reached {found.server}{version}{user} in {took}"))


def listing(session: Session, found: Listing) -> None:
    entries = [each.entry for each in found.found]
    if not entries:
        session.tell("nothing is there")
    elif entries[0].kind == "column":
        _table(
            session,
            ("COLUMN", "TYPE", "NULL"),
            ((e.name, e.type, "" if e.nullable is not False else "no") for e in entries),
        )
    else:
        facts: dict[str, list[str]] = {
            "SIZE": ["" if e.size is None else figures.size(e.size) for e in entries],
            "ROWS": ["" if e.rows is None else f"~{e.rows:,}" for e in entries],
            "MODIFIED": ["" if e.modified is None else _moment(e.modified) for e in entries],
            "ADDRESS": [
                each.address if each.entry.kind in ("schema", "table", "view") else "" for each in found.found
            ],
        }
        shown = {heading: cells for heading, cells in facts.items() if any(cells)}
        names = [e.name + "/" if e.kind in ("folder", "container") else e.name for e in entries]
        rows = zip(names, (e.kind for e in entries), *shown.values(), strict=True)
        _table(session, ("NAME", "KIND", *shown), rows, right=("SIZE", "ROWS"))
    if found.next is not None:
        session.tell(one_line(f"there is more: --after '{found.next}'"))


def columns(session: Session, found: TableSchema) -> None:
    native = any(each.native_type for each in found.columns)
    headings = ("COLUMN", "TYPE", *(("DATABASE TYPE",) if native else ()), "NULL")
    _table(
        session,
        headings,
        (
            (each.name, each.type, *((each.native_type,) if native else ()), "" if each.nullable else "no")
            for each in found.columns
        ),
    )


def rows(session: Session, found: Preview) -> None:
    """As many columns as the terminal has room for; values are cut there."""
    table = found.rows
    cells = [
        [_cell(name), *(_cell(_shown(value)) for value in column)]
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    widths = [max(map(cell_len, column)) + 2 for column in cells]
    room, fits = session.out.width, 0
    while fits < len(widths) and sum(widths[: fits + 1]) <= room:
        fits += 1
    fits = max(1, fits)
    kinds = [str(each.type) for each in table.schema]
    _table(
        session,
        [column[0] for column in cells[:fits]],
        zip(*(column[1:] for column in cells[:fits]), strict=True),
        right=[
            column[0]
            for column, kind in zip(cells, kinds, strict=True)
            if kind.startswith(("int", "uint", "float", "double", "decimal", "halffloat"))
        ],
        fold=False,
    )
    if fits < len(cells):
        left = [column[0] for column in cells[fits:]]
        session.tell(f"{figures.count(len(left), 'more column')}: {', '.join(left[:20])}")
    if found.more:
        session.tell("there are more rows")


def _shown(value: Any) -> str:
    found = plain(value)
    if found is None:
        return "NULL"
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _cell(text: str) -> str:
    # A value may be a megabyte; no more than could be seen is looked at.
    line = one_line(text[: 4 * _WIDEST])
    return line if cell_len(line) <= _WIDEST else set_cell_size(line, _WIDEST - 1) + "…"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def _table(
    session: Session,
    headings: Sequence[str],
    lines: Iterable[Sequence[str]],
    right: Sequence[str] = (),
    *,
    fold: bool = True,
) -> None:
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        side: Any = "right" if heading in right else "left"
        found.add_column(
            Text(one_line(heading)), no_wrap=not fold, overflow="fold" if fold else "ellipsis", justify=side
        )
    for line in lines:
        found.add_row(*(Text(one_line(cell)) for cell in line))
    session.show(found)
