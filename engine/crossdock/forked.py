"""Forked processes that carry many small units: in one process all of them wait for one interpreter lock.

A process begins, carries and commits bundles of units by itself. For units and for the journal it asks its
parent, through a socket: only the parent has the journal. One that dies leaves what a killed run leaves, and
the parent goes on as a resumed run does.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedRWPair
from typing import TYPE_CHECKING, Any, NoReturn, Self

from .classify import classified
from .context import Context
from .crew import crew
from .dispatch import Dispatcher
from .errors import CancelledError, CrossdockError
from .meter import Worker
from .parent import end_with
from .prepare import apart
from .team import LOOK, Team
from .units import Counts

if TYPE_CHECKING:
    from .tuner import Decision

Plan = tuple[int, int | None]
"""How many units, and how many bytes all together."""
_JOURNAL = ("begin", "add_receipts", "set_state", "splits", "forget_splits", "next_epoch", "skip",
            "add_committed")  # fmt: skip


@dataclass(eq=False, repr=False)
class Outcome:
    """What a process says at its end. ``gate``: how many could work at least and at most."""

    error: CrossdockError | None = None
    workers: list[Worker] = field(default_factory=list)
    most_busy: int = 0
    gate: tuple[int, int] = (0, 0)
    notes: list[str] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)


class Processes:
    """``carry`` once, within ``with``. ``error`` is the first one, after which all stop."""

    def __init__(self, context: Context, plan: Plan, count: int, workers: list[Worker]) -> None:
        self.error: CrossdockError | None = None
        self._context, self._workers = context, workers
        self._mutex = threading.Lock()
        self.gates: list[tuple[int, int]] = []
        self.decisions: list[Decision] = []
        self._all: list[_Process] = []
        # All of them before the first thread.
        for _ in range(count):
            self._all.append(_Process(context, plan, count, self._all))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._all:
            process.close()

    def carry(self, dispatcher: Dispatcher, counts: Counts, look: Callable[[], None]) -> None:
        """Return when all have ended, whatever became of them; ``look`` is called now and then."""
        threads = [
            threading.Thread(target=self._serve, args=(process, dispatcher, counts), daemon=True)
            for process in self._all
        ]
        for thread in threads:
            thread.start()
        try:
            self._wait(threads, dispatcher, look)
        except KeyboardInterrupt:
            # A second Ctrl-C does not wait for drivers that cannot be interrupted.
            if self._context.cancel.is_set():
                raise
            self._context.cancel.set()
            self._wait(threads, dispatcher, look)

    def _wait(
        self, threads: list[threading.Thread], dispatcher: Dispatcher, look: Callable[[], None]
    ) -> None:
        told = False
        while any(thread.is_alive() for thread in threads):
            look()
            if self._context.cancel.wait(LOOK) and not told:
                told = True
                self._stop(CancelledError(), dispatcher)

    def _stop(self, error: CrossdockError, dispatcher: Dispatcher) -> None:
        with self._mutex:
            first, self.error = self.error is None, self.error or error
        self._context.cancel.set()
        dispatcher.stop()
        for process in self._all if first else ():
            process.stop()

    def _serve(self, process: _Process, dispatcher: Dispatcher, counts: Counts) -> None:
        try:
            outcome = process.serve(dispatcher, counts, self._workers)
        except BaseException as error:  # noqa: BLE001 - the run must end, whatever it was
            self._stop(classified(error, lambda _: None, "engine"), dispatcher)
            return
        if outcome is None:
            return
        with self._mutex:
            self.gates.append(outcome.gate)
            self._context.notes += outcome.notes
            dispatcher.most_busy += outcome.most_busy
            self.decisions += outcome.decisions
        if outcome.error is not None:
            self._stop(outcome.error, dispatcher)


class _Process:
    """One process, seen from its parent. ``workers`` are its own, as far as it has told of them."""

    def __init__(self, context: Context, plan: Plan, share: int, before: Sequence[_Process]) -> None:
        self._workers: list[Worker] = []
        self._journal = context.journal
        self._counted = (0, 0)
        self._ours, theirs = socket.socketpair()
        pid = os.getpid()
        self._pid = os.fork()
        if not self._pid:
            for end in (self._ours, *(process._ours for process in before)):
                end.close()
            _child(context, plan, share, theirs, pid)
        theirs.close()
        self._calls = self._ours.makefile("rwb")

    def serve(self, dispatcher: Dispatcher, counts: Counts, workers: list[Worker]) -> Outcome | None:
        """Answer until it ends; None where it has died. ``workers`` gets those of the process."""
        with suppress(EOFError, OSError):
            while True:
                name, args, told = pickle.load(self._calls)  # noqa: S301 - of our own process
                self._note(told, counts, workers)
                if name == "end":
                    outcome: Outcome = args[0]
                    for worker, done in zip(self._workers, outcome.workers, strict=False):
                        vars(worker).update(vars(done))
                    workers += outcome.workers[len(self._workers) :]
                    return outcome
                _send(self._calls, self._answer(dispatcher, name, args))
        for worker in self._workers:
            worker.state = "away"
        return None

    def _note(self, told: tuple[int, int, list[str]], counts: Counts, workers: list[Worker]) -> None:
        units, size, states = told
        counts.add(units - self._counted[0], size - self._counted[1])
        self._counted = units, size
        for number, state in enumerate(states):
            if number == len(self._workers):
                self._workers.append(Worker())
                workers.append(self._workers[number])
            self._workers[number].state = state

    def _answer(self, dispatcher: Dispatcher, name: str, args: Any) -> tuple[Any, CrossdockError | None]:
        try:
            if name == "open_units":
                return dispatcher.claim(), None
            return getattr(self._journal, name)(*args), None
        except CrossdockError as error:
            return None, error

    def stop(self) -> None:
        """Ask it to stop soon."""
        os.kill(self._pid, signal.SIGTERM)

    def close(self) -> None:
        """End it, whatever it does."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        for end in (self._calls, self._ours):
            with suppress(OSError):
                end.close()


