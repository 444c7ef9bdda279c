"""Runs that have a journal on this machine: where it is, what it tells, and forgetting it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from .credentials import SIDES, Again, Ask, complete, know
from .errors import ConfigError, CrossdockError, NotFoundError
from .journal import Journal
from .journal_lock import is_running, remove
from .journal_rows import Totals
from .report import RunInfo
from .request import CopyRequest, Resolved
from .spelling import snake_case

Options = Mapping[str, str]


def named(given: str | None) -> str:
    """Sorts by time, so that a listing is in order."""
    if given is None:
        return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + os.urandom(3).hex()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", given):
        raise ConfigError(f"--run-id {given!r}: use letters, digits, '-', '_' and '.', 64 at most")
    return given


def state_folder() -> Path:
    """Where crossdock keeps its state: ``$CROSSDOCK_HOME``, else ``crossdock`` in the user's state folder.

    Raises nothing, and makes nothing.
    """
    if given := os.environ.get("CROSSDOCK_HOME"):
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "crossdock"


def journals(home: Path | None) -> Path:
    return (home or state_folder()) / "runs"


def journal_path(run_id: str, home: Path | None) -> Path:
    return journals(home) / f"{named(run_id)}.db"


def runs(home: Path | None = None) -> list[RunInfo]:
    """All runs that have a journal, newest first."""
    folder = journals(home)
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
    path = journal_path(run_id, home)
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
            journal.get("timeline"),
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
    path = journal_path(run_id, home)
    again = given_again({"sink": sink, "stage": stage}, {"sink": sink_options, "stage": stage_options}, ask)
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
    from .stage_run import owner_in

    return max(len(journal.begun_handles()) + len(journal.beginnings()), bool(owner_in(journal)))


def _if_gone(run_id: str, error: CrossdockError) -> str:
    """What is worth trying where the sink does not answer any more."""
    if error.side != "sink" or isinstance(error, ConfigError):
        return ""
    return f"if the sink is gone for ever: crossdock runs forget {run_id} --journal-only"


def _clean_up(journal: Journal, again: Again) -> None:
    from .leftovers import give_up_sink
    from .stage_run import owner_in, remove_stage

    if journal.get("hops"):
        from .staged import StagedCopy, to_forget

        StagedCopy.recall(journal, again, to_forget).discard()
        return
    _, resolved = recall(journal, again, ("sink",))
    give_up_sink(journal, resolved)
    if owner := owner_in(journal):
        remove_stage(resolved.sink, owner)


def given_again(
    addresses: Mapping[str, str | None], given: Mapping[str, Options | None], ask: Ask | None
) -> Again:
    options = {side: snake_case(given.get(side)) for side in ("source", "sink", "stage", "log")}
    know(addresses.get("source") or "", addresses.get("sink") or "", options)
    for side in ("stage", "log"):
        know("", addresses.get(side) or "", {"source": {}, "sink": options[side]})
    return Again(addresses, options, ask)


def recall(journal: Journal, again: Again, sides: tuple[str, ...] = SIDES) -> tuple[CopyRequest, Resolved]:
    """What the journal has of the request, with the secrets that it has not."""
    request = CopyRequest.load(journal.get("request"))
    resolved = Resolved.load(journal.get("resolved"))
    lost = journal.get("secrets", {})
    return request, complete(journal.path.stem, resolved, lost, again, sides)
