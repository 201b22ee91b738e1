"""A merchant's settings: their bounds, their defaults, and the form in which they travel.

portal-api is their source of truth; a value out of bounds is refused there, with the field and the bound.
"""

from datetime import UTC, datetime
from functools import cache
from math import ceil
from typing import Annotated, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from recoup_events.parts import Id, Instant, Text
from recoup_events.values import AppliesTo, FinalAction, Precedence, RecoveryMode

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MOST_TRIES = 15
"""Of a card, that the strictest network allows within 30 days: Visa, as acquirers still bill it."""


@cache
def _zones() -> frozenset[str]:
    """List the zones once: it walks a directory of some 600 files, which takes 8 ms (measured)."""
    return frozenset(available_timezones())


def _known_zone(zone: str) -> str:
    if zone not in _zones():
        msg = "is no IANA time zone, for instance Europe/Rome"
        raise ValueError(msg)
    return zone


Zone = Annotated[str, AfterValidator(_known_zone)]
"""An IANA time zone."""


Name = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
"""What someone or something is called, in one line: it stands in the heads of mails too."""


class Setting(BaseModel):
    """Frozen; a field that nobody knows is refused, so that a typing error is not taken for a choice."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MerchantSetting(Setting):
    """Who the merchant is. A sandbox merchant has a clock of its own and never touches live money."""

    name: Name
    sandbox: bool = False
    timezone: Zone = "UTC"


class ClockSetting(Setting):
    """A sandbox merchant's clock: at real instant `origin_real` it shows `origin_merchant`, then runs `rate` as fast.

    At most 86,400: a day a real second, so that steps keep their order.
    """

    origin_real: Instant = EPOCH
    origin_merchant: Instant = EPOCH
    rate: Annotated[float, Field(ge=0, le=86_400)] = 1.0

    def at(self, real: datetime) -> datetime:
        """Give the merchant's instant at a real instant; both UTC."""
        return self.origin_merchant + (real - self.origin_real) * self.rate


def _within_networks_limits(tries: int) -> int:
    if tries > MOST_TRIES:
        msg = f"networks allow {MOST_TRIES} tries of a card in 30 days; the nearest is {MOST_TRIES}"
        raise ValueError(msg)
    return tries


class RecoverySetting(Setting):
    """When to try again, when to stop, and what then.

    In mode `custom` tries are made on `schedule_days`: days after the failure, each later than the one before; the
    deadline is at least a day after the last. In mode `smart` Recoup chooses when: at most `max_tries` times after the
    first failure, and `min_gap_hours` after the last decline at the soonest (an hour after a technical failure).
    `window_days`: from the first failure to the deadline. `applies_to`: whether open cases follow this setting too, or
    keep the one that they were opened under.
    """

    mode: RecoveryMode = RecoveryMode.CUSTOM
    schedule_days: Annotated[
        tuple[Annotated[float, Field(gt=0, le=60)], ...], Field(min_length=0, max_length=MOST_TRIES)
    ] = (1, 3, 7)
    max_tries: Annotated[
        int,
        Field(ge=0, json_schema_extra={"maximum": MOST_TRIES}),
        AfterValidator(_within_networks_limits),
    ] = 3
    min_gap_hours: Annotated[float, Field(ge=0, le=24 * 60)] = 10
    window_days: Annotated[int, Field(ge=1, le=60)] = 14
    final_action: FinalAction = FinalAction.CANCEL
    precedence: Precedence = Precedence.PLATFORM_MANAGEMENT
    applies_to: AppliesTo = AppliesTo.NEW

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse what contradicts itself in the mode chosen, with the nearest value that does not."""
        match self.mode:
            case RecoveryMode.CUSTOM:
                self._steps_fit()
            case RecoveryMode.SMART:
                self._tries_fit()
            case RecoveryMode.UNKNOWN:
                raise ValueError("mode: one of custom, smart")
        if self.final_action is FinalAction.UNKNOWN:
            raise ValueError("final_action: one of cancel, mark_unpaid, nothing")
        if self.precedence is Precedence.UNKNOWN:
            raise ValueError("precedence: one of platform_management, gateway_default")
        if self.applies_to is AppliesTo.UNKNOWN:
            raise ValueError("applies_to: one of new, open")
        return self

    def _steps_fit(self) -> None:
        ordered = sorted(set(self.schedule_days))
        if list(self.schedule_days) != ordered:
            nearest = ", ".join(f"{day:g}" for day in ordered)
            msg = f"schedule_days: each step must be later than the one before it; the nearest is {nearest}"
            raise ValueError(msg)
        if ordered and ordered[-1] > self.window_days:
            msg = (
                f"schedule_days: the last step, day {ordered[-1]:g}, lies beyond window_days, "
                f"{self.window_days}; the nearest is day {self.window_days}, or a window of {ceil(ordered[-1])}"
            )
            raise ValueError(msg)

    def _tries_fit(self) -> None:
        window = 24 * self.window_days
        if self.min_gap_hours > window:
            msg = (
                f"min_gap_hours: {self.min_gap_hours:g} is longer than window_days, {self.window_days}, "
                f"so that no try is possible; the nearest is {window}"
            )
            raise ValueError(msg)
        if self.max_tries * self.min_gap_hours > window:
            msg = (
                f"max_tries: {self.max_tries} tries, each {self.min_gap_hours:g} hours after the one before, do not "
                f"fit into window_days, {self.window_days}; the nearest is {int(window / self.min_gap_hours)}"
            )
            raise ValueError(msg)


class MessageSetting(Setting):
    """One message of the merchant's, in one language; null is ours. Bodies are Liquid templates."""

    enabled: bool = True
    subject: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    text: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None
    html: Annotated[str, Field(min_length=1, max_length=100_000)] | None = None


Address = Annotated[
    str, Field(max_length=254, pattern=r"^[^@\s<>\x00-\x1f]+@[^@\s<>\x00-\x1f]+\.[^@\s<>\x00-\x1f]+$")
]
"""An e-mail address, loosely checked; the mail server has the last word."""


class MailSetting(Setting):
    """Sender, contact, and the messages by kind and language: `messages["payment_failed"]["en"]`."""

    sender_name: Name | None = None
    sender_address: Address | None = None
    contact: Annotated[Text, Field(max_length=300)] | None = None
    privacy_url: Annotated[str, Field(max_length=500, pattern=r"^https?://")] | None = None
    messages: dict[str, dict[str, MessageSetting]] = {}


class PortalSetting(Setting):
    """What the customer's pages ask for. `require_sign_in`: a pay link alone is not enough, mail a magic link too."""

    require_sign_in: bool = False


class StopSetting(Setting):
    """The stop switch: no charge and no final action for the merchant, or for the accounts named."""

    everything: bool = False
    accounts: Annotated[tuple[Id, ...], Field(max_length=1000)] = ()


class AccountSetting(Setting):
    """A gateway account, without its secrets, which only gateway-adapter keeps."""

    gateway: Id
    name: Name
    livemode: bool
    base_url: Annotated[str, Field(max_length=500, pattern=r"^https?://")] | None = None
    enabled: bool = True


SETTINGS: dict[str, type[Setting]] = {
    "merchant": MerchantSetting,
    "clock": ClockSetting,
    "recovery": RecoverySetting,
    "mail": MailSetting,
    "portal": PortalSetting,
    "stop": StopSetting,
}
"""By name; an account's setting is named `account/<account id>`."""


def setting_type(name: str) -> type[Setting] | None:
    """Give the model of a setting's name, or None where a later release knows it and this one does not."""
    return AccountSetting if name.startswith("account/") else SETTINGS.get(name)
