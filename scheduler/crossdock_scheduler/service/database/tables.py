"""The tables. Names of Data Factory's objects have no case: ``*_key`` columns hold them in lower case."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class Moment(sa.TypeDecorator[datetime]):
    """A time, in UTC whatever zone the database's sessions are in; SQLite keeps it without one."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

factories = sa.Table(
    "factories",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("subscription", sa.String(64), nullable=False),
    sa.Column("resource_group", sa.String(90), nullable=False),
    sa.Column("name_key", sa.String(63), nullable=False, unique=True),
    sa.Column("name", sa.String(63), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("etag", sa.String(36), nullable=False),
    sa.Column("created", Moment, nullable=False),
    # The id of a factory that was deleted is never another's: the audit log has it.
    sqlite_autoincrement=True,
)

# Linked services, datasets, pipelines, ...: everything that a factory holds and people define.
resources = sa.Table(
    "resources",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("factory_id", sa.Integer, sa.ForeignKey("factories.id", ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("name_key", sa.String(260), nullable=False),
    sa.Column("name", sa.String(260), nullable=False),
    sa.Column("properties", sa.JSON, nullable=False),
    sa.Column("etag", sa.String(36), nullable=False),
    sa.Column("created", Moment, nullable=False),
    sa.Column("changed", Moment, nullable=False),
    sa.UniqueConstraint("factory_id", "kind", "name_key", name="uq_resources_name"),
)

# Bearer tokens of our own, of which only the hash is kept. Without a factory they hold for all.
tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(127), nullable=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("factory_id", sa.Integer, sa.ForeignKey("factories.id", ondelete="CASCADE"), nullable=True),
    sa.Column("created", Moment, nullable=False),
    sa.Column("expires", Moment, nullable=True),
)

# Every change, for ever: triggers refuse to change or delete rows. ``hash`` covers all other columns.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("who_id", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("request_id", sa.String(36), nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("factory_id", sa.Integer, nullable=True),
    sa.Column("outcome", sa.String(64), nullable=False),
    sa.Column("detail", sa.Text, nullable=True),
    sa.Column("previous", sa.LargeBinary(32), nullable=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
    sa.Index("ix_audit_factory", "factory_id", "number"),
)

# What the service knows of a self-hosted runtime, whose definition is a row of ``resources``.
runtimes = sa.Table(
    "runtimes",
    metadata,
    sa.Column("resource_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("guid", sa.String(36), nullable=False, unique=True),
    # How often each auth key was made anew; the keys themselves are derived, not kept.
    sa.Column("key1", sa.Integer, nullable=False),
    sa.Column("key2", sa.Integer, nullable=False),
    sa.Column("auto_update", sa.Boolean, nullable=False),
    sa.Column("update_delay", sa.String(32), nullable=False),
    sa.Column("node_limit", sa.Integer, nullable=True),
    # Version and public key of the vault that secrets are sealed to; 0: there is none yet.
    sa.Column("vault_version", sa.Integer, nullable=False, default=0),
    sa.Column("vault_key", sa.Text, nullable=True),
    # The state that was told last.
    sa.Column("noticed", sa.String(32), nullable=True),
    # The node whose turn it is to be updated, and until when; and until when updates were asked for.
    sa.Column("updating", sa.String(36), nullable=True),
    sa.Column("updating_until", sa.Float, nullable=True),
    sa.Column("update_asked", sa.Float, nullable=True),
)

# What a self-hosted runtime is shared with: a linked runtime of another factory. It need not be there yet.
runtime_shares = sa.Table(
    "runtime_shares",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("runtime_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), nullable=False),
    sa.Column("factory_key", sa.String(63), nullable=False),
    sa.Column("name_key", sa.String(63), nullable=False),
    sa.Column("factory", sa.String(63), nullable=False),
    sa.Column("name", sa.String(63), nullable=False),
    sa.Column("subscription", sa.String(64), nullable=False),
    sa.Column("location", sa.String(64), nullable=False),
    sa.Column("created", Moment, nullable=False),
    sa.UniqueConstraint("runtime_id", "factory_key", "name_key", name="uq_runtime_shares_name"),
)

# Linked runtimes, and those whose nodes do their work.
runtime_links = sa.Table(
    "runtime_links",
    metadata,
    sa.Column("resource_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("runtime_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), nullable=False),
)

# Nodes of integration runtimes. Keys are public ones. Times of ``*_at`` are seconds since 1970.
nodes = sa.Table(
    "nodes",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("runtime_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name_key", sa.String(150), nullable=False),
    sa.Column("name", sa.String(150), nullable=False),
    sa.Column("machine", sa.String(260), nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("signing_key", sa.Text, nullable=False),
    sa.Column("sealing_key", sa.Text, nullable=False),
    sa.Column("concurrent_jobs", sa.Integer, nullable=False),
    sa.Column("most_jobs", sa.Integer, nullable=False),
    sa.Column("alone", sa.Boolean, nullable=False, default=False),
    sa.Column("expires", sa.Integer, nullable=True),
    sa.Column("registered", Moment, nullable=False),
    sa.Column("started_at", sa.Float, nullable=True),
    sa.Column("stopped_at", sa.Float, nullable=True),
    sa.Column("seen_at", sa.Float, nullable=True),
    sa.Column("said", sa.JSON, nullable=False),
    sa.Column("noticed", sa.String(32), nullable=True),
    sa.UniqueConstraint("runtime_id", "name_key", name="uq_nodes_name"),
)

# Changes of states that are to be told; ``held_until``: until then somebody tells it.
notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("said", sa.JSON, nullable=False),
    sa.Column("held_until", sa.Float, nullable=False),
)

# The vault's private key, sealed to each node.
vault_shares = sa.Table(
    "vault_shares",
    metadata,
    sa.Column("node_id", sa.String(36), sa.ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("sealed", sa.Text, nullable=False),
)

# One row per runtime: how far its queue has come (see ``queue.enqueue``).
queues = sa.Table(
    "queues",
    metadata,
    sa.Column("runtime_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("turn", sa.BigInteger, nullable=False),
)

# What nodes are to do. ``epoch`` counts the claims: it fences late holders. Times are seconds since 1970.
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("runtime_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), nullable=False),
    sa.Column("lane", sa.String(260), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("turn", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("cancelling", sa.Boolean, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("node_id", sa.String(36), nullable=True),
    sa.Column("lease_until", sa.Float, nullable=True),
    sa.Column("deadline", sa.Float, nullable=True),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("claimed", sa.Float, nullable=True),
    sa.Column("ended", sa.Float, nullable=True),
    sa.Column("work", sa.JSON, nullable=False),
    sa.Column("progress", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
)
# Partial ones: finished jobs cost the queue nothing.
_QUEUED, _CLAIMED = jobs.c.state == "queued", jobs.c.state == "claimed"
sa.Index(
    "ix_jobs_next", jobs.c.runtime_id, jobs.c.priority.desc(), jobs.c.turn, jobs.c.id,
    sqlite_where=_QUEUED, postgresql_where=_QUEUED,
)  # fmt: skip
sa.Index(
    "ix_jobs_lane",
    jobs.c.runtime_id,
    jobs.c.lane,
    jobs.c.turn,
    sqlite_where=_QUEUED,
    postgresql_where=_QUEUED,
)
_OPEN = jobs.c.ended.is_(None)
sa.Index("ix_jobs_deadline", jobs.c.deadline, sqlite_where=_OPEN, postgresql_where=_OPEN)
sa.Index("ix_jobs_lease", jobs.c.lease_until, sqlite_where=_CLAIMED, postgresql_where=_CLAIMED)
sa.Index("ix_jobs_node", jobs.c.node_id, sqlite_where=_CLAIMED, postgresql_where=_CLAIMED)

# Runs of pipelines. ``record`` is the interpreter's; ``definitions`` are those that it began with.
pipeline_runs = sa.Table(
    "pipeline_runs",
    metadata,
    sa.Column("run_id", sa.String(36), primary_key=True),
    sa.Column("factory_id", sa.Integer, sa.ForeignKey("factories.id", ondelete="CASCADE"), nullable=False),
    sa.Column("group_id", sa.String(36), nullable=False),
    sa.Column("pipeline", sa.String(260), nullable=False),
    sa.Column("status", sa.String(12), nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Column("definitions", sa.JSON(none_as_null=True), nullable=True),
    # SecureStrings among the parameters, encrypted with the service's secret.
    sa.Column("secrets", sa.Text, nullable=True),
    sa.Column("request_id", sa.String(64), nullable=True),
    sa.Column("detached", sa.Boolean, nullable=False),
    # The run that repeats it.
    sa.Column("superseded_by", sa.String(36), nullable=True),
    sa.Column("cancelling", sa.Boolean, nullable=False),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("ended", sa.Float, nullable=True),
    sa.Column("updated", sa.Float, nullable=False),
    sa.Column("driver", sa.String(36), nullable=True),
    sa.Column("driven_until", sa.Float, nullable=True),
    sa.UniqueConstraint("factory_id", "request_id", name="uq_pipeline_runs_request"),
    sa.Index("ix_pipeline_runs_updated", "factory_id", "updated"),
    sa.Index("ix_pipeline_runs_group", "group_id"),
)
_RUNNING = pipeline_runs.c.ended.is_(None)
sa.Index(
    "ix_pipeline_runs_open", pipeline_runs.c.driven_until, sqlite_where=_RUNNING, postgresql_where=_RUNNING
)

# Attempts at activities; ``key`` says where in the run.
activity_runs = sa.Table(
    "activity_runs",
    metadata,
    sa.Column(
        "pipeline_run_id",
        sa.String(36),
        sa.ForeignKey("pipeline_runs.run_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("record", sa.JSON, nullable=False),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("ended", sa.Float, nullable=True),
    sa.Column("updated", sa.Float, nullable=False),
)

# What activities made of variables; the name of a pipeline's return value is empty.
variables = sa.Table(
    "variables",
    metadata,
    sa.Column(
        "pipeline_run_id",
        sa.String(36),
        sa.ForeignKey("pipeline_runs.run_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("name", sa.String(260), primary_key=True),
    sa.Column("value", sa.JSON, nullable=True),
    sa.Column("whole", sa.Boolean, nullable=False),
)

# What the service knows of a trigger beside its definition. ``next_at``: the time that it is due at next, or
# the beginning of its next window; ``wake_at``: when there is something to do for it. Seconds since 1970.
triggers = sa.Table(
    "triggers",
    metadata,
    sa.Column("resource_id", sa.Integer, sa.ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("guid", sa.String(36), nullable=False, unique=True),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("next_at", sa.Float, nullable=True),
    sa.Column("wake_at", sa.Float, nullable=True),
    sa.Index("ix_triggers_wake_at", "wake_at"),
)

# A time that a trigger was due at, or one of its windows: once each, and once more for every time that
# somebody has it run again. They outlive the trigger.
trigger_runs = sa.Table(
    "trigger_runs",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("factory_id", sa.Integer, sa.ForeignKey("factories.id", ondelete="CASCADE"), nullable=False),
    sa.Column("trigger_guid", sa.String(36), nullable=False),
    sa.Column("name", sa.String(260), nullable=False),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("tick", sa.Float, nullable=False),
    sa.Column("tick_end", sa.Float, nullable=True),
    sa.Column("again", sa.Integer, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("due", sa.Float, nullable=True),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("pipelines", sa.JSON, nullable=False),
    # Of a window: the run that it waits for.
    sa.Column("pipeline_run_id", sa.String(36), nullable=True),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("ended", sa.Float, nullable=True),
    sa.Column("updated", sa.Float, nullable=False),
    sa.UniqueConstraint("trigger_guid", "tick", "again", name="uq_trigger_runs_tick"),
    sa.Index("ix_trigger_runs_updated", "factory_id", "updated"),
)
_GOING_ON = trigger_runs.c.ended.is_(None)
sa.Index(
    "ix_trigger_runs_open",
    trigger_runs.c.trigger_guid,
    trigger_runs.c.tick,
    sqlite_where=_GOING_ON,
    postgresql_where=_GOING_ON,
)
