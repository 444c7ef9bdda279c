"""``python -m perf.reach [LINE ...]``: what is asked of crossdock by itself, measured, as a table.

Commands that are compared take turns; figures are medians of whole processes. On a busy machine only what is
given in CPU seconds says something.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from .measure import Sample, once
from .results import load, machine
from .rig import blob
from .rig.data import DATA, prepare
from .rig.far import far

Line = tuple[str, str, str]
"""What is measured, what is asked, what was found."""
CSV = "crossdock copy {data}/lineitem.csv {out}/a.parquet"


def taken(commands: dict[str, str], runs: int) -> dict[str, list[Sample]]:
    """The samples of each command, in turn, after one round that is not counted."""
    found: dict[str, list[Sample]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, template in commands.items():
            sample = once(template, {}, {})
            if turn:
                found[name].append(sample)
            print(f"  {name}: {sample.wall:.2f} s, {sample.cpu:.2f} CPU s", file=sys.stderr)
    return found


def _median(samples: list[Sample], what: str) -> float:
    return statistics.median(getattr(sample, what) for sample in samples)


def startup(runs: int) -> Iterator[Line]:
    """A file of three lines, against a process that does no more than it must."""
    (DATA / "tiny.csv").write_text("n,t\n1,a\n2,b\n")
    for kind, ours, bare in (
        ("bytes", "crossdock copy {data}/tiny.csv {out}/a.csv", "bytes {data}/tiny.csv {out}/a.csv"),
        (
            "CSV to Parquet",
            "crossdock copy {data}/tiny.csv {out}/a.parquet",
            "pyarrow {data}/tiny.csv {out}/a.parquet",
        ),
    ):
        found = taken({"crossdock": ours, "bare loop": f"{{python}} -m perf.peers {bare}"}, max(runs, 9))
        wall, cpu = (_median(found["crossdock"], w) - _median(found["bare loop"], w) for w in ("wall", "cpu"))
        yield f"start-up over the bare loop, {kind}", "at most 0.4 s", f"{wall:.2f} s ({cpu:.2f} CPU s)"


def journal(runs: int) -> Iterator[Line]:
    """The share of the CPU time that is spent in the journal's methods, counted inside the process."""
    prepare("lineitem", {})
    prepare("files", {})
    for name, source, sink in (
        ("one file of bytes, 773 MB", "lineitem.csv", "a.csv"),
        ("CSV to Parquet, 773 MB", "lineitem.csv", "a.parquet"),
        ("10,000 files of 10 KiB", "files/", "files/"),
    ):
        shares = [_journal_share(f"{DATA}/{source}", sink) for _ in range(runs)]
        yield f"journal, {name}", "at most 2 %", f"{100 * statistics.median(shares):.1f} % of the CPU time"


_COUNTED = """
import sys, threading, time
from crossdock import api, journal
spent, here = [0.0], threading.local()
def counted(method):
    def call(*a, **k):
        if getattr(here, "inside", False):
            return method(*a, **k)
        here.inside, begin = True, time.thread_time()
        try:
            return method(*a, **k)
        finally:
            spent[0] += time.thread_time() - begin
            here.inside = False
    return call
own = journal.Journal
for name in ("set", "add_units", "begin", "add_receipts", "set_state", "end_units", "finish", "open_units",
             "splits", "totals", "_make", "close"):
    setattr(own, name, counted(getattr(own, name)))
begin = time.process_time()
api.copy(sys.argv[1], sys.argv[2])
total = time.process_time() - begin
print(spent[0] / (total - spent[0]))
"""


def _journal_share(source: str, sink: str) -> float:
    with tempfile.TemporaryDirectory(dir=DATA, prefix="out-") as folder:
        done = subprocess.run(
            [sys.executable, "-c", _COUNTED, source, f"{folder}/{sink}"],
            env=os.environ | {"CROSSDOCK_HOME": f"{folder}/home"}, check=True, capture_output=True, text=True,
        )  # fmt: skip
    return float(done.stdout)


def listing(runs: int) -> Iterator[Line]:
    """10,000 files, listed, checked and planned."""
    prepare("files", {})
    found = taken({"planned": "crossdock copy {data}/files/ {out}/files/ --dry-run"}, runs)["planned"]
    wall, cpu = (_median(found, what) for what in ("wall", "cpu"))
    yield "10,000 files listed and planned, start-up included", "under 2 s", f"{wall:.2f} s ({cpu:.2f} CPU s)"


