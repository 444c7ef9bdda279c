"""The README's figures, and the pages of results, are those of the kept measurements."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from perf import results
from perf.measure import measure
from perf.micro.__main__ import ratios

ROOT = Path(__file__).parents[2]
KEPT = sorted(
    path for path in (ROOT / "perf" / "results").glob("*.json") if not path.name.startswith("micro-")
)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_the_page_of_a_machine_is_made_of_its_figures(path: Path) -> None:
    """Run ``make bench`` when this fails; nobody edits the page."""
    found = json.loads(path.read_text())
    assert found["machine"] == path.stem
    assert path.with_suffix(".md").read_text() == results.page(found)
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_the_readme_has_the_figures_of_one_of_them() -> None:
    text = (ROOT / "README.md").read_text()
    named = re.search(r"\(perf/results/([\w.-]+)\.md\)", text)
    assert named is not None
    assert results.in_readme(text, results.read(named[1])) == text
    assert "| crossdock |" in text


def test_no_machine_is_called_by_its_own_name() -> None:
    assert all(re.fullmatch(r"\d+-cores(-\d+GiB)?", path.stem) for path in KEPT)


def figures(**walls: list[float]) -> dict[str, Any]:
    samples = {
        name.replace("_", " "): [[wall, 1.0, 100.0] for wall in taken] for name, taken in walls.items()
    }
    return {
        "title": "A copy", "unit": "MiB/s", "amount": 100.0, "mib": 100.0, "limit": "bare loop", "load": 0.0,
        "version": "1", "python": "3", "date": "2026-01-01", "cannot": {"cp": "makes no Parquet"},
        "samples": samples,
    }  # fmt: skip


def test_a_table_has_medians_and_ratios() -> None:
    table = results.table(figures(crossdock=[1.0, 2.0, 9.0], bare_loop=[1.0], peer=[4.0], slow=[8.0]))
    assert "| crossdock | 50.00 | 0.50 | 2.00 | 2.00 | 10.24 | 100 | 3 |" in table
    assert table.index("| bare loop |") < table.index("| crossdock |") < table.index("| peer |")
    assert "cp: makes no Parquet" in table


def test_who_is_ahead_of_us_is_named_with_the_reason() -> None:
    text = "a\n<!-- perf: begin -->\nold\n<!-- perf: end -->\nb\n"
    found = {
        "machine": "m",
        "scenarios": {"s": figures(crossdock=[2.0], peer=[1.0]) | {"behind": "it is bare"}},
    }
    said = results.in_readme(text, found)
    assert "| A copy | 50.00 MiB/s | peer, 100 | 0.50 |  |" in said
    assert "- behind peer in *A copy*: it is bare" in said
    assert "old" not in said
    assert results.in_readme(said, found) == said
    busy = {"machine": "m", "scenarios": {"s": figures(crossdock=[1.0], peer=[2.0]) | {"load": 3.0}}}
    said = results.in_readme(text, busy)
    assert "behind" not in said
    assert "| A copy (busy) |" in said


def test_every_scenario_says_what_it_measures() -> None:
    for path in (ROOT / "perf" / "scenarios").glob("*.toml"):
        scenario = tomllib.loads(path.read_text().replace("%MIB%", "1024"))
        if scenario.get("prints"):
            continue
        assert scenario["mib"] > 0, path
        assert any(name.startswith("crossdock") for name in scenario["commands"]), path
        assert scenario.get("limit", next(iter(scenario["commands"]))) in scenario["commands"], path
        assert set(scenario.get("slow", ())) <= set(scenario["commands"]), path


def test_micro_benchmarks_are_ratios_to_the_last_release() -> None:
    lines = ratios(
        {"a": 0.002, "b": 0.001, "new": 1.0}, {"version": "0.1.0", "seconds": {"a": 0.001, "b": 0.002}}
    )
    assert "| a | 2.000 ms | 1.000 ms | 2.00 |" in lines
    assert "| new | 1,000.000 ms | | |" in lines
    assert lines[-1] == "| all, geometric mean | | | 1.00 |"


def test_the_memory_of_a_command_is_its_own(tmp_path: Path) -> None:
    """And not that of who began it, which the system counts too."""
    ours = bytearray(300 << 20)
    sample = measure(
        [sys.executable, "-c", "import time; x = bytearray(50 << 20); time.sleep(0.5)"], tmp_path, {}
    )
    assert 50 < sample.peak < 150
    assert len(ours) == 300 << 20
