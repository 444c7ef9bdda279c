"""The tuner beside hand-set numbers of parallel copies, on five cases.

``python -m perf.rig.tuning [CASE ...]`` prints a table. Each copy is a process of its own; those of a case
run in turn, in other order each round. ``auto`` carries a long copy, for it has to find its way. A hand-set
number is stopped after ten seconds where a copy is the same from its begin to its end, else after twice the
time of ``auto``, and counts with what it has carried until then.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .blob import served as blob_served
from .far import far
from .throttling import throttling

ROOT = Path(__file__).parents[2]
SETTINGS = ("auto", "1", "2", "4", "8", "16")
AT_ONCE = 5
ENOUGH = 10.0
"""Seconds after which a number of copies that stays is known."""


@dataclass(frozen=True)
class Copy:
    """What one copy is given; ``{out}`` in the sink is a new folder. ``even``: the same from begin to end."""

    source: str
    sink: str
    source_options: Mapping[str, str] = field(default_factory=dict)
    sink_options: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    even: bool = False


@contextmanager
def _sparse(mib: int) -> Iterator[str]:
    """A file of zeros, which takes no room on the disk."""
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.truncate(mib << 20)
        yield file.name


@contextmanager
def loopback() -> Iterator[Copy]:
    """32 GiB to Blob Storage on loopback, blocks of 8 MiB."""
    with blob_served({}) as (values, environment), _sparse(32 << 10) as source:
        yield Copy(
            source, "az://upload/big", sink_options={"endpoint": values["url"]}, environment=environment,
            even=True,
        )  # fmt: skip


@contextmanager
def latency() -> Iterator[Copy]:
    """12 GiB to Blob Storage 30 ms away, blocks of 1 MiB."""
    with blob_served({}) as (values, environment), _sparse(12 << 10) as source:
        port = int(values["url"].split(":")[2].split("/")[0])
        with far(port, 30) as away:
            url = values["url"].replace(f":{port}/", f":{away}/")
            yield Copy(
                source, "az://upload/big", sink_options={"endpoint": url}, more={"block_size": "1MiB"},
                environment=environment, even=True,
            )  # fmt: skip


@contextmanager
def throttled() -> Iterator[Copy]:
    """6 GiB to a Blob endpoint that takes 5 calls at once, each for 30 ms, blocks of 1 MiB."""
    with throttling(AT_ONCE, 0.03) as url, _sparse(6 << 10) as source, blob_served({}) as (_, environment):
        yield Copy(
            source, "az://upload/big", sink_options={"endpoint": url, "allow_http": "true"},
            more={"block_size": "1MiB"}, environment=environment, even=True,
        )  # fmt: skip


@contextmanager
def skewed() -> Iterator[Copy]:
    """PostgreSQL, 8 partitions of 150,000 to 4,800,000 rows, to Parquet."""
    sys.path.insert(0, str(ROOT / "tests"))
    from servers.postgres import postgres

    sizes = (150, 150, 300, 300, 600, 1200, 2400, 4800)
    with postgres() as server:
        server.run(
            "CREATE TABLE skewed (p integer, i bigint, f double precision, v varchar(50), t timestamp) "
            "PARTITION BY LIST (p)"
        )
        for number, thousands in enumerate(sizes):
            server.run(f"CREATE TABLE skewed_{number} PARTITION OF skewed FOR VALUES IN ({number})")
            server.run(
                f"INSERT INTO skewed SELECT {number}, n, n / 3.0, 'row ' || n || repeat('x', n % 30), "
                f"timestamp '2020-01-01' + n * interval '1 s' FROM generate_series(1, {thousands}000) n"
            )
        server.run("ANALYZE skewed")
        options = {"partition_option": "PhysicalPartitionsOfTable"}
        yield Copy(f"{server.url()}#skewed", "{out}/skewed.parquet", source_options=options)


@contextmanager
def conversion() -> Iterator[Copy]:
    """30 CSV files of 1,000,000 rows (3 GB) to Parquet with zstd."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    with tempfile.TemporaryDirectory() as name:
        numbers = pa.array(range(1_000_000), pa.int64())
        table = pa.table(
            {
                "id": numbers,
                "price": pc.divide(pc.cast(pc.bit_wise_xor(numbers, 0x5A5A5), pa.float64()), 7.0),
                "name": pc.binary_join_element_wise(
                    "item", pc.cast(numbers, pa.string()), "of the store", " "
                ),
                "sold": pc.cast(pc.multiply(numbers, 1000), pa.timestamp("ms")),
                "note": pc.binary_repeat("quite usual ", pc.bit_wise_and(numbers, 3)),
            }
        )
        first = Path(name, "0.csv")
        csv.write_csv(table, first)
        for number in range(1, 30):
            os.link(first, Path(name, f"{number}.csv"))
        yield Copy(
            f"{name}/*.csv", "{out}/", more={"sink_format": "parquet"}, sink_options={"compression": "zstd"}
        )


