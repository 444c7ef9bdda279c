"""The threads of one process that do what its dispatcher hands out, until nothing is left."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .classify import classified
from .context import Context
from .crew import Crew
from .dispatch import Dispatcher
from .errors import CancelledError, CrossdockError
from .meter import Worker
from .units import Counts, Units

LOOK = 0.2  # seconds until somebody's wish to cancel is seen


class Team:
    """``carry`` once. ``error`` is the first one, after which all stop. ``look`` is called now and then."""

    def __init__(
        self,
        context: Context,
        dispatcher: Dispatcher,
        counts: Counts,
        workers: list[Worker],
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self.error: CrossdockError | None = None
        self._context, self._dispatcher, self._workers = context, dispatcher, workers
        self._units = Units(context, dispatcher, counts)
        self._threads: list[threading.Thread] = []
        self._own: list[Worker] = []
        self._look = look
        self._size = 0
        self._mutex = threading.Lock()
        self._at_work, self._ended = 0, threading.Event()

    def carry(self, crew: Crew) -> None:
        """Return when all have stopped; raises KeyboardInterrupt again once ``stop`` was called."""
        context = self._context
        try:
            self._enlist(crew.size)
            while not self._ended.wait(crew.next_look or LOOK) and not context.cancel.is_set():
                self._enlist(crew.grow(self._own))
                self._flush_log()
                self._look()
            self._wait()
        except KeyboardInterrupt:
            # A second Ctrl-C does not wait for drivers that cannot be interrupted.
            if context.cancel.is_set():
                raise
            self.stop(CancelledError())
            self._wait()
        except Exception as error:  # noqa: BLE001 - the run must end, whatever it was
            self.stop(classified(error, lambda _: None, "engine"))
            self._wait()

    def _flush_log(self) -> None:
        if (log := self._context.log) is not None:
            try:
                log.flush_if_due()
            except CrossdockError as error:
                self.stop(error)

    def _enlist(self, count: int) -> None:
        """Have so many workers, or as many as the system lets begin; those who are too many leave when they
        have done what they do.
        """
        self._size = count
        try:
            for number in range(count):
                if number == len(self._threads):
                    worker = Worker("away")
                    self._threads.append(self._begun(number, worker))
                    self._own.append(worker)
                    self._workers.append(worker)
                elif not self._threads[number].is_alive() and self._own[number].state == "away":
                    self._threads[number] = self._begun(number, self._own[number])
        except RuntimeError:
            if not self._threads:
                raise

    def _begun(self, number: int, worker: Worker) -> threading.Thread:
        with self._mutex:
            self._at_work += 1
        worker.turn("queue")
        work = threading.Thread(
            target=self._work, args=(number, worker), name=f"crossdock-{number}", daemon=True
        )
        try:
            work.start()
        except RuntimeError:
            worker.turn("away")
            with self._mutex:
                self._at_work -= 1
            raise
        return work

    def _wait(self) -> None:
        """Until all that were started have ended."""
        # Not Thread.join: interrupted by a signal, it takes a thread that still works for an ended one.
        while any(thread.is_alive() for thread in self._threads):
            self._ended.wait(LOOK)
            if self._context.cancel.is_set():
                # Somebody cancelled from outside; without this the first worker to notice would.
                self.stop(CancelledError())

    def _work(self, number: int, worker: Worker) -> None:
        try:
            while number < self._size:
                if (work := self._dispatcher.next(worker)) is None:
                    return
                worker.turn("engine")
                try:
                    with self._context.working(worker):
                        if isinstance(work, list):
                            self._units.begin(work, worker)
                        else:
                            self._units.split(*work, worker)
                finally:
                    self._dispatcher.done()
        except BaseException as error:  # noqa: BLE001 - the run must end, whatever it was
            self.stop(classified(error, lambda _: None, "engine"))
        finally:
            worker.turn("away")
            with self._mutex:
                self._at_work -= 1
                if not self._at_work:
                    self._ended.set()

    def stop(self, error: CrossdockError) -> None:
        """End early. The first error is reported; that others were cancelled is its consequence."""
        with self._mutex:
            if self.error is None:
                self.error = error
        self._context.cancel.set()
        self._context.carrier.interrupt()
        self._dispatcher.stop()
