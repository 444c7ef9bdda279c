"""The decision how many workers: on simulated plants, whose best size is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from crossdock import tuning
from crossdock.meter import Worker
from crossdock.tuner import HOLD, Sample, Tuner

MIB = 1 << 20
CORES = 2.0
LOOK = 0.1
Rate = Callable[[int], float]


@dataclass
class Plant:
    """What so many workers carry (``rate``, MiB/s), how it scatters, and what it costs.

    ``throttles`` more workers than that: a fifth of their calls is refused. ``splits``: workers that have
    work. ``memory``: workers that have memory. ``cpu``: core seconds for a MiB.
    """

    rate: Rate
    noise: float = 0.0
    throttles: int = 1 << 30
    splits: int = 1 << 30
    memory: int = 1 << 30
    cpu: float = 0.0001
    room: float = 1.0
    seed: int = 1
    at: float = 0.0
    moved: float = 0.0
    waits: float = 0.0
    refused: int = 0
    used: float = 0.0
    idle: float = 0.0
    carried: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def pass_time(self, size: int) -> Sample:
        busy = min(size, self.splits, self.memory)
        rate = self.rate(min(busy, self.throttles)) * (0.8 if busy > self.throttles else 1.0)
        moved = max(0.0, rate * LOOK * (1 + self.random.gauss(0, self.noise)))
        self.at += LOOK
        self.moved += moved
        self.carried.append(moved)
        self.waits += LOOK * max(0, min(size, self.splits) - self.memory)
        self.refused += max(0, busy - self.throttles)
        used = min(CORES * LOOK, moved * self.cpu)
        self.used += used
        self.idle += CORES * LOOK - used
        return Sample(
            self.at, int(self.moved * MIB), size, max(0, size - self.splits), self.waits, self.refused,
            self.used, self.idle, self.room,
        )  # fmt: skip

    def run(self, tuner: Tuner, seconds: float) -> list[int]:
        """The sizes, look by look."""
        return [tuner.look(self.pass_time(tuner.size)) for _ in range(round(seconds / LOOK))]

    def lost(self, seconds: float, best: float) -> float:
        """Share of what the best size would have carried that was not, in the last seconds."""
        count = round(seconds / LOOK)
        return 1 - sum(self.carried[-count:]) / (best * seconds)


def latency(n: int) -> float:
    """A server far away: each worker waits most of the time; the line is full at 640 MiB/s."""
    return min(40.0 * n, 640.0)


def loopback(n: int) -> float:
    """The processor is all that limits; too many workers take the interpreter from each other."""
    return [0, 600, 820, 830, 810, 780, 760, 740, 720][min(n, 8)] - 5.0 * max(0, n - 8)


def conversion(n: int) -> float:
    return [0.0, 55.0, 100.0, 101.0][min(n, 3)] - 0.3 * max(0, n - 3)


CASES = {
    "a server far away": (Plant(latency), 12),
    "a server far away, from few": (Plant(latency), 2),
    "a server in the same room": (Plant(loopback, cpu=0.0022), 12),
    "a server that throttles": (Plant(latency, throttles=5), 12),
    "one that throttles late": (Plant(latency, throttles=11), 2),
    "a conversion": (Plant(conversion, cpu=0.0199), 2),
    "a conversion, from many": (Plant(conversion, cpu=0.0199), 12),
    "few splits": (Plant(latency, splits=3), 2),
    "little memory": (Plant(latency, memory=6), 12),
    "a disk that seeks": (Plant(lambda n: 100 / (1 + 0.2 * (n - 1))), 8),
}


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.2])
@pytest.mark.parametrize("case", CASES)
def test_as_good_as_the_best(case: str, noise: float) -> None:
    given, first = CASES[case]
    for seed in range(5):
        facts = {name: getattr(given, name) for name in ("rate", "throttles", "splits", "memory", "cpu")}
        plant = Plant(**facts, noise=noise, seed=seed)
        most = min(32, plant.throttles, plant.splits, plant.memory)
        best = max(plant.rate(n) for n in range(1, most + 1))
        tuner = Tuner(first, 32, CORES)
        plant.run(tuner, 60)
        # Within the first tenth of two minutes; noise takes longer to see through.
        assert tuner.settled is not None
        assert tuner.settled < (12 if noise < 0.2 else 20)
        assert plant.lost(30, best) < 0.1, tuner.decisions


def test_it_does_not_wander() -> None:
    """Noise alone changes nothing for long: what it costs to try again becomes ever less."""
    plant, tuner = Plant(lambda n: 100.0, noise=0.3), Tuner(4, 32, CORES)
    plant.run(tuner, 60)
    before = len(tuner.decisions)
    sizes = plant.run(tuner, 600)
    assert len(tuner.decisions) - before < 30
    assert max(sizes) <= 16


def test_it_looks_again_ever_more_seldom() -> None:
    plant, tuner = Plant(latency), Tuner(16, 32, CORES)
    plant.run(tuner, 1000)
    tried = [each.at for each in tuner.decisions if each.why == "trying more"]
    pauses = [later - sooner for sooner, later in pairwise(tried)]
    assert pauses == sorted(pauses)
    assert pauses[0] >= HOLD[0]
    assert pauses[-1] > 4 * pauses[0]


def test_a_server_that_becomes_slower_gets_more_workers() -> None:
    plant, tuner = Plant(lambda n: min(100.0 * n, 400.0), noise=0.05), Tuner(2, 32, CORES)
    plant.run(tuner, 30)
    assert 4 <= tuner.size <= 8
    plant.rate = lambda n: min(20.0 * n, 400.0)
    plant.run(tuner, 30)
    assert plant.lost(5, 400.0) < 0.1
    assert tuner.size >= 18


def test_who_throttles_is_left_alone() -> None:
    """After it has settled a server hears of more workers seldom."""
    plant, tuner = Plant(latency, throttles=5), Tuner(12, 32, CORES)
    plant.run(tuner, 20)
    assert tuner.size <= 5
    settled = plant.refused
    plant.run(tuner, 60)
    assert plant.refused - settled <= 20


def test_a_server_that_throttles_later() -> None:
    plant, tuner = Plant(latency), Tuner(4, 32, CORES)
    plant.run(tuner, 20)
    assert tuner.size == 16
    plant.throttles = 3
    plant.run(tuner, 8)
    assert tuner.size <= 3
    assert "a server throttles" in [each.why for each in tuner.decisions]


def test_complaints_about_the_old_size_say_nothing_new() -> None:
    tuner = Tuner(8, 32, CORES)
    samples = [Sample(0.1 * n, n * MIB, 8) for n in range(4)]
    for sample in samples:
        tuner.look(sample)
    assert tuner.look(Sample(0.4, 4 * MIB, 8, throttled=3)) == 4
    assert tuner.look(Sample(0.5, 5 * MIB, 8, throttled=9)) == 4
    assert tuner.look(Sample(0.6, 6 * MIB, 4, throttled=12)) == 4
    assert tuner.look(Sample(0.7, 7 * MIB, 4, throttled=15)) < 4


def test_scarce_memory_halves() -> None:
    plant, tuner = Plant(latency), Tuner(8, 32, CORES)
    plant.run(tuner, 20)
    before = tuner.size
    plant.room = 0.03
    plant.run(tuner, 0.1)
    assert tuner.size == before // 2
    plant.room = 0.5
    plant.run(tuner, 5)
    assert tuner.size == before // 2
    assert tuner.decisions[-1].why.startswith(("memory is scarce", "settled", "back"))


def test_workers_that_wait_for_memory_go() -> None:
    plant, tuner = Plant(latency, memory=3), Tuner(12, 32, CORES)
    plant.run(tuner, 10)
    assert tuner.size == 3


def test_a_busy_processor_gets_no_more() -> None:
    plant, tuner = Plant(conversion, cpu=0.0199), Tuner(2, 32, CORES)
    assert set(plant.run(tuner, 60)) == {2}
    assert [each.why for each in tuner.decisions] == ["settled: the processor is busy"]


def test_of_many_on_a_busy_processor_two_a_core_are_tried() -> None:
    plant, tuner = Plant(loopback, cpu=0.003), Tuner(12, 32, CORES)
    plant.run(tuner, 10)
    first = tuner.decisions[0]
    assert (first.before, first.after, first.why) == (12, 4, "trying fewer")


def test_nothing_carried_says_nothing() -> None:
    """Reading back to verify, say."""
    plant, tuner = Plant(lambda n: 0.0), Tuner(4, 32, CORES)
    assert set(plant.run(tuner, 60)) == {4}
    assert tuner.decisions == []


def test_the_end_of_the_splits_changes_nothing() -> None:
    plant, tuner = Plant(latency), Tuner(8, 32, CORES)
    plant.run(tuner, 20)
    size = tuner.size
    plant.splits = 2
    assert set(plant.run(tuner, 20)) == {size}


def test_decisions_say_when_from_what_to_what_and_why() -> None:
    plant, tuner = Plant(latency), Tuner(4, 32, CORES)
    plant.run(tuner, 20)
    first = tuner.decisions[0]
    assert (first.before, first.after, first.why) == (4, 8, "trying more")
    assert 0 < first.at < 2
    assert first.rate == pytest.approx(160 * MIB, rel=0.01)
    for sooner, later in pairwise(tuner.decisions):
        assert later.before == sooner.after
        assert later.at > sooner.at


@pytest.mark.parametrize(("first", "most"), [(1, 1), (4, 4), (3, 2)])
def test_never_more_than_the_most(first: int, most: int) -> None:
    assert max(Plant(latency).run(Tuner(first, most, CORES), 30)) <= most


@pytest.mark.parametrize(("idle", "busy"), [(0.0, True), (1.9, False)])
def test_where_children_work_idle_cores_say_whether_it_is_busy(
    monkeypatch: pytest.MonkeyPatch, idle: float, busy: bool
) -> None:
    """This process itself uses next to nothing then."""
    now = 0.0
    for name, share in (("perf_counter", 1.0), ("process_time", 0.001), ("idle_time", idle)):
        monkeypatch.setattr(tuning, name, lambda share=share: share * now)
    monkeypatch.setattr(tuning, "cores", lambda: CORES)
    carrier = SimpleNamespace(copier=None, children=object())
    context: Any = SimpleNamespace(most_parallel=32, carrier=carrier, asking=Worker("away"))
    counts: Any = SimpleNamespace(bytes=0)
    one = tuning.Tuning(context, counts, 2)
    workers = [Worker("source"), Worker("source")]
    for worker in workers:
        worker.in_flight = 1
    for _ in range(20):
        now += LOOK
        counts.bytes += MIB
        one.look(workers)
    assert any(each.why == "trying more" for each in one.decisions) is not busy
