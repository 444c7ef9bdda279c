"""The plugin in ``examples`` works away from this repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

_OBSTORE = Path(__file__).parents[2] / "examples" / "crossdock-obstore"


def _add_metadata(place: Path) -> None:
    """As an installer does."""
    project = tomllib.loads((place / "pyproject.toml").read_text())["project"]
    info = place / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    fields = [f"Name: {project['name']}", f"Version: {project['version']}"]
    fields += [f"Requires-Dist: {each}" for each in project["dependencies"]]
    (info / "METADATA").write_text("\n".join(("Metadata-Version: 2.1", *fields)))
    points = [f"{name} = {module}" for name, module in project["entry-points"]["crossdock"].items()]
    (info / "entry_points.txt").write_text("\n".join(("[crossdock]", *points)))


@pytest.mark.timeout(300)
def test_the_store_passes_the_kit(tmp_path: Path) -> None:
    """Against moto's S3, whose libraries have warnings of their own."""
    place = tmp_path / "site"
    path = os.pathsep.join(filter(None, (str(place), os.environ.get("PYTHONPATH"))))
    shutil.copytree(_OBSTORE, place, ignore=shutil.ignore_patterns("__pycache__"))
    _add_metadata(place)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[-1]) > 110
    assert len((place / "crossdock_obstore.py").read_text().splitlines()) < 300
