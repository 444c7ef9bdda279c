"""The Python API: ``copy``, ``acopy``, ``resume``; ``runs``, ``show`` and ``forget``."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

from .arguments import limits, skipped_files, write_mode
from .arguments import log_level as known_level
from .credentials import Ask, know, stored
from .errors import CancelledError, ConfigError, CrossdockError
from .fencing import fence, fenced
from .history import Options, forget, given_again, journal_path, named, recall, runs, show
from .journal import Journal, created
from .journal_lock import remove
from .limits import parse_size
from .mapping.parsing import Added, MapText, parse_map
from .report import CopyResult, Snapshot
from .request import CopyRequest, Resolved, Verify
from .spelling import snake_case

__all__ = ["acopy", "copy", "forget", "resume", "runs", "show", "start"]

Progress = Callable[[Snapshot], None]


def copy(
    source: str | Path,
    sink: str | Path,
    *,
    source_format: str | None = None,
    sink_format: str | None = None,
    source_options: Options | None = None,
    sink_options: Options | None = None,
    map: MapText | None = None,  # noqa: A002 - the option's name
    add_columns: Added | None = None,
    parallel_copies: int | Literal["auto"] = "auto",
    block_size: int | str | None = None,
    memory: int | str = "512MiB",
    bandwidth: int | str | None = None,
    mode: str = "error",
    verify: Verify = False,
    stage: str | Path | None = None,
    stage_options: Options | None = None,
    keep_staging: bool = False,
    skip_rows: bool = False,
    skip_files: str | Collection[str] = "missing",
    log: str | Path | None = None,
    log_options: Options | None = None,
    log_level: str = "warning",
    log_reliable: bool = False,
    dry_run: bool = False,
    run_id: str | None = None,
    progress: Progress | None = None,
    home: Path | None = None,
    cancel: threading.Event | None = None,
) -> CopyResult:
    """Copy ``source`` to ``sink`` (paths or URLs) and return what was done.

    The options are those of ``crossdock copy``, in snake_case or as Data Factory spells them; ``map`` may
    also be a dictionary of names or a ``ColumnMapping``, ``add_columns`` a dictionary;
    ``verify="full"`` is ``--verify-full``. Sizes are bytes or texts such as ``"8MiB"``.
    ``stage``: go by compressed Parquet files below that address, which are removed whatever happens unless
    ``keep_staging``; only then can a copy that failed or was interrupted be resumed.
    ``skip_rows``: rows that do not fit are left out and counted. ``skip_files``: of many files, those are
    that are ``missing`` by now, ``forbidden`` or ``inconsistent`` (``none``: they end the copy). ``log``: a
    folder of a store, where CSV files say what was left out (``log_level="info"``: and what was copied), at
    once with ``log_reliable``.
    ``progress`` is called about ten times a second from another thread; without it a notebook shows the
    run below its cell. ``home`` is where
    journals are kept (default: ``$CROSSDOCK_HOME``). Setting ``cancel`` interrupts the run.
    Raises CrossdockError; when its ``resumable`` is true, ``resume(error.run_id)`` goes on.
    """
    from .resolve import resolve

    progress = progress or _in_notebook()
    given = {"source": snake_case(source_options), "sink": snake_case(sink_options)}
    know(str(source), str(sink), given)
    given["stage"] = snake_case(stage_options)
    if stage is not None:
        know("", str(stage), {"source": {}, "sink": given["stage"]})
    elif given["stage"] or keep_staging:
        raise ConfigError("options of a stage make no sense without one; name it with --stage")
    given["log"] = snake_case(log_options)
    if log is not None:
        know("", str(log), {"source": {}, "sink": given["log"]})
    elif given["log"] or log_reliable:
        raise ConfigError("options of a log make no sense without one; name it with --log")
    request = CopyRequest(
        source=str(source),
        sink=str(sink),
        source_format=source_format,
        sink_format=sink_format,
        source_options=given["source"],
        sink_options=given["sink"],
        map=parse_map(map, add_columns),
        block_size=None if block_size is None else parse_size(block_size, "--block-size"),
        mode=write_mode(mode),
        **limits(parallel_copies, memory, bandwidth, verify),
        stage=None if stage is None else str(stage),
        stage_options=given["stage"],
        keep_staging=keep_staging,
        skip_rows=skip_rows,
        skip_files=skipped_files(skip_files),
        log=None if log is None else str(log),
        log_options=given["log"],
        log_level=known_level(log_level),
        log_reliable=log_reliable,
    )
    held = fence()
    # Nobody who takes over knows an id that is made here: nothing at the sink has to wait for them.
    with fenced(held.check, held.lease if run_id else 0):
        if request.stage is not None:
            from .staged import begin

            return begin(
                journal_path(named(run_id), home), request, given, progress, dry_run=dry_run, cancel=cancel
            )
        return start(request, given, resolve, run_id, progress, home, cancel, dry_run=dry_run)


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
    run_id = named(run_id)
    path, resolved = journal_path(run_id, home), decide(request, cancel)
    facts = stored(request, resolved, given) | {"created": created(), "state": "running"}
    with closing(Journal.create(path, **facts)) as journal:
        return _execute(run_id, request, resolved, journal, progress, dry_run=dry_run, cancel=cancel)


async def acopy(source: str | Path, sink: str | Path, **options: Any) -> CopyResult:
    """``copy`` for async code: runs in a worker thread and takes the same options.

    Cancelling the task interrupts the run and waits until it has stopped; it can then be resumed. Raises
    what ``copy`` raises.
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
    log: str | None = None,
    log_options: Options | None = None,
    ask: Ask | None = None,
    progress: Progress | None = None,
    home: Path | None = None,
    cancel: threading.Event | None = None,
) -> CopyResult:
    """Go on with an interrupted run: at most the splits that were in flight are carried again.

    Journals keep no secrets. They are given again, as options, which are added to those of the run,
    or as ``source``, ``sink``, ``stage`` and ``log``, the same addresses with their secrets; or they come
    from the environment; or ``ask`` is called for each that is missing, with words for a person, and
    returns it.
    Raises AuthError when one is missing, NotFoundError, ConfigError (it is running, it has succeeded),
    and what ``copy`` raises.
    """
    progress = progress or _in_notebook()
    again = given_again(
        {"source": source, "sink": sink, "stage": stage, "log": log},
        {"source": source_options, "sink": sink_options, "stage": stage_options, "log": log_options},
        ask,
    )
    with closing(Journal.open(journal_path(run_id, home))) as journal:
        if journal.get("state") == "succeeded":
            raise ConfigError(f"the run {run_id!r} has succeeded; there is nothing to resume")
        if journal.get("resumable") is False:
            raise ConfigError(f"the run {run_id!r} cannot be resumed; begin it anew with crossdock copy")
        if journal.get("hops"):
            from .staged import resumed

            return resumed(journal, again, progress, cancel)
        request, resolved = recall(journal, again)
        journal.set(state="running", error="", resumable=True)
        return _execute(run_id, request, resolved, journal, progress, resumed=True, cancel=cancel)


def _in_notebook() -> Progress | None:
    """What shows a run that nobody else does."""
    if "ipykernel" not in sys.modules:
        return None
    from .notebook import progress

    return progress()


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
        journal.finish(state="succeeded", output=result.output(), timeline=result.timeline)
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
