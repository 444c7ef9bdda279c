"""What would make a copy faster: rules over its report, each with what it has seen and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .breakdown import breakdown

if TYPE_CHECKING:
    from .report import CopyResult

PAGE = "docs/how-to/tuning.md"
MANY_FILES = 1000
SMALL_FILE = 1 << 20
LARGE = 64 << 20


class Facts:
    """A result, with the share of its wall time that each part took, in percent."""

    def __init__(self, result: CopyResult) -> None:
        self.result = result
        parts = breakdown(result)
        whole = sum(parts.values()) or 1.0
        self.percent = {name: 100 * seconds / whole for name, seconds in parts.items()}
        self.seconds = parts
        available = result.cores * result.copying
        self.busy = 100 * result.cpu / available if available else 0.0
        self.size = max(result.bytes_read, result.bytes_written)
        self.files = max(result.files_read, result.files_written)
        self.table_source = not result.source.format and result.payload == "tabular"
        self.table_sink = not result.sink.format and result.payload == "tabular"


Rule = Callable[[Facts], str | None]


def recommendations(result: CopyResult) -> list[dict[str, str]]:
    """The tips, the dearest cause first as the rules are ordered; none where nothing stands out."""
    hops = result.hops or (result,)
    return [tip for hop in hops for tip in _of(Facts(hop))]


def _of(facts: Facts) -> Iterator[dict[str, str]]:
    for name, rule in RULES.items():
        if tip := rule(facts):
            yield {"Tip": tip, "ReferUrl": f"{PAGE}#{name.lower()}", "RuleName": name}


def _throttling(facts: Facts) -> str | None:
    share, result = facts.percent["waitingForThrottling"], facts.result
    if share < 5:
        return None
    return (
        f"A server throttled {result.throttled:,} calls, and {share:.0f} % of the time was waiting for it. "
        "Scale up the service or ask for a higher limit, let fewer copies run at the same time, or leave "
        "parallelCopies to auto."
    )


def _retries(facts: Facts) -> str | None:
    share = facts.percent["waitingForRetries"]
    if share < 5:
        return None
    return (
        f"{facts.result.retries:,} tries failed for reasons that passed, and {share:.0f} % of the time was "
        "waiting for the next. --verbose says which; a network or server that drops connections is slower "
        "than it looks."
    )


def _memory(facts: Facts) -> str | None:
    share = facts.percent["waitingForMemory"]
    if share < 10:
        return None
    return (
        f"{share:.0f} % of the time was waiting for memory. Give the copy more (--memory), or smaller blocks "
        "(--block-size) or fewer parallel copies."
    )


def _bandwidth(facts: Facts) -> str | None:
    share = facts.percent["waitingForBandwidth"]
    if share < 10:
        return None
    return (
        f"--bandwidth held the copy back for {share:.0f} % of the time. Raise it, or copy when others need "
        "the line less."
    )


def _first_byte(facts: Facts) -> str | None:
    share = facts.percent["timeToFirstByte"]
    if share < 25:
        return None
    return (
        f"{share:.0f} % of the time passed before the first rows or bytes came from "
        f"{facts.result.source.connector}. Let the query begin to answer sooner: an index for what it "
        "filters and sorts by, fewer joins, no ORDER BY."
    )


def _listing(facts: Facts) -> str | None:
    share = facts.percent["listing"]
    if share < 25:
        return None
    return (
        f"Listing took {share:.0f} % of the time. Name a narrower folder or a wildcard that begins with a "
        "longer path, or a list of files (file_list_path)."
    )


def _one_split(facts: Facts) -> str | None:
    result = facts.result
    if result.splits_done != 1 or facts.size < LARGE:
        return None
    if facts.table_source:
        how = "Set partition_option (and partition_column) so that its ranges are read at the same time."
    else:
        how = "Notes say why the file was not cut; give it as several files, or in a format that can be cut."
    return f"All was one split, which one worker carried. {how}"


def _skewed(facts: Facts) -> str | None:
    share, result = facts.percent["waitingForWork"], facts.result
    if share < 30 or result.splits_done < 2 or _one_writer(facts):
        return None
    return (
        f"Workers had nothing to do for {share:.0f} % of the time: a few of the {result.splits_done:,} "
        "splits took longer than the others, or there were fewer than workers. Cut by a column whose values "
        "are spread more evenly (partition_column), or give the data as more files of the same size."
    )


def _one_writer(facts: Facts) -> str | None:
    share, result = facts.percent["waitingForWork"], facts.result
    units = max(facts.files, 1) if not facts.table_sink else 1
    if share < 30 or not 0 < result.writers * units < min(result.parallel_copies, result.splits_done):
        return None
    return (
        f"{result.sink.connector} takes {result.writers} at a time of those who write, so workers waited for "
        f"{share:.0f} % of the time. Fewer parallel copies are as fast; a folder of files, or a database "
        "with several connections, takes more."
    )


def _small_files(facts: Facts) -> str | None:
    if facts.files < MANY_FILES or facts.size > facts.files * SMALL_FILE or facts.result.payload != "binary":
        return None
    mean = facts.size // facts.files
    return (
        f"{facts.files:,} files have {mean:,} bytes each on average, and each costs several calls. Pack them "
        "into one archive (a compression type of the sink), or merge them (copy_behavior=MergeFiles)."
    )


def _transforming(facts: Facts) -> str | None:
    share = facts.percent["transforming"]
    if share < 25:
        return None
    return (
        f"Mapping and converting columns took {share:.0f} % of the time. Leave out columns that nobody "
        "needs, and let the source give types that the sink takes."
    )


def _verifying(facts: Facts) -> str | None:
    share = facts.percent["verifying"]
    if share < 30:
        return None
    return (
        f"Verifying took {share:.0f} % of the time. --verify proves a sample of the values, and costs less "
        "than --verify-full."
    )


def _committing(facts: Facts) -> str | None:
    share = facts.percent["committing"]
    if share < 25:
        return None
    return (
        f"Making it visible took {share:.0f} % of the time. For a table: fewer indexes and triggers while it "
        "is loaded; for files: fewer, larger ones."
    )


def _unstaged(facts: Facts) -> str | None:
    result = facts.result
    share = facts.percent["writing"]
    if share < 60 or not facts.table_sink or not result.bulk_load or result.stage:
        return None
    return (
        f"Writing to {result.sink.connector} took {share:.0f} % of the time, and it can load files by "
        "itself, which is faster. Set enableStaging (--stage)."
    )


def _processor(facts: Facts) -> str | None:
    if facts.busy < 85:
        return None
    return (
        f"The processor was the limit: {facts.busy:.0f} % of the time of {facts.result.cores:g} cores. Give "
        "the machine more cores, or scale out: add a node and let it take a part of the copies."
    )


def _fixed(facts: Facts) -> str | None:
    result = facts.result
    few = result.parallel_asked and result.parallel_copies == result.parallel_asked < 8
    waiting = max(facts.percent["reading"], facts.percent["writing"])
    if (
        not few
        or waiting < 50
        or facts.busy > 50
        or result.throttled
        or result.splits_done < 2 * result.parallel_asked
    ):
        return None
    return (
        f"parallelCopies was set to {result.parallel_asked}, and the machine had time left: {facts.busy:.0f} "
        "% of it was used. Leave it to auto, which finds out how many help."
    )


def _source(facts: Facts) -> str | None:
    share, result = facts.percent["reading"], facts.result
    if share < 60 or facts.busy >= 85 or _first_byte(facts):
        return None
    return (
        f"The source was the limit: {share:.0f} % of the time was reading from {result.source.connector}. "
        "Bring the copy nearer to it, give its server more, or read less: fewer columns, a filter, a "
        "compressed or columnar format."
    )


def _sink(facts: Facts) -> str | None:
    share, result = facts.percent["writing"], facts.result
    if share < 60 or facts.busy >= 85:
        return None
    return (
        f"The sink was the limit: {share:.0f} % of the time was writing to {result.sink.connector}. Bring "
        "the copy nearer to it, or give its server more."
    )


RULES: dict[str, Rule] = {
    "Throttling": _throttling,
    "Retries": _retries,
    "MemoryBound": _memory,
    "BandwidthLimit": _bandwidth,
    "TimeToFirstByte": _first_byte,
    "Listing": _listing,
    "OneSplit": _one_split,
    "OneWriter": _one_writer,
    "SkewedSplits": _skewed,
    "ManySmallFiles": _small_files,
    "Transforming": _transforming,
    "Verifying": _verifying,
    "Committing": _committing,
    "EnableStaging": _unstaged,
    "CpuBound": _processor,
    "FixedParallelCopies": _fixed,
    "SourceBound": _source,
    "SinkBound": _sink,
}
