"""Which language to write in, which reason to give, whom to greet: what is decided before a word is written.

Promise: pure. A masked reason never leaves here, and a customer's own name can't carry a message of its own.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from recoup_declines import DeclineClass
from recoup_events.values import MessageKind
from recoup_notifier.sequences.domain import Ask, Case

DEFAULT_LANGUAGE = "en"

MASKED_CLASSES = frozenset({DeclineClass.CARD_LOST_OR_STOLEN, DeclineClass.FRAUD_SUSPECTED})
"""Never told, whatever the event says about masking."""

_LOCALE = re.compile(r"^([a-zA-Z]{2,3})(?:[-_]([a-zA-Z]{4}))?(?:[-_]([a-zA-Z]{2}|\d{3}))?(?:[-_.@].*)?$")
_NAME_CHARACTERS = 60
_LOOKS_LIKE_AN_ADDRESS = re.compile(r"https?:|www\.|[/@]|\.[a-z]{2,}", re.IGNORECASE)


@dataclass(frozen=True)
class Sender:
    """The merchant as a mail shows them. `zone` is where their days begin."""

    merchant_id: str
    name: str
    zone: ZoneInfo
    contact: str | None = None
    privacy_url: str | None = None


@dataclass(frozen=True)
class Facts:
    """All that a mail may say. `expires_in_minutes` and `sign_in_link` are a sign-in mail's alone."""

    kind: MessageKind
    sender: Sender
    portal_link: str
    customer_name: str | None = None
    locale: str | None = None
    case: Case | None = None
    ask: Ask = Ask.NOTHING
    pay_link: str | None = None
    sign_in_link: str | None = None
    expires_in_minutes: int | None = None

    def local(self, instant: datetime) -> datetime:
        """Give an instant on the merchant's wall clock."""
        return instant.astimezone(self.sender.zone)


def language_of(locale: str | None, available: Collection[str]) -> str:
    """Give the language to write in: the customer's, in its exact form or else at large, or else English.

    Args:
        locale: as a gateway has it, for instance `it-IT`, `pt_BR` or nonsense.
        available: languages in which the message exists, lower case, `pt-br` or `pt`.
    """
    parts = _LOCALE.match(locale or "")
    if parts:
        language, _, region = (part.lower() if part else None for part in parts.groups())
        for wanted in (f"{language}-{region}", str(language)):
            if wanted in available:
                return wanted
    return DEFAULT_LANGUAGE


def formats_of(locale: str | None, language: str) -> str:
    """Give the locale for amounts and dates: the customer's own where it is of the mail's language (`en_GB`)."""
    parts = _LOCALE.match(locale or "")
    language = language.replace("-", "_")
    if not parts or parts[1].lower() != language.partition("_")[0]:
        return language
    return f"{parts[1].lower()}_{parts[3].upper()}" if parts[3] else language


def greetable(name: str | None) -> str | None:
    """Give a name that is fit for a greeting, or None: customers choose theirs, and some write advertisements."""
    one_line = " ".join((name or "").split())
    if not one_line or len(one_line) > _NAME_CHARACTERS or _LOOKS_LIKE_AN_ADDRESS.search(one_line):
        return None
    return one_line if one_line.isprintable() else None


def reason_of(case: Case) -> str:
    """Give the name of the reason that may be told: a decline class, or `masked`."""
    if case.masked or case.decline_class in MASKED_CLASSES:
        return "masked" if case.instrument_kind in {None, "card"} else "masked_debit"
    return case.decline_class or "unknown"
