"""What the notifier does with each type of event."""

from collections.abc import Mapping

from recoup_chassis.kafka import Handler, Subscription
from recoup_events.models import CustomerUpdated, Event, RecoveryChanged, SettingsChanged
from recoup_notifier.compose import handlers as compose
from recoup_notifier.contacts import handlers as contacts
from recoup_notifier.sequences import handlers as sequences

SUBSCRIPTIONS: Mapping[type[Event], Handler | Subscription] = {
    SettingsChanged: Subscription(compose.settings_changed, erased=compose.settings_erased),
    CustomerUpdated: Subscription(contacts.customer_updated, erased=contacts.customer_erased),
    RecoveryChanged: sequences.recovery_changed,
}
