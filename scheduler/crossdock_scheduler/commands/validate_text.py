"""How ``crossdock validate`` shows its report to people."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from crossdock.cli.session import Session, one_line, printable

from ..pipeline.coverage import Coverage
from ..pipeline.definitions import KINDS, Finding

_STYLES = {
    "error": "red",
    "unsupported": "yellow",
    "note": "dim",
    "invalid": "red",
    "supported": "green",
    "kept": "dim",
}


def show(session: Session, found: Coverage) -> None:
    """Tables of types and pipelines, then every finding with its place."""
    session.show(_loaded(found))
    if found.types:
        session.show(_types(found))
    if found.pipelines:
        session.show(_pipelines(found))
    for each in found.findings:
        session.show(finding_text(each))
    session.show(_summary(found))


def _loaded(found: Coverage) -> str:
    counts = [f"{count:,} {KINDS[kind]}{'s' if count > 1 else ''}" for kind, count in found.loaded.items()]
    others = [f"{count:,} in {name}" for name, count in found.others.items()]
    left = f" (not read: {', '.join(others)})" if others else ""
    return one_line(f"{found.source}: {', '.join(counts) or 'no definitions'}{left}")


def _types(found: Coverage) -> Table:
    table = Table("kind", "type", "count", "state")
    for row in found.types:
        kind = KINDS.get(row.kind, row.kind)
        table.add_row(kind, one_line(row.type), f"{row.count:,}", Text(row.state, _STYLES[row.state]))
    return table


def _pipelines(found: Coverage) -> Table:
    table = Table("pipeline", "activities", "state", "errors", "unsupported", "notes")
    for each in found.pipelines:
        counts = [
            sum(one.severity == severity for one in each.findings)
            for severity in ("error", "unsupported", "note")
        ]
        state = "supported" if each.supported else "invalid" if counts[0] else "unsupported"
        table.add_row(
            one_line(each.name),
            f"{each.activities:,}",
            Text(state, _STYLES[state]),
            *(f"{n:,}" for n in counts),
        )
    return table


def finding_text(finding: Finding) -> Text:
    """A finding with its place, and carets below what they point at."""
    first, *rest = str(finding).split("\n")
    text = Text(f"{finding.severity:11} ", _STYLES[finding.severity])
    text.append(one_line(first), "default")
    # A caret stands below what it points at.
    for line in rest:
        text.append(f"\n{'':12}{printable(line)}", "default")
    text.append(f"\n{'':12}{one_line(str(finding.place))}", "dim")
    return text


def _summary(found: Coverage) -> str:
    able = sum(each.supported for each in found.pipelines)
    errors = sum(each.severity == "error" for each in found.findings)
    wrong = f"; {errors:,} error{'s' if errors > 1 else ''} to correct" if errors else ""
    return (
        f"{able:,} of {len(found.pipelines):,} pipelines are supported whole{wrong}\n"
        "crossdock run DIR PIPELINE runs one"
    )
