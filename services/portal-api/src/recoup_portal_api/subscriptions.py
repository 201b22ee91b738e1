"""What this service listens to, and who handles it."""

from collections.abc import Mapping, Sequence
from typing import Any

from recoup_chassis import clocks
from recoup_chassis.kafka import Subscription
from recoup_chassis.postgres import Tx
from recoup_events import models as e
from recoup_portal_api.access.domain import Marks
from recoup_portal_api.read_models import handlers as read_models


async def settings_changed(batch: Sequence[e.SettingsChanged], tx: Tx) -> None:
    """Follow the clocks, as every service does; the settings themselves are ours."""
    await clocks.settings_changed(batch, tx)


def table(marks: Marks) -> Mapping[type[e.Event], Any]:
    """Give the handler of each event."""
    return {
        e.PaymentFailed: read_models.payment_failed,
        e.PaymentSucceeded: read_models.payment_succeeded,
        e.PaymentReversed: read_models.payment_reversed,
        e.CardUpdated: read_models.card_updated,
        e.RetryDue: read_models.retry_due,
        e.AttemptUpdated: read_models.attempt_updated,
        e.FinalActionDue: read_models.final_action_due,
        e.FinalActionDone: read_models.final_action_done,
        e.RecoveryChanged: read_models.recovery_changed,
        e.NotificationSent: read_models.notification_sent,
        e.CustomerUpdated: Subscription(
            read_models.customer_updated(marks), erased=read_models.customer_erased
        ),
        e.InvoiceUpdated: Subscription(read_models.invoice_updated, erased=read_models.invoice_erased),
        e.SubscriptionUpdated: Subscription(
            read_models.subscription_updated, erased=read_models.subscription_erased
        ),
        e.SettingsChanged: settings_changed,
    }
