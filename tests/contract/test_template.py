"""What ``crossdock plugin new`` makes works, and the page for authors shows its code."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crossdock
from crossdock import contract
from crossdock.cli.main import run
from crossdock.plugins import registry
from crossdock.template.project import make

_DOC = Path(__file__).parents[2] / "docs" / "authors" / "write-a-connector.md"
_KINDS = ("store", "table", "format")
_ROWS = "id,word\n1,one\n2,two\n3,\n"
# By kind: where a copy goes and comes from.
_PLACES = {
    "store": "my-shelf://{here}/things/words.csv",
    "table": "my-shelf://{here}/things",
    "format": "words.my_shelf",
}


def _tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _fresh(folder: Path) -> Path:
    """The interpreter of an environment that has what this one has, and can get more."""
    venv.create(folder, symlinks=os.name != "nt")
    places = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)}, scheme="venv")
    line = f"import site; site.addsitedir({sysconfig.get_paths()['purelib']!r})\n"
    Path(places["purelib"], "parent.pth").write_text(line)
    return Path(places["scripts"], "python")


def _call(here: Path, *program: object) -> str:
    done = subprocess.run(
        [str(each) for each in program],
        cwd=here,
        env=os.environ | {"PYTEST_ADDOPTS": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@pytest.mark.parametrize("kind", _KINDS)
def test_what_is_made_installs_passes_its_tests_and_copies(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["plugin", "new", "my_shelf", "--kind", kind]) == 0
    project = tmp_path / "crossdock-my-shelf"
    assert "made crossdock-my-shelf" in capsys.readouterr().out
    python = _fresh(tmp_path / "env")
    _call(
        tmp_path, sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index",
        "--no-deps", "--no-build-isolation", "--disable-pip-version-check", project,
    )  # fmt: skip

    found = json.loads(
        _call(tmp_path, python, "-m", "crossdock", "connectors", "my_shelf", "--output", "json")
    )
    assert (found["name"], found["kind"]) == ("my_shelf", kind)
    passed = _call(project, python, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert int(re.findall(r"(\d+) passed", passed)[-1]) > 90
    (tmp_path / "words.csv").write_text(_ROWS)
    place = _PLACES[kind].format(here=tmp_path)
    _call(tmp_path, python, "-m", "crossdock", "copy", "words.csv", place)
    _call(tmp_path, python, "-m", "crossdock", "copy", place, "back.csv")
    assert (tmp_path / "back.csv").read_text().replace('"', "") == _ROWS


_BAD = {
    "with-dash": "cannot be a plugin's name",
    "Shelf": "cannot be a plugin's name",
    "2nd": "cannot be a plugin's name",
    "a": "cannot be a plugin's name",
    "n" * 41: "cannot be a plugin's name",
    "../up": "cannot be a plugin's name",
    "file": "taken by the connector file",
    "sqlite": "taken by the connector sqlite",
    "sqlserver": "taken by the connector mssql",
    "connectors": "taken by the module crossdock_connectors",
    "taken": "crossdock-taken exists already",
}


@pytest.mark.parametrize(("name", "complaint"), _BAD.items(), ids=list(_BAD))
def test_bad_names_change_nothing(
    name: str,
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "crossdock-taken").mkdir()
    monkeypatch.chdir(tmp_path)
    assert run(["plugin", "new", name, "--kind", "table"]) == 2
    said = capsys.readouterr()
    assert complaint in said.err
    assert said.err.count("\n") == 1
    assert not said.out
    assert _tree(tmp_path) == ["crossdock-taken"]


@pytest.mark.parametrize("name", ["my_sample", "samples"])
@pytest.mark.parametrize("kind", _KINDS)
def test_names_may_hold_the_templates_word(kind: Any, name: str, tmp_path: Path) -> None:
    project, scheme = make(name, kind, tmp_path, registry()), name.replace("_", "-")
    module = runpy.run_path(str(project / f"crossdock_{name}.py"))
    spec = module["SPEC"]
    assert (spec.name, spec.schemes) == (name, () if kind == "format" else (scheme,))
    assert spec.extensions == ((f".{name}",) if kind == "format" else ())
    assert spec.config.__name__ == f"{name.title().replace('_', '')}Config"
    tests = (project / "tests" / f"test_{name}.py").read_text()
    assert re.findall(r"from (crossdock_\w+) import", tests) == [f"crossdock_{name}"]
    packed = tomllib.loads((project / "pyproject.toml").read_text())
    assert packed["project"]["name"] == f"crossdock-{scheme}"
    assert packed["project"]["entry-points"]["crossdock"] == {name: f"crossdock_{name}"}


def test_extensions_are_taken_too(tmp_path: Path) -> None:
    with pytest.raises(crossdock.ConfigError, match="taken by the connector delimited"):
        make("csv", "format", tmp_path, registry())
    assert make("csv", "store", tmp_path, registry()).is_dir()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(crossdock.ConfigError, match="nothing can be made in"):
        make("shelf", "table", tmp_path / "file", registry())


# -- the kit without a test file ------------------------------------------------------------------


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a format's module in this folder, with text replaced."""

    def made(**changes: str) -> Path:
        project = make("shelf", "format", tmp_path, registry())
        place = project / "crossdock_shelf.py"
        text = place.read_text()
        for before, after in changes.values():
            assert before in text
            text = text.replace(before, after)
        place.write_text(text)
        monkeypatch.chdir(project)
        return project

    return made


