"""The end of a copy on a lease: whoever gave the lease knows how it ended, and nobody takes it over."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from .gate import NoGate
from .history import Options, given_again, journal_path, recall
from .journal import Journal
from .meter import Worker
from .opening import blaming, open_sink
from .request import Resolved, SourceEnd
from .retry import again

_PAGE = 1000


def settle(
    run_id: str,
    home: Path | None = None,
    *,
    source_options: Options | None = None,
    sink_options: Options | None = None,
    stage_options: Options | None = None,
) -> None:
    """Have the sink forget what a copy on a lease has committed (``fencing``); remove a stage that was read.

    Secrets are given again as to ``resume``. Twice is the same as once. Raises NotFoundError for a run
    without a journal, and what the sink raises: then it can be called again.
    """
    given = given_again({}, {"source": source_options, "sink": sink_options, "stage": stage_options}, None)
    with closing(Journal.open(journal_path(run_id, home))) as journal:
        if not journal.get("hops"):
            _settle(journal, lambda: recall(journal, given, ("source", "sink"))[1])
            return
        from .staged import StagedCopy, hop_path

        path = hop_path(journal.path, "into")
        if path.is_file():
            copy = StagedCopy.recall(journal, given, lambda _, name: ("sink",) if name == "into" else ())
            with closing(Journal.open(path)) as hop:
                _settle(hop, lambda: copy.hops["into"].resolved)
        if journal.get("state") == "succeeded":
            shutil.rmtree(journal.path.with_suffix(".hops"), ignore_errors=True)


def _settle(journal: Journal, resolved: Callable[[], Resolved]) -> None:
    kept, staged = journal.get("kept"), journal.get("stage_left")
    if not (kept or staged):
        return
    ends, never = resolved(), threading.Event()
    if kept:
        again(lambda _: _forget_commits(journal, ends), never, Worker(), NoGate())
    if staged:
        again(lambda _: _remove_stage(ends.source), never, Worker(), NoGate())
    journal.set(kept=False, stage_left=False)
    if journal.get("state") == "succeeded":
        journal.drop_plan()


def _remove_stage(end: SourceEnd) -> None:
    from .stage_run import owner_of, remove_stage

    with blaming(end.connector, "source"):
        remove_stage(end, owner_of(end))


def _forget_commits(journal: Journal, ends: Resolved) -> None:
    after, run_id = 0, journal.path.stem
    with closing(open_sink(ends)) as sink, blaming(ends.sink.connector, "sink"):
        while page := journal.done_units(after, _PAGE):
            for row in page:
                # Of a unit that somebody else has committed nobody here has a handle.
                if row.begun is None:
                    sink.abandon(row.unit, run_id)
                else:
                    sink.cleanup(row.begun.handle)
            after = page[-1].seq
