"""``crossdock doctor``: what is wrong with a machine is said, with what to do about it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossdock import ConnectorSpec, doctor, hookimpl, machine
from crossdock.cli.main import run
from crossdock.plugins import Registry
from crossdock.spi import Check

GIB = 1 << 30


def states(checks: Iterator[Check]) -> dict[str, str]:
    return {each.name: each.state for each in checks}


def test_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["doctor", "--output", "json"])
    answer = json.loads(capsys.readouterr().out)
    checks = {each["name"]: each for each in answer["checks"]}
    assert answer["ok"] == (code == 0) == all(each["state"] != "failed" for each in answer["checks"])
    assert {"versions", "connectors", "journals", "cores", "memory", "open files"} <= set(checks)
    assert "pyarrow" in checks["versions"]["message"]
    assert all(each["advice"] for each in answer["checks"] if each["state"] != "ok")
    run(["doctor"])
    assert "versions: crossdock" in capsys.readouterr().out


class Broken:
    @hookimpl
    def crossdock_checks(self) -> Iterator[Check]:
        yield Check("mine", "warning", "there is little of it", "get more")
        raise RuntimeError("out of order")


def test_what_plugins_lack_and_say() -> None:
    known = Registry()
    known.add(Broken(), "broken")
    spec = ConnectorSpec("bare", "No library", "store", requires=("no_such_module",), extra="crossdock-bare")
    known.specs["bare"] = spec
    found = list(doctor.examine(known))
    lacking = next(each for each in found if each.name == "extra")
    assert (lacking.state, lacking.advice) == ("warning", "pip install 'crossdock-bare'")
    assert found[-2].message == "there is little of it"
    assert found[-1].state == "failed"
    assert "broken: its check broke off: RuntimeError: out of order" in found[-1].message


def test_journals_need_a_folder(tmp_path: Path) -> None:
    assert states(doctor.journals(tmp_path / "new")) == {"journals": "ok"}
    (tmp_path / "file").write_text("")
    (found,) = doctor.journals(tmp_path / "file")
    assert (found.state, "CROSSDOCK_HOME" in found.advice) == ("failed", True)


def test_what_the_container_lets_this_process_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text(f"{GIB // 2}\n")
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    monkeypatch.setattr(machine, "group", lambda _: tmp_path)
    found = {each.name: each for each in doctor.examine()}
    assert (found["cores"].message, found["memory"].message) == ("0.5", "0.5 GiB")
    assert (found["memory"].state, "--memory" in found["memory"].advice) == ("warning", True)
    assert {doctor.memory(each).state for each in (16 * GIB, 0)} == {"ok"}


def test_proxies() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (found,) = doctor.proxies({"https_proxy": f"http://me:hidden@127.0.0.1:{port}"})
        assert (found.state, found.message) == ("ok", f"127.0.0.1:{port} answers")
    (found,) = doctor.proxies({"HTTPS_PROXY": f"http://me:hidden@127.0.0.1:{port}"})
    assert found.state == "failed"
    assert "hidden" not in found.message + found.advice
    assert states(doctor.proxies({"HTTP_PROXY": "://"})) == {"HTTP_PROXY": "failed"}
    assert states(doctor.proxies({})) == {"proxy": "ok"}


def test_certificates(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    assert states(doctor.certificates({"SSL_CERT_FILE": str(tmp_path / "empty.pem")})) == {
        "SSL_CERT_FILE": "failed"
    }
    assert states(doctor.certificates({"SSL_CERT_FILE": str(tmp_path / "none.pem")})) == {
        "SSL_CERT_FILE": "failed"
    }
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    assert states(doctor.certificates({"SSL_CERT_FILE": str(tmp_path / "ca.pem")})) == {"SSL_CERT_FILE": "ok"}
