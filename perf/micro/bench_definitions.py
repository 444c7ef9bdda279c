"""A factory of 1,000 objects: the sample of the tests many times over, read, and read and planned."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from crossdock_scheduler.pipeline.coverage import cover
from crossdock_scheduler.pipeline.definitions import load

SAMPLE = Path(__file__).resolve().parents[2] / "tests" / "factories" / "sample"
OBJECTS = 1000


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("factory")
    files = [each for each in sorted(SAMPLE.rglob("*.json")) if each.parent.name != "factory"]
    for number in range(OBJECTS):
        file, copy = files[number % len(files)], number // len(files)
        text = file.read_text()
        for name in (each.stem for each in files):
            text = text.replace(f'ame": "{name}"', f'ame": "{name}{copy}"')
        made = root / file.parent.name / f"{file.stem}{copy}.json"
        made.parent.mkdir(exist_ok=True)
        made.write_text(text)
    return root


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("planned", [False, True], ids=["read", "read and planned"])
def test_a_factory(benchmark: Any, factory: Path, planned: bool) -> None:
    def run() -> int:
        found = load(factory)
        return len(cover(found).pipelines) if planned else len(found.definitions)

    assert benchmark.pedantic(run, rounds=3) > OBJECTS // 4 * (not planned)
