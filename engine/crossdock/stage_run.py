"""What a run does besides copying where one of its ends is a stage."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing
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
from .spi.store import Fetchable

if TYPE_CHECKING:
    from .context import Context
    from .dispatch import UnitTask
    from .journal import Journal

log = logging.getLogger(__name__)
_PAGE = 1000
_OWNER = "stage_owner"


# -- writing a stage ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OwnStage:
    """The stage that a run writes."""

    context: Context

    @property
    def _sink(self) -> FormatSink:
        sink = self.context.sink
        assert isinstance(sink, FormatSink)  # noqa: S101 - a stage is written in a format
        return sink

    @property
    def _where(self) -> str:
        return public_url(self.context.resolved.sink.root)

    def look(self) -> None:
        """Whether the folder can be taken. Raises ConfigError."""
        stage.look(self._sink.store, owner_in(self.context.journal), self._where)

    def claim(self) -> None:
        """Make the folder this run's own, before the first file."""
        journal = self.context.journal
        self._take_over()
        self.look()
        if not owner_in(journal):
            # Before it is in the folder: a process that is killed then knows what is its own.
            journal.set(**{_OWNER: secrets.token_hex(8)})
        taken = manifest.Claim(self.context.run_id, owner_in(journal))
        stage.claim(self._sink.store, taken, self._where)

    def _take_over(self) -> None:
        """Remove what somebody else has staged of this very run: only they knew what is complete."""
        context = self.context
        found = manifest.claimed(self._sink.store) if context.taken_over else None
        if found is not None and found.run_id == context.run_id and found.owner != owner_in(context.journal):
            context.fence()
            remove_stage(context.resolved.sink, found.owner)

    def seal(self) -> None:
        """Write the manifest: from now on the stage is complete."""
        self.context.fence()
        context, end = self.context, self.context.resolved.sink
        source = public_url(context.request.source)
        about = manifest.Manifest(context.run_id, end.format, source, ending=end.replaces)
        owner = owner_in(context.journal)
        manifest.write(self._sink.store, owner, about, self._staged(), context.carrier.epoch)

    def _staged(self) -> Iterator[manifest.Staged]:
        journal, verify, after = self.context.journal, self.context.request.verify, 0
        while page := journal.done_units(after, _PAGE):
            for row in page:
                assert row.begun is not None  # noqa: S101 - it is done
                stored = journal.splits(row)
                receipts = [(each.split, each.receipt) for each in stored if each.receipt is not None]
                written = self._sink.written_file(row.begun.handle, receipts)
                rows = sum(receipt.rows or 0 for _, receipt in receipts)
                values = _sum([each.digest for each in stored]) if verify else ""
                info, columns = written.info, {field.name: str(field.type) for field in written.schema}
                yield manifest.Staged(
                    row.unit.name, info.path, info.size, info.etag, info.modified, rows, columns,
                    written.pieces(), values,
                )  # fmt: skip
            after = page[-1].seq

    def discard(self) -> None:
        """The run is given up: nothing of it stays on the stage, as far as that is possible."""
        try:
            if owner := owner_in(self.context.journal):
                remove_stage(self.context.resolved.sink, owner)
        except CrossdockError as error:
            log.warning("staged files are left in %s: %s", self._where, error)


def owner_in(journal: Journal) -> str:
    """What a run has called, or would have called, a folder its own with; empty before it tried."""
    owner: str = journal.get(_OWNER, "")
    return owner


def _sum(digests: list[str]) -> str:
    from .digest import TableValue

    return str(sum(map(TableValue.parse, digests), TableValue()))


# -- removing a stage -----------------------------------------------------------------------------------


def remove_stage(end: SourceEnd | SinkEnd, owner: str) -> bool:
    """Remove what that owner has staged, and the folder. False where files of others keep it."""
    location, spec = Location.parse(end.root), registry().by_name(end.connector)
    folder, name = parent(location.path.rstrip("/"))
    with ExitStack() as opened:
        store = opened.enter_context(closing(open_store(spec, end.root, end.options)))
        above = None
        if name:
            url = location.with_path(folder).url
            above = opened.enter_context(closing(open_store(spec, url, end.options)))
        return stage.remove(store, above, name, owner)


def owner_of(end: SourceEnd | SinkEnd) -> str:
    """Whose the stage is at this moment; empty for nobody's."""
    with closing(open_store(registry().by_name(end.connector), end.root, end.options)) as store:
        found = manifest.claimed(store)
        return "" if found is None else found.owner


# -- reading a stage ------------------------------------------------------------------------------------


def compare_with_manifest(context: Context, task: UnitTask) -> None:
    """All splits of a unit were carried: they have the rows that were staged. Raises VerificationError."""
    if task.committed:
        return
    source: Any = context.source
    rows, values = context.ask_source(lambda: source.expected(task.row.unit))
    carried = sum((receipt.rows or 0) + receipt.skipped for _, receipt, _ in task.done.values())
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
    if context.fence.lease and end.stage == "removed":
        context.journal.set(stage_left=True)
        return  # whoever takes the copy over still reads it
    where = public_url(end.root)
    if end.stage == "kept":
        context.notes.append(f"the stage {where} is still there; crossdock stage remove takes it away")
    elif end.stage == "removed" and not remove_stage(end, owner_of(end)):
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
