"""Stripe's API versions as dates that can be compared: what moved where, and when."""

import re
from dataclasses import dataclass

from practice_gateway.errors import invalid_request

LEGACY = "2020-08-27"
BASIL = "2025-05-28.basil"
_FORM = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")


@dataclass(frozen=True, slots=True)
class Version:
    """One API version. Later ones than basil are answered in basil's shapes."""

    name: str

    @property
    def lists_charges(self) -> bool:
        """Tell whether payment intents carry `charges` and charges carry `refunds` (until 2022-11-15)."""
        return self.name < "2022-11-15"

    @property
    def basil(self) -> bool:
        """Tell whether invoices have `parent` and `payments` instead of `subscription` and `payment_intent`.

        Source: Stripe's changelog for 2025-03-31.basil.
        """
        return self.name >= "2025-03-31"


def parse_version(name: str) -> Version:
    """Read a `Stripe-Version` header.

    Raises:
        StripeError: 400, it is not a version.
    """
    if not _FORM.fullmatch(name):
        raise invalid_request(f"Invalid Stripe API version: {name}")
    return Version(name)
