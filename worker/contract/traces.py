"""OpenTelemetry: where the time goes between the request for a job and its first plotted point.

Standard variables alone switch it on and say where spans go (`OTEL_EXPORTER_OTLP_ENDPOINT`), how
many (`OTEL_TRACES_SAMPLER`) and when (`OTEL_BSP_SCHEDULE_DELAY`). Without them nothing is imported,
and every call here returns at once. A trace travels as W3C's `traceparent`, beside the job's id.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
LAST_S = 0.5
"""For spans that a process which ends has not sent: a collector that hangs keeps nobody."""
Fact = str | int

logger = logging.getLogger(__name__)


def begin(service: str) -> None:
    """Have this process send its spans, if the environment says where. What is wrong with that is
    told; it is never a reason not to serve."""
    wanted = next((name for name in VARIABLES if os.environ.get(name)), None)
    if wanted is None or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    try:
        _begin(service)
    except Exception as error:
        logger.warning("%s is set, but nothing is traced: %s", wanted, error)


def _begin(service: str) -> None:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": f"normscope-{service}"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def end() -> None:
    """Send what is left, in the little time that there is."""
    if _on():
        from opentelemetry import trace

        last = cast("TracerProvider", trace.get_tracer_provider()).shutdown
        thread = threading.Thread(target=last, daemon=True)
        thread.start()
        thread.join(LAST_S)


def _on() -> bool:
    """Whether this process began: nothing else imports the exporter."""
    return EXPORTER in sys.modules


def current() -> str | None:
    """The `traceparent` of what is being done, for somebody else to follow."""
    if not _on():
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def note(**facts: Fact) -> None:
    """Facts of the present span."""
    if _on():
        from opentelemetry import trace

        trace.get_current_span().set_attributes(_named(facts))


@contextmanager
def follow(
    parent: str | None, name: str, since: float | None = None, **facts: Fact
) -> Iterator[str | None]:
    """A span while the block lasts, or `since` (Unix seconds), and its own traceparent; nothing
    where there is no trace to follow. An error is told by its type: messages may hold secrets."""
    if parent is None or not _on():
        yield None
        return
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({"traceparent": parent})
    begun = time.time_ns() if since is None else min(int(since * 1e9), time.time_ns())
    with trace.get_tracer("normscope").start_as_current_span(
        name,
        context,
        attributes=_named(facts),
        start_time=begun,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield current()
        except Exception as error:
            span.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


@contextmanager
def stage(name: str) -> Iterator[None]:
    """A part of what is being done."""
    with follow(current(), name):
        yield


def _named(facts: dict[str, Fact]) -> dict[str, Fact]:
    return {f"normscope.{name}": value for name, value in facts.items()}