CASES = {each.__name__: each for each in (loopback, latency, throttled, skewed, conversion)}


@dataclass(frozen=True)
class Outcome:
    """``rate`` is in MiB/s of the whole copy; ``settled`` the share of it after which the tuner had."""

    rate: float
    seconds: float
    tuning: list[dict[str, Any]]
    parallel: int
    settled: float | None


def carry(copy: Copy, setting: str, limit: float) -> Outcome:
    """One copy as a process of its own; of one that takes longer than ``limit`` what it has carried."""
    out = tempfile.mkdtemp(prefix="crossdock-tuning-")
    path = f"{ROOT}/engine:{ROOT}/connectors:{ROOT}/scheduler:{ROOT}"
    given = dict(os.environ) | dict(copy.environment)
    given |= {"PYTHONPATH": f"{path}:{given.get('PYTHONPATH', '')}", "CROSSDOCK_HOME": out}
    order = {
        **vars(copy),
        "sink": copy.sink.format(out=out),
        "environment": {},
        "setting": setting,
        "limit": limit,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "perf.rig.tuning", "--one", json.dumps(order)],
            cwd=ROOT, env=given, stdout=subprocess.PIPE, check=True, text=True,
        )  # fmt: skip
        return Outcome(**json.loads(done.stdout))
    finally:
        shutil.rmtree(out, ignore_errors=True)


def one(order: dict[str, Any]) -> None:
    """The process of one copy: prints its outcome as JSON."""
    import threading

    import crossdock

    cancel, seen = threading.Event(), {"elapsed": 0.0, "bytes": 0}
    if order["limit"]:
        threading.Timer(order["limit"], cancel.set).start()

    def progress(snapshot: Any) -> None:
        if not cancel.is_set():
            seen.update(elapsed=snapshot.elapsed, bytes=snapshot.bytes_done)

    tuning: list[dict[str, Any]] = []
    parallel, setting = 0, order["setting"]
    try:
        result = crossdock.copy(
            order["source"], order["sink"], source_options=order["source_options"],
            sink_options=order["sink_options"], cancel=cancel, progress=progress,
            parallel_copies=setting if setting == "auto" else int(setting), **order["more"],
        )  # fmt: skip
        parallel = result.parallel_copies
        tuning = result.output()["crossdock"].get("tuning", [])
    except crossdock.CancelledError:
        pass
    settled = next((each["at"] for each in tuning if each["why"].startswith("settled")), None)
    share = None if settled is None else settled / seen["elapsed"]
    print(json.dumps({
        "rate": seen["bytes"] / seen["elapsed"] / (1 << 20), "seconds": seen["elapsed"], "tuning": tuning,
        "parallel": parallel, "settled": share,
    }))  # fmt: skip
    sys.stdout.flush()
    os._exit(0)  # a timer may be left


def measure(name: str, rounds: int) -> dict[str, list[Outcome]]:
    """All settings of a case in turn; a first round that is not counted warms the caches."""
    found: dict[str, list[Outcome]] = {setting: [] for setting in SETTINGS}
    with CASES[name]() as copy:
        limit = ENOUGH if copy.even else 0.0
        first = carry(copy, "auto", limit)
        limit = limit or 2 * first.seconds
        for number in range(rounds):
            for setting in SETTINGS[number % 6 :] + SETTINGS[: number % 6]:
                outcome = carry(copy, setting, 0 if setting == "auto" else limit)
                found[setting].append(outcome)
                print(
                    f"  {name} {setting}: {outcome.rate:.0f} MiB/s, {outcome.seconds:.1f} s", file=sys.stderr
                )
                for each in outcome.tuning:
                    print(f"    {each}", file=sys.stderr)
    return found


def row(name: str, found: dict[str, list[Outcome]]) -> str:
    rates = {setting: statistics.median(each.rate for each in taken) for setting, taken in found.items()}
    best = max((setting for setting in SETTINGS if setting != "auto"), key=rates.__getitem__)
    shares = [each.settled for each in found["auto"] if each.settled is not None]
    settled = f"{statistics.median(shares):.0%}" if shares else "-"
    cells = [f"{rates[setting]:.0f}" for setting in SETTINGS[1:]] + [f"**{rates['auto']:.0f}**"]
    return f"| {CASES[name].__doc__} | {' | '.join(cells)} | {rates['auto'] / rates[best]:.2f} | {settled} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf.rig.tuning", description=__doc__)
    parser.add_argument("case", nargs="*", choices=[*CASES, []], default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(json.loads(arguments.one))
        return
    rows = [row(name, measure(name, arguments.rounds)) for name in arguments.case or CASES]
    print("| MiB/s | 1 | 2 | 4 | 8 | 16 | auto | of the best | settled after |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
