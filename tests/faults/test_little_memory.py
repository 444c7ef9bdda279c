"""A copy in a container of 512 MB, where the kernel ends what takes more (F24)."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from servers.waiting import eventually

from crossdock.machine import group

CAP = 512 << 20
# Rows of 1.5 MB, more of them than fit into the container.
COLUMNS, ROWS, WIDTH = 96, 350, 16 << 10

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has control groups")


@pytest.fixture
def container() -> Iterator[Path]:
    """A control group whose processes may have CAP of memory, their files' pages included."""
    folder = group("memory") / f"crossdock-{uuid.uuid4().hex}"
    try:
        folder.mkdir()
        limit = folder / "memory.limit_in_bytes"
        (limit if limit.exists() else folder / "memory.max").write_text(str(CAP))
    except OSError as error:
        if folder.exists():
            folder.rmdir()
        pytest.skip(f"no control group with a limit can be made here: {error.strerror}")
    yield folder
    eventually(lambda: not (folder / "cgroup.procs").read_text(), 30)
    folder.rmdir()


def inside(container: Path, *command: str, home: Path) -> subprocess.CompletedProcess[str]:
    enters = f'echo $$ > "{container}/cgroup.procs" && exec "$@"'
    return subprocess.run(
        ["/bin/sh", "-c", enters, "sh", *command], env=os.environ | {"CROSSDOCK_HOME": str(home)},
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip


def test_the_container_holds(tmp_path: Path, container: Path) -> None:
    taken = f"taken = b'x' * {CAP}"
    assert inside(container, sys.executable, "-c", taken, home=tmp_path).returncode == -9


def test_wide_rows(tmp_path: Path, container: Path) -> None:
    """One worker takes more than several, which divide the file."""
    with (tmp_path / "rows.csv").open("w") as source:
        source.write(",".join(f"c{column}" for column in range(COLUMNS)) + "\n")
        for row in range(ROWS):
            cells = (f"{row} {column} ".ljust(WIDTH, "x") for column in range(COLUMNS))
            source.write(",".join(cells) + "\n")
    assert (tmp_path / "rows.csv").stat().st_size > CAP
    copy = ("copy", str(tmp_path / "rows.csv"), str(tmp_path / "rows.parquet"), "--parallel-copies", "1")
    done = inside(container, sys.executable, "-m", "crossdock", *copy, home=tmp_path)
    assert done.returncode == 0, done.stderr
    check(tmp_path / "rows.parquet")


def check(file: Path) -> None:
    """Each cell is what it was, whichever worker came first with its rows."""
    found: set[int] = set()
    with pq.ParquetFile(file) as rows:
        for batch in rows.iter_batches(batch_size=16):
            first = [int(text[:8].split()[0]) for text in batch.column(0).to_pylist()]
            for column in range(COLUMNS):
                cells = batch.column(column)
                assert pc.min_max(pc.utf8_length(cells)).as_py() == {"min": WIDTH, "max": WIDTH}
                begins = pc.utf8_rtrim(cells, characters="x").to_pylist()
                assert begins == [f"{row} {column} " for row in first]
            found.update(first)
    assert found == set(range(ROWS))
