"""How many workers: more while the processor is idle."""

from __future__ import annotations

import pytest

from crossdock import crew
from crossdock.crew import Crew


class Clock:
    """Wall time and CPU time that pass as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.cpu = 10.0
        monkeypatch.setattr(crew, "perf_counter", lambda: self.wall)
        monkeypatch.setattr(crew, "process_time", lambda: self.cpu)

    def passes(self, wall: float, cpu: float) -> None:
        self.wall += wall
        self.cpu += cpu


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_doubles_while_the_processor_is_idle(clock: Clock) -> None:
    team, sizes = Crew(4, 20), []
    while team.next_look is not None:
        clock.passes(team.next_look, 0.01)
        sizes.append(team.grow())
    assert sizes == [8, 16, 20]


def test_a_busy_processor_needs_no_more(clock: Clock) -> None:
    team = Crew(4, 32)
    for _ in range(10):
        clock.passes(0.05, 0.049)
        assert team.grow() == 4
    # It is the last round that counts.
    clock.passes(0.05, 0.001)
    assert team.grow() == 8


def test_a_round_is_not_judged_before_its_end(clock: Clock) -> None:
    team = Crew(4, 32)
    clock.passes(0.001, 0.0)
    assert team.grow() == 4
    clock.passes(0.06, 0.06)
    assert team.grow() == 4


def test_never_more_than_the_most(clock: Clock) -> None:
    team = Crew(4, 3)
    assert (team.size, team.next_look) == (3, None)
