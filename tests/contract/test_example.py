"""The plugins in ``examples`` work, and ``docs/authors/write-a-connector.md`` shows the code of one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import crossdock
from crossdock import contract

_ROOT = Path(__file__).parents[2]
_EXAMPLE = _ROOT / "examples" / "arrowdir"
_DOC = _ROOT / "docs" / "authors" / "write-a-connector.md"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    return _install(_EXAMPLE, tmp_path)


def _install(example: Path, folder: Path) -> Path:
    """An example away from this repository, with the metadata that an installer would write."""
    place = folder / "site"
    shutil.copytree(example, place, ignore=shutil.ignore_patterns("__pycache__"))
    project = tomllib.loads((place / "pyproject.toml").read_text())["project"]
    info = place / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = project["entry-points"]["crossdock"]
    lines = ["[crossdock]", *(f"{name} = {module}" for name, module in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return place


def _run(place: Path, *program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def test_example_passes_the_kit(installed: Path) -> None:
    done = _run(installed, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[-1]) > 140


@pytest.mark.timeout(300)
def test_the_store_passes_the_kit(tmp_path: Path) -> None:
    """Against moto's S3, whose libraries have warnings of their own."""
    place = _install(_ROOT / "examples" / "crossdock-obstore", tmp_path)
    done = _run(place, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[-1]) > 110
    assert len((place / "crossdock_obstore.py").read_text().splitlines()) < 300


def test_example_is_found_by_its_entry_point(installed: Path) -> None:
    program = (
        "from crossdock.plugins import registry; found = registry();"
        "print(found.by_scheme('arrowdir').summary, found.faults)"
    )
    done = _run(installed, "-c", program)
    assert done.stdout.strip() == "Tables as Arrow IPC files in a folder []", done.stderr


def test_a_copy_with_the_example(installed: Path) -> None:
    """There and back through the engine, by nothing but the plugin's name in the address."""
    (installed / "words.csv").write_text("id,word\n1,one\n2,two\n3,\n")
    program = (
        "import crossdock\n"
        "crossdock.copy('words.csv', 'arrowdir://' + __import__('os').getcwd() + '/tables')\n"
        "print(*sorted(__import__('os').listdir('tables')), sep='\\n')\n"
        "import crossdock_arrowdir as a\n"
        "source = a.ArrowDirSource(a.Folder('tables'))\n"
        "unit = next(source.units()).units[0]\n"
        "for split in source.plan(unit, crossdock.PlanHint()):\n"
        "    with source.read(split) as batches: print([row for b in batches for row in b.to_pylist()])\n"
    )
    done = _run(installed, "-c", program)
    rows = "[{'id': 1, 'word': 'one'}, {'id': 2, 'word': 'two'}, {'id': 3, 'word': None}]"
    assert done.stdout.strip().endswith(rows), done.stdout + done.stderr


def test_doc_shows_the_code_of_the_example() -> None:
    """Each Python or TOML block is, to the letter, in a file of the example, and every part is shown."""
    files = {".py": [], ".toml": []}
    for path in _EXAMPLE.rglob("*.*"):
        files.get(path.suffix, []).append(path.read_text())
    blocks = re.findall(r"```(python|toml)\n(.*?)```", _DOC.read_text(), re.DOTALL)
    for language, block in blocks:
        suffix = {"python": ".py", "toml": ".toml"}[language]
        assert any(block.strip("\n") in text for text in files[suffix]), f"not in the example:\n{block}"
    shown = "\n".join(block for _, block in blocks)
    missing = [n for n in ("class ArrowDirSource", "class ArrowDirWriter", "class ArrowDirSink", "SPEC = ",
                           "@hookimpl", "TableContract", "entry-points") if n not in shown]  # fmt: skip
    assert not missing, f"the page does not show {missing}"


def test_doc_names_what_exists() -> None:
    """Every name in backticks that looks like one of ours is public, and every contract is named."""
    words = set(re.findall(r"`([A-Z][A-Za-z]+)`", _DOC.read_text()))
    public = {*crossdock.__all__, *contract.__all__}
    assert words - public <= {"SecretStr", "ArrowDirSource", "ArrowDirWriter", "ArrowDirSink"}, words - public
    assert {"StoreContract", "TableContract", "FormatContract"} <= words


def test_doc_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", _DOC.read_text()):
        assert (_DOC.parent / target).exists(), target
