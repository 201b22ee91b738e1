"""Something that happens on an account, and on whose behalf: what every change is made through."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from practice_gateway.account import Account
from practice_gateway.events import Event, encode
from practice_gateway.ids import new_id
from practice_gateway.wire import View, render

if TYPE_CHECKING:
    from practice_gateway.gateway import Gateway

Wire = dict[str, Any]
Initiator = Literal["merchant", "gateway", "customer"]


@dataclass(frozen=True, slots=True)
class Act:
    """A request, a page or a timer at work on one account."""

    gateway: "Gateway"
    account: Account
    initiator: Initiator
    request_id: str | None = None
    idempotency_key: str | None = None

    @property
    def now(self) -> int:
        """Return the merchant's instant, whole Unix seconds."""
        return self.account.now()

    def view(self) -> View:
        """Return the view in which this account's events are written."""
        return View(self.account, self.account.version, self.gateway.origin)

    def look(self, item: Any) -> Wire:
        """Write an object out as events carry it, to tell later what changed."""
        return render(item, self.view())

    def emit(self, event_type: str, item: Any, previous: Wire | None = None) -> None:
        """Say that something happened to an object."""
        self.emit_wire(event_type, self.look(item), previous)

    def emit_change(self, event_type: str, item: Any, before: Wire) -> None:
        """Say that an object changed, unless it looks as it did before."""
        after = self.look(item)
        previous = {name: value for name, value in before.items() if after.get(name) != value}
        if previous or after.keys() - before.keys():
            self.emit_wire(event_type, after, previous)

    def emit_wire(self, event_type: str, wire: Wire, previous: Wire | None = None) -> None:
        """Say that something happened to what is already written out."""
        account = self.account
        data: Wire = {"object": wire}
        if previous is not None:
            data["previous_attributes"] = previous
        identifier = new_id("evt")
        created = account.events.stamp(account.clock.now())
        body = encode(
            {
                "id": identifier,
                "object": "event",
                "api_version": account.version.name,
                "created": created,
                "data": data,
                "livemode": False,
                "pending_webhooks": sum(endpoint.wants(event_type) for endpoint in account.endpoints),
                "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
                "type": event_type,
            }
        )
        event = Event(identifier, event_type, created, body)
        account.events.append(event)
        self.gateway.deliverer.publish(account, event)
