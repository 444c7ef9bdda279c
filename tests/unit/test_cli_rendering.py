"""What the command line prints, from real snapshots, results and specs."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import pytest
from pydantic import Field, SecretStr
from rich.console import Console, RenderableType

from crossdock.cli import describe, figures, runs, summary
from crossdock.cli.progress import Display
from crossdock.cli.session import Session, one_line
from crossdock.report import CopyResult, RunInfo, Side, Snapshot
from crossdock.spi import Capabilities, ConnectorConfig, ConnectorSpec, WriteMode


def rendered(value: RenderableType, width: int = 100) -> str:
    file = io.StringIO()
    Console(file=file, width=width, markup=False, highlight=False, color_system=None).print(value)
    return file.getvalue()


def result(**changes: object) -> CopyResult:
    base = CopyResult(
        run_id="r1",
        status="Succeeded",
        payload="tabular",
        source=Side("file", "delimitedtext", "csv/*.csv"),
        sink=Side("sqlite", "", "sqlite:///demo.db"),
        started=datetime(2025, 1, 2, tzinfo=UTC),
        duration=2.0,
        bytes_read=34_000_000,
        files_read=5,
        rows_read=400_000,
        rows_copied=400_000,
        parallel_copies=2,
        seconds={"source": 3.0, "sink": 1.0, "queue": 0.0},
    )
    return replace(base, **changes)


SNAPSHOT = Snapshot(
    run_id="r1",
    phase="copying",
    payload="tabular",
    elapsed=1.0,
    units_done=2,
    units_total=5,
    bytes_done=10_000_000,
    bytes_total=40_000_000,
    rows_done=100_000,
    parallel=3,
    waiting={"source": 2, "throttle": 1, "sink": 0},
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (31_053_850, "31.1 MB"),
        (773e6, "773 MB"),
        (5e15, "5.00 PB"),
    ],
)
def test_sizes(number: float, text: str) -> None:
    assert figures.size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4214, "0.42 s"), (12.34, "12.3 s"), (59.97, "1 min 00 s"), (187, "3 min 07 s"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert figures.duration(seconds) == text


def test_clock_and_counts() -> None:
    assert [figures.clock(s) for s in (7.4, 201, 7500)] == ["0:07", "3:21", "2:05:00"]
    assert figures.count(1, "row") == "1 row"
    assert figures.count(336_776, "row") == "336,776 rows"


def test_one_line_escapes_what_could_drive_a_terminal() -> None:
    assert one_line("a\x1b[2J\nb\r\n c\u202ed") == r"a\x1b[2J b c\u202ed"
    assert one_line("naïve → 日本\xa0x") == "naïve → 日本\xa0x"


def test_sentence_for_a_log() -> None:
    assert summary.sentence(result()) == (
        "Succeeded csv/*.csv -> sqlite:///demo.db: 400,000 rows, 5 files, 34.0 MB in 2.00 s "
        "(17.0 MB/s, 200,000 rows/s), run r1"
    )


def test_a_source_that_does_not_count_bytes() -> None:
    text = summary.sentence(result(bytes_read=0, bytes_written=6_000_000, files_read=0, files_written=5))
    assert "400,000 rows, 5 files, 6.00 MB in 2.00 s (3.00 MB/s, 200,000 rows/s)" in text


def test_sentence_names_what_is_out_of_the_ordinary() -> None:
    text = summary.sentence(
        result(
            verified=True,
            splits_done=10,
            splits_skipped=6,
            retries=1,
            throttled=1,
            throttled_seconds=1.5,
            rows_skipped=2,
        )
    )
    for part in (
        "contents verified",
        "6 of 10 splits were already done",
        "1 split tried again (1 throttled by the server; 1.50 s waited)",
        "2 rows skipped",
    ):
        assert part in text


def test_a_plan_claims_no_copy() -> None:
    plan = {
        "reason": "sqlite has tables", "units": 5, "files": 5, "bytes": 34_000_000, "splits": 7,
        "parallelCopies": 2, "names": ["a.csv"], "columnsOf": "a.csv",
        "columns": [{"name": "no", "type": "int64", "source": "id"}],
    }  # fmt: skip
    planned = result(
        status="Planned",
        payload="tabular",
        duration=0.0,
        rows_read=None,
        rows_copied=None,
        files_read=0,
        plan=plan,
    )
    assert summary.sentence(planned) == (
        "Planned csv/*.csv -> sqlite:///demo.db: 5 files, 34.0 MB, nothing was written; how: row by row "
        "(sqlite has tables); parallel: 7 splits, 2 copies at once; columns of a.csv: no int64 from id"
    )
    assert "would copy" in rendered(summary.panel(planned))
    assert "MB/s" not in rendered(summary.panel(planned))


def test_a_plan_counts_only_what_it_knows() -> None:
    plan = {"reason": "sqlite has tables", "units": 5, "files": 5, "bytes": None, "splits": None,
            "parallelCopies": 1}  # fmt: skip
    planned = result(status="Planned", rows_read=0, rows_copied=0, bytes_read=0, plan=plan)
    assert "sqlite:///demo.db: 5 files, nothing was written" in summary.sentence(planned)
    tables = replace(planned, plan=None)
    assert summary.sentence(tables).endswith("sqlite:///demo.db: one table or more, nothing was written")


@pytest.mark.parametrize(("columns", "created"), [(80, False), (130, True)])
def test_runs_say_from_where_to_where_on_any_terminal(columns: int, created: bool) -> None:
    run = RunInfo(
        "20260102-030405-a1b2c3", "interrupted", datetime(2026, 1, 2, tzinfo=UTC), "csv/*.csv",
        "sqlite:///demo.db", 2, 5, 3, 8, 1000, 10, "", None,
    )  # fmt: skip
    session = Session()
    session.out = Console(file=io.StringIO(), width=columns, force_terminal=True)
    text = rendered(runs._table([run], session), columns)
    assert "FROM → TO" in text
    assert "csv/*.csv" in text
    assert ("CREATED" in text) is created


def test_log_lines_list_notes_and_skipped_and_shorten_a_long_list() -> None:
    skipped = [f"bad{n}.csv" for n in range(25)]
    lines = summary.lines(result(notes=["one file is not cut"], skipped=skipped, files_skipped=25))
    assert lines[1] == "note: one file is not cut"
    assert lines[2] == "skipped: bad0.csv"
    assert lines[-1] == "skipped: and 5 more"
    assert len(lines) == 2 + 20 + 1


def test_panel_shows_where_the_time_went() -> None:
    text = rendered(summary.panel(result(verified=False)))
    assert "✓ csv/*.csv → sqlite:///demo.db" in text
    assert re.search(r"copied +400,000 rows, 5 files, 34\.0 MB", text)
    assert re.search(r"parallel +2 copies; reading 75 %, writing 25 %", text)
    assert "contents NOT verified" in text


def test_a_name_with_markup_is_shown_as_it_is() -> None:
    odd = result(source=Side("file", "", "[red]x[/nope].csv"), notes=["[bold]\x07"])
    text = rendered(summary.panel(odd))
    assert "[red]x[/nope].csv" in text
    assert r"[bold]\x07" in text


def shown(*snapshots: Snapshot, width: int = 100) -> str:
    display = Display(Console(file=io.StringIO(), width=width), "a → b")
    for snapshot in snapshots:
        display(snapshot)
    return rendered(display, width)


def test_progress_before_the_first_snapshot() -> None:
    assert "starting  a → b" in shown()


def test_progress_shows_rate_eta_and_what_workers_wait_for() -> None:
    later = replace(SNAPSHOT, elapsed=2.0, bytes_done=20_000_000, rows_done=150_000, note="cutting by bytes")
    text = shown(SNAPSHOT, later)
    assert "copying  a → b" in text
    assert "50 %" in text
    assert "20.0 of 40.0 MB   150,000 rows   10.0 MB/s   50,000 rows/s   ETA 0:02" in text
    assert "3 parallel copies: 2 reading the source, 1 held back (bandwidth, retry)   2 of 5 done" in text
    assert "cutting by bytes" in text


def test_progress_of_bytes_has_no_rows_and_no_made_up_total() -> None:
    unknown = replace(SNAPSHOT, payload="binary", phase="planning", bytes_total=None, units_total=None)
    text = shown(unknown)
    assert "rows" not in text
    assert "ETA" not in text
    assert "%" not in text
    assert "10.0 MB" in text


def test_progress_follows_a_stall() -> None:
    steps = [replace(SNAPSHOT, elapsed=float(n), bytes_done=min(n, 3) * 10**6) for n in range(1, 12)]
    assert "0.00 MB/s" in shown(*steps)


def test_progress_of_a_split_that_is_tried_again_is_not_negative() -> None:
    later = replace(SNAPSHOT, elapsed=2.0, bytes_done=4_000_000, rows_done=50_000)
    assert "50,000 rows   0.00 MB/s   0 rows/s" in shown(SNAPSHOT, later)


def test_progress_claims_no_total_that_was_too_small() -> None:
    later = replace(SNAPSHOT, elapsed=2.0, bytes_done=44_000_000)
    text = shown(SNAPSHOT, later)
    assert "100 %" in text
    assert "44.0 MB   100,000 rows" in text


def test_progress_never_folds_on_a_narrow_terminal() -> None:
    later = replace(SNAPSHOT, elapsed=2.0, bytes_done=20_000_000)
    lines = shown(SNAPSHOT, later, width=40).splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= 40


class Config(ConnectorConfig):
    host: str = Field(description="Where the server is.")
    port: int | None = Field(1433, description="Its port.")
    password: SecretStr | None = Field(None, description="Secret.")
    mode: Literal["fast", "safe"] = Field("safe", description="How.")
    header: bool = Field(True, description="Has one.")
    tags: list[str] = Field([], description="Any.")


SPEC = ConnectorSpec(
    name="demo",
    summary="A table store",
    kind="table",
    config=Config,
    schemes=("demo", ""),
    adf_types=("DemoTable", "DemoSource"),
    capabilities=Capabilities(
        write_modes=frozenset({WriteMode.ERROR, WriteMode.APPEND}),
        private_staging=False,
        block_range=(1000, 10_000_000),
        cancel=True,
    ),
    example="crossdock copy a demo://b",
    requires=("a_module_that_is_not_there",),
    extra="crossdock[demo]",
)


def test_options_come_from_the_config() -> None:
    fields = {field.name: field for field in describe.config_fields(SPEC)}
    assert list(fields) == ["host", "port", "password", "mode", "header", "tags"]
    assert fields["host"].required
    assert (fields["port"].type, fields["port"].default) == ("integer", "1433")
    assert (fields["password"].type, fields["password"].default) == ("secret", "")
    assert (fields["mode"].type, fields["mode"].default) == ("fast | safe", "safe")
    assert (fields["header"].type, fields["header"].default) == ("boolean", "true")
    assert (fields["tags"].type, fields["tags"].default) == ("list of string", "[]")
    assert fields["host"].description == "Where the server is."


def test_page_of_a_connector() -> None:
    text = rendered(describe.page(SPEC))
    for part in (
        "demo (table): A table store",
        "a path, demo://",
        "DemoTable, DemoSource",
        "pip install 'crossdock[demo]'",
        "write modes: append, error",
        "of two runs that write the same object at once, one fails or starts over",
        "blocks of 1.00 kB to 10.0 MB",
        "a blocked call can be cancelled",
        "crossdock copy a demo://b",
    ):
        assert part in text
    assert re.search(r"host +string +required +Where the server is\.", text)


def test_undeclared_capabilities_are_not_claimed() -> None:
    text = rendered(describe.page(replace(SPEC, capabilities=Capabilities(), requires=())))
    assert "none, it is only read" in text
    assert "cannot be read back" in text
    for part in ("cancelled", "two runs", "blocks of", "child processes", "pip install"):
        assert part not in text


def test_table_has_the_install_line_only_where_something_is_missing() -> None:
    ready = replace(SPEC, name="ready", requires=())
    lines = rendered(describe.table([ready, SPEC]), 200).splitlines()
    assert re.search(r"ready +table +a path, demo:// +yes +A table store", lines[1])
    assert re.search(
        r"demo +table +a path, demo:// +pip install 'crossdock\[demo\]' +A table store", lines[2]
    )


def test_json_of_a_connector() -> None:
    value = describe.as_json(SPEC)
    assert value["installed"] is False
    assert value["capabilities"]["writeModes"] == ["append", "error"]
    assert value["config"]["properties"]["port"]["default"] == 1433
