"""A collector of traces, as OpenTelemetry's exporters speak to it: OTLP over HTTP, protobuf."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """A span as it was sent: ids in hexadecimal, ``parent`` empty for none. ``service`` is whose it is."""

    service: str
    name: str
    trace: str
    span: str
    parent: str
    seconds: float
    failed: bool
    said: dict[str, Any]


@dataclass
class Collector:
    url: str = ""
    spans: list[Received] = field(default_factory=list)

    def named(self, name: str) -> list[Received]:
        return [each for each in self.spans if each.name == name]


@contextmanager
def collector() -> Iterator[Collector]:
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            found.spans += _spans(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(20)


def _spans(request: Any) -> Iterator[Received]:
    for resource in request.resource_spans:
        told = _values(resource.resource.attributes)
        for scope in resource.scope_spans:
            for each in scope.spans:
                yield Received(
                    told["service.name"], each.name, each.trace_id.hex(), each.span_id.hex(),
                    each.parent_span_id.hex(), (each.end_time_unix_nano - each.start_time_unix_nano) / 1e9,
                    each.status.code == each.status.STATUS_CODE_ERROR, _values(each.attributes),
                )  # fmt: skip


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
