"""The Python API: ``copy``, ``acopy``, ``resume``, and what ``crossdock runs`` shows."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from .credentials import SIDES, Again, Ask, complete, know, stored
from .errors import CancelledError, ConfigError, CrossdockError, NotFoundError
from .journal import Journal, Totals, created
from .journal_lock import is_running, remove
from .limits import parse_rate, parse_size
from .mapping import parse_map
from .report import CopyResult, RunInfo, Snapshot
from .request import CopyRequest, Resolved, Verify
from .spelling import snake_case
from .spi.data import WriteMode

LEAST_MEMORY = 128 << 20
Progress = Callable[[Snapshot], None]
Options = Mapping[str, str]


def copy(
    source: str | Path,
    sink: str | Path,
    *,
    source_format: str | None = None,
    sink_format: str | None = None,
    source_options: Options | None = None,
    sink_options: Options | None = None,
    map: str | Mapping[str, str] | None = None,  # noqa: A002 - the option's name
    parallel_copies: int | Literal["auto"] = "auto",
    block_size: int | str | None = None,
    memory: int | str = "512MiB",
    bandwidth: int | str | None = None,
    mode: str = "error",
    verify: Verify = False,
    stage: str | Path | None = None,
    stage_options: Options | None = None,
    keep_staging: bool = False,
    dry_run: bool = False,
    run_id: str | None = None,
    progress: Progress | None = None,
    home: Path | None = None,
    cancel: threading.Event | None = None,
) -> CopyResult:
    """Copy ``source`` to ``sink`` (paths or URLs) and return what was done.

    The options are those of ``crossdock copy``, in snake_case or as Data Factory spells them;
    ``verify="full"`` is ``--verify-full``. Sizes are bytes or texts such as ``"8MiB"``.
    ``stage``: go by compressed Parquet files below that address, which are removed whatever happens unless
    ``keep_staging``; only then can a copy that failed or was interrupted be resumed.
    ``progress`` is called about ten times a second from another thread. ``home`` is where
    journals are kept (default: ``$CROSSDOCK_HOME``). Setting ``cancel`` interrupts the run.
    Raises CrossdockError; when its ``resumable`` is true, ``resume(error.run_id)`` goes on.
    """
    from .resolve import resolve

    given = {"source": snake_case(source_options), "sink": snake_case(sink_options)}
    know(str(source), str(sink), given)
    given["stage"] = snake_case(stage_options)
    if stage is not None:
        know("", str(stage), {"source": {}, "sink": given["stage"]})
    elif given["stage"] or keep_staging:
        raise ConfigError("options of a stage make no sense without one; name it with --stage")
    request = CopyRequest(
        source=str(source),
        sink=str(sink),
        source_format=source_format,
        sink_format=sink_format,
        source_options=given["source"],
        sink_options=given["sink"],
        map=parse_map(map),
        block_size=None if block_size is None else parse_size(block_size, "--block-size"),
        mode=write_mode(mode),
        **limits(parallel_copies, memory, bandwidth, verify),
        stage=None if stage is None else str(stage),
        stage_options=given["stage"],
        keep_staging=keep_staging,
    )
    if request.stage is not None:
        from .staged import begin

        return begin(_path(_run_id(run_id), home), request, given, progress, dry_run=dry_run, cancel=cancel)
    return start(request, given, resolve, run_id, progress, home, cancel, dry_run=dry_run)


def limits(
    parallel_copies: int | str, memory: int | str, bandwidth: int | str | None, verify: Verify
) -> dict[str, Any]:
    """Those fields of a request, checked. Raises ConfigError."""
    return {
        "parallel_copies": _parallel(parallel_copies),
        "memory": _memory(memory),
        "bandwidth": None if bandwidth is None else parse_rate(bandwidth, "--bandwidth"),
        "verify": _verify(verify),
    }


def start(  # noqa: PLR0917 - all but the first three are those of ``copy``
    request: CopyRequest,
    given: Mapping[str, Mapping[str, str]],
    decide: Callable[[CopyRequest, threading.Event | None], Resolved],
    run_id: str | None,
    progress: Progress | None,
    home: Path | None,
    cancel: threading.Event | None,
    *,
    dry_run: bool,
) -> CopyResult:
    """Begin a run: ``decide`` resolves its request, ``given`` has the options as they were given."""
    run_id = _run_id(run_id)
    path, resolved = _path(run_id, home), decide(request, cancel)
    facts = stored(request, resolved, given) | {"created": created(), "state": "running"}
    with closing(Journal.create(path, **facts)) as journal:
        return _execute(run_id, request, resolved, journal, progress, dry_run=dry_run, cancel=cancel)


async def acopy(source: str | Path, sink: str | Path, **options: Any) -> CopyResult:
    """``copy`` for async code: runs in a worker thread and takes the same options.

    Cancelling the task interrupts the run and waits until it has stopped; it can then be resumed.
    """
    import anyio

    cancel: threading.Event = options.pop("cancel", None) or threading.Event()
    ended = anyio.Event()
    outcome: list[CopyResult | BaseException] = []

    async def work() -> None:
        # Shielded, in a task of its own: a cancelled task would leave its thread behind.
        with anyio.CancelScope(shield=True):
            try:
                call = partial(copy, source, sink, cancel=cancel, **options)
                outcome.append(await anyio.to_thread.run_sync(call))
            except Exception as error:  # noqa: BLE001 - raised below, outside the group
                outcome.append(error)
            ended.set()

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        try:
            await ended.wait()
        except BaseException:
            cancel.set()
            raise
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def resume(
    run_id: str,
    *,
    source: str | None = None,
    sink: str | None = None,
    source_options: Options | None = None,
    sink_options: Options | None = None,
    stage: str | None = None,
    stage_options: Options | None = None,
    ask: Ask | None = None,
    progress: Progress | None = None,
    home: Path | None = None,
    cancel: threading.Event | None = None,
) -> CopyResult:
    """Go on with an interrupted run: at most the splits that were in flight are carried again.

    Journals keep no secrets. They are given again, as options, which are added to those of the run,
    or as ``source``, ``sink`` and ``stage``, the same addresses with their secrets; or they come from the
    environment; or ``ask`` is called for each that is missing, with words for a person, and returns it.
    Raises AuthError when one is missing, NotFoundError, ConfigError (it is running, it has succeeded),
    and what ``copy`` raises.
    """
    again = _again(
        {"source": source, "sink": sink, "stage": stage},
        {"source": source_options, "sink": sink_options, "stage": stage_options},
        ask,
    )
    with closing(Journal.open(_path(run_id, home))) as journal:
        if journal.get("state") == "succeeded":
            raise ConfigError(f"the run {run_id!r} has succeeded; there is nothing to resume")
        if journal.get("resumable") is False:
            raise ConfigError(f"the run {run_id!r} cannot be resumed; begin it anew with crossdock copy")
        if journal.get("hops"):
            from .staged import resumed

            return resumed(journal, again, progress, cancel)
        request, resolved = _recall(journal, again)
        journal.set(state="running", error="", resumable=True)
        return _execute(run_id, request, resolved, journal, progress, resumed=True, cancel=cancel)


def _execute(
    run_id: str,
    request: CopyRequest,
    resolved: Resolved,
    journal: Journal,
    progress: Progress | None,
    *,
    dry_run: bool = False,
    resumed: bool = False,
    cancel: threading.Event | None = None,
) -> CopyResult:
    from .run import Run

    keep = True
    try:
        try:
            run = Run(run_id, request, resolved, journal, cancel or threading.Event())
        except CrossdockError as error:
            # A resumed run that cannot start (a password was not given again) stays as it was.
            error.resumable = resumed
            raise
        if dry_run:
            keep = False
            return run.rehearse()
        result = run.execute(progress)
        journal.finish(state="succeeded", output=result.output())
    except KeyboardInterrupt:
        # While the ends were opened or closed: nothing is lost.
        keep = not dry_run
        interrupted = CancelledError()
        interrupted.resumable, interrupted.run_id = keep, run_id if keep else None
        with suppress(CrossdockError):
            journal.set(state="interrupted", error=str(interrupted), resumable=True)
        raise interrupted from None
    except CrossdockError as error:
        # A new run that changed nothing and cannot be resumed leaves nothing.
        keep = resumed or error.resumable or journal.has_traces()
        error.run_id = run_id if keep else None
        raise
    finally:
        journal.close()
        if not keep:
            remove(journal.path)
    return result


def runs(home: Path | None = None) -> list[RunInfo]:
    """All runs that have a journal, newest first."""
    folder = _folder(home)
    found = [_seen(path, home) for path in folder.glob("*.db")] if folder.is_dir() else []
    return sorted(filter(None, found), key=lambda info: info.created, reverse=True)


def _seen(path: Path, home: Path | None) -> RunInfo | None:
    """As ``show``: a journal that nobody can read does not hide the others, one without a run is none."""
    try:
        return show(path.stem, home)
    except NotFoundError:
        return None
    except CrossdockError as error:
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return RunInfo(path.stem, "unreadable", made, "", "", 0, 0, 0, 0, 0, None, str(error), None)


def show(run_id: str, home: Path | None = None) -> RunInfo:
    """One run as its journal has it. Raises NotFoundError."""
    path = _path(run_id, home)
    with closing(Journal.open(path, lock=False)) as journal:
        totals, request = _totals(journal), journal.get("request", {})
        state = journal.get("state", "interrupted")
        if state == "running" and not is_running(path):
            state = "interrupted"
        created = datetime.fromisoformat(journal.get("created", "1970-01-01T00:00:00+00:00"))
        return RunInfo(
            run_id, state, created, request.get("source", ""), request.get("sink", ""),
            totals.units_done, totals.units, totals.splits_done, totals.splits, totals.bytes_read,
            totals.rows, journal.get("error", ""), journal.get("output"), totals.units_visible,
        )  # fmt: skip


def _totals(journal: Journal) -> Totals:
    if not journal.get("hops") or journal.get("state") == "succeeded":
        return journal.totals()
    from .staged import totals

    return totals(journal)


def forget(
    run_id: str,
    home: Path | None = None,
    *,
    sink: str | None = None,
    sink_options: Options | None = None,
    stage: str | None = None,
    stage_options: Options | None = None,
    ask: Ask | None = None,
    journal_only: bool = False,
) -> int | None:
    """Remove what an unfinished run has staged at the sink or on its stage, then its journal.

    Secrets of the sink and the stage are given again as to ``resume``. With ``journal_only`` neither, which
    may be gone for ever, is asked, and a journal that this crossdock cannot read goes too. Returns of how
    many units something may be left there (None: nobody knows). Raises NotFoundError, and ConfigError
    when the run is being worked on.
    """
    path = _path(run_id, home)
    again = _again({"sink": sink, "stage": stage}, {"sink": sink_options, "stage": stage_options}, ask)
    left: int | None = 0
    try:
        with closing(Journal.open(path)) as journal:
            if touched := _touched(journal):
                if journal_only:
                    left = touched
                else:
                    _clean_up(journal, again)
    except CrossdockError as error:
        if isinstance(error, NotFoundError) and not path.is_file():
            raise
        if not journal_only or is_running(path):
            error.hint = error.hint or _if_gone(run_id, error)
            raise
        left = None
    remove(path)
    return left


def _touched(journal: Journal) -> int:
    """Of how many units something may be left anywhere."""
    if journal.get("state") == "succeeded":
        return 0
    if journal.get("hops"):
        from .staged import begun

        return begun(journal)
    staged = bool(journal.get("resolved", {}).get("sink", {}).get("stage"))
    return max(len(journal.begun_handles()) + len(journal.beginnings()), staged)


def _if_gone(run_id: str, error: CrossdockError) -> str:
    """What is worth trying where the sink does not answer any more."""
    if error.side != "sink" or isinstance(error, ConfigError):
        return ""
    return f"if the sink is gone for ever: crossdock runs forget {run_id} --journal-only"


def _clean_up(journal: Journal, again: Again) -> None:
    from .leftovers import give_up_sink

    if journal.get("hops"):
        from .staged import StagedCopy, to_forget

        StagedCopy.recall(journal, again, to_forget).discard()
        return
    _, resolved = _recall(journal, again, ("sink",))
    give_up_sink(journal, resolved)
    if resolved.sink.stage and journal.get("state") != "succeeded":
        from .stage_run import drop

        drop(resolved.sink, journal.path.stem)


def _again(
    addresses: Mapping[str, str | None], given: Mapping[str, Options | None], ask: Ask | None
) -> Again:
    options = {side: snake_case(given.get(side)) for side in ("source", "sink", "stage")}
    know(addresses.get("source") or "", addresses.get("sink") or "", options)
    know("", addresses.get("stage") or "", {"source": {}, "sink": options["stage"]})
    return Again(addresses, options, ask)


def _recall(journal: Journal, again: Again, sides: tuple[str, ...] = SIDES) -> tuple[CopyRequest, Resolved]:
    """What the journal has of the request, with the secrets that it has not."""
    request = CopyRequest.load(journal.get("request"))
    resolved = Resolved.load(journal.get("resolved"))
    lost = journal.get("secrets", {})
    if (
        called := {"sink": "stage"}
        if resolved.sink.stage
        else {"source": "stage"}
        if resolved.source.stage
        else {}
    ):
        again = again.as_called(called)
    return request, complete(journal.path.stem, resolved, lost, again, sides)


def _verify(value: Verify) -> Verify:
    if value not in (True, False, "full"):
        raise ConfigError(f"verify={value!r} is not known; it is True, False or 'full'")
    return value


def write_mode(text: str) -> WriteMode:
    try:
        return WriteMode(text)
    except ValueError:
        raise ConfigError(f"--mode {text!r} is not known; it is one of {', '.join(WriteMode)}") from None


def _memory(given: int | str) -> int:
    size = parse_size(given, "--memory")
    if size < LEAST_MEMORY:
        raise ConfigError(f"--memory {given} is too little: a copy needs 128MiB at least")
    return size


def _parallel(value: int | str) -> int | None:
    if value == "auto":
        return None
    if isinstance(value, str) and not value.isdecimal():
        raise ConfigError(f"--parallel-copies {value!r} is neither a number nor auto")
    if not 1 <= int(value) <= 256:
        raise ConfigError(f"--parallel-copies must be between 1 and 256, not {value}")
    return int(value)


def _run_id(given: str | None) -> str:
    """Sorts by time, so that a listing is in order."""
    if given is None:
        return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + os.urandom(3).hex()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", given):
        raise ConfigError(f"--run-id {given!r}: use letters, digits, '-', '_' and '.', 64 at most")
    return given


def _folder(home: Path | None) -> Path:
    if home is None and (given := os.environ.get("CROSSDOCK_HOME")):
        home = Path(given)
    if home is None:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        home = Path(state) / "crossdock"
    return home / "runs"


def _path(run_id: str, home: Path | None) -> Path:
    return _folder(home) / f"{_run_id(run_id)}.db"
