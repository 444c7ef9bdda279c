"""What a request's handler gets: the service's parts, who asks, and the factory that the path names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request

from .audit import Chain, Entry
from .auth.access import Access
from .auth.roles import Principal, Role
from .bell import Bell
from .database import Database
from .definitions import factories
from .definitions.factories import FactoryRow
from .definitions.secrets import Keeper
from .errors import ApiError
from .headers import address, request_id
from .operations.draining import Drain
from .operations.metrics import Metrics
from .operations.notifying import Notifier
from .operations.stock import Stock
from .relay.channels import Channels
from .runtimes.keys import KeyMaker
from .runtimes.nodes import HEARTBEAT, LEASE
from .runtimes.sharing import MOST
from .triggers.misfires import Misfires

NEW_RUN = "a new run"


@dataclass(frozen=True, slots=True)
class Service:
    """The parts that all requests share; ``app.state.service``.

    ``most_links`` is how many linked runtimes one may have. A job is a node's for ``lease`` seconds after
    each heartbeat. ``new_jobs`` rings for the id of a runtime, ``changed`` for that of a job or a run, and
    for ``NEW_RUN``. ``looked_at``: when a runtime was last asked for nodes that lack its vault's key.
    """

    database: Database
    keys: KeyMaker
    keeper: Keeper
    access: Access
    audit: Chain
    most_links: int = MOST
    lease: float = LEASE
    looked_at: dict[int, float] = field(default_factory=dict)
    new_jobs: Bell = field(default_factory=Bell)
    changed: Bell = field(default_factory=Bell)
    metrics: Metrics = field(default_factory=Metrics)
    drain: Drain = field(default_factory=Drain)
    misfires: Misfires = field(default_factory=Misfires)
    notifier: Notifier = field(default_factory=Notifier)
    channels: Channels = field(default_factory=Channels)

    @property
    def heartbeat(self) -> float:
        """Seconds between two of a node: several within a lease."""
        return min(HEARTBEAT, self.lease / 3)

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
        """As ``read``, in a transaction that changes things, as ``change`` does.

        Others who would change something in the factory wait: what was read before is still so.
        """
        with self.change() as (connection, entry):
            factory = self._factory(connection, locked=True)
            entry.factory_id = factory.id
            yield connection, factory

    @contextmanager
    def change(self) -> Iterator[tuple[sa.Connection, Entry]]:
        """A transaction with its entry in the audit log; a change that is refused has one as well.

        What a reader may ask for changes nothing that anybody defined, and has none.
        """
        entry = self.entry()
        try:
            with self.service.database.write() as connection:
                yield connection, entry
                if self.role > Role.READER:
                    self.service.audit.append(connection, entry)
        except ApiError as error:
            self.refused(entry, error)
            raise

    def entry(self) -> Entry:
        request, who = self.request, self.principal
        return Entry(
            who.name, who.id, address(request), request_id(request), request.method, request.url.path
        )

    def refused(self, entry: Entry, error: ApiError) -> None:
        """Has it in the audit log that this was asked for in vain."""
        if self.role > Role.READER:
            entry.outcome = error.code
            with self.service.database.write() as connection:
                self.service.audit.append(connection, entry)

    def _factory(self, connection: sa.Connection, *, locked: bool = False) -> FactoryRow:
        path = self.request.path_params
        return self.factory(connection, path["subscription"], path["group"], path["factory"], locked=locked)

    def factory(
        self, connection: sa.Connection, subscription: str, group: str, name: str, *, locked: bool = False
    ) -> FactoryRow:
        """A factory for which there is the role. Raises ApiError for any other."""
        try:
            found = factories.find(connection, subscription, group, name, locked=locked)
        except ApiError:
            if self.principal.may(self.role, None):
                raise
            found = None
        # Whoever has a token for one factory does not learn which others there are.
        if found is None or not self.principal.may(self.role, found.id):
            raise forbidden(self.principal, self.request)
        return found


def forbidden(principal: Principal, request: Request) -> ApiError:
    return ApiError(403, f"{principal.name!r} may not {request.method} {request.url.path}.")


def signed_in(request: Request) -> Principal:
    """Who sends a request."""
    service: Service = request.app.state.service
    return service.access.principal(service.database, request)


def signed_in_router(tag: str) -> APIRouter:
    """For routes that want to know first of all who asks: before bodies are read."""
    return APIRouter(tags=[tag], dependencies=[Depends(signed_in)])


def call(role: Role) -> Any:
    """The dependency of a route that wants at least a role; without it the answer is 401 or 403."""

    def asked(request: Request, principal: Annotated[Principal, Depends(signed_in)]) -> Call:
        service: Service = request.app.state.service
        found = Call(service, request, principal, role)
        if not found.principal.somewhere(role):
            error = forbidden(found.principal, request)
            found.refused(found.entry(), error)
            raise error
        return found

    asked.wanted_role = role  # type: ignore[attr-defined] # for the test of all routes
    return Depends(asked)


Reader = Annotated[Call, call(Role.READER)]
Operator = Annotated[Call, call(Role.OPERATOR)]
Contributor = Annotated[Call, call(Role.CONTRIBUTOR)]
Owner = Annotated[Call, call(Role.OWNER)]
