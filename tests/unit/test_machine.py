"""What a container lets this process use, in both versions of control groups; and the machine without one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crossdock import machine
from crossdock.prepare import automatic_parallel

GIB = 1 << 30
HAS = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)

# Of one gibibyte, 0.9 are used, of which 0.4 are pages of files that nobody has used lately.
OLD = {
    "memory.limit_in_bytes": GIB,
    "memory.usage_in_bytes": int(0.9 * GIB),
    "memory.stat": f"cache 1\ntotal_inactive_file {int(0.4 * GIB)}\n",
    "cpu.cfs_quota_us": 50_000,
    "cpu.cfs_period_us": 100_000,
}
NEW = {
    "memory.max": GIB,
    "memory.current": int(0.9 * GIB),
    "memory.stat": f"anon 1\ninactive_file {int(0.4 * GIB)}\n",
    "cpu.max": "50000 100000",
}


@pytest.fixture
def within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "group", lambda _: tmp_path)
    return tmp_path


@pytest.mark.parametrize("facts", [OLD, NEW], ids=["version 1", "version 2"])
def test_a_container_has_less(within: Path, facts: dict[str, object]) -> None:
    for name, value in facts.items():
        (within / name).write_text(f"{value}\n")
    assert machine.cores() == 0.5
    assert machine.memory_room() == pytest.approx(min(0.5, _machine()), abs=0.05)


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"memory.max": "max", "memory.current": 5, "cpu.max": "max 100000"},
        {"memory.limit_in_bytes": 1 << 62, "memory.usage_in_bytes": 5, "cpu.cfs_quota_us": -1},
    ],
)
def test_one_without_limits_has_what_the_machine_has(within: Path, facts: dict[str, object]) -> None:
    for name, value in facts.items():
        (within / name).write_text(f"{value}\n")
    assert machine.cores() == HAS
    assert machine.memory_room() == pytest.approx(_machine(), abs=0.05)


def test_copies_at_once_are_as_many_as_the_container_has_cores(
    within: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert automatic_parallel() == 32
    (within / "cpu.max").write_text("400000 100000")
    assert automatic_parallel() == 4


def test_where_the_system_does_not_tell(within: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_text", lambda _: "")
    assert (machine.cores(), machine.memory_room()) == (HAS, 1.0)


@pytest.mark.parametrize(
    ("said", "controller", "expected"),
    [
        ("4:memory:/a/b\n1:cpu,cpuacct:/c\n0::/\n", "memory", "memory/a/b"),
        ("4:memory:/a/b\n1:cpu,cpuacct:/c\n0::/\n", "cpu", "cpu/c"),
        ("4:memory:/of/the/host\n", "memory", "memory"),
        ("0::/x.slice\n", "memory", "x.slice"),
        ("", "memory", ""),
    ],
)
def test_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, controller: str, expected: str
) -> None:
    for folder in ("memory/a/b", "cpu/c", "x.slice"):
        (tmp_path / folder).mkdir(parents=True)
    if "x.slice" in said:
        (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    monkeypatch.setattr(machine, "_GROUPS", tmp_path)
    monkeypatch.setattr(machine, "_text", lambda path: said if path.name == "cgroup" else "")
    assert machine.group(controller) == tmp_path / expected


def _machine() -> float:
    return min([1.0, *machine._machines_room()])
