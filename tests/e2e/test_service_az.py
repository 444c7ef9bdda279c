"""The page on the service, as the real ``az`` carries it out: CROSSDOCK_TEST_AZ is the program.

It has many packages of its own, so it is installed apart: ``python -m venv V; V/bin/pip install azure-cli``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers.service import ServiceProcess

AZ = os.environ.get("CROSSDOCK_TEST_AZ", "")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "service.md"
PIPELINE = {"properties": {"activities": [], "parameters": {"day": {"type": "String"}}}}
WINDOW = {"lastUpdatedAfter": "2020-01-01T00:00:00Z", "lastUpdatedBefore": "2100-01-01T00:00:00Z"}
pytestmark = [
    pytest.mark.skipif(not AZ, reason="CROSSDOCK_TEST_AZ does not name az"),
    pytest.mark.parametrize("control_plane", ["sqlite"], indirect=True),
    pytest.mark.timeout(300),
]
Shell = Callable[[str], str]


@pytest.fixture
def shell(control_plane: ServiceProcess, tmp_path: Path) -> Shell:
    """Runs lines of the page; returns what they print. Raises where one fails."""
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "daily.json").write_text(json.dumps(PIPELINE))
    with control_plane.client() as http:
        made = http.post("/crossdock/v1/tokens", json={"name": "az", "role": "owner"}).json()
    # az is a program of another Python.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = inherited | {
        "AZURE_CONFIG_DIR": str(tmp_path / "az"), "AZURE_CORE_COLLECT_TELEMETRY": "false",
        "PATH": f"{Path(AZ).parent}:{os.environ['PATH']}", "H": control_plane.url.removeprefix("https://"),
        "ID": made["id"], "TOKEN": made["token"], "WINDOW": json.dumps(WINDOW),
        "SUBSCRIPTION": "00000000-0000-0000-0000-000000000000", "NAME": f"sales-{uuid.uuid4().hex[:8]}",
    }  # fmt: skip
    (tmp_path / "ca.pem").write_bytes(control_plane.ca.read_bytes())

    def run(lines: str) -> str:
        lines = lines.replace("https://H", "https://$H").replace("localhost:8443", "$H")
        done = subprocess.run(
            [shutil.which("bash") or "bash", "-ec", lines.replace("factories/sales", "factories/$NAME")],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def block(text: str, beginning: str) -> str:
    """The lines of the fenced block that begins so."""
    found = next(each for each in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) if beginning in each)
    return str(found)


def test_five_tasks(shell: Shell) -> None:
    page = PAGE.read_text()
    once = block(page, "export REQUESTS_CA_BUNDLE=ca.pem\nF=")
    tasks = re.findall(r"^\| az \| (.*) \|$", page, re.MULTILINE)
    lines = [command for row in tasks for command in re.findall(r"`(ask [^`]+)`", row)]
    assert len(lines) == 6
    found = shell(once + "\n".join(lines[:4]))
    assert '"authKey1": "IR@' in found
    run_id = json.loads(shell(once + lines[4]))["runId"]
    told: dict[str, Any] = json.loads(shell(f"{once}ID={run_id}\n{lines[5]}"))
    assert told["value"] == []


def test_signing_in(shell: Shell) -> None:
    commands = block(PAGE.read_text(), "az cloud register")
    found = shell(commands)
    assert '"cloudName": "crossdock"' in found
    assert '"value": [' in found
    path = "/subscriptions/{subscriptionId}/resourceGroups/demo/providers/Microsoft.DataFactory/factories"
    version = "api-version=2018-06-01"
    ca = "export REQUESTS_CA_BUNDLE=ca.pem\n"
    put = f'az rest --method put --url "{path}/$NAME?{version}" --body "{{}}" -o none\n'
    show = f'az resource show --ids "{path}/$NAME" --api-version 2018-06-01 --query type -o tsv'
    show = show.replace("{subscriptionId}", "$SUBSCRIPTION")
    assert shell(ca + put + show).strip() == "Microsoft.DataFactory/factories"
