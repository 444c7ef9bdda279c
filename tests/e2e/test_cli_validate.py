"""``crossdock validate``: what it says, in which form, and with which exit code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SAMPLE = Path(__file__).parents[1] / "factories" / "sample"


def crossdock(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crossdock", *map(str, arguments)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=100, env=os.environ | {"NO_COLOR": "1"}
    )


def report(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    ran = crossdock("validate", *arguments, "--output", "json")
    assert ran.stderr == ""
    return ran.returncode, json.loads(ran.stdout)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "factory"))


def test_the_sample_as_json(sample: Path) -> None:
    code, found = report(sample)
    supported = {each["name"]: each["supported"] for each in found["pipelines"]}
    assert (code, [name for name, each in supported.items() if not each]) == (0, [])
    assert (found["loaded"]["dataset"], found["loaded"]["pipeline"]) == (9, 8)
    states = {(each["kind"], each["type"]): each["state"] for each in found["types"]}
    assert states["activity", "Copy"] == states["dataset", "Parquet"] == "supported"
    for each in found["pipelines"]:
        wrong = [one for one in each["findings"] if one["severity"] != "note"]
        assert each["supported"] is not bool(wrong)


def test_an_activity_without_a_runner_is_unsupported_and_ends_with_1(sample: Path) -> None:
    activity = {"name": "Cluster", "type": "DatabricksNotebook", "typeProperties": {}}
    (sample / "pipeline" / "nightly.json").write_text(
        json.dumps({"name": "nightly", "properties": {"activities": [activity]}})
    )
    code, found = report(sample)
    (nightly,) = (each for each in found["pipelines"] if each["name"] == "nightly")
    (finding,) = nightly["findings"]
    assert (code, found["status"], nightly["supported"]) == (1, "unsupported", False)
    assert (finding["code"], finding["activity"], finding["file"]) == (
        "NotSupported",
        "Cluster",
        "pipeline/nightly.json",
    )


def test_all_pipelines_supported_ends_with_0(sample: Path) -> None:
    for name in ("pipeline/nightly", "trigger/everyNight"):
        (sample / f"{name}.json").unlink()
    code, found = report(sample)
    assert (code, found["status"]) == (0, "supported")


def test_what_a_pipeline_calls_counts_as_its_own(sample: Path) -> None:
    (sample / "dataset" / "shareJson.json").unlink()
    code, found = report(sample)
    supported = {each["name"]: each["supported"] for each in found["pipelines"]}
    assert code == 2
    assert {name for name, each in supported.items() if not each} == {"load", "nightly"}


def test_a_broken_file_ends_with_2_and_its_place(sample: Path) -> None:
    (sample / "pipeline" / "bad.json").write_text('{"name": "bad",\n}')
    ran = crossdock("validate", sample)
    assert ran.returncode == 2
    assert "pipeline/bad.json:2:1" in ran.stdout
    assert "1 error to correct" in ran.stdout


def test_what_is_forbidden_is_an_error(sample: Path, tmp_path: Path) -> None:
    service = sample / "linkedService" / "shopServer.json"
    service.write_text(service.read_text().replace("sql.contoso.example", "10.1.2.3"))
    code, found = report(sample, "--allow-path", tmp_path, "--forbid-private")
    forbidden = {each["message"] for each in found["findings"] if each["code"] == "Forbidden"}
    assert code == 2
    assert any("10.1.2.3" in each for each in forbidden)
    assert any("/srv/contoso" in each for each in forbidden)
    assert all(each["severity"] == "error" for each in found["findings"] if each["code"] == "Forbidden")


def test_settings_give_what_the_definitions_lack(sample: Path, tmp_path: Path) -> None:
    activity = {
        "name": "Hook",
        "type": "WebHook",
        "typeProperties": {"url": "https://x", "method": "POST", "body": {}},
    }
    (sample / "pipeline" / "hook.json").write_text(
        json.dumps({"name": "hook", "properties": {"activities": [activity]}})
    )
    settings = tmp_path / "settings.json"
    hooks = {"listen": "127.0.0.1:1", "address": "https://etl.example"}
    settings.write_text(json.dumps({"webHooks": hooks, "linkedServices": {"share": {"host": "/elsewhere"}}}))
    found = {}
    for given in ((), ("--settings", settings)):
        code, report_ = report(sample, "--allow-path", "/srv", *given)
        by_name = {each["name"]: each for each in report_["pipelines"]}
        notes = [each["code"] for each in by_name["hook"]["findings"]]
        folders = {each["message"] for each in report_["findings"] if "/elsewhere" in each["message"]}
        found[bool(given)] = (by_name["hook"]["supported"], notes, bool(folders), code)
    assert found == {False: (True, ["NotConfigured"], False, 0), True: (True, [], True, 2)}


def test_expression_errors_keep_their_caret(sample: Path) -> None:
    file = sample / "pipeline" / "unload.json"
    file.write_text(file.read_text().replace('"table": "orders"', '"table": "@toUper(\'x\')"'))
    ran = crossdock("validate", sample)
    lines = ran.stdout.split("\n")
    at = next(index for index, line in enumerate(lines) if line.strip() == "^")
    assert lines[at - 1][lines[at].index("^") :].startswith("toUper")


def test_what_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    ran = crossdock("validate", tmp_path / "nothing")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"crossdock: {tmp_path / 'nothing'} does not exist\n"


def test_a_copy_imports_no_pipelines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    program = (
        "import sys; from crossdock.cli.main import run; code = run(sys.argv[1:]); "
        "print(code, [name for name in sys.modules if name.startswith('crossdock_scheduler.')])"
    )
    command = [sys.executable, "-c", program, "copy", str(tmp_path / "a.csv"), str(tmp_path / "b.parquet")]
    ran = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | {"CROSSDOCK_HOME": str(tmp_path)},
    )
    assert ran.stdout.splitlines()[-1] == "0 []"
