"""Figures of what the database holds, counted when somebody asks. All replicas say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from ... import clock
from ..database import Database
from ..database.tables import factories, jobs, pipeline_runs, resources
from ..runtimes import nodes

# More runtimes than this are not told apart: every one is a series of its own.
_MOST_RUNTIMES = 1000
_STATUSES = ("Initializing", "Online", "Limited", "Upgrading", "Offline")


class Stock(Collector):
    """Queues, nodes and open runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[Any]:
        """None is known before the database was asked."""
        return []

    def collect(self) -> Iterator[Any]:
        up = GaugeMetricFamily("crossdock_database_up", "1 where the database answers.")
        try:
            with self._database.read() as connection:
                found = [*_queues(connection), _nodes(connection), _runs(connection)]
        except SQLAlchemyError:
            found = []
        up.add_metric([], 1.0 if found else 0.0)
        yield up
        yield from found


def _queues(connection: sa.Connection) -> list[GaugeMetricFamily]:
    labels = ("factory", "runtime", "state")
    depth = GaugeMetricFamily("crossdock_queue_jobs", "Jobs that wait or run.", labels=labels)
    age = GaugeMetricFamily(
        "crossdock_queue_oldest_seconds", "How long the job waits that waits longest.", labels=labels[:2]
    )
    now = clock.now()
    for state in ("queued", "claimed"):
        counted = (
            sa.select(
                jobs.c.runtime_id, sa.func.count().label("jobs"), sa.func.min(jobs.c.created).label("first")
            )
            .where(jobs.c.state == sa.literal_column(f"'{state}'"))
            .group_by(jobs.c.runtime_id)
            .order_by(sa.func.count().desc())
            .limit(_MOST_RUNTIMES)
            .subquery()
        )
        query = (
            sa.select(factories.c.name, resources.c.name.label("runtime"), counted.c.jobs, counted.c.first)
            .join_from(counted, resources, resources.c.id == counted.c.runtime_id)
            .join(factories, factories.c.id == resources.c.factory_id)
        )
        for row in connection.execute(query):
            depth.add_metric([row.name, row.runtime, state], row.jobs)
            if state == "queued":
                age.add_metric([row.name, row.runtime], max(0.0, now - row.first))
    return [depth, age]


def _nodes(connection: sa.Connection) -> GaugeMetricFamily:
    found = GaugeMetricFamily("crossdock_nodes", "Nodes by status.", labels=("status",))
    counted = Counter(nodes.statuses(connection, clock.now()))
    for status in _STATUSES:
        found.add_metric([status], counted[status])
    return found


def _runs(connection: sa.Connection) -> GaugeMetricFamily:
    found = GaugeMetricFamily("crossdock_runs", "Runs of pipelines that have not ended.", labels=("status",))
    query = (
        sa.select(pipeline_runs.c.status, sa.func.count())
        .where(pipeline_runs.c.ended.is_(None))
        .group_by(pipeline_runs.c.status)
    )
    counted = {row[0]: row[1] for row in connection.execute(query)}
    for status in ("Queued", "InProgress"):
        found.add_metric([status], counted.get(status, 0))
    return found
