"""Nodes of an older version that their operator has updated by a command, one after the other."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from servers.node import command, node, register
from servers.service import ServiceProcess
from test_service_runs import GROUP, factory_of

import crossdock

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
    shutil.copytree(
        Path(crossdock.__file__).parent, made / "crossdock", ignore=shutil.ignore_patterns("*.pyc")
    )
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
            home.mkdir()
            (home / "current").symlink_to(before)
            monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(home / "current"), path)))
            register(home, control_plane, key, name)
            run = [sys.executable, script, log, name, home / "current", newer, int(name == "bad")]
            back = [sys.executable, "-c", f"open({str(home / 'back')!r}, 'w').close()"]
            set_up = [
                "--command",
                " ".join(map(str, run)),
                "--back",
                f"{back[0]} -c '{back[2].replace(chr(39), chr(34))}'",
            ]
            assert command(home, "update", *set_up, "--on").returncode == 0

        def versions() -> dict[str, str]:
            found = sdk.integration_runtimes.get_status(GROUP, factory, "here").properties.nodes
            return {each.node_name: (each.version, each.version_status) for each in found}

        monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(homes["good"] / "current"), path)))
        with node(homes["good"]):
            monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(homes["bad"] / "current"), path)))
            with node(homes["bad"]) as bad:
                wait(lambda: b"update it" in bad.errors.read_bytes())
                assert versions() == dict.fromkeys(homes, (OLD, "UpdateAvailable"))
                assert not log.exists()
                at = datetime.now(UTC) - timedelta(minutes=1)
                hour = {"autoUpdate": "On", "updateDelayOffset": f'"PT{at.hour}H{at.minute}M"'}
                sdk.integration_runtimes.update(GROUP, factory, "here", hour)
                wait(
                    lambda: (
                        versions()["good"] == (crossdock.__version__, "UpToDate")
                        and (homes["bad"] / "back").exists()
                    )
                )
                wait(lambda: bad.errors.read_bytes().count(b" works for ") == 2)
                said = json.loads(command(homes["bad"], "update", "--output", "json").stdout)
                assert (said["version"], said["failed"]) == (OLD, crossdock.__version__)
                wait(lambda: command(homes["bad"], "status").returncode == 0)
                time.sleep(2)
                assert versions()["bad"] == (OLD, "UpdateAvailable")
        lines = log.read_text().splitlines()
        assert sorted(lines) == ["bad begins", "bad ends", "good begins", "good ends"]
        assert {tuple(lines[:2]), tuple(lines[2:])} == {
            ("good begins", "good ends"),
            ("bad begins", "bad ends"),
        }
        assert b"the package index is away" in bad.errors.read_bytes()
