"""Tables for the trial connector ``moody``, and what it has done."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa

from crossdock.template.table import _text

SPLITS, ROWS = 4, 50


def seed(folder: Path) -> str:
    """The table ``words`` with SPLITS splits of ROWS rows; returns its address."""
    folder.mkdir()
    for number in range(SPLITS):
        ids = pa.table({"id": pa.array(range(number * ROWS, (number + 1) * ROWS), pa.int64())})
        with (
            pa.OSFile(str(folder / f"part{number}.arrow"), "wb") as file,
            pa.ipc.new_file(file, ids.schema) as out,
        ):
            out.write_table(ids)
    parts = [f"part{number}.arrow" for number in range(SPLITS)]
    (folder / "words@1.json").write_text(
        json.dumps({"schema": _text(ids.schema), "parts": parts, "runs": []})
    )
    return f"moody://{folder}"


def feel(folder: Path, mood: str, at: int = 2, times: int = 1) -> None:
    (folder / "mood").write_text(json.dumps([mood, at, times]))


def reads(folder: Path) -> tuple[Counter[int], set[int]]:
    """How often each split was opened, and by which processes."""
    lines = [line.split() for line in (folder / "reads").read_text().splitlines()]
    return Counter(int(index) for index, _ in lines), {int(process) for _, process in lines}
