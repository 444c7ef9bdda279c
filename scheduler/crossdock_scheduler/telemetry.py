"""OpenTelemetry traces, where its standard variables ask for them; else nothing of it is imported.

The trace of a run is known by the run's id, and the span of an activity by that of its run: whichever process
goes on with a run goes on with its trace.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crossdock import MissingDependencyError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
Attributes = Mapping[str, str | int]
_HALF = (1 << 64) - 1
_BILLION = 1_000_000_000
_provider: TracerProvider | None = None
# Trace and span that the next span is to be; None for random ones.
_wanted: ContextVar[tuple[int, int] | None] = ContextVar("wanted", default=None)


def is_asked_for() -> bool:
    said = os.environ.get
    return (
        any(said(name) for name in _ENDPOINTS)
        and said("OTEL_SDK_DISABLED", "").lower() != "true"
        and said("OTEL_TRACES_EXPORTER", "otlp") == "otlp"
    )


def start(service: str) -> None:
    """For this process, which is called so unless ``OTEL_SERVICE_NAME`` says otherwise.

    Raises MissingDependencyError where traces are asked for and OpenTelemetry is not installed.
    """
    global _provider  # noqa: PLW0603 - a process has one
    if _provider is not None or not is_asked_for():
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    except ImportError as error:
        raise MissingDependencyError(
            "traces are asked for by OTEL_EXPORTER_OTLP_ENDPOINT; install what they need with: "
            "pip install 'crossdock[otel]'"
        ) from error

    class Ids(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            wanted = _wanted.get()
            return wanted[0] if wanted else super().generate_trace_id()

        def generate_span_id(self) -> int:
            wanted = _wanted.get()
            return wanted[1] if wanted else super().generate_span_id()

    name = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: service}
    _provider = TracerProvider(resource=Resource.create(name), id_generator=Ids(), shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))


def finish(seconds: float) -> None:
    """Send what there is; a collector that does not answer holds up the end no longer."""
    if _provider is not None:
        # The exporter tries again and again, whatever time it is given.
        sending = threading.Thread(target=_provider.force_flush, daemon=True)
        sending.start()
        sending.join(seconds)


@dataclass(frozen=True, slots=True)
class Span:
    """What is going on. Without traces it takes everything and does nothing."""

    _made: Any = None

    def say(self, attributes: Attributes) -> None:
        if self._made is not None:
            self._made.set_attributes(attributes)

    def call(self, name: str) -> None:
        if self._made is not None:
            self._made.update_name(name)

    def failed(self, why: str) -> None:
        if self._made is not None:
            from opentelemetry.trace import Status, StatusCode

            self._made.set_status(Status(StatusCode.ERROR, why))

    @property
    def traceparent(self) -> str:
        """For whoever goes on with it elsewhere (W3C Trace Context)."""
        if self._made is None:
            return ""
        context = self._made.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


@contextmanager
def span(
    name: str, parent: str = "", attributes: Attributes = MappingProxyType({}), *, serving: bool = False
) -> Iterator[Span]:
    """``parent`` is a ``traceparent``. ``serving``: it answers a request of another process."""
    if _provider is None:
        yield Span()
        return
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    around = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    kind = SpanKind.SERVER if serving else SpanKind.INTERNAL
    with _provider.get_tracer("crossdock").start_as_current_span(
        name, around, kind, record_exception=False
    ) as made:
        found = Span(made)
        found.say(attributes)
        yield found


def current() -> Span:
    """That in which this task or thread is."""
    if _provider is None:
        return Span()
    from opentelemetry.trace import get_current_span

    found = get_current_span()
    return Span(found if found.get_span_context().is_valid else None)


def place(trace: str, run: str) -> str:
    """The ``traceparent`` of a run or an activity run, in the trace of a run; empty without traces."""
    if _provider is None:
        return ""
    from opentelemetry.sdk.trace.sampling import Decision

    trace_id = UUID(trace).int
    decision = _provider.sampler.should_sample(None, trace_id, "run").decision
    return f"00-{trace_id:032x}-{UUID(run).int & _HALF:016x}-{int(decision is not Decision.DROP):02x}"


def ended(
    name: str, trace: str, run: str, *, parent: str, times: tuple[datetime, datetime], problem: str,
    attributes: Attributes,
) -> None:  # fmt: skip
    """A run or an activity run is over, in the trace of a run. ``parent``: what it is part of, or nothing."""
    if _provider is None:
        return
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    begun, over = (round(each.timestamp() * _BILLION) for each in times)
    around = Context()
    if parent:
        around = TraceContextTextMapPropagator().extract({"traceparent": place(trace, parent)}, around)
    token = _wanted.set((UUID(trace).int, UUID(run).int & _HALF))
    try:
        made = _provider.get_tracer("crossdock").start_span(name, around, start_time=begun)
    finally:
        _wanted.reset(token)
    found = Span(made)
    found.say(attributes)
    if problem:
        found.failed(problem)
    made.end(over)
