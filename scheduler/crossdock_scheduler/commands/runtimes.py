"""``crossdock ir``: integration runtimes at a service; and their nodes, as ``crossdock node``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from crossdock import NotFoundError

from .at_service import Remote, command, details, names_of, table
from .node import node

ir = typer.Typer(name="ir", help="Integration runtimes of a factory at the service.", no_args_is_help=True)
_WORD = "integrationRuntimes"
_AT_SERVICE = "Nodes that a service knows"
Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=names_of(_WORD), help="The runtime.")]
Runtime = Annotated[
    str, typer.Argument(metavar="RUNTIME", autocompletion=names_of(_WORD), help="The runtime.")
]
Node = Annotated[str, typer.Argument(metavar="NODE", help="The node.")]


class AuthKey(StrEnum):
    """The two keys of a runtime."""

    KEY1 = "key1"
    KEY2 = "key2"


def _put(remote: Remote, name: str, properties: dict[str, Any], description: str) -> None:
    if description:
        properties["description"] = description
    made = remote.api.put(
        remote.place.path(_WORD, name), {"properties": {"type": "SelfHosted", **properties}}
    )
    remote.show(made, lambda: _of(made))


def _of(runtime: dict[str, Any]) -> Any:
    properties = runtime["properties"]
    linked = (properties.get("typeProperties") or {}).get("linkedInfo") or {}
    return details(
        {
            "name": runtime["name"],
            "type": properties.get("type"),
            "description": properties.get("description"),
            "linked to": linked.get("resourceId"),
            "id": runtime["id"],
        }
    )


Description = Annotated[str, typer.Option(help="What it is for.")]


@command(ir, "create")
def create(remote: Remote, name: Name, description: Description = "") -> None:
    """Create a self-hosted runtime; one that is there gets the description and stays as it is."""
    try:
        before = remote.api.get(remote.place.path(_WORD, name))["properties"]
    except NotFoundError:
        before = {}
    _put(remote, name, before, description)


@command(ir, "link")
def link(
    remote: Remote,
    name: Name,
    to: Annotated[str, typer.Option("--to", metavar="ID", help="The id of the shared runtime.")],
    description: Description = "",
) -> None:
    """Create a runtime that is another factory's: its nodes do the work."""
    linked = {"resourceId": to, "authorizationType": "RBAC"}
    _put(remote, name, {"typeProperties": {"linkedInfo": linked}}, description)


@command(ir, "share")
def share(
    remote: Remote,
    name: Name,
    to: Annotated[str, typer.Option("--to", metavar="FACTORY", help="The factory that may use it.")],
    link_as: Annotated[str, typer.Option("--as", metavar="NAME", help="What it is called there.")] = "",
) -> None:
    """Let another factory of the subscription use this runtime's nodes: there, link it."""
    linked = {"dataFactoryName": to, "name": link_as or name, "subscriptionId": remote.place.subscription}
    remote.api.post(remote.place.path(_WORD, name) + "/linkedIntegrationRuntime", linked)
    found = remote.api.get(remote.place.path(_WORD, name))
    remote.show(
        found, lambda: f"link it with: crossdock ir link {link_as or name} --factory {to} --to {found['id']}"
    )


@command(ir, "unshare")
def unshare(
    remote: Remote,
    name: Name,
    to: Annotated[str, typer.Option("--from", metavar="FACTORY", help="The factory that may not any more.")],
) -> None:
    """Refuse the runtimes of another factory that are linked to this one."""
    remote.api.post(remote.place.path(_WORD, name) + "/removeLinks", {"factoryName": to})
    remote.show({"factoryName": to}, lambda: f"{name} is not shared with {to} any more")


@command(ir, "list")
def list_runtimes(remote: Remote) -> None:
    """List the runtimes of the factory."""
    found = list(remote.api.pages(remote.place.path(_WORD)))
    rows = [
        (each["name"], each["properties"].get("type"), each["properties"].get("description"))
        for each in found
    ]
    remote.show({"value": found}, lambda: table(("name", "type", "description"), rows))


@command(ir, "show")
def show(remote: Remote, name: Name) -> None:
    """Show the definition of a runtime."""
    found = remote.api.get(remote.place.path(_WORD, name))
    remote.show(found, lambda: _of(found))


