"""What a run does besides copying where one of its ends is a stage."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .credentials import public_url
from .errors import CrossdockError, NotSupportedError, VerificationError
from .files import manifest, stage
from .files.selecting import parent
from .files.tabular import FormatSink
from .opening import open_store
from .plugins import registry
from .redact import remember
from .request import Resolved, SinkEnd, SourceEnd
from .spi.data import Attempt, Receipt, Split
from .spi.endpoints import BulkLoader, Copier, Sink, Source
from .spi.spec import Location
from .spi.store import Fetchable, ObjectStore

if TYPE_CHECKING:
    from .context import Context
    from .dispatch import UnitTask

log = logging.getLogger(__name__)
_PAGE = 1000


# -- writing a stage ------------------------------------------------------------------------------------


def _sink(context: Context) -> FormatSink:
    assert isinstance(context.sink, FormatSink)  # noqa: S101 - a stage is written in a format
    return context.sink


def claim_stage(context: Context) -> None:
    """Make the folder this run's own, before the first file."""
    stage.claim(_sink(context).store, context.run_id, public_url(context.resolved.sink.root))


def seal_stage(context: Context) -> None:
    """Write the manifest: from now on the stage is complete."""
    end = context.resolved.sink
    about = manifest.Manifest(
        context.run_id, end.format, public_url(context.request.source), ending=end.replaces
    )
    manifest.write(_sink(context).store, about, _staged(context), context.carrier.epoch)


def _staged(context: Context) -> Iterator[manifest.Staged]:
    journal, sink, after = context.journal, _sink(context), 0
    while page := journal.done_units(after, _PAGE):
        for row in page:
            assert row.begun is not None  # noqa: S101 - it is done
            stored = journal.splits(row)
            receipts = [(each.split, each.receipt) for each in stored if each.receipt is not None]
            written = sink.staged(row.begun.handle, receipts)
            rows = sum(receipt.rows or 0 for _, receipt in receipts)
            values = _sum([each.digest for each in stored]) if context.request.verify else ""
            info = written.info
            yield manifest.Staged(
                row.unit.name, info.path, info.size, info.etag, info.modified, rows, written.columns,
                written.pieces, values,
            )  # fmt: skip
        after = page[-1].seq


def _sum(digests: list[str]) -> str:
    from .digest import TableValue

    return str(sum(map(TableValue.parse, digests), TableValue()))


def discard_stage(context: Context) -> None:
    """The run is given up: nothing of it stays on the stage, as far as that is possible."""
    try:
        remove_stage(context.resolved.sink, context.run_id, _sink(context).store)
    except CrossdockError as error:
        log.warning("staged files are left in %s: %s", public_url(context.resolved.sink.root), error)


def remove_stage(end: SourceEnd | SinkEnd, run_id: str, store: ObjectStore) -> bool:
    """Remove what the run has staged, and the folder. False where files of others keep it."""
    if not stage.remove(store, run_id):
        return False
    location, spec = Location.parse(end.root), registry().by_name(end.connector)
    folder, name = parent(location.path.rstrip("/"))
    if name:
        stage.remove_folder(open_store(spec, location.with_path(folder).url, end.options), name)
    return True


# -- reading a stage ------------------------------------------------------------------------------------


def compare_with_manifest(context: Context, task: UnitTask) -> None:
    """All splits of a unit were carried: they have the rows that were staged. Raises VerificationError."""
    if task.committed:
        return
    source: Any = context.source
    rows, values = context.ask_source(lambda: source.expected(task.row.unit))
    carried = sum(receipt.rows or 0 for _, receipt, _ in task.done.values())
    if carried != rows:
        raise VerificationError(
            f"{task.row.unit.name}: {carried:,} rows came from the stage where {rows:,} were written to it; "
            "stage it anew"
        )
    if context.request.verify and values:
        found = [text for _, _, text in task.done.values()]
        if _sum(list(values)) != _sum(found):
            raise VerificationError(
                f"{task.row.unit.name}: the values that came from the stage differ from those that were read "
                "from the source; stage it anew"
            )


def leave_stage(context: Context) -> None:
    """All is copied: remove the stage if that was asked for, else say that it is there."""
    end = context.resolved.source
    where = public_url(end.root)
    if end.stage == "kept":
        context.notes.append(f"the stage {where} is still there; crossdock stage remove takes it away")
    elif end.stage == "removed" and not drop(end):
        context.notes.append(f"the stage {where} has files of others, which stay there")


def loading(source: Source[Any], sink: Sink[Any], resolved: Resolved) -> Copier | None:
    """What has the sink load the staged files by itself; None where it does not."""
    if not (isinstance(source, stage.StageSource) and isinstance(sink, BulkLoader) and sink.can_load()):
        return None
    source.whole = True
    return _Loading(sink, resolved.source.format)


@dataclass
class _Loading(Copier):
    """A bulk loader as the engine asks it: a split is a file."""

    sink: BulkLoader
    format: str

    def can_copy(self, source: Source[memoryview]) -> bool:
        return True

    def copy(self, source: Source[memoryview], handle: bytes, split: Split, attempt: Attempt) -> Receipt:
        assert isinstance(source, stage.StageSource)  # noqa: S101 - ``loading`` looked
        if not isinstance(source.store, Fetchable):
            raise NotSupportedError("nobody else can fetch from this store")
        file = source.store.fetchable(stage.file_of(split), self.format)
        remember([file.secret])
        return self.sink.load(handle, split, attempt, file)


def drop(end: SourceEnd | SinkEnd, run_id: str | None = None) -> bool:
    """As ``remove_stage``, with a store of its own. Without a run, whosever stage it is."""
    with closing(open_store(registry().by_name(end.connector), end.root, end.options)) as store:
        return remove_stage(end, run_id or manifest.claimed(store) or "", store)
