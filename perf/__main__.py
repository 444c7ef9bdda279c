"""``python -m perf [SCENARIO ...]``: run scenarios against their peers and print tables.

Without names: the ten-minute selection (``selected = true``), whose figures are kept in ``results/``.

The commands of a scenario run in turn (A B C B C A ...), each as a process of its own, so that a
machine whose speed drifts drifts for all. Figures are medians; CPU and memory are those of the whole
process and its children.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from . import results
from .measure import ROOT, Sample, once
from .rig import blob, mssql, sql
from .rig.data import prepare

HERE = Path(__file__).parent
Samples = dict[tuple[str, str], list[Sample]]
"""By the name of the command and the column."""

RIGS = {"blob": blob.served, "sql": sql.served, "mssql": mssql.served}


def run(
    scenario: dict[str, Any], runs: int, values: Mapping[str, str], left_out: dict[tuple[str, str], str]
) -> Samples:
    """All commands of a scenario, interleaved, after one warm-up round that is not counted.

    A command that fails is left out from then on, with its reason in ``left_out``.
    """
    if "data" in scenario:
        prepare(scenario["data"], values)
    served = RIGS[scenario["rig"]](values) if "rig" in scenario else nullcontext((values, {}))
    samples: Samples = {}
    with served as (given, environment):
        left = dict(_commands(scenario))
        warm_up = 0 if runs == 1 else 1
        for number in range(runs + warm_up):
            # Whoever comes behind one that has made the kernel's buffers warm is faster: all take turns.
            turn = number % max(1, len(left))
            for key, template in [*list(left.items())[turn:], *list(left.items())[:turn]]:
                name = " ".join(filter(None, key))
                try:
                    sample = once(template, given, environment)
                except RuntimeError as error:
                    print(f"  {name}: left out: {error}", file=sys.stderr)
                    left_out[key] = str(error)
                    samples.pop(key, None)
                    del left[key]
                    continue
                if number >= warm_up:
                    samples.setdefault(key, []).append(sample)
                print(f"  {name}: {sample.wall:.2f} s", file=sys.stderr)
    return samples


def _commands(scenario: dict[str, Any]) -> dict[tuple[str, str], str]:
    """By (name, column); a scenario of one column has the column ``""``."""
    found = {}
    columns = scenario.get("columns", {"": ""})
    for column in columns:
        for name, command in scenario["commands"].items():
            template = command if isinstance(command, str) else command.get(column)
            if template:
                found[name, column] = template
    return found


def tables(scenario: dict[str, Any]) -> None:
    """For commands that measure several things of one rig: each prints its table."""
    print(f"### {scenario['title']}\n")
    for name, template in scenario["commands"].items():
        command = shlex.split(template.format(python=shlex.quote(sys.executable)))
        print(f"{name}:\n", flush=True)
        subprocess.run(command, cwd=ROOT, check=True)
        print()


def main() -> None:
    known = {path.stem: path for path in sorted((HERE / "scenarios").glob("*.toml"))}
    parser = argparse.ArgumentParser(prog="python -m perf", description=__doc__)
    parser.add_argument("scenario", nargs="*", choices=[*known, "all", []], default=[])
    parser.add_argument("--runs", type=int, default=0, help="counted runs of each command (default: 5)")
    parser.add_argument("--mib", type=int, default=1024, help="size of the large file (default: 1024)")
    parser.add_argument("--json", type=Path, help="also write every sample to this file")
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/, as without names")
    arguments = parser.parse_args()
    values = {"mib": str(arguments.mib)}
    every = {
        name: tomllib.loads(path.read_text().replace("%MIB%", values["mib"])) for name, path in known.items()
    }
    named = [*known] if "all" in arguments.scenario else arguments.scenario
    chosen = named or [name for name, scenario in every.items() if scenario.get("selected")]
    kept: dict[str, Any] = {}
    for name in chosen:
        scenario = every[name]
        if not named:
            scenario["commands"] = {
                key: command
                for key, command in scenario["commands"].items()
                if key not in scenario.get("slow", [])
            }
        if scenario.get("prints"):
            tables(scenario)
            continue
        found = _figures(name, scenario, arguments.runs or scenario.get("runs", 5), values)
        if arguments.keep or not named:
            results.keep(results.machine(), found)  # at once: a later one may be interrupted
        kept |= found
    if kept and (arguments.keep or not named):
        results.draw(results.machine())
    if arguments.json:
        arguments.json.write_text(json.dumps(kept, indent=1))


def _figures(name: str, scenario: dict[str, Any], runs: int, values: Mapping[str, str]) -> dict[str, Any]:
    """One scenario is run, and its tables printed; those to be kept, one a column."""
    left_out: dict[tuple[str, str], str] = {}
    busy = results.load()
    samples = run(scenario, runs, values, left_out)
    found = {}
    for column in scenario.get("columns", {"": ""}):
        taken = {key: each for (key, of), each in samples.items() if of == column}
        out = {key: why for (key, of), why in left_out.items() if of == column}
        kept = results.entry(scenario, column, taken, out, busy)
        found[f"{name}-{column}" if column else name] = kept
        print(results.table(kept))
    return found


if __name__ == "__main__":
    main()
