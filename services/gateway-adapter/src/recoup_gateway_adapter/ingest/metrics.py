"""Metrics of ingest."""

from prometheus_client import Counter, Histogram

REFUSED = Counter("recoup_ingest_refused", "Webhooks refused at the door.", ["reason"])
STORED = Counter("recoup_ingest_stored", "Webhooks stored for the first time.")
REPEATED = Counter("recoup_ingest_repeated", "Webhooks that were stored already.")
BATCH_SIZE = Histogram(
    "recoup_ingest_batch", "Webhooks committed together.", buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500)
)
ANSWER_SECONDS = Histogram(
    "recoup_ingest_answer_seconds",
    "From a request's headers to its answer.",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
