"""``/healthz``, ``/readyz`` and ``/metrics``: for orchestrators, load balancers and Prometheus."""

from __future__ import annotations

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from ..context import Reader, Service, forbidden
from ..database.migrate import is_migrated

# A database that takes longer to say anything is none.
_PATIENCE = 3.0

router = APIRouter(tags=["Operations"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """Whether requests should come here: the database answers and has this release's tables, and the
    service is not about to stop."""
    service: Service = request.app.state.service
    if service.drain.began:
        return _not_ready("the service is stopping")
    why = "the database does not answer"
    with anyio.move_on_after(_PATIENCE):
        why = await run_sync(_look, service, limiter=_limiter(request), abandon_on_cancel=True)
    return _not_ready(why) if why else JSONResponse({"status": "ready"})


def _limiter(request: Request) -> anyio.CapacityLimiter:
    """Threads of its own: those of other requests may all be waiting for the database."""
    state = request.app.state
    if not hasattr(state, "readiness"):
        state.readiness = anyio.CapacityLimiter(2)
    found: anyio.CapacityLimiter = state.readiness
    return found


def _look(service: Service) -> str:
    try:
        with service.database.read() as connection:
            return "" if is_migrated(connection) else "the database has another release's tables"
    except SQLAlchemyError:
        return "the database does not answer"


def _not_ready(why: str) -> JSONResponse:
    return JSONResponse({"status": "unavailable", "reason": why}, 503, {"Retry-After": "2"})


@router.get("/metrics")
def metrics(call: Reader) -> Response:
    """For whoever may see all factories."""
    if not call.principal.may(call.role, None):
        raise forbidden(call.principal, call.request)
    return Response(generate_latest(call.service.metrics.registry), media_type=CONTENT_TYPE_LATEST)
