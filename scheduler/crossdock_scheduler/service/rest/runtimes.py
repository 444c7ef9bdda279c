"""``.../integrationRuntimes``: runtimes, their keys and states, and their nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from fastapi import Response

import crossdock

from ... import clock
from ..auth.roles import Role
from ..context import Call, Contributor, Operator, Owner, Reader, signed_in_router
from ..definitions import keeping, resources
from ..definitions.factories import FactoryRow
from ..definitions.names import RUNTIME
from ..errors import ApiError
from ..runtimes import nodes, runtimes, sharing, status, updating, vaults
from ..runtimes.runtimes import Runtime
from .bodies import Body, MaybeBody
from .definitions import routes
from .factories import FACTORY
from .sharing import KeepingRuntimes, status_of

ONE = f"{FACTORY}/{RUNTIME.segment}/{{name}}"
NODE = ONE + "/nodes/{node}"
_KEYS = {"authkey1": "key1", "authkey2": "key2"}
_MOST_NODES = 10_000
_DURATION = re.compile(r"P(?=.)(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?")

router = signed_in_router("IntegrationRuntimes")
router.routes += routes(RUNTIME, KeepingRuntimes()).routes


def _opened(call: Call) -> AbstractContextManager[tuple[sa.Connection, FactoryRow]]:
    # What readers may ask for waits for nobody who writes.
    return call.read() if call.role is Role.READER else call.write()


@contextmanager
def _runtime(call: Call, name: str) -> Iterator[tuple[sa.Connection, Runtime]]:
    with _opened(call) as (connection, factory):
        yield connection, runtimes.of(connection, resources.find(connection, factory, RUNTIME, name))


@contextmanager
def _served(call: Call, name: str) -> Iterator[tuple[sa.Connection, Runtime]]:
    with _opened(call) as (connection, factory):
        yield connection, serving(connection, factory, name)


def serving(connection: sa.Connection, factory: FactoryRow, name: str) -> Runtime:
    """The runtime whose nodes do the work of the named one."""
    asked = resources.find(connection, factory, RUNTIME, name)
    if not runtimes.is_linked(asked.properties):
        return runtimes.of(connection, asked)
    found = sharing.behind(connection, asked)
    if found is None:
        raise ApiError(403, f"The integration runtime that {name!r} links to is not shared with it any more.")
    return found


@router.patch(ONE)
def patch(name: str, body: Body, call: Contributor) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if (update := body.get("autoUpdate")) is not None:
        if str(update).lower() not in ("on", "off"):
            raise ApiError(400, "autoUpdate must be On or Off.", target="autoUpdate")
        values["auto_update"] = str(update).lower() == "on"
    if (delay := body.get("updateDelayOffset")) is not None:
        # Clients send the duration as JSON within the string.
        values["update_delay"] = str(delay).strip('"')
        if not _DURATION.fullmatch(values["update_delay"]):
            raise ApiError(
                400, "updateDelayOffset must be a duration, such as PT3H.", target="updateDelayOffset"
            )
    if "nodeLimit" in body:
        values["node_limit"] = limit = body["nodeLimit"]
        if limit is not None and (type(limit) is not int or not 1 <= limit <= _MOST_NODES):
            raise ApiError(
                400, f"nodeLimit must be from 1 to {_MOST_NODES}, or null for none.", target="nodeLimit"
            )
    with _runtime(call, name) as (connection, runtime):
        if values:
            runtimes.change(connection, runtime, **values)
        return runtime.resource.as_json()


@router.post(f"{ONE}/getstatus")
def get_status(name: str, call: Reader) -> dict[str, Any]:
    with call.read() as (connection, factory):
        return status_of(call, connection, resources.find(connection, factory, RUNTIME, name))


@router.post(f"{ONE}/monitoringdata")
def monitoring_data(name: str, call: Reader) -> dict[str, Any]:
    with _served(call, name) as (connection, runtime):
        running = nodes.running(connection, runtime)
        found = [each.monitored(running.get(each.id, 0)) for each in nodes.of(connection, runtime)]
    return {"name": name, "nodes": found}


@router.post(f"{ONE}/listauthkeys")
def list_auth_keys(name: str, call: Owner) -> dict[str, str]:
    with _runtime(call, name) as (_, runtime):
        return {f"authKey{number}": _key(call, runtime, number) for number in (1, 2)}


@router.post(f"{ONE}/regenerateauthkey")
def regenerate_auth_key(name: str, body: MaybeBody, call: Owner) -> dict[str, str]:
    column = _KEYS.get(str(body.get("keyName")).lower())
    if column is None:
        raise ApiError(400, "keyName must be authKey1 or authKey2.", target="keyName")
    number = int(column[-1])
    with _runtime(call, name) as (connection, runtime):
        runtimes.change(connection, runtime, **{column: runtime.generations[number - 1] + 1})
        again = runtimes.of(connection, runtime.resource)
    return {f"authKey{number}": _key(call, again, number)}


def _key(call: Call, runtime: Runtime, number: int) -> str:
    factory = runtime.resource.factory.name
    return call.service.keys.make(runtime.guid, factory, number, runtime.generations[number - 1])


@router.post(f"{ONE}/getconnectioninfo")
def get_connection_info(name: str, call: Owner) -> dict[str, Any]:
    """Of the node that dispatches. There is no channel of Microsoft's own protocol: the token is for none."""
    now = clock.now()
    with _served(call, name) as (connection, runtime):
        found = nodes.of(connection, runtime)
    first = status.dispatcher(found, now)
    return {
        "serviceToken": uuid4().hex,
        "identityCertThumbprint": "",
        "hostServiceUri": first.as_json(now, dispatcher=True)["hostServiceUri"] if first else "",
        "version": status.version(found),
        "publicKey": first.row.sealing_key if first else "",
        "isIdentityCertExprired": False,
    }


