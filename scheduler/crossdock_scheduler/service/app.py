"""The service as an ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.to_thread import run_sync
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

import crossdock

from .bounds import Bounds
from .context import Service
from .described import document
from .errors import add_handlers
from .headers import AnswerHeaders
from .noticing import noticing
from .operations import health
from .operations.watching import Watching
from .paths import CaselessPaths
from .rest import (
    audit,
    authoring,
    definitions,
    factories,
    node_protocol,
    node_relay,
    node_vault,
    runs,
    runtimes,
    sharing,
    subscriptions,
    surroundings,
    token_service,
    tokens,
    triggers,
)
from .runs.driver import Driver
from .sweeping import sweeping
from .triggers.firing import firing

_LOG = logging.getLogger(__name__)
_PARTS = (
    node_protocol, node_relay, node_vault, factories, surroundings, runtimes, authoring, sharing, runs,
    triggers, tokens, audit, subscriptions, token_service, health,
)  # fmt: skip


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    """While the service serves, its loops run."""
    service: Service = app.state.service
    driver = Driver(service)
    async with anyio.create_task_group() as group:
        group.start_soon(sweeping, service)
        group.start_soon(noticing, service)
        group.start_soon(driver.driving)
        group.start_soon(firing, service)
        yield
        driver.leaving = True
        group.cancel_scope.cancel()
    try:
        await run_sync(driver.release_all)
    except SQLAlchemyError as error:
        # They are anybody's a little later, when the lease is over.
        _LOG.warning("the runs were not given back: %s", type(error).__name__)


def create_app(service: Service) -> FastAPI:
    """Everything that answers requests; the database is migrated already."""
    app = FastAPI(
        title="crossdock", version=crossdock.__version__, docs_url=None, redoc_url=None,
        openapi_url="/crossdock/v1/openapi.json", lifespan=_life,
        # What is watched here is watched by middleware of our own.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )  # fmt: skip
    app.state.service = service
    # Nodes ask most often. Routes are not included but taken as they are: FastAPI looks for those of routers
    # that are included in a roundabout way, which takes longer than all else of a small request.
    for router in (*(each.router for each in _PARTS), *map(definitions.routes, definitions.KINDS)):
        app.router.routes += router.routes
    add_handlers(app)
    # FastAPI asks the application for its document, whose place this takes.
    described = document(app)
    app.openapi = lambda: described  # type: ignore[method-assign] # FastAPI's way
    app.add_middleware(Bounds)
    app.add_middleware(Watching, metrics=service.metrics)
    app.add_middleware(CaselessPaths)
    app.add_middleware(AnswerHeaders)
    return app
