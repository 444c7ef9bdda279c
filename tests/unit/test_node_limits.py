"""How many jobs a node takes at once: the formula that docs/how-to/nodes.md publishes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crossdock import machine
from crossdock_scheduler.node import limits
from crossdock_scheduler.wire.node import Register, Vault

GIB = 1 << 30
NODE = Path(__file__).parents[2] / "docs" / "how-to" / "nodes.md"


@pytest.mark.parametrize(
    ("cores", "memory", "jobs"),
    [
        pytest.param(4, 16 * GIB, 8, id="two a core"),
        pytest.param(16, 4 * GIB, 6, id="as far as memory goes"),
        pytest.param(8, GIB // 2, 1, id="never none"),
    ],
)
def test_the_formula(cores: int, memory: int, jobs: int) -> None:
    assert limits.default_jobs(cores, memory) == jobs
    assert limits.most_jobs(cores, memory) == 8 * jobs


@pytest.mark.parametrize("cores", [63, 1024])
def test_a_large_machine_may_register(cores: int) -> None:
    default, most = limits.default_jobs(cores, 4096 * GIB), limits.most_jobs(cores, 4096 * GIB)
    key = Vault(public_key="", private_key="")
    asked = Register(
        auth_key="", name="a", machine="a", version="1", signing_key="", sealing_key="", vault=key,
        concurrent_jobs=default, most_jobs=most,
    )  # fmt: skip
    assert (asked.concurrent_jobs, asked.most_jobs) == (min(2 * cores, 1000), 1000)


def test_the_published_formula_gives_the_same() -> None:
    found = re.search(r"`jobs = (max\(.*\))`", NODE.read_text())
    assert found is not None
    formula = found[1].replace("1 GiB", str(GIB)).replace("512 MiB", str(GIB // 2))
    for cores in (1, 2, 4, 32, 1024):
        for memory in (GIB, 3 * GIB, 24 * GIB + 1, 256 * GIB, 4096 * GIB):
            published = eval(formula, {"cores": cores, "memory": memory, "max": max, "min": min})  # noqa: S307
            assert published == limits.default_jobs(cores, memory)


def test_the_limits_of_a_container_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = machine.memory()
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(machine, "group", lambda controller: tmp_path)
    assert machine.memory() == bare > GIB
    (tmp_path / "memory.max").write_text(f"{2 * GIB}\n")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert machine.memory() == 2 * GIB
    assert limits.default_jobs() == 2
