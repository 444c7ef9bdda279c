"""Who may do what, through every route that there is: nobody without a token, nobody beyond their factory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from servers.service import SUBSCRIPTION, ServiceProcess
from servers.tenants import GROUP, make_factory, make_token, path

from crossdock_scheduler.service.app import create_app
from crossdock_scheduler.service.auth.roles import Role
from crossdock_scheduler.service.context import Service
from crossdock_scheduler.service.database import Database

# Anybody may ask these: they say nothing of what is stored, or are how one signs in.
OPEN = {
    "/{tenant}/.well-known/openid-configuration",
    "/{tenant}/v2.0/.well-known/openid-configuration",
    "/{tenant}/discovery/keys",
    "/{tenant}/oauth2/token",
    "/{tenant}/oauth2/v2.0/token",
    "/msi/token",
    "/metadata/endpoints",
    "/healthz",
    "/readyz",
}
# Nodes sign in with their own keys, and register with an auth key.
NODES = "/crossdock/v1/nodes/"

APP = create_app(Service(Database("sqlite://"), *[Any] * 4))  # type: ignore[list-item]


def _routes() -> Iterator[tuple[str, str, Role | None]]:
    """Method, path and the role that is wanted, of all routes."""
    for route in APP.routes:
        if not isinstance(route, APIRoute):
            continue  # that of the OpenAPI document
        wanted = {role for each in route.dependant.dependencies if (role := _wanted(each.call))}
        assert len(wanted) <= 1
        for method in route.methods:
            yield method, route.path, next(iter(wanted), None)


def _wanted(call: Any) -> Role | None:
    return getattr(call, "wanted_role", None)


ROUTES = sorted(_routes(), key=lambda each: (each[1], each[0]))
GUARDED = [each for each in ROUTES if each[2] is not None]


def test_described() -> None:
    """The OpenAPI document has every route, as it answers errors, and with the body that it wants."""
    paths = APP.openapi()["paths"]
    assert {(each[0].lower(), re.sub(r":\w+}", "}", each[1])) for each in ROUTES} == {
        (method, route) for route, operations in paths.items() for method in operations
    }
    for route, operations in paths.items():
        for method, operation in operations.items():
            assert "default" in operation["responses"], (method, route)
            assert "422" not in operation["responses"], (method, route)
            assert "requestBody" in operation or method != "put", (method, route)


def _filled(template: str, factory: str) -> str:
    values = {"subscription": SUBSCRIPTION, "group": GROUP, "factory": factory}
    return re.sub(r"{(\w+)(?::\w+)?}", lambda found: values.get(found[1], "something"), template)


def _ask(client: httpx.Client, method: str, url: str) -> httpx.Response:
    return client.request(method, url, json=None if method in ("GET", "DELETE") else {})


def _ask_badly(client: httpx.Client, method: str, url: str) -> httpx.Response:
    return client.request(method, url, content=b"{")


def test_every_route_is_guarded() -> None:
    open_ones = {path for _, path, wanted in ROUTES if wanted is None and not path.startswith(NODES)}
    assert open_ones == OPEN
    assert len(GUARDED) > 50


def test_nobody_without_a_token(control_plane: ServiceProcess) -> None:
    with httpx.Client(base_url=control_plane.url, verify=control_plane.tls(), timeout=30) as client:
        for method, template, _ in ROUTES:
            if template in OPEN:
                continue
            for ask in (_ask, _ask_badly):
                answer = ask(client, method, _filled(template, "nowhere"))
                # Of nodes, the message is looked at first.
                unsaid = template.startswith(NODES) and answer.status_code == 400
                assert answer.status_code == 401 or unsaid, (method, template, answer.text)


def test_nobody_with_a_smaller_role(control_plane: ServiceProcess) -> None:
    factory = make_factory(control_plane)
    for role in (Role.READER, Role.OPERATOR, Role.CONTRIBUTOR):
        for scope in (None, factory):
            made = make_token(control_plane, role.name.lower(), scope)
            with control_plane.client(made.token) as client:
                for method, template, wanted in GUARDED:
                    if wanted is not None and wanted > role:
                        answer = _ask(client, method, _filled(template, factory))
                        assert answer.status_code == 403, (role, method, template, answer.text)
    with control_plane.client() as owner:
        assert owner.get(path(factory)).status_code == 200


def test_token_of_one_factory_cannot_tell_which_others_there_are(control_plane: ServiceProcess) -> None:
    mine, other, none = make_factory(control_plane), make_factory(control_plane), "factory-that-is-none"
    made = make_token(control_plane, "owner", mine)
    asked = [each for each in GUARDED if "{factory}" in each[1]]
    with control_plane.client(made.token) as client:
        for method, template, _ in asked:
            answers = [_ask(client, method, _filled(template, each)) for each in (other, none)]
            told = [
                (each.status_code, each.text.replace(name, "NAME"))
                for each, name in zip(answers, (other, none), strict=True)
            ]
            assert told[0] == told[1], (method, template)
            # A body that is wrong for whatever factory is said to be wrong.
            assert told[0][0] in (400, 403), (method, template, told[0])
        assert client.get(path(mine)).status_code == 200
    with control_plane.client() as owner:
        assert owner.get(path(other)).status_code == 200
        assert owner.get(path(none)).status_code == 404


def test_lists_have_only_ones_own(control_plane: ServiceProcess) -> None:
    mine, other = make_factory(control_plane), make_factory(control_plane)
    made = make_token(control_plane, "owner", mine)
    make_token(control_plane, "owner", other)
    elsewhere = "00000000-0000-0000-0000-00000000000c"
    with control_plane.client() as owner:
        foreign = path("z" + other).replace(SUBSCRIPTION, elsewhere)
        assert owner.put(foreign, json={}).status_code == 200
        names = {each["subscriptionId"] for each in owner.get("/subscriptions").json()["value"]}
        assert {SUBSCRIPTION, elsewhere} <= names
        owner.delete(foreign)
    of_subscription = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.DataFactory/factories"
    of_group = path("").removesuffix("/")
    with control_plane.client(made.token) as client:
        for url in (of_subscription, of_group):
            assert [each["name"] for each in client.get(url).json()["value"]] == [mine]
        assert [e["subscriptionId"] for e in client.get("/subscriptions").json()["value"]] == [SUBSCRIPTION]
        assert client.get(f"/subscriptions/{elsewhere}").status_code == 404
        seen = client.get("/crossdock/v1/audit").json()["value"]
        assert all(f"/factories/{mine}" in each["target"] for each in seen if "/factories/" in each["target"])


def test_ones_own_factory_beyond_the_first_page(control_plane: ServiceProcess) -> None:
    """A list that is filtered after it was cut would be empty."""
    last = "zz-" + make_factory(control_plane)
    with control_plane.client() as owner:
        for number in range(101):
            url = path(f"many-{number:03}").replace(GROUP, "crowded")
            assert owner.put(url, json={}).status_code == 200
        assert owner.put(path(last).replace(GROUP, "crowded"), json={}).status_code == 200
        made = make_token(control_plane, "reader", last)
        with control_plane.client(made.token) as client:
            url = path("").removesuffix("/").replace(GROUP, "crowded")
            assert [each["name"] for each in client.get(url).json()["value"]] == [last]


@pytest.mark.parametrize("given", ["Basic eDp5", "Bearer", "Bearer_x y", "cdk_x"])
def test_headers_that_are_no_tokens(control_plane: ServiceProcess, given: str) -> None:
    with httpx.Client(base_url=control_plane.url, verify=control_plane.tls()) as client:
        answer = client.get("/subscriptions", headers={"Authorization": given})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
