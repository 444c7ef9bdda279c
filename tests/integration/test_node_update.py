"""Nodes of an older version that their operator has updated by a command, one after the other."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from servers.node import node
from servers.service import ServiceProcess
from servers.web_endpoint import Answer, Received, web_endpoint
from test_service_runs import GROUP, activity, ended, factory_of, pipeline
from typer.testing import CliRunner

import crossdock
from crossdock import ConfigError
from crossdock_scheduler.commands.dmgcmd import meant
from crossdock_scheduler.commands.node import node as commands
from crossdock_scheduler.node.presence import Said, running
from crossdock_scheduler.node.registration import register
from crossdock_scheduler.node.updates import Updates, set_updates, updates
from crossdock_scheduler.service.runtimes.updating import is_time

OLD = "0.0.9"
SCRIPT = """
import os, sys, time
log, name, current, target, code = sys.argv[1:]
with open(log, "a") as out:
    out.write(f"{name} begins\\n")
time.sleep(0.5)
with open(log, "a") as out:
    out.write(f"{name} ends\\n")
if int(code):
    sys.exit("the package index is away")
os.symlink(target, current + ".new")
os.replace(current + ".new", current)
"""


def older(folder: Path) -> Path:
    """An installation of an earlier version: this one's files, with another number."""
    made = folder / "older"
    shutil.copytree(Path(crossdock.__file__).parent, made / "crossdock")
    first = made / "crossdock" / "__init__.py"
    text = first.read_text()
    assert text.count(crossdock.__version__) == 1
    first.write_text(text.replace(crossdock.__version__, OLD))
    return made


def wait(until: Callable[[], Any], seconds: float = 90) -> None:
    ends = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < ends
        time.sleep(0.2)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("control_plane", ["sqlite"], indirect=True)
def test_one_after_the_other_and_back_on_failure(
    control_plane: ServiceProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one's command fails: it goes on as it was, and is not tried again."""
    log, script, newer = tmp_path / "log", tmp_path / "script.py", Path(crossdock.__file__).parents[1]
    script.write_text(SCRIPT)
    before = older(tmp_path)
    homes = {"good": tmp_path / "good", "bad": tmp_path / "bad"}
    path = os.environ.get("PYTHONPATH", "")
    with control_plane.sdk() as sdk:
        factory = factory_of(sdk)
        here = {"properties": {"type": "SelfHosted"}}
        sdk.integration_runtimes.create_or_update(GROUP, factory, "here", here)
        key = sdk.integration_runtimes.list_auth_keys(GROUP, factory, "here").auth_key1
        for name, home in homes.items():
            state = home / "node"
            anyio.run(register, state, key, name, str(control_plane.ca))
            (home / "current").symlink_to(before)
            run = [sys.executable, script, log, name, home / "current", newer, int(name == "bad")]
            command = " ".join(map(str, run))
            set_updates(state, Updates(on=True, command=command, back=f"touch {home / 'back'}"))

        def versions() -> dict[str, tuple[str, str]]:
            found = sdk.integration_runtimes.get_status(GROUP, factory, "here").properties.nodes
            return {each.node_name: (each.version, each.version_status) for each in found}

        monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(homes["good"] / "current"), path)))
        with node(homes["good"]) as good:
            monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(homes["bad"] / "current"), path)))
            with node(homes["bad"]) as bad:
                for each in (good, bad):
                    wait(lambda each=each: b"update it" in each.errors.read_bytes())
                assert versions() == dict.fromkeys(homes, (OLD, "UpdateAvailable"))
                assert not log.exists()
                at = datetime.now(UTC) - timedelta(minutes=1)
                hour = {"autoUpdate": "On", "updateDelayOffset": f'"PT{at.hour}H{at.minute}M"'}
                sdk.integration_runtimes.update(GROUP, factory, "here", hour)
                wait(lambda: versions()["good"] == (crossdock.__version__, "UpToDate"))
                wait(lambda: bad.errors.read_bytes().count(b" works for ") == 2)
                assert (homes["bad"] / "back").exists()
                assert updates(homes["bad"] / "node").failed == crossdock.__version__
                assert versions()["bad"] == (OLD, "UpdateAvailable")
                told = sdk.integration_runtimes.get_status(GROUP, factory, "here").properties.type_properties
                assert [each.last_update_result for each in told.nodes] == ["None", "Fail"]
                assert told.scheduled_update_date is not None
                assert abs(told.scheduled_update_date - at) < timedelta(minutes=2)
        assert not (homes["good"] / "back").exists()
        lines = log.read_text().splitlines()
        assert sorted(lines) == ["bad begins", "bad ends", "good begins", "good ends"]
        assert {tuple(lines[:2]), tuple(lines[2:])} == {
            ("good begins", "good ends"),
            ("bad begins", "bad ends"),
        }
        assert b"the package index is away" in bad.errors.read_bytes()


