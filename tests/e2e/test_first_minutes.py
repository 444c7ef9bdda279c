"""What somebody meets first: the bare command, its examples, errors that say where to read on, completion."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from crossdock.cli.app import EXAMPLES
from crossdock.cli.main import run

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def sh(tmp_path: Path) -> Run:
    """Runs a script of the shell in an empty folder, with ``crossdock`` as its command."""
    program = tmp_path / "bin" / "crossdock"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m crossdock "$@"\n')
    program.chmod(0o755)
    here = tmp_path / "here"
    here.mkdir()

    def run_script(script: str, shell: str = "sh", **more: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", **more}
        return subprocess.run(
            [shell, "-c" if shell == "fish" else "-ec", script],
            env=environment,
            cwd=here,
            capture_output=True,
            text=True,
            check=False,
        )

    return run_script


def test_examples_work_as_they_stand(sh: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run([]) == 0
    shown = capsys.readouterr().out
    lines = [line for line, _ in EXAMPLES]
    assert all(f"  {line} " in shown for line in lines)
    done = sh("\n".join(lines))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / "names.jsonl").read_text() == '{"person":"Ada"}\n{"person":"Grace"}\n'
    assert "Grace" in done.stdout, "the preview"


def test_every_command_is_in_a_group_of_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    titles = [line for line in shown.splitlines() if line.startswith("╭─")]
    assert len(titles) >= 5
    assert not any(line.startswith("╭─ Commands ") for line in titles), "a command without a group"


@pytest.mark.parametrize("base", ["", "https://docs.example/crossdock/"])
def test_an_error_says_where_it_is_explained(
    base: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("CROSSDOCK_DOCS", base)
    missing = str(tmp_path / "missing.csv")
    assert run(["copy", missing, str(tmp_path / "x.parquet"), "--output", "json"]) == 2
    told = json.loads(capsys.readouterr().out)["crossdock"]["help"]
    if base:
        page, _, anchor = told.removeprefix(base).partition(".html#")
        text = (Path(__file__).parents[2] / "docs" / f"{page}.md").read_text()
        assert anchor in [line.removeprefix("### ").lower() for line in text.splitlines()]
    else:
        assert told == "crossdock errors NotFound"
        assert run(told.split()[1:]) == 0
        assert "crossdock browse" in capsys.readouterr().out


def test_on_a_terminal_an_error_names_its_page(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "crossdock", "copy", "missing.csv", "x.parquet"],
        cwd=tmp_path, stderr=slave, stdout=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    os.close(slave)
    said = os.read(master, 65536).decode()
    os.close(master)
    assert done.returncode == 2
    assert "more: crossdock errors NotFound" in said


def test_an_unknown_code_is_not_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["errors", "NoSuch"]) == 2
    assert "there is no error code 'NoSuch'" in capsys.readouterr().err


def test_completion_in_bash(sh: Run) -> None:
    """The script that ``--show-completion`` prints, in a real bash."""
    done = sh(
        """
        eval "$(_CROSSDOCK_COMPLETE=source_bash crossdock)"
        COMP_WORDS=(crossdock copy a.csv b --sink-format par) COMP_CWORD=5
        $(complete -p crossdock | sed 's/.*-F \\([^ ]*\\).*/\\1/') crossdock
        echo "${COMPREPLY[@]}"
        """,
        "bash",
    )
    assert done.stdout.split() == ["parquet"], done.stderr


@pytest.mark.parametrize(
    ("shell", "asked"),
    [
        ("zsh", {"_TYPER_COMPLETE_ARGS": "crossdock errors NotF"}),
        (
            "fish",
            {"_TYPER_COMPLETE_ARGS": "crossdock errors NotF", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
        ),
    ],
)
def test_completion_in_others(sh: Run, shell: str, asked: dict[str, str]) -> None:
    """As their scripts ask; the shells themselves need not be there."""
    script = sh("crossdock", _CROSSDOCK_COMPLETE=f"source_{shell}").stdout
    assert "crossdock" in script
    assert all(name in script for name in asked)
    assert "NotFound" in sh("crossdock", _CROSSDOCK_COMPLETE=f"complete_{shell}", **asked).stdout


# The functions that a shell calls are given what it would give them; what they answer is printed.
_REAL = {
    "zsh": """
        autoload -Uz compinit && compinit -u -d dump
        eval "$(_CROSSDOCK_COMPLETE=source_zsh crossdock)"
        _arguments() { print -r -- "$@" }
        words=(crossdock errors NotF) CURRENT=3
        $_comps[crossdock]
    """,
    "fish": """
        _CROSSDOCK_COMPLETE=source_fish crossdock | source
        complete --do-complete 'crossdock errors NotF'
    """,
}


@pytest.mark.parametrize(("shell", "script"), _REAL.items(), ids=list(_REAL))
def test_completion_in_the_shell_itself(sh: Run, shell: str, script: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed; .ci/run installs it")
    done = sh(script, shell)
    assert "NotFound" in done.stdout, done.stderr
    assert "AccessDenied" not in done.stdout
