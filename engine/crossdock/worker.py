"""A child process that carries splits (``python -m crossdock.worker``); its parent is ``child_pool``.

For connectors that hold the interpreter lock while they work, and for those that are isolated. Parent and
child say their version of the protocol first: an installation may be replaced while a run goes on.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Any

from .carry import Carrier, Job
from .classify import classified
from .error_wire import pack_error
from .errors import InternalError
from .files.tabular import unpacked
from .isolation import Caps
from .limits import MemoryBudget, NoThrottle
from .mapping import Apply, ColumnMapping, compile_mapping
from .meter import Worker
from .plugins import registry
from .request import Resolved
from .skips import Line
from .spi.data import Attempt, Split

PROTOCOL = 4


def send(pipe: IO[str] | None, message: dict[str, Any]) -> None:
    assert pipe is not None  # noqa: S101 - it is a pipe
    # A child that has died is noticed where its answer is read.
    with suppress(BrokenPipeError):
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()


def other_protocol(theirs: Any) -> InternalError | None:
    """What is wrong with the version that the other process says."""
    if theirs == PROTOCOL:
        return None
    return InternalError(
        f"crossdock was replaced by another version while the run went on (its processes speak protocol "
        f"{theirs or 'none'} and {PROTOCOL})",
        hint="resume the run with the version that is installed now",
    )


# -- the child ------------------------------------------------------------------------------------


class _Child:
    """Answers jobs until its input ends."""

    def __init__(self, hello: dict[str, Any], out: IO[str]) -> None:
        from .credentials import know_resolved
        from .opening import open_sink, open_source

        if refusal := other_protocol(hello.get("protocol")):
            raise refusal
        self.caps = Caps.load(hello["caps"])
        self.caps.hold_memory()
        resolved, plugins = Resolved.load(hello["resolved"]), registry()
        know_resolved(resolved)
        self.mapping, self.out = hello["map"] and ColumnMapping.load(hello["map"]), out
        self.paced = _ParentsThrottle(self.send)
        self._mutex = threading.Lock()
        self.carrier = Carrier(
            open_source(resolved),
            open_sink(resolved),
            plugins.by_name(resolved.source.connector).classify,
            plugins.by_name(resolved.sink.connector).classify,
            # The parent has reserved the memory.
            MemoryBudget(1 << 62),
            NoThrottle(),
            threading.Event(),
            "",
            0,
            lines=self,
            logged=hello["logged"],
        )

    def send(self, message: dict[str, Any]) -> None:
        with self._mutex:
            send(self.out, message)

    def answer(self, message: dict[str, Any]) -> None:
        unit, index, token, weight, offset, length, memory = message["split"]
        split = Split(unit, index, b64decode(token), weight, offset, length, memory)
        worker, ended = Worker(), threading.Event()
        reporter = threading.Thread(target=self._report, args=(worker, ended), daemon=True)
        reporter.start()
        self.caps.hold_cpu()
        try:
            self.carrier.throttle = self.paced if message["paced"] else NoThrottle()
            receipt, digest = self.carrier.attempt(
                self._job(split, message), Attempt(*message["attempt"]), worker
            )
            fields = [
                b64encode(receipt.token).decode(),
                receipt.items,
                receipt.bytes,
                receipt.rows,
                receipt.visible,
                receipt.skipped,
                digest,
                worker.in_flight,
                worker.rows_in_flight,
            ]
            worker.turn("away")
            reply: dict[str, Any] = {"receipt": fields, "seconds": worker.seconds}
        except Exception as error:  # noqa: BLE001 - the parent decides
            short = self.caps.short_of_memory(error)
            reply = failure(short or error) | {"spent": short is not None}
        finally:
            ended.set()
            reporter.join()
        self.send(reply)

    def _job(self, split: Split, message: dict[str, Any]) -> Job:
        from .digest_split import Digesting

        schema = None if message["schema"] is None else unpacked(message["schema"])
        digest = None if message["digest"] is None else Digesting(schema, *message["digest"])
        apply = _map_by_first_batch(self.mapping, split.unit) if self.mapping else None
        return Job(
            split, b64decode(message["handle"]), apply, 0, message["read_ahead"], digest, schema,
            skip_rows=message["skip_rows"],
        )  # fmt: skip

    def add_lines(self, seq: int, index: int, lines: Sequence[Line]) -> None:
        self.send({"lines": lines})

    def drop_lines(self, seq: int, index: int) -> None:
        """The parent does, when it has seen the error."""

    def _report(self, worker: Worker, ended: threading.Event) -> None:
        while not ended.wait(0.2):
            self.send({"progress": [worker.in_flight, worker.rows_in_flight]})


class _ParentsThrottle(NoThrottle):
    """Asks the parent, which waits before it answers."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        super().__init__()
        self._send = send
        self.go: queue.SimpleQueue[None] = queue.SimpleQueue()

    def delay(self, amount: int) -> float:
        self._send({"asks": amount})
        self.go.get()
        return 0.0


def failure(error: Exception) -> dict[str, Any]:
    return {"error": pack_error(classified(error, lambda _: None, "engine"))}


def _map_by_first_batch(mapping: ColumnMapping, unit: str) -> Apply:
    """The mapping, compiled from the first batch: asking for the schema again would cost a round trip."""
    compiled: list[Apply | None] = []

    def apply(batch: Any) -> Any:
        if not compiled:
            compiled.append(compile_mapping(batch.schema, mapping, unit)[1])
        return compiled[0](batch) if compiled[0] else batch

    return apply


def main() -> None:
    """Entry point of a child process."""
    # Ctrl-C reaches the whole group; it is the parent that decides what becomes of its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Drivers and plugins may print; standard output is the protocol's alone.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    hello = json.loads(sys.stdin.readline())
    os.environ.update(hello.get("environment", {}))
    send(out, {"protocol": PROTOCOL})
    child: _Child | None = None
    try:
        child = _Child(hello, out)
    except Exception as error:  # noqa: BLE001 - the parent decides
        refusal = failure(error)
    jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if "go" not in message:
                jobs.put(message)
            elif child is not None:
                child.paced.go.put(None)
        # The parent has gone or wants us gone, also in the middle of a driver's call.
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        job = jobs.get()
        if child is None:
            send(out, refusal)
        else:
            child.answer(job)


if __name__ == "__main__":
    main()