def cores(runs: int) -> Iterator[Line]:
    """One core and two, where the processor is what is waited for."""
    prepare("lineitem", {})
    found = taken({"one": f"taskset -c 0 {CSV}", "two": f"taskset -c 0,1 {CSV}"}, runs)
    ratio = _median(found["one"], "wall") / _median(found["two"], "wall")
    yield "two cores for one, CSV to Parquet", "at least 1.7 times", f"{ratio:.2f} times"
    # What the machine itself gives: processes that share nothing but the memory and its caches.
    prepare("wide", {})
    bare = "taskset -c {core} {{python}} -m perf.peers pyarrow {{data}}/wide.csv {{out}}/{core}.parquet"
    alone, other = (bare.format(core=core) for core in (0, 1))
    found = taken({"alone": alone, "side by side": f"sh -c '{alone} & {other} & wait'"}, runs)
    ratio = 2 * _median(found["alone"], "wall") / _median(found["side by side"], "wall")
    yield "the same of two pyarrow loops, each on its core, for one", "-", f"{ratio:.2f} times"


def memory(runs: int) -> Iterator[Line]:
    """Ten times as much."""
    for name in ("lineitem", "lineitem10"):
        prepare(name, {})
    for kind, sink in (("bytes", "a.csv"), ("CSV to Parquet", "a.parquet")):
        once, ten = (
            _median(
                taken({name: f"crossdock copy {{data}}/{name}.csv {{out}}/{sink}"}, min(runs, 3))[name],
                "peak",
            )
            for name in ("lineitem", "lineitem10")
        )
        yield (
            f"peak memory of ten times as much, {kind}",
            "at most 5 % more",
            (f"{100 * (ten / once - 1):+.0f} % ({once:.0f}, {ten:.0f} MiB)"),
        )


def verification(runs: int) -> Iterator[Line]:
    """The same copy, proved."""
    prepare("lineitem", {})
    for kind, command in (
        ("CSV to Parquet", CSV),
        ("bytes", "crossdock copy {data}/lineitem.csv {out}/a.csv"),
    ):
        found = taken({"plain": command, "verified": f"{command} --verify"}, runs)
        wall, cpu = (
            100 * (_median(found["verified"], what) / _median(found["plain"], what) - 1)
            for what in ("wall", "cpu")
        )
        yield f"--verify, {kind}", "at most 10 %", f"{wall:+.0f} % ({cpu:+.0f} % CPU)"


def sweep(runs: int) -> Iterator[Line]:
    """Two sweeps of 256 MiB to Blob Storage 30 ms away: does the second confirm the first?"""
    with (
        blob.served({}) as (values, environment),
        tempfile.TemporaryDirectory(dir=DATA, prefix="out-") as folder,
    ):
        source, answers = Path(folder) / "big", [Path(folder) / name for name in ("first", "second")]
        source.touch()
        os.truncate(source, 256 << 20)  # zeros, which take no room on the disk
        port = int(urlsplit(values["url"]).port or 0)
        with far(port, 30) as away:
            url = values["url"].replace(f":{port}/", f":{away}/")
            command = [
                f"{Path(sys.executable).parent}/crossdock", "bench", "sweep", str(source), "az://upload/big",
                "-k", f"endpoint={url}", "--runs", str(max(runs, 3)), "--concurrent-jobs", "1,2,4",
                "--output", "json",
            ]  # fmt: skip
            for number, answer in enumerate(answers):
                more = ["--confirm", str(answers[0])] if number else []
                with answer.open("w") as out:
                    subprocess.run(
                        [*command, *more], stdout=out, env=os.environ | dict(environment), check=True
                    )
        found = [json.loads(answer.read_text()) for answer in answers]
    said = [
        f"{r['parallelCopies']} copies, {r['blockSize'] >> 20} MiB, {r['concurrentJobs']} jobs "
        f"(confidence {r['confidence']:.0%})"
        for r in (each["recommendation"] for each in found)
    ]
    held = found[1]["confirms"]
    shares = ", ".join(f"{100 * each['shareOfFastest']:.0f} %" for each in held["compared"])
    yield (
        "a second sweep, Blob 30 ms away",
        "confirms the first",
        (
            f"{'confirmed' if held['confirmed'] else 'not confirmed'}: {said[0]}; then {said[1]}; the first "
            f"has {shares} of the fastest of the second"
        ),
    )


LINES: dict[str, Callable[[int], Iterator[Line]]] = {
    "startup": startup,
    "journal": journal,
    "listing": listing,
    "cores": cores,
    "verification": verification,
    "memory": memory,
    "sweep": sweep,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf.reach", description=__doc__)
    parser.add_argument("line", nargs="*", choices=[*LINES, []], default=[])
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    DATA.mkdir(exist_ok=True)
    print(
        f"{machine()}, {load():.0%} in use before\n\n| | asked | found |\n|---|---|---|",
        flush=True,
    )
    for name in arguments.line or LINES:
        for what, asked, found in LINES[name](arguments.runs):
            print(f"| {what} | {asked} | {found} |", flush=True)


if __name__ == "__main__":
    main()
