"""The OpenAPI document: what FastAPI knows of the routes, and their bodies and errors, which it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from .rest.bodies import object_of, object_or_nothing

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "target": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object"}},
            },
        }
    },
}
_BODY = {"application/json": {"schema": {"type": "object"}}}


def document(app: FastAPI) -> dict[str, Any]:
    """All routes, with the body that each takes and the error that it may answer."""
    made = get_openapi(title=app.title, version=app.version, routes=app.routes)
    components = made.setdefault("components", {})
    components.setdefault("schemas", {})["CloudError"] = _ERROR
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"bearer": []}]
    answer = {"application/json": {"schema": {"$ref": "#/components/schemas/CloudError"}}}
    for route in app.routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        calls = set(_calls(route.dependant))
        for method in route.methods or ():
            operation = made["paths"][route.path_format][method.lower()]
            # Data Factory's clients expect 400 where FastAPI says 422.
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"description": "What is wrong.", "content": answer}
            described = route.openapi_extra or {}
            if "requestBody" not in described and (object_of in calls or object_or_nothing in calls):
                operation["requestBody"] = {"required": object_of in calls, "content": _BODY}
    components["schemas"].pop("HTTPValidationError", None)
    components["schemas"].pop("ValidationError", None)
    return made


def _calls(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for each in dependant.dependencies:
        yield from _calls(each)
