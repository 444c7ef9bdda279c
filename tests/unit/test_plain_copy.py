"""A plain ``crossdock copy`` is read without typer, and just as typer would read it."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from typing import Any

import pytest
import typer

from crossdock import api
from crossdock.cli import plain_copy as plain
from crossdock.cli.app import build, call
from crossdock.cli.session import Output, Session
from crossdock.report import CopyResult


class Stopped(Exception):
    """Ends a command where the copy would begin."""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in plain.ENVIRONMENT:
        monkeypatch.delenv(f"CROSSDOCK_{name}", raising=False)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What ``api.copy`` is called with, all defaults filled in."""
    calls: list[dict[str, Any]] = []
    signature = inspect.signature(api.copy)

    def copy(*positional: Any, **named: Any) -> CopyResult:
        bound = signature.bind(*positional, **named)
        bound.apply_defaults()
        arguments = bound.arguments
        for side in ("source_options", "sink_options", "stage_options", "log_options"):
            arguments[side] = arguments[side] or {}
        arguments["parallel_copies"] = str(arguments["parallel_copies"])
        calls.append(arguments)
        raise Stopped

    monkeypatch.setattr(api, "copy", copy)
    return calls


@pytest.mark.parametrize(
    "line",
    [
        "copy a.csv b/",
        "copy a.csv b/ --output json",
        "copy --output=json --verify a.csv b.parquet --dry-run",
        "copy a b --mode overwrite --parallel-copies 7 --block-size=8MiB --memory 1GiB --bandwidth 1MB/s",
        "copy a -k compression=zstd b -s header=false --sink-option x= --source-option infer=@@no",
        "copy a b --map a=b,c=d --run-id r1 --source-format delimitedtext --sink-format=parquet",
        "copy a b --mode append --mode error --parallel-copies auto",
        "copy a b --stage s/ --stage-option path=x --keep-staging",
    ],
)
def test_a_plain_copy_is_read_as_typer_reads_it(line: str, asked: list[dict[str, Any]]) -> None:
    mine, theirs = Session(), Session()
    run = plain.plain_copy(line.split(), mine)
    assert run is not None
    with pytest.raises(Stopped):
        run()
    with pytest.raises(Stopped):
        call(line.split(), theirs)
    assert asked[0] == asked[1]
    assert mine.output is theirs.output


@pytest.mark.parametrize(
    "line",
    [
        "",
        "runs",
        "connectors copy b",
        "copy",
        "copy a",
        "copy a b c",
        "copy a b --nope",
        "copy a b --verify=yes",
        "copy a b --mode",
        "copy a b --mode replace",
        "copy a b --mode=",
        "copy a b --output yaml",
        "copy a b --parallel-copies 0",
        "copy a b --parallel-copies ٣",
        "copy a b --parallel-copies AUTO",
        "copy a b --map --verify",
        "copy a b -kx=y",
        "copy a b --sink-option=x=y",
        "copy a b -v",
        "copy a b --help",
        "copy -- a b",
        "copy a -",
    ],
)
def test_what_is_not_plain_is_left_to_typer(line: str) -> None:
    session = Session()
    assert plain.plain_copy(line.split(), session) is None
    assert session.output is Output.TEXT


@pytest.mark.parametrize("name", plain.ENVIRONMENT)
def test_settings_of_the_environment_are_left_to_typer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"CROSSDOCK_{name}", "1")
    assert plain.plain_copy(["copy", "a", "b"], Session()) is None


def test_every_option_of_copy_is_known() -> None:
    root: Any = typer.main.get_command(build(["copy"]))
    flags = {flag for option in root.commands["copy"].params for flag in option.opts if flag.startswith("-")}
    known = {*plain.TEXTS, *plain.LISTS, *plain.FLAGS, *plain.LEFT_TO_TYPER}
    assert flags <= known
    assert known - flags <= {"--help", "-h"}


def test_every_setting_of_the_environment_is_known() -> None:
    root: Any = typer.main.get_command(build(["copy"]))
    settings = {option.envvar for option in root.commands["copy"].params if option.envvar}
    assert settings == {f"CROSSDOCK_{name}" for name in plain.ENVIRONMENT}


def test_a_plain_copy_imports_neither_typer_nor_arrow(tmp_path: Any) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    program = (
        "import sys; from crossdock.cli.main import run;"
        "code = run(['copy', 'a.csv', 'out/', '--output', 'json']);"
        "print(code, *sorted({'typer', 'rich', 'pyarrow', 'numpy', 'anyio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"CROSSDOCK_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "0"
    assert (tmp_path / "out" / "a.csv").read_text() == "a\n1\n"
