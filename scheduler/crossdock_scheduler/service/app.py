"""The service as an ASGI application."""

from __future__ import annotations

from fastapi import FastAPI

import crossdock

from .context import Service
from .errors import add_handlers
from .headers import AnswerHeaders
from .paths import CaselessPaths
from .rest import definitions, factories


def create_app(service: Service) -> FastAPI:
    """Everything that answers requests; the database is migrated already."""
    app = FastAPI(
        title="crossdock", version=crossdock.__version__, docs_url=None, redoc_url=None,
        openapi_url="/crossdock/v1/openapi.json",
    )  # fmt: skip
    app.state.service = service
    app.include_router(factories.router)
    for kind in definitions.KINDS:
        app.include_router(definitions.routes(kind))
    add_handlers(app)
    app.add_middleware(CaselessPaths)
    app.add_middleware(AnswerHeaders)
    return app
