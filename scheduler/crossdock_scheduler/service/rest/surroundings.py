"""What tools ask for around factories: operations, features, repositories, access to the data plane."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from ..context import Contributor, Operator, Reader, signed_in_router
from ..definitions import factories
from ..definitions.names import KINDS, RUNTIME
from ..errors import ApiError
from .bodies import Body, MaybeBody
from .factories import FACTORY, SUBSCRIPTION

_LOCATION = SUBSCRIPTION + "/providers/microsoft.datafactory/locations/{location}"
_FACTORY_ID = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.DataFactory/factories/([^/]+)/?",
    re.IGNORECASE,
)
# Of the features that Microsoft's portal asks for, those that the service has.
_FEATURES = {"adfintegrationruntimesharingrbac"}
_ACTIONS = {
    "pipelines": ("createRun",),
    "triggers": ("start", "stop"),
    RUNTIME.segment: ("getStatus", "listAuthKeys", "regenerateAuthKey", "linkedIntegrationRuntime"),
}

router = signed_in_router("Surroundings")


@router.get("/providers/microsoft.datafactory/operations")
def operations(call: Reader) -> dict[str, Any]:
    """The names by which Azure's tools know what may be done."""
    base = "Microsoft.DataFactory/factories"
    found = [_operation(base, verb, "factory") for verb in ("read", "write", "delete")]
    for kind in KINDS:
        place = f"{base}/{kind.segment}"
        found += [_operation(place, verb, kind.shown) for verb in ("read", "write", "delete")]
        found += [_operation(place, f"{each}/action", kind.shown) for each in _ACTIONS.get(kind.segment, ())]
    return {"value": found}


def _operation(place: str, verb: str, what: str) -> dict[str, Any]:
    display = {"provider": "crossdock", "resource": what, "operation": verb, "description": f"{verb}: {what}"}
    return {"name": f"{place}/{verb}", "origin": "user", "display": display}


@router.post(f"{FACTORY}/getfeaturevalue")
def feature_of_factory(body: MaybeBody, call: Reader) -> dict[str, Any]:
    with call.read():
        return _feature(body)


@router.post(f"{_LOCATION}/getfeaturevalue")
def feature(location: str, body: MaybeBody, call: Reader) -> dict[str, Any]:
    return _feature(body)


@router.post(f"{FACTORY}/queryfeaturesvalue")
def features_of_factory(body: Body, call: Reader) -> dict[str, Any]:
    asked = body.get("exposureControlRequests")
    if not isinstance(asked, list) or not all(isinstance(each, Mapping) for each in asked):
        raise ApiError(
            400, "exposureControlRequests must be a list of objects.", target="exposureControlRequests"
        )
    with call.read():
        return {"exposureControlResponses": [_feature(each) for each in asked]}


def _feature(asked: Mapping[str, Any]) -> dict[str, str]:
    name = asked.get("featureName") or ""
    if not isinstance(name, str):
        raise ApiError(400, "featureName must be a text.", target="featureName")
    return {"featureName": name, "value": str(name.lower() in _FEATURES)}


@router.post(f"{FACTORY}/getdataplaneaccess")
def data_plane_access(body: MaybeBody, call: Reader, request: Request) -> dict[str, Any]:
    """There is one plane: the caller's own token is good for it, and no other is issued."""
    with call.read():
        return {"policy": body, "accessToken": "", "dataPlaneUrl": str(request.base_url).rstrip("/")}


@router.post(f"{FACTORY}/getgithubaccesstoken")
def github_access_token(body: Body, call: Operator) -> None:
    with call.read():
        raise ApiError(
            400, "The service does not exchange codes of GitHub for tokens; use a token of GitHub's own.",
            "GitHubNotSupported",
        )  # fmt: skip


@router.post(f"{_LOCATION}/configurefactoryrepo")
def configure_repo(subscription: str, location: str, body: Body, call: Contributor) -> dict[str, Any]:
    """Notes where a factory's definitions are kept; tools read it, the service fetches nothing from there."""
    parts = _FACTORY_ID.fullmatch(str(body.get("factoryResourceId")))
    given = body.get("repoConfiguration")
    if parts is None:
        raise ApiError(400, "factoryResourceId is not the id of a factory.", target="factoryResourceId")
    if not (given is None or isinstance(given, Mapping)):
        raise ApiError(400, "repoConfiguration must be an object.", target="repoConfiguration")
    with call.change() as (connection, entry):
        found = call.factory(connection, parts[1], parts[2], parts[3], locked=True)
        entry.factory_id, entry.detail = found.id, {"factory": found.path}
        properties = {**(found.body.get("properties") or {}), "repoConfiguration": given}
        whole = {**found.body, "properties": properties}
        return factories.put(connection, found.subscription, found.group, found.name, whole).as_json()
