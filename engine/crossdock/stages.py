"""The two hops of a staged copy apart, on any machines: ``stage_out``, ``stage_in``, ``stage_remove``."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

from . import api
from .arguments import limits, write_mode
from .credentials import know, public_url
from .errors import ConfigError
from .history import Options
from .mapping.parsing import Added, MapText, parse_map
from .opening import blaming
from .report import CopyResult
from .request import CopyRequest, Verify
from .resolve_stage import resolve_in, resolve_out, stage_end
from .spelling import snake_case


def stage_out(
    source: str | Path,
    stage: str | Path,
    *,
    source_format: str | None = None,
    source_options: Options | None = None,
    stage_options: Options | None = None,
    map: MapText | None = None,  # noqa: A002 - the option's name
    add_columns: Added | None = None,
    parallel_copies: int | Literal["auto"] = "auto",
    memory: int | str = "512MiB",
    bandwidth: int | str | None = None,
    verify: Verify = False,
    dry_run: bool = False,
    run_id: str | None = None,
    progress: api.Progress | None = None,
    home: Path | None = None,
    cancel: threading.Event | None = None,
) -> CopyResult:
    """Write the tables of ``source`` to the new folder ``stage``, and a manifest when all are there.

    Options as those of ``copy``; with ``verify`` the files are read back, and the manifest has digests of
    all rows. Raises what ``copy`` raises, and ConfigError for a folder that has something in it.
    """
    given = {"source": snake_case(source_options), "sink": snake_case(stage_options)}
    know(str(source), str(stage), given)
    request = CopyRequest(
        source=str(source),
        sink=str(stage),
        source_format=source_format,
        source_options=given["source"],
        sink_options=given["sink"],
        map=parse_map(map, add_columns),
        **limits(parallel_copies, memory, bandwidth, "full" if verify else False),
    )
    return api.start(request, given, resolve_out, run_id, progress, home, cancel, dry_run=dry_run)


def stage_in(
    stage: str | Path,
    sink: str | Path,
    *,
    sink_format: str | None = None,
    sink_options: Options | None = None,
    stage_options: Options | None = None,
    parallel_copies: int | Literal["auto"] = "auto",
    memory: int | str = "512MiB",
    bandwidth: int | str | None = None,
    mode: str = "error",
    verify: Verify = False,
    remove: bool = False,
    dry_run: bool = False,
    run_id: str | None = None,
    progress: api.Progress | None = None,
    home: Path | None = None,
    cancel: threading.Event | None = None,
) -> CopyResult:
    """Copy what ``stage_out`` has written to ``sink``; then ``remove`` the stage.

    The stage is compared with its manifest first. Raises ConfigError for one that is not complete or has
    files too many, NotFoundError for a missing one, SourceChangedError for one that was altered; nothing has
    changed then.
    """
    given = {"source": snake_case(stage_options), "sink": snake_case(sink_options)}
    know(str(stage), str(sink), given)
    request = CopyRequest(
        source=str(stage),
        sink=str(sink),
        sink_format=sink_format,
        source_options=given["source"],
        sink_options=given["sink"],
        mode=write_mode(mode),
        **limits(parallel_copies, memory, bandwidth, "full" if verify else False),
        keep_staging=not remove,
    )
    return api.start(request, given, resolve_in, run_id, progress, home, cancel, dry_run=dry_run)


def stage_remove(stage: str | Path, *, stage_options: Options | None = None) -> bool:
    """Remove a stage, complete or not, and its folder; False where files of others keep that.

    Raises ConfigError for what is no stage.
    """
    from .stage_run import owner_of, remove_stage

    given = snake_case(stage_options)
    know(str(stage), "", {"source": given, "sink": {}})
    end = stage_end(str(stage), given)
    with blaming(end.connector, "source"):
        if not (owner := owner_of(end)):
            raise ConfigError(f"{public_url(end.root)} is not a stage: crossdock stage out writes one")
        return remove_stage(end, owner)
