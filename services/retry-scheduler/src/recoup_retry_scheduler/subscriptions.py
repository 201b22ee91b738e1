"""What is done with each type of event."""

from collections.abc import Mapping

from recoup_chassis.kafka import Handler, Subscription
from recoup_events import models as m
from recoup_retry_scheduler.cases import handlers

SUBSCRIPTIONS: Mapping[type[m.Event], Handler | Subscription] = {
    m.PaymentFailed: Subscription(handlers.payment_failed, members=2),
    m.PaymentSucceeded: handlers.payment_succeeded,
    m.PaymentReversed: handlers.payment_reversed,
    m.CardUpdated: handlers.card_updated,
    m.AttemptUpdated: handlers.attempt_updated,
    m.FinalActionDone: handlers.final_action_done,
    m.InvoiceUpdated: handlers.invoice_updated,
    m.SubscriptionUpdated: handlers.subscription_updated,
    m.SettingsChanged: handlers.settings_changed,
}
