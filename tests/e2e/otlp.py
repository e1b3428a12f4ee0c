"""A collector of traces: takes OTLP over HTTP and keeps every span."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """One, with what a trace is read by."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    start: int
    end: int
    facts: dict[str, Any]


@dataclass
class Collector:
    """What came, and where to send it."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def of(self, job: str) -> list[Span]:
        """The spans of the traces in which a job is named."""
        traces = {span.trace for span in self.spans if span.facts.get("normscope.job") == job}
        return [span for span in self.spans if span.trace in traces]

    def take(self, body: bytes) -> None:
        self.bodies.append(body)
        for told in ExportTraceServiceRequest.FromString(body).resource_spans:
            (service,) = (a.value for a in told.resource.attributes if a.key == "service.name")
            for scope in told.scope_spans:
                self.spans += [_read(service.string_value, span) for span in scope.spans]


def _read(service: str, span: Any) -> Span:
    facts = {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}
    ids = (one.hex() for one in (span.trace_id, span.span_id, span.parent_span_id))
    return Span(service, span.name, *ids, span.start_time_unix_nano, span.end_time_unix_nano, facts)


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a port of its own."""
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield found
        server.shutdown()
        thread.join()
