"""Logs, traces and metrics: JSON lines on standard error, OpenTelemetry where a collector is named, Prometheus.

Every metric of the plumbing is named here, with its kind and meaning. No personal data in any of them.
"""

import logging
import os
import sys
from collections.abc import Mapping

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link
from prometheus_client import Counter, Gauge, Histogram

log: structlog.stdlib.BoundLogger = structlog.get_logger()
"""Log events are `noun.verb`, values are fields."""

tracer = trace.get_tracer("recoup")

_FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)

EVENTS_HANDLED = Counter("recoup_events_handled", "Events handled, without repeats.", ["topic"])
EVENTS_REPEATED = Counter("recoup_events_repeated", "Events that the inbox had seen before.", ["topic"])
EVENTS_REFUSED = Counter("recoup_events_refused", "Records put into quarantine.", ["topic", "reason"])
BATCH_SECONDS = Histogram(
    "recoup_batch_seconds", "From a batch's arrival to its commit.", ["topic"], buckets=_FAST
)
CONSUMER_LAG = Gauge("recoup_consumer_lag", "Records not yet handled.", ["topic"])
CONSUMER_STOPPED = Gauge("recoup_consumer_stopped", "1 where a subscription has stopped itself.", ["topic"])
OUTBOX_AGE = Gauge(
    "recoup_outbox_age_seconds", "Age of the oldest event that the broker has not acknowledged."
)
EVENTS_RELAYED = Counter("recoup_events_relayed", "Events acknowledged by the broker.", ["topic"])
TIMER_LATENESS = Histogram(
    "recoup_timer_lateness_seconds", "Merchant's time from due to done.", ["loop"], buckets=(*_FAST, 86_400)
)
TIMERS_FIRED = Counter("recoup_timers_fired", "Timers fired.", ["loop"])
QUARANTINE_HELD = Gauge("recoup_quarantine_held", "Records in quarantine that wait for replay or release.")


def configure(service: str, level: str = "info") -> None:
    """Set up logs and traces of this process. Traces are sent where OTEL_EXPORTER_OTLP_ENDPOINT says, if it does."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _with_trace,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(service=service)
    provider = TracerProvider(resource=Resource.create({"service.name": f"recoup-{service}"}))
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def link_to(headers: Mapping[str, str]) -> Link | None:
    """Give the link from our span to the one that announced a record, where its headers name one."""
    if "traceparent" not in headers:
        return None
    context = trace.get_current_span(extract(headers)).get_span_context()
    return Link(context) if context.is_valid else None


def _with_trace(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
    return event
