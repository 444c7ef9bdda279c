"""A staged copy: source to stage, then stage to sink; two runs with one journal above theirs, and one report.

The journal above has what both hops do. Each hop has a journal of its own, made when its turn comes; a hop
whose journal says that it has succeeded is not done again.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from . import stage_run
from .credentials import Again, complete, public_url, stored
from .errors import CancelledError, CrossdockError, NotFoundError
from .fencing import fence
from .gate import NoGate
from .journal import Journal, created
from .journal_lock import remove
from .journal_rows import Totals
from .leftovers import give_up_sink
from .meter import Worker
from .opening import blaming
from .report import CopyResult, Side, Snapshot
from .request import CopyRequest, Resolved
from .resolve import resolve
from .resolve_stage import Hop, folder_of, resolve_hops
from .retry import again
from .run import RESUMABLE, Run

Progress = Callable[[Snapshot], None]
NAMES = ("out", "into")
_NOTES = {"out": "1 of 2: source to stage", "into": "2 of 2: stage to sink"}


def begin(
    path: Path,
    request: CopyRequest,
    given: Mapping[str, Mapping[str, str]],
    progress: Progress | None = None,
    *,
    dry_run: bool = False,
    cancel: threading.Event | None = None,
) -> CopyResult:
    """Copy by a stage; ``path`` is where the journal will be. All is checked before any data moves."""
    run_id, ended = path.stem, cancel or threading.Event()
    direct = resolve(request, ended, staged=True)
    about, hops = facts(request, direct, given, run_id)
    with closing(Journal.create(path, **about, created=created(), state="running")) as journal:
        try:
            planned = _rehearse(journal, request, direct, ended)
        except BaseException as error:
            journal.close()
            remove(path)
            if isinstance(error, KeyboardInterrupt):
                raise CancelledError from None
            raise
        if dry_run:
            journal.close()
            remove(path)
            return replace(planned, stage=about["stage"])
        return StagedCopy(run_id, hops, journal, progress, ended).finish()


def _rehearse(
    journal: Journal, request: CopyRequest, direct: Resolved, cancel: threading.Event
) -> CopyResult:
    """Whether the sink would take what the source has: hours later, with all of it staged, is too late."""
    path = hop_path(journal.path, "plan")
    with closing(Journal.create(path)) as plan:
        result = Run(journal.path.stem, request, direct, plan, cancel).rehearse()
    shutil.rmtree(path.parent, ignore_errors=True)
    return result


def facts(
    request: CopyRequest, direct: Resolved, given: Mapping[str, Mapping[str, str]], run_id: str
) -> tuple[dict[str, Any], dict[str, Hop]]:
    """What the journal of a staged copy keeps, no secret, and both hops as they are."""
    hops = dict(zip(NAMES, resolve_hops(request, direct, run_id), strict=True))
    kept = {}
    for name, hop in hops.items():
        called = hop.resolved.called()
        options = {side: given[called.get(side, side)] for side in ("source", "sink")}
        kept[name] = stored(hop.request, hop.resolved, options)
    about = {"source": public_url(request.source), "sink": public_url(request.sink)}
    return {
        "request": about,
        "hops": kept,
        "stage": public_url(hops["out"].request.sink),
        "folder": request.stage_options.get("path", ""),
        "keep": request.keep_staging,
        "lease": fence().lease,
    }, hops


@dataclass
class StagedCopy:
    """Both hops, with their secrets. ``execute`` once; all that must outlive the process is in journals."""

    run_id: str
    hops: dict[str, Hop]
    journal: Journal
    progress: Progress | None = None
    cancel: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def recall(
        cls, journal: Journal, given: Again, sides: Callable[[Journal, str], tuple[str, ...]]
    ) -> StagedCopy:
        """What a journal has of it, with the secrets of ``sides`` that are given again. Raises AuthError."""
        run_id, hops, given = journal.path.stem, {}, _once(_of_folder(given, journal))
        for name in NAMES:
            kept = journal.get("hops")[name]
            resolved = Resolved.load(kept["resolved"])
            resolved = complete(run_id, resolved, kept["secrets"], given, sides(journal, name))
            hops[name] = Hop(CopyRequest.load(kept["request"]), resolved)
        return cls(run_id, hops, journal)

    # -- going on -----------------------------------------------------------------------------------

    def execute(self) -> CopyResult:
        """Carry out what is left of both hops and remove the stage. Raises the first error."""
        try:
            results = [self._carry(name) for name in NAMES]
            result = _joined(results, self.journal.get("stage"))
            if not (self.journal.get("keep") or self._remove_stage()):
                result.notes.append(f"the stage {result.stage} has files of others, which stay there")
            return result
        except KeyboardInterrupt:
            interrupted = CancelledError()
            self._give_up(interrupted)
            raise interrupted from None
        except CrossdockError as error:
            self._give_up(error)
            raise

    def _carry(self, name: str) -> CopyResult:
        hop = self.hops[name]
        with closing(self._open(name)) as journal:
            if journal.get("state") == "succeeded":
                return _found_done(journal.get("result"))
            run = Run(self.run_id, hop.request, hop.resolved, journal, self.cancel)
            result = run.execute(self._shown(name))
            journal.finish(state="succeeded", result=_kept(result))
            return result

    def _open(self, name: str) -> Journal:
        path = hop_path(self.journal.path, name)
        with suppress(NotFoundError):
            return Journal.open(path)
        return Journal.create(path, **self.journal.get("hops")[name], state="running")

    def _shown(self, name: str) -> Progress | None:
        show = self.progress
        if show is None:
            return None
        return lambda snapshot: show(replace(snapshot, note=_NOTES[name]))

    # -- ending -------------------------------------------------------------------------------------

    def finish(self) -> CopyResult:
        """``execute``, and the journal as it is to stay: gone where the copy has left nothing anywhere."""
        keep = True
        try:
            result = self.execute()
            self.journal.finish(state="succeeded", output=result.output(), timeline=result.timeline)
            if not self._is_to_be_settled():
                shutil.rmtree(self.journal.path.with_suffix(".hops"), ignore_errors=True)
        except CrossdockError as error:
            keep = error.resumable or self._has_traces()
            error.run_id = self.run_id if keep else None
            raise
        finally:
            self.journal.close()
            if not keep:
                remove(self.journal.path)
        return result

    def _is_to_be_settled(self) -> bool:
        with _looked_into(self.journal.path, "into") as hop:
            return hop is not None and bool(hop.get("kept"))

    def _remove_stage(self) -> bool:
        """False where files of others keep the folder."""
        end, never = self.hops["out"].resolved.sink, threading.Event()
        with _looked_into(self.journal.path, "out") as hop:
            owner = "" if hop is None else stage_run.owner_in(hop)
        if not owner:
            return True

        def attempt(number: int) -> bool:
            with blaming(end.connector, "sink"):
                return stage_run.remove_stage(end, owner)

        # Somebody who has cancelled the copy still wants the stage to go.
        return again(attempt, never, Worker(), NoGate())

    def _give_up(self, error: CrossdockError) -> None:
        """A copy that keeps its stage can go on; another one leaves nothing on the stage."""
        error.run_id = self.run_id
        # Whatever a hop says that has not begun: the one before it may be done.
        error.resumable = isinstance(error, RESUMABLE) and bool(self.journal.get("keep"))
        if not error.resumable:
            try:
                self.discard()
            except CrossdockError as later:
                where = self.journal.get("stage")
                error.hint = (
                    f"and what is staged in {where} could not be removed: {later.message}; remove it "
                )
                error.hint += f"with crossdock runs forget {self.run_id}"
                error.resumable = True
        with suppress(CrossdockError):
            state = "interrupted" if isinstance(error, CancelledError) else "failed"
            self.journal.set(state=state, error=error.message, resumable=error.resumable)

    def discard(self) -> None:
        """Remove what was begun at the sink and all of the stage; what is visible at the sink stays."""
        for name in reversed(NAMES):
            if name in self.hops and hop_path(self.journal.path, name).is_file():
                with closing(self._open(name)) as journal:
                    give_up_sink(journal, self.hops[name].resolved)
        if "out" in self.hops and not self._is_kept():
            self._remove_stage()

    def _is_kept(self) -> bool:
        return bool(self.journal.get("keep")) and self.journal.get("state") == "succeeded"

    def _has_traces(self) -> bool:
        """Whether something of it can be seen at the sink."""
        path = hop_path(self.journal.path, "into")
        if not path.is_file():
            return False
        with closing(Journal.open(path)) as journal:
            return bool(journal.totals().units_visible)


def to_go_on(journal: Journal, name: str) -> tuple[str, ...]:
    """The sides of a hop that a resumed copy opens: of one that is done only the stage, to be removed."""
    if not _is_done(journal, name):
        return ("source", "sink")
    return ("sink",) if name == "out" and not journal.get("keep") else ()


def to_forget(journal: Journal, name: str) -> tuple[str, ...]:
    """The sides of a hop that have something to be removed."""
    with _looked_into(journal.path, name) as hop:
        staged = hop is not None and (stage_run.owner_in(hop) or hop.begun_handles() or hop.beginnings())
    return ("sink",) if staged else ()


def hop_path(journal: Path, name: str) -> Path:
    """The journal of a hop: below that of the copy."""
    return journal.with_suffix(".hops") / name / journal.name


def _is_done(journal: Journal, name: str) -> bool:
    with _looked_into(journal.path, name) as hop:
        return hop is not None and hop.get("state") == "succeeded"


@contextmanager
def _looked_into(path: Path, name: str) -> Iterator[Journal | None]:
    hop = None
    with suppress(NotFoundError):
        hop = Journal.open(hop_path(path, name), lock=False)
    try:
        yield hop
    finally:
        if hop is not None:
            hop.close()


def totals(journal: Journal) -> Totals:
    """How far the copy is: units and rows of the hop that it is in, splits and bytes of both."""
    found: Totals | None = None
    for name in NAMES:
        with _looked_into(journal.path, name) as hop:
            if hop is None:
                continue
            own = hop.totals()
            if found is not None:
                own = replace(
                    own,
                    splits=own.splits + found.splits,
                    splits_done=own.splits_done + found.splits_done,
                    bytes_read=found.bytes_read,
                )
            else:
                own = replace(own, units_visible=0, units_done=0)
            found = own
    return found or journal.totals()


def begun(journal: Journal) -> int:
    """How many units have something at the stage or the sink."""
    count = 0
    for name in NAMES:
        with _looked_into(journal.path, name) as hop:
            if hop is not None:
                count += max(hop.totals().units, 1)
    return count


def resumed(
    journal: Journal, given: Again, progress: Progress | None, cancel: threading.Event | None
) -> CopyResult:
    """Go on with a staged copy. Raises AuthError for secrets that are missing, and then changes nothing."""
    _forget_hops_of_others(journal)
    copy = StagedCopy.recall(journal, given, to_go_on)
    copy.progress, copy.cancel = progress, cancel or copy.cancel
    journal.set(state="running", error="", resumable=True)
    return copy.finish()


def _forget_hops_of_others(journal: Journal) -> None:
    """Whoever had the copy in between has removed what was staged here, and knows what is loaded."""
    lease = fence().lease
    if lease > journal.get("lease", 0) + 1:
        shutil.rmtree(journal.path.with_suffix(".hops"), ignore_errors=True)
    if lease:
        journal.set(lease=lease)


def _of_folder(given: Again, journal: Journal) -> Again:
    """The stage that people name is what the run's own folder is below."""
    if stage := given.addresses.get("stage"):
        folder = folder_of(stage, journal.get("folder"), journal.path.stem)
        given = replace(given, addresses={**given.addresses, "stage": folder})
    return given


