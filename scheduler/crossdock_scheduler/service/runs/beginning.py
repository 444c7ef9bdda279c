"""How a run of a pipeline begins, whoever asks for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ...pipeline.definitions import Factory
from ...pipeline.run import PipelineRun, arguments, divided
from ..definitions.factories import FactoryRow
from ..definitions.secrets import Keeper
from ..errors import ApiError, not_found
from .snapshot import kept
from .store import save


def begin(
    connection: sa.Connection,
    factory: FactoryRow,
    definitions: Factory,
    pipeline: str,
    given: Mapping[str, Any],
    *,
    keeper: Keeper,
    request_id: str | None = None,
    **record: Any,
) -> PipelineRun:
    """Write down a run that a driver will take; ``record`` is what its record has besides.

    Raises ApiError for a pipeline that is not there, and for parameters that it cannot begin with.
    """
    found = definitions.find("pipeline", pipeline)
    if found is None:
        raise not_found("pipeline", pipeline)
    parameters, wrong = arguments(found, given)
    if wrong:
        raise ApiError(400, "; ".join(wrong), "InvalidParameters", found.name)
    open_ones, secrets = divided(found, parameters)
    run = PipelineRun(pipeline=found.name, parameters=open_ones, **record)
    more: dict[str, Any] = {
        "definitions": kept(definitions, found), "request_id": request_id, "status": "Queued",
    }  # fmt: skip
    if secrets:
        more["secrets"] = keeper.lock(json.dumps(secrets))
    save(connection, factory.id, run, **more)
    return run