@router.get(f"/crossdock/v1{ONE}/vault")
def vault(name: str, call: Contributor) -> dict[str, Any]:
    """What a client seals secrets to."""
    with _served(call, name) as (connection, runtime):
        found = vaults.of(connection, runtime.id)
    if not found.version:
        raise ApiError(
            409, f"The integration runtime {name!r} has no node yet, which could open it.", "NoVault", name
        )
    return {"guid": found.guid, "version": found.version, "publicKey": found.public_key}


@router.post(f"/crossdock/v1{ONE}/resetvault")
def reset_vault(name: str, body: MaybeBody, call: Owner) -> dict[str, Any]:
    """Begin a new vault, made by the next node that is heard of; secrets of the old one are given again.

    Answers 409 while a node that opens it is alive, without ``force``.
    """
    with _runtime(call, name) as (connection, runtime):
        nodes.lock(connection, runtime.id)
        now = clock.now()
        opening = [each.name for each in nodes.of(connection, runtime) if each.in_step and each.is_alive(now)]
        if opening and body.get("force") is not True:
            raise ApiError(
                409, f"The node {opening[0]!r} opens the vault: nothing is lost.", "VaultNotLost", name
            )
        version = vaults.reset(connection, runtime.id)
        again = keeping.lost(connection, runtime.resource.factory, vaults.of(connection, runtime.id))
    return {"version": version, "secretsToGiveAgain": again}


@router.post(f"{ONE}/start")
@router.post(f"{ONE}/stop")
@router.post(f"{ONE}/enableinteractivequery")
@router.post(f"{ONE}/disableinteractivequery")
def only_managed(name: str, call: Operator, body: MaybeBody) -> None:
    """What belongs to runtimes that Azure runs; nobody runs those here."""
    with call.read() as (connection, factory):
        found = resources.find(connection, factory, RUNTIME, name)
    kind = str(found.properties.get("type"))
    raise ApiError(
        400,
        f"The integration runtime {found.name!r} is of the type {kind!r}: only those that Azure runs are "
        "started and stopped.",
        "IntegrationRuntimeNotManaged",
        found.name,
    )


@router.post(f"{ONE}/synccredentials")
def sync_credentials(name: str, call: Operator) -> None:
    """Has the runtime's vault given again to the nodes that do not have it."""
    with _runtime(call, name) as (connection, runtime):
        vaults.give_again(connection, runtime.id)
    call.service.looked_at.pop(runtime.id, None)


@router.post(f"{ONE}/upgrade")
def upgrade(name: str, call: Operator) -> None:
    """Have nodes that have a command for it update themselves, one after the other. Whoever has installed the
    others updates them."""
    with _runtime(call, name) as (connection, runtime):
        found = nodes.of(connection, runtime)
        updating.ask(connection, runtime.id, clock.now())
    behind = [
        each.name
        for each in found
        if each.row.version != crossdock.__version__ and each.said.get("update") != "wanted"
    ]
    if behind:
        raise ApiError(
            400,
            f"The nodes {', '.join(behind)} do not have the version {crossdock.__version__}. "
            "A node is updated where it is installed: with pip, or a new image.",
            "UpgradeNotAvailable",
            name,
        )


@router.get(f"{ONE}/outboundnetworkdependenciesendpoints")
def outbound(name: str, call: Reader) -> dict[str, Any]:
    with call.read() as (connection, factory):
        resources.find(connection, factory, RUNTIME, name)
    return {"value": []}


@router.get(NODE)
def get_node(name: str, node: str, call: Reader) -> dict[str, Any]:
    with _runtime(call, name) as (connection, runtime):
        return _node_json(connection, runtime, node)


@router.patch(NODE)
def patch_node(name: str, node: str, body: Body, call: Contributor) -> dict[str, Any]:
    limit = body.get("concurrentJobsLimit")
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise ApiError(400, "concurrentJobsLimit must be a whole number.", target="concurrentJobsLimit")
    with _runtime(call, name) as (connection, runtime):
        nodes.change(connection, nodes.find(connection, runtime, node), limit)
        return _node_json(connection, runtime, node)


def _node_json(connection: sa.Connection, runtime: Runtime, name: str) -> dict[str, Any]:
    asked, listed = nodes.find(connection, runtime, name), nodes.of(connection, runtime)
    first = status.dispatcher(listed, now := clock.now())
    found = next(each for each in listed if each.id == asked.id)
    return found.as_json(now, dispatcher=found is first)


@router.delete(NODE)
def delete_node(name: str, node: str, call: Contributor) -> Response:
    with _runtime(call, name) as (connection, runtime):
        found = nodes.look(connection, runtime, node)
        if found is None:
            return Response(status_code=204)
        nodes.delete(connection, found)
    return Response(status_code=200)


@router.post(f"{NODE}/ipaddress")
def ip_address(name: str, node: str, call: Reader) -> dict[str, str]:
    with _runtime(call, name) as (connection, runtime):
        return {"ipAddress": nodes.find(connection, runtime, node).row.address}
