"""Requests made from the OpenAPI document: whatever is sent, the service does not fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from servers.service import SUBSCRIPTION
from test_service_definitions import GROUP

from crossdock_scheduler.service.app import create_app
from crossdock_scheduler.service.audit import Chain
from crossdock_scheduler.service.auth import tokens
from crossdock_scheduler.service.auth.access import Access, Limits
from crossdock_scheduler.service.auth.issuing import Signer
from crossdock_scheduler.service.auth.roles import Role
from crossdock_scheduler.service.context import Service
from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.database.migrate import migrate
from crossdock_scheduler.service.definitions import factories
from crossdock_scheduler.service.definitions.secrets import Keeper
from crossdock_scheduler.service.runtimes.keys import KeyMaker, derived

_HEADERS: dict[str, str] = {}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The service in this process; its loops do not run."""
    database = Database.embedded(tmp_path_factory.mktemp("fuzzed"))
    migrate(database)
    with database.write() as connection:
        _HEADERS["Authorization"] = (
            f"Bearer {tokens.create(connection, 'fuzz', Role.OWNER)[1].get_secret_value()}"
        )
        factories.put(connection, SUBSCRIPTION, GROUP, "fuzzed", {})
    secret = b"x" * 32
    access = Access(Signer(derived(secret, "tokens")), None, Limits(0, 0, 0))
    keys = KeyMaker(secret, "host:1")
    app = create_app(Service(database, keys, Keeper.of(secret), access, Chain.of(secret)))
    yield schemathesis.openapi.from_asgi("/crossdock/v1/openapi.json", app)
    database.close()


def test_nothing_fails(described: Any) -> None:
    for found in described.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=4, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def attempt(case: Any) -> None:
            for name, value in (("subscription", SUBSCRIPTION), ("group", GROUP), ("factory", "fuzzed")):
                # Behind a factory that is not there, nothing is looked at.
                if name in case.path_parameters and case.method != "DELETE":
                    case.path_parameters[name] = value
            answer = case.call(headers=_HEADERS)
            assert answer.status_code < 500, f"{case.method} {case.formatted_path}: {answer.text}"
            if answer.status_code >= 400:
                error = answer.json()["error"]
                # Endpoints of OAuth answer as RFC 6749 has it: a code beside a description.
                assert error if isinstance(error, str) else error["message"]

        if "claim" not in operation.path:
            attempt()
