"""The gate that throttling narrows."""

from __future__ import annotations

import threading
from time import monotonic

from crossdock import ThrottledError, TransientError
from crossdock.gate import Gate, NoGate

BUSY = ThrottledError("busy")


def entered(gate: Gate) -> int:
    """How many fit in now."""
    count = 0
    while gate.try_enter():
        count += 1
    for _ in range(count):
        gate.leave()
    return count


def full(gate: Gate) -> None:
    while gate.try_enter():
        pass


def empty(gate: Gate, inside: int) -> None:
    for _ in range(inside):
        gate.leave()


def test_open_until_somebody_complains() -> None:
    gate = Gate(8)
    assert entered(gate) == 8
    gate.failed(TransientError("something else"), monotonic())
    assert entered(gate) == 8
    assert gate.lowest == gate.most == 8


def test_halved_once_a_round() -> None:
    gate = Gate(8)
    began = monotonic()
    full(gate)
    for _ in range(5):
        gate.failed(BUSY, began)
    empty(gate, 8)
    assert entered(gate) == 4
    full(gate)
    for _ in range(3):
        gate.failed(BUSY, monotonic())
    empty(gate, 4)
    assert (entered(gate), gate.lowest) == (1, 1)


def test_half_of_those_who_are_inside() -> None:
    """Of 32 who may work, three do: what the server does not take is three."""
    gate = Gate(32)
    for _ in range(3):
        assert gate.try_enter()
    gate.failed(BUSY, monotonic())
    empty(gate, 3)
    assert entered(gate) == 1


def test_one_more_after_a_round_of_successes() -> None:
    gate = Gate(8)
    full(gate)
    gate.failed(BUSY, monotonic())
    empty(gate, 8)
    counts = []
    for _ in range(40):
        gate.faster()
        counts.append(entered(gate))
    assert counts == sorted(counts)
    assert counts[3] == 4
    assert counts[5] == 5
    assert counts[-1] == 8
    assert gate.lowest == 4


def test_who_is_too_many_leaves_and_waits() -> None:
    gate, cancel = Gate(2), threading.Event()
    gate.enter(cancel)
    gate.enter(cancel)
    assert not gate.crowded()
    gate.failed(BUSY, monotonic())
    assert gate.crowded()
    gate.leave()
    assert not gate.crowded()
    back = threading.Thread(target=gate.enter, args=(cancel,))
    back.start()
    back.join(0.3)
    assert back.is_alive()
    gate.leave()
    back.join(5)
    assert not back.is_alive()


def test_a_cancelled_run_waits_for_nothing() -> None:
    gate, cancel = Gate(1), threading.Event()
    gate.enter(cancel)
    cancel.set()
    gate.enter(cancel)
    gate.leave()
    gate.leave()
    assert entered(gate) == 1


def test_the_twin_is_always_open() -> None:
    gate = NoGate()
    gate.failed(BUSY, monotonic())
    gate.enter(threading.Event())
    assert gate.try_enter()
    assert not gate.crowded()
    assert gate.lowest == gate.most
