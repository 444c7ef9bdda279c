"""What Microsoft's clients ask before they know any factory: tenants, subscriptions, the provider."""

from __future__ import annotations

from typing import Any

from ..auth.roles import Role
from ..context import Call, Reader, signed_in_router
from ..definitions import factories
from ..errors import not_found
from .factories import SUBSCRIPTION

# Where there is no factory yet, clients want a subscription all the same.
_FIRST = "00000000-0000-0000-0000-000000000000"
# There are no directories here: clients may name any.
_TENANT = "00000000-0000-0000-0000-000000000000"
_TYPES = ("factories", "factories/integrationRuntimes")

router = signed_in_router("Subscriptions")


@router.get("/subscriptions")
def listed(call: Reader) -> dict[str, Any]:
    return {"value": [_subscription(each) for each in _mine(call)]}


@router.get(SUBSCRIPTION)
def get(subscription: str, call: Reader) -> dict[str, Any]:
    return _subscription(_found(call, subscription))


@router.get(SUBSCRIPTION + "/providers/microsoft.datafactory")
def provider(subscription: str, call: Reader) -> dict[str, Any]:
    found = _found(call, subscription)
    types = [
        {"resourceType": each, "locations": ["local"], "apiVersions": ["2018-06-01"], "capabilities": "None"}
        for each in _TYPES
    ]
    return {
        "id": f"/subscriptions/{found}/providers/Microsoft.DataFactory", "namespace": "Microsoft.DataFactory",
        "registrationState": "Registered", "resourceTypes": types,
    }  # fmt: skip


@router.get("/tenants")
def tenants(call: Reader) -> dict[str, Any]:
    return {"value": [{"id": f"/tenants/{_TENANT}", "tenantId": _TENANT, "displayName": "crossdock"}]}


def _mine(call: Call) -> list[str]:
    with call.service.database.read() as connection:
        found = factories.subscriptions(connection, call.principal.factories(Role.READER))
    # Spelled in several ways, it is the same one.
    return list({each.lower(): each for each in reversed(found)}.values()) or [_FIRST]


def _found(call: Call, name: str) -> str:
    """One that is not known is not there for a token for one factory; others may begin to use it."""
    known = {each.lower(): each for each in _mine(call)}
    if name.lower() in known:
        return known[name.lower()]
    if call.principal.may(Role.READER, None):
        return name
    raise not_found("subscription", name)


def _subscription(name: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{name}", "subscriptionId": name, "tenantId": _TENANT,
        "displayName": "crossdock", "state": "Enabled", "subscriptionPolicies": {"spendingLimit": "Off"},
        "authorizationSource": "RoleBased",
    }  # fmt: skip
