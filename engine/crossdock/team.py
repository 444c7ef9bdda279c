"""The threads of one process that do what its dispatcher hands out, until nothing is left."""

from __future__ import annotations

import threading

from .classify import classified
from .context import Context
from .crew import Crew
from .dispatch import Dispatcher
from .errors import CancelledError, CrossdockError
from .meter import Worker
from .units import Counts, Units

LOOK = 0.2  # seconds until somebody's wish to cancel is seen


class Team:
    """``carry`` once. ``error`` is the first one, after which all stop."""

    def __init__(
        self, context: Context, dispatcher: Dispatcher, counts: Counts, workers: list[Worker]
    ) -> None:
        self.error: CrossdockError | None = None
        self._context, self._dispatcher, self._workers = context, dispatcher, workers
        self._units = Units(context, dispatcher, counts)
        self._threads: list[threading.Thread] = []
        self._mutex = threading.Lock()
        self._at_work, self._ended = 0, threading.Event()

    def carry(self, crew: Crew) -> None:
        """Return when all have stopped; raises KeyboardInterrupt again once ``stop`` was called."""
        context = self._context
        try:
            self._enlist(crew.size)
            while not self._ended.wait(crew.next_look or LOOK) and not context.cancel.is_set():
                self._enlist(crew.grow())
                self._flush_log()
            self._wait()
        except KeyboardInterrupt:
            # A second Ctrl-C does not wait for drivers that cannot be interrupted.
            if context.cancel.is_set():
                raise
            self.stop(CancelledError())
            self._wait()

    def _flush_log(self) -> None:
        if (log := self._context.log) is not None:
            try:
                log.flush_if_due()
            except CrossdockError as error:
                self.stop(error)

    def _enlist(self, count: int) -> None:
        """Start workers until there are so many."""
        new = range(len(self._threads), count)
        with self._mutex:
            self._at_work += len(new)
        for number in new:
            worker = Worker()
            self._workers.append(worker)
            work = threading.Thread(
                target=self._work, args=(worker,), name=f"crossdock-{number}", daemon=True
            )
            self._threads.append(work)
            work.start()

    def _wait(self) -> None:
        """Until all that were started have ended."""
        # Not Thread.join: interrupted by a signal, it takes a thread that still works for an ended one.
        while any(thread.is_alive() for thread in self._threads):
            self._ended.wait(LOOK)
            if self._context.cancel.is_set():
                # Somebody cancelled from outside; without this the first worker to notice would.
                self.stop(CancelledError())

    def _work(self, worker: Worker) -> None:
        try:
            while (work := self._dispatcher.next(worker)) is not None:
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
