"""``crossdock run`` with calls: settings, a Key Vault and a web hook, and no secret left anywhere."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.servers.azurite import certificates, free_port
from tests.servers.web_endpoint import Answer, Endpoint, Received, web_endpoint

ARGUMENT, ECHOED = "canary-argument-1", "canary-parameter-4"


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    (tmp_path / "web").mkdir()
    with web_endpoint(tmp_path / "web") as found:
        yield found


def put(root: Path, kind: str, name: str, properties: dict[str, Any]) -> None:
    file = root / kind / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"name": name, "properties": properties}))


def web(name: str, kind: str, after: str | None = None, **properties: Any) -> dict[str, Any]:
    depends = [{"activity": after, "dependencyConditions": ["Succeeded"]}] if after else []
    return {"name": name, "type": kind, "dependsOn": depends, "typeProperties": properties}


def crossdock(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crossdock", *map(str, arguments)],
        check=False, capture_output=True, text=True, timeout=100,
        env=os.environ | {"NO_COLOR": "1"} | environment,
    )  # fmt: skip


def call_back(url: str, body: dict[str, Any]) -> None:
    parts = urlsplit(url)
    context = ssl._create_unverified_context()  # noqa: S323 - the listener's certificate is of a CA of its own
    connection = http.client.HTTPSConnection(parts.netloc, timeout=20, context=context)
    connection.request("POST", parts.path, json.dumps(body), {"Content-Type": "application/json"})
    connection.getresponse().read()
    connection.close()


def test_calls_with_secrets(tmp_path: Path, endpoint: Endpoint) -> None:
    """The endpoint gets them and says them again; outputs, records and messages do not have them."""
    token = {"type": "SecureString", "value": "@pipeline().parameters.token"}
    login = {"type": "Basic", "username": "me", "password": token}
    again = {"said": "@activity('first').output.said", "value": "@activity('hook').output.value"}
    activities = [
        web("first", "WebActivity", url=f"{endpoint.url}/first", method="GET", authentication=login),
        web("hook", "WebHook", "first", url=f"{endpoint.url}/hook", method="POST", headers={}, body={"x": 1}),
        web("last", "WebActivity", "hook", url=f"{endpoint.url}/last", method="POST", body=again),
    ]
    parameters = {"token": {"type": "SecureString"}}
    put(tmp_path / "factory", "pipeline", "p", {"activities": activities, "parameters": parameters})
    (tmp_path / "hooks").mkdir()
    certificate, key, _ = certificates(tmp_path / "hooks")
    listen = f"127.0.0.1:{free_port()}"
    (tmp_path / "settings.json").write_text(
        json.dumps(
            {
                "parameters": {"token": {"env": "CANARY"}},
                "webHooks": {
                    "listen": listen, "address": f"https://{listen}",
                    "certificate": str(certificate), "key": str(key),
                },
            }
        )
    )  # fmt: skip

    def hook(got: Received) -> Answer:
        threading.Thread(target=call_back, args=(got.json()["callBackUri"], {"value": 7})).start()
        return Answer(202)

    endpoint.answers |= {
        "/first": Answer(200, {"said": f"you are {ECHOED}"}), "/hook": hook, "/last": Answer(200, {"ok": 1}),
    }  # fmt: skip
    ran = crossdock(
        *("run", tmp_path / "factory", "p", "--settings", tmp_path / "settings.json"),
        *("--output", "json", "-v"),
        SSL_CERT_FILE=str(endpoint.ca), CANARY=ECHOED,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    first, _, last = endpoint.received
    assert first.headers["Authorization"].startswith("Basic ")
    assert last.json() == {"said": f"you are {ECHOED}", "value": 7}
    kept = b"".join(
        path.read_bytes() for path in Path(os.environ["CROSSDOCK_HOME"]).rglob("*") if path.is_file()
    )
    assert b"ADFWebActivityResponseHeaders" in kept
    for canary in (ECHOED, first.headers["Authorization"].removeprefix("Basic ")):
        assert canary not in ran.stdout + ran.stderr
        assert canary.encode() not in kept


def test_a_secret_on_the_command_line(tmp_path: Path) -> None:
    put(tmp_path / "factory", "pipeline", "p", {"activities": []})
    put(tmp_path / "factory", "linkedService", "s", {"type": "AzureSqlDatabase", "typeProperties": {}})
    ran = crossdock("run", tmp_path / "factory", "p", "--linked-service", f"s.password={ARGUMENT}")
    assert ran.returncode == 2
    assert "s.password=env:NAME" in ran.stderr
    assert ARGUMENT not in ran.stdout + ran.stderr


def test_what_is_not_configured_is_refused_before_anything_runs(tmp_path: Path, endpoint: Endpoint) -> None:
    activities = [
        web("first", "WebActivity", url=f"{endpoint.url}/first", method="GET"),
        web("hook", "WebHook", "first", url=f"{endpoint.url}/hook", method="POST", headers={}, body={}),
        web("pack", "ExecuteSSISPackage", "hook", packageLocation={"type": "File", "packagePath": "/x.dtsx"}),
    ]
    put(tmp_path / "factory", "pipeline", "p", {"activities": activities})
    ran = crossdock("run", tmp_path / "factory", "p", SSL_CERT_FILE=str(endpoint.ca))
    assert ran.returncode != 0
    said = " ".join((ran.stdout + ran.stderr).split())
    assert "webHooks.listen" in said
    assert "ssis.dtexec" in said
    assert endpoint.received == []
