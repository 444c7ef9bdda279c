"""What a copy imports: pyarrow imports pandas by itself where some of its functions are called."""

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
        if name == "pandas":
            raise SystemExit("pandas is imported")

sys.meta_path.insert(0, Watch())
from crossdock.cli.main import run
sys.exit(run(["copy", *sys.argv[1:]]))
"""


@pytest.mark.parametrize(
    ("source", "sink"),
    [("a.csv", "b.parquet"), ("a.parquet", "b.csv"), ("a.jsonl", "b.parquet"), ("a.parquet", "b.parquet")],
)
def test_a_copy_does_not_import_pandas(source: str, sink: str, tmp_path: Path) -> None:
    """Where pandas is installed, importing it takes longer than all else at the start of a copy."""
    (tmp_path / "a.csv").write_text("n,text\n1,x\n2,y\n")
    (tmp_path / "a.jsonl").write_text('{"n": 1, "text": "x"}\n{"n": 2, "text": "y"}\n')
    environment = os.environ | {"CROSSDOCK_HOME": str(tmp_path / "home")}

    def copied(*arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert (done.stderr, done.returncode) == ("", 0)

    copied("a.csv", "a.parquet")
    copied(source, sink, "--map", "text=text,n=number")
    copied(sink, "c.csv", "--verify")
    assert "number" in (tmp_path / "c.csv").read_text()
