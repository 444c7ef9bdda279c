"""The ``crossdock`` command as a process: what needs no data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

COPY = ("copy", "a.csv", "b.csv")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CROSSDOCK_", "FORCE_", "NO_COLOR"))}
    return {**kept, "CROSSDOCK_HOME": str(tmp_path / "home"), "COLUMNS": "80"}


def crossdock(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "crossdock", *arguments],
        env=environment,
        cwd=Path(environment["CROSSDOCK_HOME"]).parent,
        capture_output=True,
        text=True,
        check=False,
    )


def add_plugin(environment: dict[str, str], folder: Path, name: str, code: str) -> None:
    """Install a plugin the way pip does: a module and the metadata of a distribution."""
    (folder / f"{name}_plugin.py").write_text(code)
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[crossdock]\n{name} = {name}_plugin\n")
    environment["PYTHONPATH"] = str(folder)


def test_version(environment: dict[str, str]) -> None:
    done = crossdock(environment, "--version")
    assert done.stdout.startswith("crossdock 0.")
    assert (done.stderr, done.returncode) == ("", 0)


def test_version_imports_nothing_heavy(environment: dict[str, str]) -> None:
    code = (
        "import sys; from crossdock.__main__ import main; sys.argv = ['crossdock', '--version']; main();"
        "print(*sorted({'typer', 'rich', 'pydantic', 'pyarrow', 'pluggy', 'anyio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1:] == [""]


def test_a_group_alone_shows_its_help(environment: dict[str, str]) -> None:
    done = crossdock(environment, "stage")
    assert "Remove a stage" in done.stdout
    assert (done.stderr, done.returncode) == ("", 2)


def test_help_imports_no_engine(environment: dict[str, str]) -> None:
    code = (
        "import sys; from crossdock.cli.main import run; run(['--help']);"
        "print('imported', *sorted({'pyarrow', 'numpy', 'anyio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "imported"


@pytest.mark.parametrize("flags", [(), ("--verify",)])
def test_a_copy_of_bytes_imports_what_it_needs(environment: dict[str, str], flags: tuple[str, ...]) -> None:
    home = Path(environment["CROSSDOCK_HOME"]).parent
    (home / "a.csv").write_bytes(b"a,b\n" * 1000)
    code = (
        "import sys; from crossdock.cli.main import run; code = run(sys.argv[1:]);"
        "rare = {'typer', 'rich', 'pyarrow', 'numpy', 'anyio', 'importlib.metadata', 'email', 'subprocess'};"
        "print('imported', code, *sorted(rare & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "copy", "a.csv", "b.csv", *flags],
        env=environment, cwd=home, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "imported 0"
    assert (home / "b.csv").read_bytes() == (home / "a.csv").read_bytes()


def test_version_is_also_an_option_among_others(environment: dict[str, str]) -> None:
    assert crossdock(environment, "-v", "--version").stdout == crossdock(environment, "--version").stdout


def test_without_a_command_it_shows_what_to_try(environment: dict[str, str]) -> None:
    done = crossdock(environment)
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("copy", "connectors", "preview", "doctor"):
        assert f" {command} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("cpy", "a", "b"), "No such command 'cpy'"),
        (("copy", "a.csv"), "Missing argument 'SINK'"),
        ((*COPY, "--nope"), "No such option: --nope"),
        ((*COPY, "--mode", "replace"), "Invalid value for '--mode'"),
        ((*COPY, "--parallel-copies", "0"), "'0' is neither 'auto' nor a number from 1"),
        ((*COPY, "-s", "NA"), "-s takes key=value, but 'NA' has no '='"),
        ((*COPY, "-k", "password=env:NOT_SET_ANYWHERE"), "'NOT_SET_ANYWHERE' is not set"),
        (("copy", "a.csv", "b.csv", "c.csv", "out/"), "crossdock copy 'data/*.csv' out/"),
        (("connectors", "parket"), "did you mean parquet?"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    environment: dict[str, str], arguments: tuple[str, ...], sentence: str
) -> None:
    done = crossdock(environment, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("crossdock: ")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_long_sentence_is_not_folded_and_markup_is_text(environment: dict[str, str]) -> None:
    name = "[bold red]" + "x" * 300 + "\x1b[2J"
    done = crossdock(environment, "connectors", name)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "[bold red]" + "x" * 300 in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("options", "code"), [(("-s", "NA"), "InvalidConfig"), (("--mode", "replace"), "Usage")]
)
def test_a_wrong_request_as_json(environment: dict[str, str], options: tuple[str, ...], code: str) -> None:
    done = crossdock(environment, *COPY, *options, "--output", "json")
    assert done.returncode == 2
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["runId"]) == ("Failed", None)
    assert answer["error"]["errorCode"] == code
    assert answer["error"]["failureType"] == "UserError"
    assert answer["error"]["message"].rstrip(".") in done.stderr


def test_verbose_adds_the_traceback(environment: dict[str, str]) -> None:
    done = crossdock(environment, *COPY, "-s", "NA", "-v")
    assert "Traceback (most recent call last)" in done.stderr
    assert "crossdock: -s takes key=value" in done.stderr


def test_an_environment_variable_is_an_option(environment: dict[str, str]) -> None:
    done = crossdock({**environment, "CROSSDOCK_PARALLEL_COPIES": "many"}, *COPY)
    assert done.returncode == 2
    assert "'many' is neither 'auto' nor a number from 1" in done.stderr


def test_connectors_in_text_and_json_agree(environment: dict[str, str]) -> None:
    text = crossdock(environment, "connectors")
    assert (text.returncode, text.stderr) == (0, "")
    listed = json.loads(crossdock(environment, "connectors", "--output", "json").stdout)
    names = [connector["name"] for connector in listed["connectors"]]
    assert [line.split()[0] for line in text.stdout.splitlines()[1:]] == names
    assert {"file", "binary", "parquet", "delimited", "jsonlines", "sqlite"} <= set(names)
    assert listed["faults"] == []


def test_every_option_of_every_connector_is_described(environment: dict[str, str]) -> None:
    listed = json.loads(crossdock(environment, "connectors", "--output", "json").stdout)
    for connector in listed["connectors"]:
        page = crossdock(environment, "connectors", connector["name"].upper())
        assert (page.returncode, page.stderr) == (0, "")
        assert connector["example"] in page.stdout
        for name, about in connector["config"].get("properties", {}).items():
            assert about.get("description"), f"{connector['name']}: {name} has no description"
            assert f"{name} " in page.stdout


def test_a_connector_is_found_by_its_data_factory_type(environment: dict[str, str]) -> None:
    assert (
        crossdock(environment, "connectors", "DelimitedText").stdout
        == crossdock(environment, "connectors", "delimited").stdout
    )


def test_a_plugin_adds_a_command(environment: dict[str, str], tmp_path: Path) -> None:
    code = (
        "import crossdock\n@crossdock.hookimpl\ndef crossdock_commands(app):\n"
        "    @app.command()\n    def hello(name: str):\n        print('hello', name)\n"
    )
    add_plugin(environment, tmp_path, "greeter", code)
    done = crossdock(environment, "hello", "world")
    assert (done.stdout, done.stderr, done.returncode) == ("hello world\n", "", 0)


def test_a_plugin_cannot_take_a_command(environment: dict[str, str], tmp_path: Path) -> None:
    code = (
        "import crossdock\n@crossdock.hookimpl\ndef crossdock_commands(app):\n"
        "    @app.command()\n    def connectors():\n        print('mine')\n"
    )
    add_plugin(environment, tmp_path, "thief", code)
    done = crossdock(environment, "connectors")
    assert "mine" not in done.stdout
    assert "parquet" in done.stdout
    assert "plugin thief" in done.stderr
    assert "the command 'connectors' is taken" in done.stderr


def test_a_broken_plugin_is_named_and_does_not_disturb(environment: dict[str, str], tmp_path: Path) -> None:
    add_plugin(environment, tmp_path, "broken", "import a_module_that_is_not_there")
    done = crossdock(environment, "connectors")
    assert done.returncode == 0
    assert done.stderr.startswith("crossdock: warning: plugin broken was skipped")
    assert len(done.stderr.splitlines()) == 1
    assert "parquet" in done.stdout
    faults = json.loads(crossdock(environment, "connectors", "--output", "json").stdout)["faults"]
    assert [fault["plugin"] for fault in faults] == ["broken"]


def test_a_reader_that_goes_away_is_no_crash(environment: dict[str, str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "crossdock", "connectors"],
            env=environment,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_completion_knows_commands_and_formats(environment: dict[str, str]) -> None:
    def complete(words: str, index: int) -> list[str]:
        asked = {"_CROSSDOCK_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(index)}
        return crossdock({**environment, **asked}).stdout.split()

    assert complete("crossdock con", 1) == ["connectors", "context"]
    assert complete("crossdock copy --sink-format par", 3) == ["parquet"]
    assert complete("crossdock connectors del", 2) == ["delimited"]


@pytest.mark.parametrize("number", [1, 2])
def test_a_closed_stream_changes_no_exit_code(environment: dict[str, str], number: int) -> None:
    folder = Path(environment["CROSSDOCK_HOME"]).parent
    (folder / "a.bin").write_bytes(b"bytes")
    for source, code in (("a.bin", 0), ("missing.bin", 2)):
        script = f"exec {number}>&-; exec {sys.executable} -m crossdock copy {source} b.bin"
        done = subprocess.run(["/bin/sh", "-c", script], env=environment, cwd=folder, check=False)
        assert done.returncode == code
    assert (folder / "b.bin").read_bytes() == b"bytes"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_stream_is_said_or_passed_over(environment: dict[str, str], unbuffered: str) -> None:
    environment["PYTHONUNBUFFERED"] = unbuffered
    folder = Path(environment["CROSSDOCK_HOME"]).parent
    (folder / "a.bin").write_bytes(b"bytes")
    command = [sys.executable, "-m", "crossdock", "copy"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*command, "missing", "b"], env=environment, cwd=folder, stderr=full, check=False
        )
        assert done.returncode == 2
        for output in ("text", "json"):
            done = subprocess.run(
                [*command, "a.bin", f"{output}.bin", "--output", output],
                env=environment, cwd=folder, stdout=full, stderr=subprocess.PIPE, check=False,
            )  # fmt: skip
            assert done.returncode == 1
            assert done.stderr.decode().splitlines() == [
                "crossdock: the answer cannot be written to standard output: No space left on device"
            ]
            assert (folder / f"{output}.bin").read_bytes() == b"bytes"


def test_an_empty_home_is_none(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"bytes")
    state = tmp_path / "state"
    done = subprocess.run(
        [sys.executable, "-m", "crossdock", "copy", "a.bin", "b.bin", "--run-id", "r"],
        env={**environment, "CROSSDOCK_HOME": "", "XDG_STATE_HOME": str(state)}, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert (state / "crossdock" / "runs" / "r.db").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "b.bin", "state"]
