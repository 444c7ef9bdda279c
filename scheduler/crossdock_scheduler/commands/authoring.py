"""``crossdock ir test-connection`` and its neighbours: what a node finds in stores and databases."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from crossdock import NotFoundError
from crossdock.cli import figures

from .at_service import Remote, command, details, names_of, table
from .runtimes import Runtime, ir

# The service waits for a node 100 seconds at most.
_TIMEOUT = 110.0
_PANEL = "Looking through a node"
_NAME = typer.Argument(
    metavar="NAME", autocompletion=names_of("linkedservices"), help="A linked service, or a dataset."
)
Name = Annotated[str, _NAME]
Path = Annotated[
    str, typer.Argument(metavar="[PATH]", help="In a linked service: a folder, a file, or schema.table.")
]
Param = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of the linked service or dataset.")
]
Dataset = Annotated[
    bool, typer.Option("--dataset", help="It is a dataset, also where a linked service has the name.")
]


def _ask(
    remote: Remote, kind: str, runtime: str, name: str, param: list[str] | None, *, dataset: bool, **more: Any
) -> dict[str, Any]:
    from .run import pairs

    which = "dataset" if dataset or _is_dataset(remote, name) else "linkedService"
    body = {which: name, "parameters": pairs(param), **more}
    remote.api.http.timeout = _TIMEOUT
    path = f"/crossdock/v1{remote.place.path('integrationRuntimes', runtime)}/{kind}"
    return remote.api.post(
        path, {key: value for key, value in body.items() if value not in ("", {})}, again=False
    )


def _is_dataset(remote: Remote, name: str) -> bool:
    try:
        remote.api.get(remote.place.path("linkedservices", name))
    except NotFoundError:
        return True
    return False


@command(ir, "test-connection", panel=_PANEL)
def test_connection(
    remote: Remote,
    runtime: Runtime,
    name: Name,
    *,
    param: Param = None,  # noqa: PT028 - no test
    dataset: Dataset = False,  # noqa: PT028 - no test
) -> None:
    """Have a node reach a linked service and sign in: what answered, and as whom."""
    found = _ask(remote, "testConnection", runtime, name, param, dataset=dataset)
    remote.show(found, lambda: details({key: value for key, value in found.items() if key != "seconds"}))


@command(ir, "browse", panel=_PANEL)
def browse(
    remote: Remote,
    runtime: Runtime,
    name: Name,
    path: Path = "",
    *,
    param: Param = None,
    dataset: Dataset = False,
    limit: Annotated[int, typer.Option(metavar="N", help="At most so many entries.")] = 1000,
    after: Annotated[str, typer.Option(metavar="CURSOR", help="Go on where an earlier answer ended.")] = "",
) -> None:
    """List what a node finds there, one level: folders and files; schemas, tables, columns."""
    found = _ask(remote, "browse", runtime, name, param, dataset=dataset, path=path, limit=limit, after=after)

    def shown() -> Any:
        rows = [
            (each["name"], each["kind"], _size(each), each.get("type"), each.get("path"))
            for each in found["entries"]
        ]
        return table(("name", "kind", "size", "type", "path"), rows)

    remote.show(found, shown)
    if found.get("next"):
        remote.session.tell(f"there is more: --after '{found['next']}'")


def _size(entry: dict[str, Any]) -> str | None:
    return None if entry.get("size") is None else figures.size(entry["size"])


@command(ir, "schema", panel=_PANEL)
def schema(
    remote: Remote,
    runtime: Runtime,
    name: Name,
    path: Path = "",
    *,
    param: Param = None,
    dataset: Dataset = False,
) -> None:
    """Show the columns of a dataset, or of a file or table of a linked service, as a node reads them."""
    found = _ask(remote, "schema", runtime, name, param, dataset=dataset, path=path)
    rows = [
        (each["name"], each["type"], each.get("nativeType"), "" if each["nullable"] else "no")
        for each in found["columns"]
    ]
    remote.show(found, lambda: table(("column", "type", "database type", "null"), rows))


@command(ir, "preview", panel=_PANEL)
def preview(
    remote: Remote,
    runtime: Runtime,
    name: Name,
    path: Path = "",
    *,
    rows: Annotated[int, typer.Option(metavar="N", help="How many rows.")] = 10,
    param: Param = None,
    dataset: Dataset = False,
) -> None:
    """Show the first rows of a dataset, or of a file or table of a linked service, as a node reads them."""
    found = _ask(remote, "preview", runtime, name, param, dataset=dataset, path=path, rows=rows)
    names = [each["name"] for each in found["columns"]]
    remote.show(found, lambda: table(names, [list(map(_cell, row)) for row in found["rows"]]))
    if found["more"]:
        remote.session.tell("there are more rows")


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
