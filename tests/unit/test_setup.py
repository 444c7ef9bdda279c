"""What ``make`` relies on: an interpreter that can start, and pins that name a hash each and no place."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIND_PYTHON = ROOT / ".ci" / "find-python"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _find(*candidates: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(FIND_PYTHON), *candidates], capture_output=True, text=True, timeout=60, check=False
    )


def _script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.skipif(sys.platform == "win32", reason="make needs a POSIX shell")
class TestFindPython:
    def test_takes_the_first_that_starts_and_is_new_enough(self, tmp_path: Path) -> None:
        broken = _script(tmp_path / "shim", "echo 'command not found' >&2; exit 127")
        found = _find("no-such-python", broken, sys.executable, "never-asked")
        assert (found.returncode, found.stdout, found.stderr) == (0, f"{sys.executable}\n", "")

    def test_none_is_new_enough(self, tmp_path: Path) -> None:
        old = _script(
            tmp_path / "old", f'exec {sys.executable} -c "import sys; sys.version_info = (3, 10); $2"'
        )
        found = _find("no-such-python", old)
        assert (found.returncode, found.stdout) == (1, "")
        assert found.stderr == (
            f"crossdock needs Python 3.11 or later, and none of these is: no-such-python {old}\n"
        )

    def test_one_without_venv_is_named_and_passed_over(self, tmp_path: Path) -> None:
        bare = _script(
            tmp_path / "bare", f"exec {sys.executable} -c \"import sys; sys.modules['ensurepip'] = None; $2\""
        )
        alone = _find(bare)
        assert (alone.returncode, alone.stdout) == (1, "")
        assert alone.stderr == (
            f"{bare} cannot make virtual environments; on Debian: apt install python3-venv\n"
        )
        assert _find(bare, sys.executable).stdout == f"{sys.executable}\n"


def _pins(file: str) -> dict[str, int]:
    """Distribution -> how many hashes its least hashed pin has."""
    pins: dict[str, int] = {}
    for requirement in (ROOT / file).read_text().replace("\\\n", " ").splitlines():
        if requirement and not requirement.startswith("#"):
            name, equal, _ = requirement.partition("==")
            assert equal, requirement
            hashes = len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", requirement))
            pins[name] = min(hashes, pins.get(name, hashes))
    return pins


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-build.txt"])
def test_every_pin_has_a_hash_and_none_names_a_host(file: str) -> None:
    assert min(_pins(file).values()) >= 1
    assert not re.search(r"://|index-url|find-links", (ROOT / file).read_text())


def test_pins_cover_all_that_the_project_asks_for() -> None:
    """Run ``make lock`` when this fails."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, groups = asked["project"], asked["dependency-groups"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
        *groups["test"],
        *groups["lint"],
    ]
    names = {found[0].lower() for line in wanted if (found := NAME.match(line))} - {"crossdock"}
    assert names <= set(_pins("constraints.txt"))
    build = {found[0].lower() for line in groups["build"] if (found := NAME.match(line))}
    assert build <= set(_pins("constraints-build.txt"))
