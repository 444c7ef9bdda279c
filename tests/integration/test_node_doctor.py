"""What ``crossdock node doctor`` finds, with the fault in each case really there; and ``node urls``."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time
from typing import Any

import pytest
import trustme
from servers import squid as squids
from servers.azurite import free_port
from servers.service import ServiceProcess
from servers.squid import USER
from typer.testing import CliRunner

from crossdock_scheduler.commands.node import node
from crossdock_scheduler.node import checks
from crossdock_scheduler.node.proxy import Proxy, set_proxy

SAMPLE = Path(__file__).parents[1] / "factories" / "sample"
Doctor = Callable[..., tuple[int, dict[str, dict[str, str]]]]


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    def run(*options: str) -> tuple[int, dict[str, dict[str, str]]]:
        at = ["--state", str(tmp_path / "node"), "--output", "json"]
        done = CliRunner().invoke(node, ["doctor", *options, *at])
        assert done.exit_code in {0, 1}, done.output
        said = json.loads(done.output)
        assert said["ok"] is (done.exit_code == 0)
        found = {each["name"]: each for each in said["checks"]}
        for each in found.values():
            assert each["state"] == "ok" or each["advice"] or each["name"] == "agent"
        return done.exit_code, found

    return run


class Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client that goes away is no fault here."""


@contextmanager
def answering(folder: Path, clock: float = 0, status: int = 200) -> Iterator[tuple[str, Path]]:
    """An HTTPS server whose clock is ahead by so many seconds, and the file of its CA."""

    class Handler(BaseHTTPRequestHandler):
        def date_time_string(self, _: float | None = None) -> str:
            return formatdate(time() + clock, usegmt=True)

        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    ca = trustme.CA(organization_name="Inspecting Proxy")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    server = Quiet(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}", folder / "ca.pem"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("control_plane", ["sqlite"], indirect=True)
def test_a_service_that_is_well(control_plane: ServiceProcess, doctor: Doctor) -> None:
    code, found = doctor("--url", control_plane.url, "--ca", str(control_plane.ca))
    assert code == 0
    assert {name: found[name]["state"] for name in ("name", "port", "certificate", "service", "clock")} == {
        "name": "ok", "port": "ok", "certificate": "ok", "service": "ok", "clock": "ok",
    }  # fmt: skip


def test_no_node_and_no_service(doctor: Doctor) -> None:
    code, found = doctor()
    assert code == 1
    assert (found["agent"]["state"], "register" in found["agent"]["advice"]) == ("failed", True)
    code, found = doctor("--url", "https://nowhere.invalid")
    assert (code, found["name"]["state"]) == (1, "failed")
    code, found = doctor("--url", f"https://127.0.0.1:{free_port()}")
    assert (code, found["port"]["state"]) == (1, "failed")
    assert "refuses connections" in found["port"]["message"]


def test_a_certificate_of_somebody_else(tmp_path: Path, doctor: Doctor) -> None:
    """As where a proxy inspects TLS: its issuer is told."""
    pinned = tmp_path / "pinned.pem"
    trustme.CA().cert_pem.write_to_path(str(pinned))
    with answering(tmp_path) as (url, _):
        code, found = doctor("--url", url, "--ca", str(pinned))
        assert (code, found["certificate"]["state"]) == (1, "failed")
        assert "issued by" in found["certificate"]["message"]
        assert "O=Inspecting Proxy" in found["certificate"]["message"]
        assert str(pinned) in found["certificate"]["advice"]
        assert "service" not in found
        _, found = doctor("--url", url, "--ca", str(tmp_path / "none.pem"))
        assert "cannot be read" in found["certificate"]["message"]


@pytest.mark.parametrize(("clock", "state"), [(-3600, "failed"), (3600, "failed"), (60, "warning")])
def test_another_time(tmp_path: Path, doctor: Doctor, clock: float, state: str) -> None:
    with answering(tmp_path, clock) as (url, ca):
        code, found = doctor("--url", url, "--ca", str(ca))
    assert (code, found["clock"]["state"]) == (1 if state == "failed" else 0, state)
    assert ("behind" if clock > 0 else "ahead of") in found["clock"]["message"]


def test_what_is_no_service(tmp_path: Path, doctor: Doctor) -> None:
    with answering(tmp_path, status=503) as (url, ca):
        code, found = doctor("--url", url, "--ca", str(ca))
    assert (code, found["service"]["state"]) == (1, "failed")
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def hang_up() -> None:
            plain.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        code, found = doctor("--url", f"https://127.0.0.1:{plain.getsockname()[1]}")
        thread.join()
    assert (code, found["certificate"]["state"]) == (1, "failed")


