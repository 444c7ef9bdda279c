"""Whether a copy makes sense, before anything is opened: for those who plan copies."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .errors import NotSupportedError
from .mapping.parsing import Added, MapText, parse_map
from .mapping.path_text import parse_path
from .plan import decide, decide_stage
from .plugins import registry
from .request import CopyRequest
from .resolve import check_payload, path_columns
from .run_log import log_end
from .sides import Side
from .spelling import snake_case
from .spi.data import WriteMode

if TYPE_CHECKING:
    from .report import Payload


def check(
    source: str,
    sink: str,
    *,
    source_format: str | None = None,
    sink_format: str | None = None,
    source_options: Mapping[str, str] | None = None,
    sink_options: Mapping[str, str] | None = None,
    map: MapText | None = None,  # noqa: A002 - the option's name
    add_columns: Added | None = None,
    mode: str = "error",
    stage: str | None = None,
    stage_options: Mapping[str, str] | None = None,
    skip_rows: bool = False,
    log: str | None = None,
    log_options: Mapping[str, str] | None = None,
) -> Payload:
    """Raise what ``copy`` would raise for these options before it opens anything; else how it would copy."""
    columns, ended = parse_map(map, add_columns), threading.Event()
    for path in (*(each.path for each in columns.columns), columns.unfold) if columns else ():
        parse_path(path)
    options = snake_case(source_options), snake_case(sink_options)
    ends = (
        Side(registry(), source, source_format, options[0], "source", ended),
        Side(registry(), sink, sink_format, options[1], "sink", ended),
    )
    for end in ends:
        end.sort_options()
    able = ends[0].spec.open_source or ends[0].spec.open_store
    if not able or not (ends[1].spec.open_sink or ends[1].spec.open_store):
        spec, verb = (ends[0].spec, "read from") if not able else (ends[1].spec, "written to")
        raise NotSupportedError(f"{spec.name} cannot be {verb}")
    if mode != "error" and WriteMode(mode) not in ends[1].spec.capabilities.write_modes:
        raise NotSupportedError(f"{ends[1].spec.name} cannot be written to with mode {mode}")
    if stage is not None:
        over = Side(registry(), stage, None, snake_case(stage_options), "stage", ended)
        over.sort_options()
        decide_stage(over.spec, ends[1].spec, registry().of_kind("format"))
    payload = decide(
        ends[0].end(""),
        ends[1].end(""),
        mapped=columns is not None,
        staged=stage is not None,
        skip_rows=skip_rows,
    )
    if log is not None:
        log_end(CopyRequest(source, sink, log=log, log_options=snake_case(log_options)))
    path_columns(columns, ends[0].spec)
    check_payload(ends[0].settings, ends[1].settings, tabular=payload == "tabular")
    return payload
