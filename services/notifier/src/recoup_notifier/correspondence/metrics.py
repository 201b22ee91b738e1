"""What can be seen of the correspondence from outside. No personal data."""

from prometheus_client import Counter, Gauge

MAILS = Counter(
    "recoup_mails",
    "What became of messages: sent, dropped and failed for good; later, uncertain and unreachable for now.",
    ["kind", "outcome", "reason"],
)
MAILS_WAITING = Gauge("recoup_mails_waiting", "Messages that wait to be sent.")
MAILS_OVERDUE = Gauge(
    "recoup_mails_overdue_seconds", "For how long the oldest message has been due; below 0: none is."
)
TEMPLATES_FAILED = Counter(
    "recoup_mail_templates_failed",
    "Mails that went out in our words because the merchant's template failed.",
    ["kind"],
)
