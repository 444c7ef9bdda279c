"""``python -m perf [SCENARIO ...]``: run scenarios against their peers and print tables.

The commands of a scenario run in turn (A B C A B C ...), each as a process of its own, so that a
machine whose speed drifts drifts for all. Figures are medians; CPU and memory are the operating
system's accounting of the finished process and the children it waited for.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .rig.data import DATA, prepare

HERE = Path(__file__).parent
ROOT = HERE.parent


@dataclass(frozen=True)
class Sample:
    """One finished command: seconds of wall and CPU time, peak memory in MiB of its largest process."""

    wall: float
    cpu: float
    peak: float


def measure(command: list[str], folder: Path) -> Sample:
    """Run one command in an empty folder of its own. Raises RuntimeError when it fails."""
    environment = os.environ | {"CROSSDOCK_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    child = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{shlex.join(command)} exited with {child.returncode}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def run(scenario: dict[str, Any], runs: int) -> dict[str, list[Sample]]:
    """All commands of a scenario, interleaved, after one warm-up round that is not counted."""
    prepare(scenario["data"])
    samples: dict[str, list[Sample]] = {name: [] for name in scenario["commands"]}
    warm_up = 0 if runs == 1 else 1
    for number in range(runs + warm_up):
        for name, template in scenario["commands"].items():
            folder = Path(tempfile.mkdtemp(dir=DATA, prefix="out-"))
            text = template.format(data=DATA, out=folder, python=shlex.quote(sys.executable))
            command = shlex.split(text)
            command[0] = (
                shutil.which(command[0], path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") or ""
            )
            try:
                sample = measure(command, folder)
            finally:
                shutil.rmtree(folder)
            if number >= warm_up:
                samples[name].append(sample)
            print(f"  {name}: {sample.wall:.2f} s", file=sys.stderr)
    return samples


def table(scenario: dict[str, Any], samples: dict[str, list[Sample]]) -> str:
    """The samples as a Markdown table of medians, with the ratio to the baseline."""
    base = statistics.median(s.wall for s in samples[scenario["baseline"]])
    lines = [
        f"### {scenario['title']}",
        "",
        f"| | {scenario['unit']} | ratio to {scenario['baseline']} | seconds | CPU seconds | peak MiB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, taken in samples.items():
        wall, cpu, peak = (statistics.median(getattr(s, k) for s in taken) for k in ("wall", "cpu", "peak"))
        rate = scenario["amount"] / wall
        lines.append(f"| {name} | {rate:,.2f} | {base / wall:.2f} | {wall:.2f} | {cpu:.2f} | {peak:,.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    known = sorted(path.stem for path in (HERE / "scenarios").glob("*.toml"))
    parser = argparse.ArgumentParser(prog="python -m perf", description=__doc__)
    parser.add_argument("scenario", nargs="*", choices=[*known, []], default=[])
    parser.add_argument("--runs", type=int, default=0, help="counted runs of each command (default: 5)")
    parser.add_argument("--json", type=Path, help="also write every sample to this file")
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    everything = {}
    for name in arguments.scenario or known:
        scenario = tomllib.loads((HERE / "scenarios" / f"{name}.toml").read_text())
        samples = run(scenario, arguments.runs or scenario.get("runs", 5))
        everything[name] = {key: [asdict(s) for s in taken] for key, taken in samples.items()}
        print(table(scenario, samples))
    if arguments.json:
        arguments.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
