"""Paths of Azure Resource Manager have no case, but for the names in them."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import error_body

# After these a name follows, which keeps its case.
_BEFORE_NAMES = {
    "subscriptions", "resourcegroups", "factories", "locations", "integrationruntimes", "nodes",
    "linkedservices", "datasets", "pipelines", "pipelineruns", "triggers", "triggerruns", "credentials",
    "globalparameters",
}  # fmt: skip
_ROOTS = ("/subscriptions", "/providers", "/crossdock/v1/subscriptions", "/tenants", "/metadata")


def normal(path: str) -> str:
    """The path with every word that is no name in lower case, and no slash at its end."""
    if not path.lower().startswith(_ROOTS):
        return path
    found: list[str] = []
    name = False
    for part in path.rstrip("/").split("/"):
        found.append(part if name else part.lower())
        name = not name and part.lower() in _BEFORE_NAMES
    return "/".join(found)


class CaselessPaths:
    """ASGI middleware: routes are declared in lower case."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if not (_is_text(scope.get("raw_path") or b"") and _is_text(scope["query_string"])):
                message = "The address has bytes that are no UTF-8, or U+0000."
                await JSONResponse(error_body("BadRequest", message), 400)(scope, receive, send)
                return
            scope = {**scope, "path": normal(scope["path"])}
        await self._app(scope, receive, send)


def _is_text(quoted: bytes) -> bool:
    try:
        return "\0" not in unquote_to_bytes(quoted).decode()
    except UnicodeDecodeError:
        return False
