"""``python -m perf.micro``: runs the micro-benchmarks, each beside its figure of the last release.

Those are in ``perf/results/micro-<machine>.json``; ``--keep`` makes these of now those. A ratio of 1.10 is a
tenth slower. Nothing here is a verdict: a busy or another machine gives other figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from crossdock import __version__

from ..measure import ROOT
from ..results import FOLDER, load, machine


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf.micro", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep these as the figures of this release")
    parser.add_argument("-k", metavar="EXPRESSION", default="", help="only these, as pytest chooses them")
    arguments = parser.parse_args()
    path = FOLDER / f"micro-{machine()}.json"
    kept = json.loads(path.read_text()) if path.exists() else {"version": "", "load": 0.0, "seconds": {}}
    busy = load()
    now = _measured(arguments.k)
    print("\n".join(ratios(now, kept)))
    then = f"; {kept['load']:.1f} when the kept figures were taken" if kept["version"] else ""
    print(f"\nload {busy:.1f} a core before{then}")
    if arguments.keep:
        FOLDER.mkdir(exist_ok=True)
        found = {"version": __version__, "load": round(busy, 2), "seconds": kept["seconds"] | now}
        path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def _measured(chosen: str) -> dict[str, float]:
    """Seconds of CPU time by benchmark: medians, as pytest-benchmark has them."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "perf/micro",
            "--benchmark-only",
            "-o",
            "python_files=bench_*.py",
        ]
        command += ["-q", "--benchmark-quiet", f"--benchmark-json={out}", *(["-k", chosen] if chosen else [])]
        done = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)
        if not out.exists():
            raise SystemExit(done.returncode or 1)
        benchmarks = json.loads(out.read_text())["benchmarks"]
    return {each["fullname"].partition("bench_")[2]: each["stats"]["median"] for each in benchmarks}


def ratios(now: dict[str, float], kept: dict[str, object]) -> list[str]:
    """A table of those measured now; at its end the geometric mean of all ratios."""
    before = kept["seconds"]
    assert isinstance(before, dict)
    lines = [f"| | now | {kept['version'] or 'kept'} | ratio |", "|---|---:|---:|---:|"]
    found = []
    for name, seconds in sorted(now.items()):
        if earlier := before.get(name):
            found.append(seconds / earlier)
            lines.append(f"| {name} | {_figure(seconds)} | {_figure(earlier)} | {found[-1]:.2f} |")
        else:
            lines.append(f"| {name} | {_figure(seconds)} | | |")
    if found:
        lines.append(f"| all, geometric mean | | | {statistics.geometric_mean(found):.2f} |")
    return lines


def _figure(seconds: float) -> str:
    return f"{1000 * seconds:,.3f} ms"


if __name__ == "__main__":
    main()
