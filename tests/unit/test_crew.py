"""How many workers: more while the processor is idle."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from crossdock import crew
from crossdock.crew import Crew


class Clock:
    """Wall time, CPU time and idle time that pass as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.cpu = self.idle = 10.0
        monkeypatch.setattr(crew, "perf_counter", lambda: self.wall)
        monkeypatch.setattr(crew, "process_time", lambda: self.cpu)
        monkeypatch.setattr(crew, "idle_time", lambda: self.idle)

    def passes(self, wall: float, cpu: float, idle: float = 0.05) -> None:
        self.wall += wall
        self.cpu += cpu
        self.idle += idle


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_doubles_while_the_processor_is_idle(clock: Clock) -> None:
    team, sizes = Crew(4, 12, 20), []
    while team.next_look is not None:
        clock.passes(team.next_look, 0.01)
        sizes.append(team.grow())
    assert sizes == [8, 16, 20]


def test_where_others_have_the_processor_there_are_the_usual(clock: Clock) -> None:
    team, sizes = Crew(4, 12, 32), []
    for idle in (0, 0, 0, 0.05, 0):
        clock.passes(0.05, 0.004, idle)
        sizes.append(team.grow())
    assert sizes == [8, 12, 12, 24, 24]


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the system does not tell")
def test_idle_time_is_what_the_system_says() -> None:
    def said() -> float:
        _, *fields = Path("/proc/stat").read_text().splitlines()[0].split()
        return (int(fields[3]) + int(fields[4])) / os.sysconf("SC_CLK_TCK")

    before, found = said(), crew.idle_time()
    assert 0 < before <= found <= said()


def test_where_the_system_does_not_tell_it_is_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", refuse)
    before = time.perf_counter()
    assert before <= crew.idle_time() <= time.perf_counter()


def test_a_processor_that_others_have_is_not_taken_for_a_slow_server(clock: Clock) -> None:
    team = Crew(1, 12, 32)
    for _ in range(10):
        clock.passes(0.05, 0.01, 0)
        assert team.grow() == 1


def test_a_busy_processor_needs_no_more(clock: Clock) -> None:
    team = Crew(4, 12, 32)
    for _ in range(10):
        clock.passes(0.05, 0.049)
        assert team.grow() == 4
    # It is the last round that counts.
    clock.passes(0.05, 0.001)
    assert team.grow() == 8


def test_a_round_is_not_judged_before_its_end(clock: Clock) -> None:
    team = Crew(4, 12, 32)
    clock.passes(0.001, 0.0)
    assert team.grow() == 4
    clock.passes(0.06, 0.06)
    assert team.grow() == 4


def test_never_more_than_the_most(clock: Clock) -> None:
    team = Crew(4, 3, 3)
    assert (team.size, team.next_look) == (3, None)
