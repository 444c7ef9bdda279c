"""``crossdock run`` and ``crossdock pipeline-runs``: what they do to files, what they say, how they end."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SAMPLE = Path(__file__).parents[1] / "factories" / "sample"
HIDDEN = "tok3n-that-nobody-sees"


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """The folder that the linked service ``share`` is."""
    for folder in ("north", "south", "skip"):
        made = tmp_path / "share" / "in" / folder
        made.mkdir(parents=True)
        (made / "orders.csv").write_text(f"id,where\n1,{folder}\n")
    return tmp_path / "share"


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "factory"))


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "crossdock", *map(str, arguments)]


def crossdock(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), check=False, capture_output=True, text=True, timeout=100,
        env=os.environ | {"NO_COLOR": "1"} | environment,
    )  # fmt: skip


def on_share(share: Path) -> tuple[str, str]:
    return "--linked-service", f"share.host={share}"


def answer(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found = json.loads(ran.stdout)
    assert isinstance(found, dict)
    return found


def rows(folder: Path) -> dict[str, list[list[str]]]:
    """The rows of all files below a folder."""
    return {
        str(each.relative_to(folder)): list(csv.reader(each.read_text().splitlines()))
        for each in folder.rglob("*.csv")
    }


# -- what is done ----------------------------------------------------------------------------------------


def test_a_pipeline_with_every_control_activity(share: Path) -> None:
    ran = crossdock(
        "run", SAMPLE, "distribute", *on_share(share), "--param", "mode=archive", "--output", "json"
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert rows(share / "out") == {
        "north/orders.csv": [["id", "where"], ["1", "north"]],
        "south/orders.csv": [["id", "where"], ["1", "south"]],
    }
    assert len(rows(share / "archive")) == 1
    found = answer(ran)
    assert found["status"] == "Succeeded"
    assert found["pipelineReturnValue"] == {"result": "complete", "folders": 2}
    runs = {each["activityName"]: each for each in found["activityRuns"]}
    assert set(runs) >= {"Wanted", "Each folder", "By mode", "Archive", "Settled", "Pause", "Say complete"}
    copied = runs["To outbox"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", copied["activityRunStart"])
    assert (copied["status"], copied["output"]["rowsCopied"]) == ("Succeeded", 1)
    assert copied["userProperties"] == {"Source": "archive"}
    assert copied["error"] == {"errorCode": "", "message": "", "failureType": "", "target": "To outbox"}
    assert copied["pipelineRunId"] == found["runId"]
    (child,) = found["pipelineRuns"]
    assert runs["Archive"]["output"]["pipelineRunId"] == child["runId"] == runs["To archive"]["pipelineRunId"]


def test_a_caret_stands_below_what_it_points_at(tmp_path: Path) -> None:
    value = {"value": "@add(1, 'x\x1b[2J')", "type": "Expression"}
    activity = {"name": "a", "type": "SetVariable", "typeProperties": {"variableName": "v", "value": value}}
    properties = {"activities": [activity], "variables": {"v": {"type": "Integer"}}}
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "p.json").write_text(json.dumps({"name": "p", "properties": properties}))
    ran = crossdock("run", tmp_path, "p", CROSSDOCK_HOME=str(tmp_path / "home"))
    assert ran.returncode == 1
    lines = (ran.stdout + ran.stderr).splitlines()
    at = next(number for number, line in enumerate(lines) if "@add(" in line)
    assert lines[at + 1].index("^") == lines[at].index("'x")
    assert "\x1b[2J" not in ran.stdout + ran.stderr


def test_a_pipeline_that_fails_ends_with_1_and_says_why(share: Path) -> None:
    ran = crossdock("run", SAMPLE, "distribute", *on_share(share), "--param", "mode=burn", "--output", "json")
    found = answer(ran)
    assert (ran.returncode, found["status"]) == (1, "Failed")
    assert found["error"]["message"].startswith("Operation on target By mode failed: ")
    runs = {each["activityName"]: each for each in found["activityRuns"]}
    assert runs["Unknown mode"]["error"] == {
        "errorCode": "400", "message": "no mode burn", "failureType": "UserError", "target": "Unknown mode",
    }  # fmt: skip
    assert runs["Return"]["status"] == "Skipped"


def test_the_table_and_the_records(share: Path) -> None:
    ran = crossdock("run", SAMPLE, "distribute", *on_share(share), "--run-id", "first")
    assert ran.returncode == 0
    lines = ran.stdout.splitlines()
    assert any("To outbox [1]" in line and "rowsCopied 1" in line for line in lines)
    assert lines[-2] == 'return value: {"result": "complete", "folders": 2}'
    assert re.fullmatch(r"Succeeded pipeline distribute in .* \(16 succeeded\), run first", lines[-1])
    assert "first" in crossdock("pipeline-runs").stdout
    (listed,) = answer(crossdock("pipeline-runs", "--output", "json"))["pipelineRuns"]
    assert (listed["runId"], listed["state"], listed["pipelineName"]) == ("first", "succeeded", "distribute")
    shown = answer(crossdock("pipeline-runs", "show", "first", "--output", "json"))
    assert len(shown["activityRuns"]) == 16
    again = crossdock("pipeline-runs", "resume", "first")
    assert (again.returncode, "has succeeded: there is nothing to resume" in again.stderr) == (2, True)
    taken = crossdock("run", SAMPLE, "distribute", *on_share(share), "--run-id", "first")
    assert (taken.returncode, "'first' is taken" in taken.stderr) == (2, True)
    assert crossdock("pipeline-runs", "forget", "first").returncode == 0
    assert crossdock("pipeline-runs", "show", "first").returncode == 2


def test_parameters_have_their_declared_types(share: Path) -> None:
    ran = crossdock(
        "run", SAMPLE, "distribute", *on_share(share), "--param", 'FOLDERS=["south"]', "--output", "json"
    )
    assert ran.returncode == 0
    assert list(rows(share / "out")) == ["south/orders.csv"]
    assert answer(ran)["parameters"]["folders"] == ["south"]


# -- what is wrong ---------------------------------------------------------------------------------------


def nothing_was_run(share: Path) -> bool:
    return (
        not (share / "out").exists() and not (Path(os.environ["CROSSDOCK_HOME"]) / "pipeline-runs").exists()
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["mod=x"], ["has no parameter 'mod': did you mean 'mode'?"]),
        (["folders=north"], ["the parameter 'folders' of the pipeline 'distribute' is of the type array"]),
        (["token=plain"], ["--param token: a secret is not given on the command line"]),
        (["folders=1", "other=2"], ["'folders'", "no parameter 'other'"]),
        (["mode"], ["--param takes NAME=VALUE"]),
        (["mode=a", "Mode=b"], ["--param gives 'Mode' twice"]),
    ],
)
def test_parameters_that_do_not_fit_end_with_2_and_nothing_is_run(
    share: Path, given: list[str], said: list[str]
) -> None:
    parameters = [each for text in given for each in ("--param", text)]
    ran = crossdock("run", SAMPLE, "distribute", *on_share(share), *parameters)
    assert ran.returncode == 2
    for each in said:
        assert each in ran.stdout + ran.stderr
    assert "plain" not in ran.stdout + ran.stderr
    assert nothing_was_run(share)


def test_a_parameter_without_a_value_ends_with_2(share: Path) -> None:
    ran = crossdock("run", SAMPLE, "archive", *on_share(share), "--output", "json")
    found = answer(ran)
    assert (ran.returncode, found["status"]) == (2, "Invalid")
    assert found["wrong"] == ["the pipeline 'archive' needs the parameter 'folder', which is not given"]


def test_everything_wrong_is_said_at_once_and_nothing_is_run(sample: Path, share: Path) -> None:
    file = sample / "pipeline" / "distribute.json"
    text = file.read_text().replace('"errorCode": "400"', '"errorCodes": "400"')
    text = text.replace("@concat('in/', item())", "@concat('in/', itm())")
    file.write_text(text.replace('"batchCount": 4', '"batchCount": 51'))
    archive = sample / "pipeline" / "archive.json"
    archive.write_text(archive.read_text().replace('"Copy"', '"HDInsightPig"'))
    ran = crossdock("run", sample, "distribute", *on_share(share), "--param", "x=1")
    assert ran.returncode == 2
    for each in ("a Fail needs errorCode", "itm", "1 to 50, not 51", "HDInsightPig", "no parameter 'x'"):
        assert each in ran.stdout
    assert nothing_was_run(share)


def test_what_is_not_supported_ends_with_1_and_nothing_is_run(sample: Path, share: Path) -> None:
    archive = sample / "pipeline" / "archive.json"
    archive.write_text(archive.read_text().replace('"Copy"', '"HDInsightPig"'))
    ran = crossdock("run", sample, "distribute", *on_share(share), "--output", "json")
    assert (ran.returncode, answer(ran)["status"]) == (1, "Unsupported")
    assert nothing_was_run(share)


def test_what_other_pipelines_are_like_does_not_matter(sample: Path, share: Path) -> None:
    (sample / "pipeline" / "load.json").write_text('{"name": "load", "properties": {"activities": [{}]}}')
    assert crossdock("run", sample, "distribute", *on_share(share)).returncode == 0


def test_a_folder_outside_of_those_allowed(share: Path, tmp_path: Path) -> None:
    ran = crossdock("run", SAMPLE, "distribute", *on_share(share), "--allow-path", tmp_path / "other")
    assert (ran.returncode, "outside of what is allowed" in ran.stdout) == (2, True)
    assert nothing_was_run(share)
    assert crossdock("run", SAMPLE, "distribute", *on_share(share), "--allow-path", share).returncode == 0


def test_a_dry_run_runs_nothing(share: Path) -> None:
    ran = crossdock("run", SAMPLE, "distribute", *on_share(share), "--dry-run")
    assert (ran.returncode, "the pipeline distribute can be run" in ran.stdout) == (0, True)
    assert nothing_was_run(share)


def test_a_pipeline_that_does_not_exist() -> None:
    ran = crossdock("run", SAMPLE, "distribut")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.endswith("has no pipeline 'distribut': did you mean 'distribute'?\n")


# -- what is interrupted ---------------------------------------------------------------------------------


def long_one(sample: Path, first: str = "Each folder") -> None:
    """The pipeline waits once its copies are done."""
    file = sample / "pipeline" / "distribute.json"
    made = json.loads(file.read_text())
    wait = next(each for each in made["properties"]["activities"] if each["name"] == "Not now")
    wait |= {"state": "Active", "dependsOn": [{"activity": first, "dependencyConditions": ["Succeeded"]}]}
    wait["typeProperties"]["waitTimeInSeconds"] = 5
    file.write_text(json.dumps(made))


def stopped(number: int, copied: Callable[[], bool], *arguments: str | Path) -> tuple[int, str]:
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not copied() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(1)  # what the copies left is written down
        process.send_signal(number)
        begun = time.monotonic()
        _, told = process.communicate(timeout=30)
        assert time.monotonic() - begun < 8
        return process.returncode, told


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_run_that_is_stopped_is_resumed_and_copies_nothing_again(
    sample: Path, share: Path, number: int, code: int
) -> None:
    long_one(sample)
    done = share / "out" / "south" / "orders.csv"
    ended, told = stopped(
        number, lambda: done.exists() and (share / "out" / "north" / "orders.csv").exists(),
        "run", sample, "distribute", *on_share(share), "--run-id", "it",
    )  # fmt: skip
    assert ended == code
    if code > 0:
        assert told.splitlines()[-1] == "resume with: crossdock pipeline-runs resume it"
    (listed,) = answer(crossdock("pipeline-runs", "--output", "json"))["pipelineRuns"]
    assert listed["state"] == "interrupted"
    before = {each: each.stat().st_mtime_ns for each in (share / "out").rglob("*.csv")}
    ran = crossdock("pipeline-runs", "resume", "it", "--output", "json")
    assert ran.returncode == 0, ran.stderr
    assert {each: each.stat().st_mtime_ns for each in (share / "out").rglob("*.csv")} == before
    found = answer(ran)
    assert found["pipelineReturnValue"] == {"result": "complete", "folders": 2}
    assert Counter(each["activityName"] for each in found["activityRuns"])["To outbox"] == 2


def test_a_run_whose_definitions_have_changed_is_not_resumed(sample: Path, share: Path) -> None:
    long_one(sample)
    done = share / "out" / "south" / "orders.csv"
    stopped(signal.SIGINT, done.exists, "run", sample, "distribute", *on_share(share), "--run-id", "it")
    dataset = sample / "dataset" / "shareText.json"
    dataset.write_text(dataset.read_text().replace('"columnDelimiter": ","', '"columnDelimiter": ";"'))
    ran = crossdock("pipeline-runs", "resume", "it")
    assert (ran.returncode, "have changed since it began" in ran.stderr) == (2, True)


def test_a_secret_is_had_again_and_in_no_record(sample: Path, share: Path) -> None:
    file = sample / "pipeline" / "distribute.json"
    told = '"value": "@substring(pipeline().parameters.token, 0, 5)"'
    file.write_text(file.read_text().replace('"value": "complete"', told))
    long_one(sample)
    done = share / "out" / "south" / "orders.csv"
    os.environ["THE_TOKEN"] = HIDDEN
    try:
        arguments = (
            "run",
            sample,
            "distribute",
            *on_share(share),
            "--param",
            "token=env:THE_TOKEN",
            "--run-id",
            "it",
        )
        stopped(signal.SIGINT, done.exists, *arguments)
    finally:
        del os.environ["THE_TOKEN"]
    lost = crossdock("pipeline-runs", "resume", "it")
    assert (lost.returncode, "'THE_TOKEN' is not set" in lost.stderr) == (2, True)
    ran = crossdock("pipeline-runs", "resume", "it", "--output", "json", THE_TOKEN=HIDDEN)
    assert answer(ran)["pipelineReturnValue"]["result"] == HIDDEN[:5]
    records = list((Path(os.environ["CROSSDOCK_HOME"]) / "pipeline-runs").iterdir())
    assert records
    assert all(HIDDEN.encode() not in each.read_bytes() for each in records)
