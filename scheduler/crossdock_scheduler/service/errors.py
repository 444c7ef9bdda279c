"""Errors as Data Factory answers them: always JSON, never a trace."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from crossdock import redacted

_LOG = logging.getLogger(__name__)
# By status: the codes of Azure Resource Manager.
_CODES = {
    400: "BadRequest", 401: "AuthenticationFailed", 403: "AuthorizationFailed", 404: "NotFound",
    405: "MethodNotAllowed", 406: "NotAcceptable", 409: "Conflict", 412: "PreconditionFailed",
    413: "RequestEntityTooLarge", 415: "UnsupportedMediaType", 429: "TooManyRequests",
    503: "ServiceUnavailable",
}  # fmt: skip
# POSTs that mean the same when they are sent again: they only ask, or they say what is so by then.
_REPEATABLE_POSTS = (
    "/cancel", "/createrun", "/getstatus", "/monitoringdata", "/listauthkeys", "/getconnectioninfo",
    "/ipaddress", "/querypipelineruns", "/queryactivityruns", "/querytriggerruns",
    "/querytriggers",
)  # fmt: skip
# Nodes send all that they say until it is answered.
_NODES = "/crossdock/v1/nodes/"
_CLIENT_ID = "x-ms-client-request-id"
# Of PostgreSQL: the server that was the first one is not any more.
_READ_ONLY = "25006"


class ApiError(Exception):
    """An answer that is an error. ``message`` is for whoever sent the request."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "",
        target: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.code, self.target = code or _CODES.get(status, "InternalError"), target
        self.headers = dict(headers or {})


def not_found(what: str, name: str) -> ApiError:
    return ApiError(404, f"The {what} {name!r} was not found.", "ResourceNotFound", name)


def error_body(code: str, message: str, target: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": redacted(message), "target": target, "details": []}}


def _told(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for it
    return JSONResponse(error_body(error.code, error.message, error.target), error.status, error.headers)


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    code = _CODES.get(error.status_code, "BadRequest")
    return JSONResponse(error_body(code, str(error.detail)), error.status_code, error.headers)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    first = error.errors()[0]
    where = ".".join(str(each) for each in first["loc"])
    return JSONResponse(error_body("BadRequest", f"{where}: {first['msg']}", where), 400)


def _database(request: Request, error: Exception) -> JSONResponse:
    """The database is gone or full: what may be sent again is asked for again."""
    _LOG.error("the database failed: %s", type(error).__name__, exc_info=error)
    unavailable = (
        isinstance(error, (OperationalError, PoolTimeout))
        or getattr(error, "connection_invalidated", False)
        or getattr(getattr(error, "orig", None), "sqlstate", "") == _READ_ONLY
    )
    if not unavailable:
        return _unexpected(request, error)
    headers = {"Retry-After": "2"} if _is_repeatable(request) else {}
    return JSONResponse(
        error_body("ServiceUnavailable", "The service cannot reach its database now."), 503, headers
    )


def _not_storable(_: Request, error: Exception) -> JSONResponse:
    _LOG.warning("the database refused a value: %s", type(error).__name__)
    return JSONResponse(error_body("BadRequest", "The request has a value that cannot be stored."), 400)


def _is_repeatable(request: Request) -> bool:
    path = request.url.path.lower()
    if request.method != "POST" or path.startswith(_NODES):
        return True
    # A run that is created again without the id of the request is another one.
    return path.endswith(_REPEATABLE_POSTS) and (
        not path.endswith("/createrun") or _CLIENT_ID in request.headers
    )


def _unexpected(_: Request, error: Exception) -> JSONResponse:
    _LOG.error("a request failed: %s", type(error).__name__, exc_info=error)
    return JSONResponse(error_body("InternalError", "The service failed; its log says why."), 500)


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(ApiError, _told)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(DataError, _not_storable)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(PoolTimeout, _database)
    app.add_exception_handler(Exception, _unexpected)
