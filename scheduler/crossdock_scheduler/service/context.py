"""What a request's handler gets: the service's parts, who asks, and the factory that the path names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, Request

from .auth import tokens
from .auth.roles import Principal, Role
from .bell import Bell
from .database import Database
from .definitions import factories
from .definitions.factories import FactoryRow
from .definitions.secrets import Keeper
from .errors import ApiError
from .operations.draining import Drain
from .operations.metrics import Metrics
from .operations.stock import Stock
from .runtimes.keys import KeyMaker
from .runtimes.sharing import MOST
from .triggers.misfires import Misfires

NEW_RUN = "a new run"


@dataclass(frozen=True, slots=True)
class Service:
    """The parts that all requests share; ``app.state.service``.

    ``most_links`` is how many linked runtimes one may have. ``new_jobs`` rings for the id of a runtime,
    ``changed`` for that of a job or a run, and for ``NEW_RUN``.
    """

    database: Database
    keys: KeyMaker
    keeper: Keeper
    most_links: int = MOST
    new_jobs: Bell = field(default_factory=Bell)
    changed: Bell = field(default_factory=Bell)
    metrics: Metrics = field(default_factory=Metrics)
    drain: Drain = field(default_factory=Drain)
    misfires: Misfires = field(default_factory=Misfires)

    def __post_init__(self) -> None:
        self.metrics.registry.register(Stock(self.database))


@dataclass(frozen=True, slots=True)
class Call:
    """One request of somebody who may make it."""

    service: Service
    request: Request
    principal: Principal
    role: Role

    @contextmanager
    def read(self) -> Iterator[tuple[sa.Connection, FactoryRow]]:
        """A view of the database, and the factory of the path. Raises ApiError where that is not theirs."""
        with self.service.database.read() as connection:
            yield connection, self._factory(connection)

    @contextmanager
    def write(self) -> Iterator[tuple[sa.Connection, FactoryRow]]:
        """As ``read``, in a transaction that changes things."""
        with self.service.database.write() as connection:
            yield connection, self._factory(connection)

    def _factory(self, connection: sa.Connection) -> FactoryRow:
        path = self.request.path_params
        if self.principal.factory_id is None:
            return factories.find(connection, path["subscription"], path["group"], path["factory"])
        try:
            found = factories.find(connection, path["subscription"], path["group"], path["factory"])
        except ApiError:
            found = None
        # Whoever has a token for one factory does not learn which others there are.
        if found is None or not self.principal.may(self.role, found.id):
            raise forbidden(self.principal, self.request)
        return found


def forbidden(principal: Principal, request: Request) -> ApiError:
    return ApiError(403, f"{principal.name!r} may not {request.method} {request.url.path}.")


def _asking(request: Request, service: Service) -> Principal:
    token = tokens.bearer(request)
    with service.database.read() as connection:
        found = tokens.holder(connection, token)
    if found is None:
        raise ApiError(401, "The bearer token is not known, or has run out.", headers=tokens.CHALLENGE)
    return found


def call(role: Role) -> Any:
    """The dependency of a route that wants at least a role; without it the answer is 401 or 403."""

    def asked(request: Request) -> Call:
        service: Service = request.app.state.service
        principal = _asking(request, service)
        if principal.role < role:
            raise forbidden(principal, request)
        return Call(service, request, principal, role)

    return Depends(asked)


Reader = Annotated[Call, call(Role.READER)]
Operator = Annotated[Call, call(Role.OPERATOR)]
Contributor = Annotated[Call, call(Role.CONTRIBUTOR)]
Owner = Annotated[Call, call(Role.OWNER)]
