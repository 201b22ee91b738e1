"""What this service does with each event."""

from collections.abc import Mapping

from recoup_chassis.kafka import Handler, Subscription
from recoup_events.models import Event, FinalActionDue, RetryDue, SettingsChanged
from recoup_gateway_adapter.accounts.handlers import settings_changed
from recoup_gateway_adapter.charging.handlers import retry_due
from recoup_gateway_adapter.final_actions.handlers import final_action_due

SUBSCRIPTIONS: Mapping[type[Event], Handler | Subscription] = {
    SettingsChanged: settings_changed,
    RetryDue: retry_due,
    FinalActionDue: final_action_due,
}