def _once(given: Again) -> Again:
    """What is asked for one hop is not asked again for the other."""
    ask, known = given.ask, dict[str, str]()
    if ask is None:
        return given

    def remembered(what: str) -> str:
        if what not in known:
            known[what] = ask(what)
        return known[what]

    return replace(given, ask=remembered)


# -- the report -------------------------------------------------------------------------------------------


def _kept(result: CopyResult) -> dict[str, Any]:
    return asdict(result) | {"started": result.started.isoformat()}


def _found_done(fields: dict[str, Any]) -> CopyResult:
    """The result of a hop that an earlier process has done: all of it was there already."""
    result = CopyResult(**fields)
    result.started = datetime.fromisoformat(fields["started"])
    result.source, result.sink = Side(**fields["source"]), Side(**fields["sink"])
    result.hops = ()
    result.splits_skipped, result.bytes_skipped = result.splits_done, result.bytes_read
    return result


def _later(moments: list[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
    return [each | {"at": round(each["at"] + seconds, 3)} for each in moments]


def _joined(hops: list[CopyResult], stage: str) -> CopyResult:
    out, into = hops
    names = out.seconds.keys()
    return replace(
        into,
        source=out.source,
        started=min(out.started, into.started),
        duration=sum(hop.duration for hop in hops if hop.splits_skipped < hop.splits_done or hop is into),
        planning=out.planning,
        bytes_read=out.bytes_read,
        bytes_skipped=out.bytes_skipped,
        files_read=out.files_read,
        files_skipped=out.files_skipped,
        rows_read=out.rows_read,
        rows_skipped=out.rows_skipped + into.rows_skipped,
        parallel_copies=max(hop.parallel_copies for hop in hops),
        peak_memory=max(hop.peak_memory for hop in hops),
        splits_done=sum(hop.splits_done for hop in hops),
        splits_skipped=sum(hop.splits_skipped for hop in hops),
        retries=sum(hop.retries for hop in hops),
        throttled=sum(hop.throttled for hop in hops),
        throttled_seconds=round(sum(hop.throttled_seconds for hop in hops), 3),
        retried_seconds=round(sum(hop.retried_seconds for hop in hops), 3),
        cpu=round(sum(hop.cpu for hop in hops), 3),
        seconds={name: round(sum(hop.seconds.get(name, 0.0) for hop in hops), 3) for name in names},
        tuning=[*out.tuning, *_later(into.tuning, out.duration)],
        timeline=[*out.timeline, *_later(into.timeline, out.duration)],
        notes=list(dict.fromkeys(note for hop in hops for note in hop.notes)),
        skipped=[name for hop in hops for name in hop.skipped],
        stage=stage,
        hops=(out, into),
    )