@command(ir, "status")
def status(remote: Remote, name: Name) -> None:
    """Show whether a runtime can work, and its nodes."""
    found = _status(remote, name)
    properties = found["properties"]
    own = properties.get("typeProperties") or {}

    def shown() -> Any:
        from rich.console import Group

        head = {
            "name": found["name"],
            "state": properties.get("state"),
            "version": own.get("version"),
            "auto-update": own.get("autoUpdate"),
            "at most": f"{limit} nodes" if (limit := own.get("nodeLimit")) else None,
        }
        return Group(details(head), "", _nodes(own.get("nodes") or []))

    remote.show(found, shown)


def _status(remote: Remote, name: str) -> dict[str, Any]:
    return remote.api.post(remote.place.path(_WORD, name) + "/getStatus")


def _nodes(nodes: list[dict[str, Any]]) -> Any:
    rows = [
        (
            each["nodeName"], each["status"], each.get("version"), each.get("concurrentJobsLimit"),
            each.get("maxConcurrentJobs"), each.get("lastConnectTime"), each.get("statusReason"),
        )
        for each in nodes
    ]  # fmt: skip
    return table(("node", "status", "version", "jobs", "most", "last heard of", "what it lacks"), rows)


@command(ir, "keys")
def keys(remote: Remote, name: Name) -> None:
    """Show the two auth keys, with which nodes are registered. Owners only."""
    found = remote.api.post(remote.place.path(_WORD, name) + "/listAuthKeys")
    remote.show(found, lambda: "\n".join(found[f"authKey{number}"] for number in (1, 2)))


@command(ir, "regenerate-key")
def regenerate_key(
    remote: Remote, name: Name, key: Annotated[AuthKey, typer.Argument(help="Which of the two.")]
) -> None:
    """Make a key anew: the old one registers no node any more; registered nodes go on."""
    which = f"authKey{key.value[-1]}"
    path = remote.place.path(_WORD, name) + "/regenerateAuthKey"
    found = remote.api.post(path, {"keyName": which}, again=False)
    remote.show(found, lambda: found[which])


@command(ir, "limit-nodes")
def limit_nodes(
    remote: Remote, name: Name, nodes: Annotated[int, typer.Argument(min=0, help="0: any number.")]
) -> None:
    """Set how many nodes a runtime may have. Those that it has stay."""
    found = remote.api.patch(remote.place.path(_WORD, name), {"nodeLimit": nodes or None})
    remote.show(found, lambda: f"{name} may have {nodes or 'any number of'} nodes")


@command(ir, "reset-vault")
def reset_vault(
    remote: Remote,
    name: Name,
    *,
    force: Annotated[bool, typer.Option("--force", help="Also where a node can still open it.")] = False,
) -> None:
    """Begin a new vault where all nodes that opened the old one are lost.

    Secrets that were sealed to that are lost too: linked services that have some are put again.
    """
    path = f"/crossdock/v1{remote.place.path(_WORD, name)}/resetVault"
    done = remote.api.post(path, {"force": force})
    remote.show(
        done,
        lambda: details({"version": done["version"], "give again": ", ".join(done["secretsToGiveAgain"])}),
    )


@command(ir, "delete")
def delete(remote: Remote, name: Name) -> None:
    """Delete a runtime. Its nodes stop working for it."""
    _deleted(remote, remote.api.delete(remote.place.path(_WORD, name)), f"the integration runtime {name!r}")


def _deleted(remote: Remote, was_there: bool, what: str) -> None:
    remote.show({"deleted": was_there}, lambda: f"deleted {what}" if was_there else f"{what} is not there")


@command(node, "list", panel=_AT_SERVICE)
def list_nodes(remote: Remote, runtime: Runtime) -> None:
    """List the nodes of a runtime at the service."""
    found = (_status(remote, runtime)["properties"].get("typeProperties") or {}).get("nodes") or []
    remote.show({"value": found}, lambda: _nodes(found))


@command(node, "set-limit", panel=_AT_SERVICE)
def set_limit(
    remote: Remote,
    runtime: Runtime,
    node_name: Node,
    jobs: Annotated[int, typer.Argument(min=1, help="How many jobs it carries out at once.")],
) -> None:
    """Set how many jobs a node at the service carries out at once."""
    found = remote.api.patch(
        remote.place.path(_WORD, runtime, "nodes", node_name), {"concurrentJobsLimit": jobs}
    )
    remote.show(found, lambda: _nodes([found]))


@command(node, "delete", panel=_AT_SERVICE)
def delete_node(remote: Remote, runtime: Runtime, node_name: Node) -> None:
    """Take a node out of its runtime. What it carries out goes on elsewhere."""
    done = remote.api.delete(remote.place.path(_WORD, runtime, "nodes", node_name))
    _deleted(remote, done, f"the node {node_name!r}")
