"""ExecuteSSISPackage with a program in place of dtexec, which cannot be had: what it is given, what it says.

That the real one understands these options is not tested.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from web_calls import Caller, Json

from crossdock import CancelledError, ConfigError, CrossdockError, NotFoundError
from crossdock_scheduler.pipeline.coverage import cover
from crossdock_scheduler.pipeline.definitions import load
from crossdock_scheduler.pipeline.policy import Policy

CANARY = "canary-of-the-package"

PROGRAM = """#!{python}
import json, os, sys, time
given = sys.argv[1:]
read = dict(zip(given[::1], given[1::1]))
found = {{"argv": given, "environment": dict(os.environ)}}
if "/CommandFile" in read:
    path = read["/CommandFile"]
    found["options"] = open(path).read()
    found["mode"] = os.stat(os.path.dirname(path)).st_mode & 0o777
    found["file"] = path
if "/File" in read and os.path.exists(read["/File"]):
    found["package"] = open(read["/File"]).read()
json.dump(found, open({record!r}, "w"))
print("line one")
print("with the password {canary}", flush=True)
behave = json.load(open({behave!r}))
if behave.get("child"):
    import subprocess
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open({behave!r} + ".child", "w").write(str(child.pid))
time.sleep(behave.get("wait", 0))
print("DTExec: the last word")
sys.exit(behave.get("code", 0))
"""


class Program:
    def __init__(self, folder: Path) -> None:
        self.path, self.record, self.behaves = (
            folder / "dtexec",
            folder / "record.json",
            folder / "behave.json",
        )
        text = PROGRAM.format(
            python=sys.executable, record=str(self.record), behave=str(self.behaves), canary=CANARY
        )
        self.path.write_text(text)
        self.path.chmod(0o700)
        self.behave()

    def behave(self, **how: Any) -> None:
        self.behaves.write_text(json.dumps(how))

    @property
    def given(self) -> Json:
        return dict(json.loads(self.record.read_text()))

    @property
    def policy(self) -> Policy:
        return Policy(dtexec=str(self.path))


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def call(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


def secure(value: str) -> Json:
    return {"type": "SecureString", "value": value}


def a_file(**more: Any) -> Json:
    return {"packageLocation": {"type": "File", "packagePath": "/etl/load.dtsx"}, **more}


def test_a_package_that_is_a_file(call: Caller, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDOCK_LINKED_SERVICE_X_PASSWORD", "another-secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:another-secret@proxy.example:3128")
    output = call.run(
        "ExecuteSSISPackage",
        a_file(
            packageParameters={
                "Day": {"value": "@{pipeline().parameters.n}; or more"},
                "Full": {"value": True},
            },
            projectParameters={"Region": {"value": "west"}},
            packageConnectionManagers={"Shop.Main": {"ServerName": {"value": "sql.example"}}},
            propertyOverrides={
                "\\Package.Properties[MaxConcurrentExecutables]": {"value": 4, "isSensitive": False}
            },
        ),
        program.policy,
    )
    assert program.given["argv"] == [
        "/File", "/etl/load.dtsx",
        "/Set", "\\Package.Variables[$Project::Region].Properties[Value];west",
        "/Set", "\\Package.Variables[$Package::Day].Properties[Value];7; or more",
        "/Set", "\\Package.Variables[$Package::Full].Properties[Value];true",
        "/Set", "\\Package.Connections[Shop.Main].Properties[ServerName];sql.example",
        "/Set", "\\Package.Properties[MaxConcurrentExecutables];4",
    ]  # fmt: skip
    assert "another-secret" not in json.dumps(program.given["environment"])
    assert output["exitCode"] == 0
    assert output["log"].splitlines()[-1] == "DTExec: the last word"


def test_secrets_are_in_a_file_that_is_gone(call: Caller, program: Program) -> None:
    location = {
        "type": "File", "packagePath": "/etl/load.dtsx",
        "typeProperties": {"packagePassword": secure("pack-password"), "configurationPath": "/etl/x.config"},
    }  # fmt: skip
    output = call.run(
        "ExecuteSSISPackage",
        {
            "packageLocation": location,
            "packageParameters": {"Key": {"value": secure(CANARY)}},
            "projectConnectionManagers": {"Shop": {"Password": secure("manager-password")}},
            "propertyOverrides": {"\\Package.X": {"value": "override-secret", "isSensitive": True}},
        },
        program.policy,
    )
    given = program.given
    assert given["argv"][:4] == ["/File", "/etl/load.dtsx", "/ConfigFile", "/etl/x.config"]
    assert given["options"].splitlines() == [
        '/Decrypt "pack-password"',
        f'/Set "\\Package.Variables[$Package::Key].Properties[Value];{CANARY}"',
        '/Set "\\Package.Connections[Shop].Properties[Password];manager-password"',
        '/Set "\\Package.X;override-secret"',
    ]
    told = " ".join(given["argv"]) + json.dumps(output)
    for secret in ("pack-password", CANARY, "manager-password", "override-secret"):
        assert secret not in told
    assert "with the password ***" in output["log"]
    assert given["mode"] == 0o700
    assert not Path(given["file"]).exists()


def test_a_secret_cannot_become_an_option(call: Caller, program: Program) -> None:
    parameters = {"Key": {"value": secure(f'{CANARY}" /Set "x;y')}}
    with pytest.raises(ConfigError, match="a quote or a line break") as caught:
        call.run("ExecuteSSISPackage", a_file(packageParameters=parameters), program.policy)
    assert CANARY not in str(caught.value)
    assert not program.record.exists()


def test_a_package_in_the_definition(call: Caller, program: Program) -> None:
    inner = {"packageName": "p", "packageContent": "<DTS/>", "packageLastModifiedDate": "2026-01-01"}
    location = {"type": "InlinePackage", "typeProperties": inner}
    call.run("ExecuteSSISPackage", {"packageLocation": location}, program.policy)
    assert program.given["package"] == "<DTS/>"
    assert not Path(program.given["argv"][1]).exists()


def test_a_package_of_the_catalogue(call: Caller, program: Program) -> None:
    catalogue = {"catalogInfo": {"catalogServerEndpoint": "sql.example"}}
    call.put(
        "integrationRuntime", "ssis", {"type": "Managed", "typeProperties": {"ssisProperties": catalogue}}
    )
    call.run(
        "ExecuteSSISPackage",
        {
            "packageLocation": {"packagePath": "etl/shop/load.dtsx"},
            "connectVia": {"referenceName": "ssis", "type": "IntegrationRuntimeReference"},
            "loggingLevel": "Verbose", "runtime": "x86",
            "packageParameters": {"N": {"value": 3}, "Big": {"value": 2**40}, "Half": {"value": 0.5}},
            "projectConnectionManagers": {"Shop": {"InitialCatalog": {"value": "x"}}},
        },
        program.policy,
    )  # fmt: skip
    assert program.given["argv"] == [
        "/ISServer", "\\SSISDB\\etl\\shop\\load.dtsx", "/Server", "sql.example",
        "/Par", "$ServerOption::SYNCHRONIZED(Boolean);True",
        "/Par", "$ServerOption::LOGGING_LEVEL(Int16);3", "/X86",
        "/Par", "$Package::N(Int32);3", "/Par", f"$Package::Big(Int64);{2**40}",
        "/Par", "$Package::Half(Double);0.5",
        "/Par", "$Project::CM.Shop.InitialCatalog;x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (1, CrossdockError, r"the package failed \(exit code 1\): DTExec: the last word"),
        (4, NotFoundError, "does not find the package"),
        (5, CrossdockError, "cannot load the package"),
        (6, ConfigError, "does not understand its options"),
        (77, CrossdockError, "dtexec ended with 77"),
    ],
)
def test_exit_codes(call: Caller, program: Program, code: int, kind: type[Exception], told: str) -> None:
    program.behave(code=code)
    with pytest.raises(kind, match=told):
        call.run("ExecuteSSISPackage", a_file(), program.policy)


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks into /proc")
def test_cancelled(call: Caller, program: Program) -> None:
    """The program and what it started are ended."""
    program.behave(wait=60, child=True)
    threading.Timer(1.5, call.cancel.set).start()
    started = time.monotonic()
    with pytest.raises(CancelledError):
        call.run("ExecuteSSISPackage", a_file(), program.policy)
    assert time.monotonic() - started < 30
    child = int(Path(f"{program.behaves}.child").read_text())
    ends = time.monotonic() + 10
    while _lives(child) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not _lives(child)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("properties", "policy", "told"),
    [
        (a_file(), Policy(dtexec="/nowhere/dtexec"), "is no program that can be run"),
        (a_file(), Policy(("/data",), dtexec="true"), "the folder '/etl/load.dtsx' is outside"),
        ({"packageLocation": {"type": "File"}}, Policy(dtexec="true"), "a path of the package is needed"),
        (
            {"packageLocation": {"packagePath": "a/b/c"}},
            Policy(dtexec="true"),
            "the server of the catalogue is not",
        ),
        (
            {"packageLocation": {"type": "PackageStore", "packagePath": "x"}},
            Policy(dtexec="true"),
            "'PackageStore'",
        ),
        ({"packageLocation": {"type": "InlinePackage"}}, Policy(dtexec="true"), "an InlinePackage needs it"),
        (a_file(environmentPath="e"), Policy(dtexec="true"), "environments of the catalogue"),
        (a_file(other=1), Policy(dtexec="true"), "other is not supported here"),
    ],
)
def test_what_is_said_before_a_run(call: Caller, properties: Json, policy: Policy, told: str) -> None:
    call.write("ExecuteSSISPackage", properties)
    report = cover(load(call.root), policy)
    assert [each for each in report.findings if told in str(each)], [str(each) for each in report.findings]
    assert not report.pipelines[0].supported


def test_where_no_program_is_named(call: Caller) -> None:
    call.write("ExecuteSSISPackage", a_file())
    report = cover(load(call.root), Policy())
    assert "needs before it runs: the program that runs packages" in str(report.findings[0])
    assert report.pipelines[0].supported
    with pytest.raises(ConfigError, match="needs before it runs"):
        call.run("ExecuteSSISPackage", a_file(), Policy())


def test_one_that_is_right(call: Caller) -> None:
    call.write("ExecuteSSISPackage", a_file(loggingLevel="Basic", runtime="x64"))
    report = cover(load(call.root), Policy(dtexec="true"))
    assert report.pipelines[0].supported, [str(each) for each in report.findings]