def test_a_proxy(tmp_path: Path, doctor: Doctor) -> None:
    program = squids.installed()
    if program is None:
        pytest.skip("Squid is not installed")
    folder = tmp_path / "node"
    with answering(tmp_path) as (url, ca):
        asked = ("--url", url, "--ca", str(ca))
        with squids.squid(program) as squid:
            good = Proxy("custom", "127.0.0.1", squid.port, USER, squids.PASSWORD)
            set_proxy(folder, good)
            code, found = doctor(*asked)
            assert (code, found["proxy"]["state"], found["clock"]["state"]) == (0, "ok", "ok")
            set_proxy(folder, Proxy("custom", "127.0.0.1", squid.port, USER, "WRONG-PASSWORD"))
            code, found = doctor(*asked)
            assert (code, "407" in found["proxy"]["message"]) == (1, True)
            assert "WRONG-PASSWORD" not in json.dumps(found)
            set_proxy(folder, good)
            code, found = doctor("--url", f"https://127.0.0.1:{free_port()}")
            assert (code, "503" in found["proxy"]["message"]) == (1, True)
        code, found = doctor(*asked)  # it is down
        assert (code, "refuses connections" in found["proxy"]["message"]) == (1, True)
        set_proxy(folder, Proxy("custom", "127.0.0.1", squid.port, bypass=("localhost",)))
        assert doctor(*asked)[0] == 0


def test_a_machine_that_sleeps_or_is_small(
    tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logind.conf").write_text("[Login]\n#IdleAction=suspend\nIdleAction=ignore\n")
    files = (str(tmp_path / "logind.conf"),)
    assert checks._idle_action(files) == "ignore"
    (tmp_path / "logind.conf.d").mkdir()
    (tmp_path / "logind.conf.d" / "50-sleep.conf").write_text("[Login]\nIdleAction=Suspend\n")
    assert checks._idle_action(files) == "suspend"
    monkeypatch.setattr(checks._idle_action, "__defaults__", (files,))
    monkeypatch.setattr(checks, "_LEAST_DISK", 1 << 60)
    code, found = doctor()
    assert code == 1
    assert {found[name]["state"] for name in ("sleep", "disk")} == {"failed"}


def test_urls_of_definitions(tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_AUTHORITY_HOST", raising=False)
    set_proxy(tmp_path / "node", Proxy("custom", "proxy.example", 3128, USER, "PASSWORD-OF-PROXY"))
    at = ["--url", "https://crossdock.example", "--state", str(tmp_path / "node")]
    done = CliRunner().invoke(node, ["urls", str(SAMPLE), *at, "--output", "json"])
    assert done.exit_code == 0, done.output
    found = {(each["host"], each["port"]) for each in json.loads(done.output)["urls"]}
    assert found == {
        ("crossdock.example", 443), ("proxy.example", 3128), ("login.microsoftonline.com", 443),
        ("contosolake.dfs.core.windows.net", 443), ("contosolanding.blob.core.windows.net", 443),
        ("contoso.vault.azure.net", 443), ("sql.contoso.example", 1433),
        ("contoso.database.windows.net", 1433),
    }  # fmt: skip
    assert "PASSWORD-OF-PROXY" not in done.output
    done = CliRunner().invoke(node, ["urls", *at])
    assert done.output.splitlines() == [
        "crossdock.example:443  the service: jobs, heartbeats, credentials",
        "proxy.example:3128     the proxy, for all that is HTTP",
    ]


def test_ports_of_definitions_are_tried(tmp_path: Path, doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as open_one:
        ports = {"open": open_one.getsockname()[1], "closed": free_port()}
        for name, port in ports.items():
            folder = tmp_path / "factory" / "linkedService"
            folder.mkdir(parents=True, exist_ok=True)
            typed = {"server": f"127.0.0.1,{port}", "database": "d", "userName": "u"}
            one = {"name": name, "properties": {"type": "SqlServer", "typeProperties": typed}}
            (folder / f"{name}.json").write_text(json.dumps(one))
            for kind, other in (("dataset", "SqlServerTable"), ("pipeline", "")):
                (tmp_path / "factory" / kind).mkdir(exist_ok=True)
                link = {"referenceName": name, "type": "LinkedServiceReference"}
                set_ = {"type": other, "linkedServiceName": link, "typeProperties": {"table": "t"}}
                look = {
                    "name": "look", "type": "Lookup",
                    "typeProperties": {
                        "source": {"type": "SqlServerSource"},
                        "dataset": {"referenceName": name, "type": "DatasetReference"},
                    },
                }  # fmt: skip
                properties = set_ if other else {"activities": [look]}
                whole = {"name": name, "properties": properties}
                (tmp_path / "factory" / kind / f"{name}.json").write_text(json.dumps(whole))
        _, found = doctor(str(tmp_path / "factory"))
    assert found[f"127.0.0.1:{ports['open']}"]["state"] == "ok"
    assert found[f"127.0.0.1:{ports['closed']}"]["state"] == "failed"
