"""What a copy imports, and what it does not: imports take longer than copying many a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in sys.argv[1].split(","):
            raise SystemExit(f"{name} is imported")

sys.meta_path.insert(0, Watch())
from crossdock.cli.main import run
sys.exit(run(["copy", *sys.argv[2:]]))
"""


def copied(folder: Path, without: str, *arguments: str) -> None:
    """Copy in a process of its own, which ends where it imports one of the modules ``without``."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, without, *arguments],
        cwd=folder, env=os.environ | {"CROSSDOCK_HOME": str(folder / "home")},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("source", "sink"),
    [("a.csv", "b.parquet"), ("a.parquet", "b.csv"), ("a.jsonl", "b.parquet"), ("a.parquet", "b.parquet")],
)
def test_a_copy_does_not_import_pandas(source: str, sink: str, tmp_path: Path) -> None:
    """pyarrow imports it by itself where some of its functions are called."""
    (tmp_path / "a.csv").write_text("n,text\n1,x\n2,y\n")
    (tmp_path / "a.jsonl").write_text('{"n": 1, "text": "x"}\n{"n": 2, "text": "y"}\n')

    copied(tmp_path, "pandas", "a.csv", "a.parquet")
    copied(tmp_path, "pandas", source, sink, "--map", "text=text,n=number")
    copied(tmp_path, "pandas", sink, "c.csv", "--verify")
    assert "number" in (tmp_path / "c.csv").read_text()


@pytest.mark.parametrize("more", [(), ("--verify",), ("--parallel-copies", "2")])
def test_a_copy_of_bytes_without_options_imports_no_models_and_no_arrow(
    more: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("n,text\n1,x\n2,y\n")
    copied(tmp_path, "pydantic,pydantic_core,pyarrow,numpy,typer", "a.csv", "b.csv", *more)
    assert (tmp_path / "b.csv").read_text() == (tmp_path / "a.csv").read_text()
