"""The topics: what each carries, how it is kept, and how many partitions all of them have."""

from dataclasses import dataclass
from datetime import timedelta

WHAT_HAPPENED_IS_KEPT = timedelta(days=90)
"""Longer than any recovery window (60 days), so that every case can be told again from its events."""

PARTITIONS_ON_ONE_MACHINE = 12
PARTITIONS_IN_PRODUCTION = 96
"""Permanent for a cluster: the partition of a customer is a hash modulo this number, the same for every topic."""

EVENT_BYTES = 256 * 1024
"""Size limit of one event's value in bytes; the outbox refuses more when it is written."""


@dataclass(frozen=True)
class Topic:
    """One topic.

    Args:
        snapshot: compacted, the newest version of each key wins; else what happened, kept for 90 days.
        personal: carries personal data and has an access list of its own.
    """

    name: str
    about: str
    snapshot: bool = False
    personal: bool = False

    def config(self) -> dict[str, str]:
        """Give the broker's configuration of this topic (times in milliseconds, sizes in bytes)."""
        limit = {"max.message.bytes": str(2 * EVENT_BYTES)}
        if self.snapshot:
            return {**limit, "cleanup.policy": "compact"}
        return {**limit, "retention.ms": str(int(WHAT_HAPPENED_IS_KEPT.total_seconds() * 1000))}


PAYMENT_FAILED = Topic("payment.failed", "A charge failed at a gateway, or an invoice went overdue.")
RETRY_DUE = Topic("retry.due", "The scheduler asks for one charge now, on a pinned instrument.")
PAYMENT_SUCCEEDED = Topic("payment.succeeded", "Money came in.")
CARD_UPDATED = Topic("card.updated", "A customer's instrument was added, replaced, updated or removed.")
PAYMENT_REVERSED = Topic("payment.reversed", "Money that had come in went back.")
ATTEMPT_UPDATED = Topic("attempt.updated", "What became of a charge attempt, but for its payment outcome.")
FINAL_ACTION_DUE = Topic("final_action.due", "A recovery failed; the scheduler asks for its final action.")
FINAL_ACTION_DONE = Topic("final_action.done", "What became of a final action.")
RECOVERY_CHANGED = Topic("recovery.changed", "A recovery case changed its state or its plan.")
NOTIFICATION_SENT = Topic("notification.sent", "A message was handed over to its channel.")
CUSTOMER_UPDATED = Topic("customer.updated", "A customer as they are now.", snapshot=True, personal=True)
SUBSCRIPTION_UPDATED = Topic("subscription.updated", "A subscription as it is now.", snapshot=True)
INVOICE_UPDATED = Topic("invoice.updated", "An invoice as it is now.", snapshot=True)
SETTINGS_CHANGED = Topic("settings.changed", "A merchant's setting as it is now.", snapshot=True)

TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        PAYMENT_FAILED,
        RETRY_DUE,
        PAYMENT_SUCCEEDED,
        CARD_UPDATED,
        PAYMENT_REVERSED,
        ATTEMPT_UPDATED,
        FINAL_ACTION_DUE,
        FINAL_ACTION_DONE,
        RECOVERY_CHANGED,
        NOTIFICATION_SENT,
        CUSTOMER_UPDATED,
        SUBSCRIPTION_UPDATED,
        INVOICE_UPDATED,
        SETTINGS_CHANGED,
    )
}
