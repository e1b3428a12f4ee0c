"""Figures for Prometheus: jobs, queue, workers, leases, the recorder, who watches, sizes, steps."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.responses import PlainTextResponse, Response

from backend.parts import Given
from backend.tally import POINTS, steps
from backend.vitals import Broker, Vitals, vitals
from worker.contract.wire import TASKS

router = APIRouter(tags=["health"])

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(given: Given, request: Request) -> Response:
    """Figures in Prometheus' text form."""
    registry = CollectorRegistry()
    registry.register(Figures(vitals(given), request.app.state.hub.clients))
    return Response(generate_latest(registry), media_type=TEXT)


class Figures(Collector):
    """What was seen at one moment."""

    def __init__(self, seen: Vitals, streams: int) -> None:
        self.seen, self.streams = seen, streams

    def collect(self) -> Iterator[Metric]:
        seen, broker = self.seen, self.seen.broker
        jobs = GaugeMetricFamily("normscope_jobs", "jobs by state", labels=["state"])
        for state, count in seen.jobs.items():
            jobs.add_metric([state], count)
        yield jobs
        for name, help, value in (
            ("queued_seconds", "how long the oldest queued job waits", seen.queued_s),
            ("event_streams", "open event streams", self.streams),
            ("database_bytes", "that the database takes", seen.database_bytes),
            ("artifact_bytes", "of the files that jobs left", seen.artifact_bytes),
            ("disk_free_bytes", "where the files lie", seen.disk_free_bytes),
            ("broker_up", "whether the broker answers", broker is not None),
        ):
            yield GaugeMetricFamily(f"normscope_{name}", help, value)
        if broker is not None:
            yield from _at_the_broker(broker)


def _at_the_broker(broker: Broker) -> Iterator[Metric]:
    busy = sum(card.state == "busy" for card in broker.workers)
    lost = sum(card.state == "lost" for card in broker.workers)
    for name, help, value in (
        ("messages_waiting", "messages no worker has taken", broker.messages),
        ("workers", "workers alive", len(broker.workers)),
        ("workers_busy", "workers that run a job", busy),
        ("workers_lost", "workers that miss their GPU and take no jobs", lost),
        ("recorders", "recorders that get through their rounds", broker.recorders),
        ("lease_seconds", "since the stalest lease was renewed", broker.lease_s),
        ("recorder_lag_seconds", "told but not yet recorded, at most", broker.lag_s),
    ):
        yield GaugeMetricFamily(f"normscope_{name}", help, value)
    points = broker.sums.get(POINTS, 0.0)
    yield CounterMetricFamily("normscope_points_recorded", "measurements recorded", points)
    times = HistogramMetricFamily("normscope_step_seconds", "seconds a step", labels=["kind"])
    for kind in TASKS:
        told = steps(broker.sums, kind)
        times.add_metric([kind], told.buckets, told.seconds)
    yield times