def _check(capsys: pytest.CaptureFixture[str], *more: str, code: int) -> Any:
    assert run(["plugin", "check", "crossdock_shelf", "--output", "json", *more]) == code
    said = capsys.readouterr()
    return json.loads(said.out)


def test_check_runs_the_kit(module: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """One of its checks fails, one is exempt; the report has them all."""
    project = module(
        lost=("range(*json.loads(token))", "range(json.loads(token)[0], json.loads(token)[1] - 1)")
    )
    said = _check(capsys, "--exempt", "test_large=too large for us", "--junit", "out.xml", code=1)
    outcomes = {each["check"]: (each["outcome"], each["text"]) for each in said["checks"]}
    assert outcomes["test_pieces_hold_each_row_once[memory]"][0] == "failed"
    assert outcomes["test_large[memory]"] == ("exempt", "too large for us (AssertionError)")
    assert outcomes["test_notes"] == ("passed", "")
    report = (project / "out.xml").read_text()
    assert report.count("<testcase ") == len(said["checks"]) > 90
    assert '<property name="topic" value="plan"' in report
    assert '<property name="answer" value="kept"' in report


def test_check_of_what_is_right(module: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """A format without code has the checks of its spec only."""
    module(code=("    open_format=open_format,\n", ""))
    assert run(["plugin", "check", "crossdock_shelf"]) == 0
    assert re.fullmatch(r"crossdock_shelf: \d+ passed\n", capsys.readouterr().out)


_WRONG = {
    "missing": (("no_such_module",), "no_such_module does not import: ModuleNotFoundError"),
    "no_connectors": (("json",), "the module json has no connectors"),
    "no_check": (("crossdock_shelf", "--exempt", "test_wrong=x"), "no check is called test_wrong"),
}


@pytest.mark.parametrize(("arguments", "complaint"), _WRONG.values(), ids=list(_WRONG))
def test_check_of_nothing(
    arguments: tuple[str, ...],
    complaint: str,
    module: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    module()
    assert run(["plugin", "check", *arguments]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


def test_check_of_what_is_taken(module: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Once installed it would be skipped."""
    module(taken=('extensions=(".shelf",)', 'extensions=(".csv",)'))
    assert run(["plugin", "check", "crossdock_shelf"]) == 2
    assert "'shelf' and 'delimited' both claim .csv" in capsys.readouterr().err


_NO_END = {
    "interrupted": ("raise KeyboardInterrupt", "ended with status 2 in the check TestShelf test_"),
    "gone": ("import os; os._exit(0)", "ended with status 0 in the check TestShelf test_"),
    "left": ("import pytest; pytest.exit('enough', returncode=0)", "status 0 in the check TestShelf test_"),
    "hangs": (
        "import time; time.sleep(60)",
        r"the check TestShelf test_\S+ of crossdock_shelf has not ended after 8 seconds",
    ),
}


@pytest.mark.parametrize(("fault", "complaint"), _NO_END.values(), ids=list(_NO_END))
def test_check_that_does_not_end(
    fault: str, complaint: str, module: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """What has run until then is no result."""
    before = "    return ShelfFormat(config.compression)"
    module(fault=(before, f"    {fault}\n{before}"))
    assert run(["plugin", "check", "crossdock_shelf", "--timeout", "8" if "sleep" in fault else "60"]) == 1
    said = capsys.readouterr()
    assert re.search(complaint, said.err)
    assert not said.out


def test_check_of_what_hangs_when_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stuck.py").write_text("import time; time.sleep(60)")
    assert run(["plugin", "check", "stuck", "--timeout", "1"]) == 1
    assert "importing stuck has not ended after 1 seconds; --timeout gives it more" in capsys.readouterr().err


def test_nothing_stays_of_a_check_that_is_killed(module: Callable[..., Path], tmp_path: Path) -> None:
    """The process that runs the checks sees it, ends and takes its files along."""
    before, place = "    return ShelfFormat(config.compression)", tmp_path / "temporary"
    place.mkdir()
    module(fault=(before, f"    print(file=open('began', 'w')); import time; time.sleep(60)\n{before}"))
    program = [sys.executable, "-m", "crossdock", "plugin", "check", "crossdock_shelf"]
    with subprocess.Popen(program, env=os.environ | {"TMPDIR": str(place)}) as check:
        _until(Path("began").exists)
        assert list(place.glob("crossdock-check-*"))
        check.kill()
    _until(lambda: not list(place.glob("crossdock-check-*")))


def _until(there: Callable[[], bool]) -> None:
    last = time.monotonic() + 60
    while not there():
        assert time.monotonic() < last
        time.sleep(0.02)


# -- the page -------------------------------------------------------------------------------------


def test_doc_shows_the_code_of_the_template(tmp_path: Path) -> None:
    """Each Python or TOML block is, to the letter, in what is made, and every part is shown."""
    project = make("shelf", "table", tmp_path, registry())
    files = "\n\n".join(path.read_text() for path in project.rglob("*") if path.is_file())
    blocks = re.findall(r"```(?:python|toml)\n(.*?)```", _DOC.read_text(), re.DOTALL)
    for block in blocks:
        assert block.strip("\n") in files, f"not in what is made:\n{block}"
    shown = "\n".join(blocks)
    missing = [n for n in ("class ShelfSource", "class ShelfWriter", "class ShelfSink", "SPEC = ",
                           "@hookimpl", "TableContract", "entry-points") if n not in shown]  # fmt: skip
    assert not missing, f"the page does not show {missing}"


_OTHERS = {"SecretStr", "ShelfSource", "ShelfWriter", "ShelfSink", "DeprecationWarning", "MemoryError"}


def test_doc_names_what_exists() -> None:
    """Every name in backticks that looks like one of ours is public, and every contract is named."""
    words = set(re.findall(r"`([A-Z][A-Za-z]+)`", _DOC.read_text()))
    public = {*crossdock.__all__, *contract.__all__}
    assert words - public <= _OTHERS, words - public
    assert {"StoreContract", "TableContract", "FormatContract"} <= words


def test_doc_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", _DOC.read_text()):
        assert (_DOC.parent / target).exists(), target