def _send(calls: BufferedRWPair, message: Any) -> None:
    pickle.dump(message, calls, pickle.HIGHEST_PROTOCOL)
    calls.flush()


# -- the process ----------------------------------------------------------------------------------


class _Asked:
    """The journal of the run and the units to carry, as the parent has them. It hears how far this one is."""

    def __init__(self, parent: socket.socket) -> None:
        self.counts = Counts()
        self.workers: list[Worker] = []
        self._calls = parent.makefile("rwb")
        self._mutex = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        if name not in _JOURNAL:
            raise AttributeError(name)
        return lambda *args: self.ask(name, *args)

    def open_units(self, after: int, limit: int) -> Any:
        return self.ask("open_units")

    def ask(self, name: str, *args: Any) -> Any:
        with self._mutex:
            self.tell(name, *args)
            try:
                answer, error = pickle.load(self._calls)  # noqa: S301 - of our own process
            except (EOFError, OSError):
                os._exit(1)
        if error is not None:
            raise error
        return answer

    def tell(self, name: str, *args: Any) -> None:
        told = (self.counts.units, self.counts.bytes, [worker.state for worker in self.workers])
        try:
            _send(self._calls, (name, args, told))
        except OSError:
            os._exit(1)


def _child(context: Context, plan: Plan, share: int, parent: socket.socket, pid: int) -> NoReturn:
    """Carry units until the parent, process ``pid``, has no more. The stack is its: there is no return."""
    try:
        _obey(pid)
        asked = _Asked(parent)
        asked.tell("end", _carry(context, plan, share, asked))
    finally:
        os._exit(0)


def _obey(pid: int) -> None:
    """End with the parent, and stop when it says so. Ctrl-C reaches the whole group: the parent decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    end_with(pid, signal.SIGKILL)


def _carry(context: Context, plan: Plan, share: int, asked: _Asked) -> Outcome:
    try:
        own = apart(context, asked, share)
        dispatcher = Dispatcher(own.journal, own.most_parallel, plan[0])
        team = Team(own, dispatcher, asked.counts, asked.workers)
        size = crew(own, *plan, asked.counts)
        team.carry(size)
    except Exception as error:  # noqa: BLE001 - the parent decides
        return Outcome(classified(error, lambda _: None, "engine"))
    gate, ends = own.carrier.gate, (own.source, own.sink)
    return Outcome(
        team.error,
        [*asked.workers, own.asking],
        dispatcher.most_busy,
        (gate.lowest, gate.most),
        [*own.notes, *(note for end in ends for note in end.notes())],
        size.decisions,
    )