@pytest.mark.parametrize("control_plane", ["sqlite"], indirect=True)
def test_stopped_while_it_waits_for_its_jobs_it_is_not_updated(
    control_plane: ServiceProcess, tmp_path: Path
) -> None:
    state, release = tmp_path / "home" / "node", threading.Event()
    updated = tmp_path / "updated"

    def later(_: Received) -> Answer:
        release.wait(60)
        return Answer(200, {"done": True})

    with web_endpoint(tmp_path) as endpoint, control_plane.sdk() as sdk:
        endpoint.answers["/later"] = later
        factory = factory_of(sdk)
        here = {"properties": {"type": "SelfHosted"}}
        sdk.integration_runtimes.create_or_update(GROUP, factory, "here", here)
        key = sdk.integration_runtimes.list_auth_keys(GROUP, factory, "here").auth_key1
        anyio.run(register, state, key, "node", str(control_plane.ca))
        set_updates(state, Updates(on=True, command=f"touch {updated}"))
        via = {"referenceName": "here", "type": "IntegrationRuntimeReference"}
        call = {"method": "GET", "url": f"{endpoint.url}/later", "connectVia": via}
        pipeline(sdk, factory, "call", activity("WebActivity", "call", call))
        path = os.pathsep.join((str(older(tmp_path)), os.environ.get("PYTHONPATH", "")))
        with node(tmp_path / "home", PYTHONPATH=path, SSL_CERT_FILE=str(endpoint.ca)) as found:
            run_id = sdk.pipelines.create_run(GROUP, factory, "call").run_id
            wait(lambda: endpoint.received)
            sdk.integration_runtimes.upgrade(GROUP, factory, "here")
            wait(lambda: said(state).updating)
            found.process.terminate()
            wait(lambda: not said(state).updating)
            release.set()
            assert found.process.wait(60) == 0
        assert ended(sdk, factory, run_id).status == "Succeeded"
    assert not updated.exists()


def said(state: Path) -> Said:
    found = running(state)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("offset", "hour", "expected"),
    [("PT0H", 0.5, True), ("PT0H", 1.5, False), ("PT3H", 3.0, True), ("PT3H", 2.9, False),
     ("PT3H", 27.5, True), ("PT23H30M", 24.2, True), ("PT23H30M", 24.6, False), ("P0DT4H", 4.1, True)],
)  # fmt: skip
def test_the_hour_of_the_day(offset: str, hour: float, expected: bool) -> None:
    assert is_time(offset, 86400 * 20000 + hour * 3600) is expected


def test_it_is_shown_and_switched(tmp_path: Path) -> None:
    def said(*options: str) -> Any:
        return CliRunner().invoke(
            commands, ["update", "--state", str(tmp_path), "--output", "json", *options]
        )

    assert isinstance(said("--on").exception, ConfigError)
    assert updates(tmp_path) == Updates()
    assert json.loads(said("--command", "true", "--back", "false", "--on").output)["on"] is True
    set_updates(tmp_path, replace(updates(tmp_path), failed="9.9"))
    assert updates(tmp_path).wish("9.9") == "failed"
    assert json.loads(said("--off").output) == {
        "version": crossdock.__version__, "latest": None, "on": False, "command": "true", "back": "false",
        "failed": "",
    }  # fmt: skip
    found = updates(tmp_path)
    assert (found.wish("9.9"), replace(found, on=True).wish("9.9")) == ("no", "wanted")
    assert meant(["-TONAU"]) == (["node", "update", "--on"], {})
