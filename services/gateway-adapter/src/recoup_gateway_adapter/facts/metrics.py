"""Metrics of translation and of what waits for a twin."""

from prometheus_client import Counter, Gauge

TRANSLATED = Counter("recoup_webhooks_translated", "Webhooks translated.")
SET_ASIDE = Counter("recoup_webhooks_set_aside", "Webhooks that could not be translated.", ["reason"])
UNTRANSLATED = Gauge("recoup_webhooks_untranslated", "Webhooks stored and not yet translated.")
UNTRANSLATED_AGE = Gauge("recoup_webhooks_untranslated_age_seconds", "How long the oldest is overdue.")
HELD_ASIDE = Gauge("recoup_webhooks_held_aside", "Webhooks that wait for a person.")
WAITING = Gauge("recoup_joins_waiting", "Facts that wait for a twin or for an answer.")
WAITING_AGE = Gauge("recoup_joins_age_seconds", "How long the oldest of them waits.")
ASKED = Counter("recoup_joins_asked", "Questions to a gateway about what is missing.", ["answer"])
SETTLED = Counter("recoup_joins_settled", "Facts told with what was known.", ["kind", "answered"])
EVENTS_LISTED = Counter("recoup_cursor_events", "Events read from gateways' own lists.", ["state"])
CURSOR_AGE = Gauge(
    "recoup_cursor_age_seconds",
    "Merchant's time since the event list that was longest not read to its end was read so.",
)
