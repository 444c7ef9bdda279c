"""Figures of this process for Prometheus. What labels say is one of few known words, and nobody's data."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)
_JOB_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Counted in this process since it began; with several replicas each counts its own part."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Histogram = field(init=False)
    claimed: Counter = field(init=False)
    ended: Counter = field(init=False)
    job_seconds: Histogram = field(init=False)
    leases_lost: Counter = field(init=False)
    runs_ended: Counter = field(init=False)

    def __post_init__(self) -> None:
        made = {
            "requests": Histogram(
                "crossdock_request_seconds", "Requests, and the seconds until their answers.",
                ("method", "route", "status"), buckets=_REQUEST_SECONDS, registry=self.registry,
            ),
            "claimed": Counter(
                "crossdock_jobs_claimed", "Jobs that nodes took.", registry=self.registry
            ),
            "ended": Counter(
                "crossdock_jobs_ended", "Jobs by how they ended.", ("outcome",), registry=self.registry
            ),
            "job_seconds": Histogram(
                "crossdock_job_seconds", "Seconds from a job's first claim to its end, as nodes said it.",
                ("outcome",), buckets=_JOB_SECONDS, registry=self.registry,
            ),
            "leases_lost": Counter(
                "crossdock_leases_lost",
                "Leases that ran out (expired), and late holders who were sent away (refused).",
                ("how",), registry=self.registry,
            ),
            "runs_ended": Counter(
                "crossdock_runs_ended", "Runs of pipelines by their status at the end.", ("status",),
                registry=self.registry,
            ),
        }  # fmt: skip
        for name, each in made.items():
            object.__setattr__(self, name, each)
        # Known from the start, so that a rate over them is never one over nothing.
        for outcome in ("succeeded", "failed", "cancelled", "timedout"):
            self.ended.labels(outcome)
        for how in ("expired", "refused"):
            self.leases_lost.labels(how)

    def job_ended(self, outcome: str, seconds: float) -> None:
        self.ended.labels(outcome).inc()
        self.job_seconds.labels(outcome).observe(seconds)
