"""``dmgcmd``: every action of Microsoft's table, and what nodes permit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossdock import ConfigError
from crossdock_scheduler.commands.dmgcmd import ACTIONS, help_text, meant
from crossdock_scheduler.commands.node import node
from crossdock_scheduler.node.company import Company, company, keep_company
from crossdock_scheduler.node.permitted import Permitted, permitted

# The reference table of Microsoft's documentation.
NAMES = [
    "-rn",
    "-RegisterNewNode",
    "-era",
    "-EnableRemoteAccess",
    "-erac",
    "-EnableRemoteAccessInContainer",
    "-dra",
    "-DisableRemoteAccess",
    "-k",
    "-Key",
    "-gbf",
    "-GenerateBackupFile",
    "-ibf",
    "-ImportBackupFile",
    "-r",
    "-Restart",
    "-s",
    "-Start",
    "-t",
    "-Stop",
    "-sus",
    "-StartUpgradeService",
    "-tus",
    "-StopUpgradeService",
    "-tonau",
    "-TurnOnAutoUpdate",
    "-toffau",
    "-TurnOffAutoUpdate",
    "-ssa",
    "-SwitchServiceAccount",
    "-elma",
    "-EnableLocalMachineAccess",
    "-dlma",
    "-DisableLocalMachineAccess",
    "-DisableLocalFolderPathValidation",
    "-EnableLocalFolderPathValidation",
    "-eesp",
    "-EnableExecuteSsisPackage",
    "-desp",
    "-DisableExecuteSsisPackage",
    "-gesp",
    "-GetExecuteSsisPackage",
]


def dmgcmd(*arguments: str, home: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crossdock_scheduler.commands.dmgcmd", *arguments],
        env={"CROSSDOCK_HOME": str(home), "PYTHONPATH": ":".join(sys.path), "PATH": path},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_every_action_is_known_by_both_names() -> None:
    assert [each for action in ACTIONS for each in (action.short, action.long) if each] == NAMES
    for name in NAMES:
        assert name in help_text()
        for spelled in (name, name.upper()):
            try:
                found = meant([spelled, "1", "2"][: 1 + _least(name)])
            except ValueError as error:
                assert "does nothing here: " in str(error)  # noqa: PT017 - either is right
            else:
                assert found[0][0] == "node"


def _least(name: str) -> int:
    return next(each.takes[0] for each in ACTIONS if name.lower() in each.names)


def test_every_meaning_is_a_command() -> None:
    for each in ACTIONS:
        if each.means is not None:
            arguments, _ = each.means(["1", "2"])
            done = CliRunner().invoke(node, [arguments[1], "--help"])
            assert done.exit_code == 0, each.long
            assert all(option in done.output for option in arguments[2:] if option.startswith("--"))


def test_secrets_are_in_no_argument() -> None:
    assert meant(["-rn", "the key", "name"]) == (
        ["node", "register", "--name", "name"],
        {"AUTH_KEY": "the key"},
    )
    assert meant(["-k", "the key"]) == (["node", "key"], {"AUTH_KEY": "the key"})
    assert meant(["-gbf", "file", "word"]) == (
        ["node", "backup", "file"], {"CROSSDOCK_BACKUP_PASSWORD": "word"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["-nonsense"], "there is no action '-nonsense'"),
        (["-rn"], "-RegisterNewNode takes: KEY [NAME]"),
        (["-r", "more"], "-Restart takes: no arguments"),
        (["-ssa", "user"], "-SwitchServiceAccount does nothing here: "),
        (["-era"], "-EnableRemoteAccess takes: PORT [THUMBPRINT]"),
        (["-era", "0"], "PORT"),
        (["-eesp"], "there is no program dtexec on this machine"),
        (["-t"], "no agent carries out the jobs"),
    ],
)
def test_what_is_not_here_exits_with_2(tmp_path: Path, given: list[str], said: str) -> None:
    done = dmgcmd(*given, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") <= 2


def test_access_is_switched(tmp_path: Path) -> None:
    assert dmgcmd("-dlma", home=tmp_path).returncode == 0
    assert permitted(tmp_path / "node") == Permitted(private=False)
    assert dmgcmd("-EnableLocalFolderPathValidation", home=tmp_path).returncode == 0
    assert permitted(tmp_path / "node") == Permitted(private=False, roots=())
    assert dmgcmd("-elma", home=tmp_path).returncode == 0
    assert permitted(tmp_path / "node") == Permitted(private=True, roots=())
    assert dmgcmd("-DisableLocalFolderPathValidation", home=tmp_path).returncode == 0
    assert permitted(tmp_path / "node") == Permitted()


def test_a_node_is_one_of_several_or_alone(tmp_path: Path) -> None:
    """Scripts say it before they register."""
    done = dmgcmd("-dra", home=tmp_path)
    assert (done.returncode, company(tmp_path / "node")) == (0, Company(alone=True)), done.stderr
    for name in ("-era", "-erac"):
        keep_company(tmp_path / "node", Company(alone=True, expires=700))
        done = dmgcmd(name, "8060", "thumbprint", home=tmp_path)
        assert (done.returncode, company(tmp_path / "node")) == (0, Company(expires=700)), done.stderr
        assert "no port is opened" in done.stderr
        assert "the certificate is not used" in done.stderr


def test_packages_of_ssis_are_switched(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "dtexec"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for action, now in (("-eesp", program), ("-desp", None)):
        done = dmgcmd(action, home=tmp_path, path=str(program.parent))
        assert done.returncode == 0, done.stderr
        assert permitted(tmp_path / "node").dtexec == (str(now) if now else None)
        done = dmgcmd("-gesp", home=tmp_path)
        assert (done.returncode, done.stdout) == (0, "true\n" if now else "false\n")


def test_policy_is_shown_and_changed(tmp_path: Path) -> None:
    at = ["--state", str(tmp_path / "node")]

    def said(*options: str) -> dict[str, object]:
        done = CliRunner().invoke(node, ["policy", *at, "--output", "json", *options])
        assert done.exit_code == 0, done.output
        found: dict[str, object] = json.loads(done.output)
        return found

    unlimited = dict.fromkeys(("dtexec", "memory", "cores"))
    assert said() == {"private": True, "networks": [], "roots": None, **unlimited}
    assert not (tmp_path / "node").exists()
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    changed = {"private": False, "networks": ["10.1.2.0/24", "fd00::1/128"], "roots": folders, **unlimited}
    paths = ["--allow-path", str(tmp_path / "a"), "--allow-path", str(tmp_path / "b")]
    networks = ["--allow-network", "10.1.2.0/24", "--allow-network", "fd00::1"]
    assert said("--forbid-private", *paths, *networks) == changed
    assert said() == changed
    done = CliRunner().invoke(node, ["policy", *at, "--any-path", "--no-path"])
    assert isinstance(done.exception, ConfigError)
    assert said("--allow-network", "")["networks"] == []
    assert said("--job-memory", "512", "--job-cores", "2") | {"memory": 512 << 20, "cores": 2} == said()
    done = CliRunner().invoke(node, ["policy", *at, "--job-memory", "10"])
    assert isinstance(done.exception, ConfigError)
    assert said("--job-memory", "0", "--job-cores", "0")["memory"] is None
    done = CliRunner().invoke(node, ["policy", *at, "--allow-network", "10.1.2.3/24"])
    assert isinstance(done.exception, ConfigError)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"version": 2, "private": true, "roots": null}',
     '{"version": 1, "private": "no", "roots": null}', '{"version": 1, "private": true, "roots": [1]}',
     '{"version": 1, "private": false, "roots": null, "networks": ["all"]}',
     '{"version": 1, "private": false, "roots": null, "dtexec": 1}',
     '{"version": 1, "private": false, "roots": null, "memory": "all"}'],
)  # fmt: skip
def test_damaged_policy_permits_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "policy.json").write_text(content)
    with pytest.raises(ConfigError, match="is not understood"):
        permitted(tmp_path)
