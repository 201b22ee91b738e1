"""From facts to the variables of a template: everything a template may say, already written out.

Promise: every variable in `NAMES` is there for every message, null where it has no meaning.
"""

from typing import Any

from babel import Locale

from recoup_events.values import MessageKind
from recoup_notifier.compose.domain import Facts, formats_of, greetable, reason_of
from recoup_notifier.compose.formats import day, instant, locale_named, money
from recoup_notifier.compose.words import Words, languages, words
from recoup_notifier.sequences.domain import Ask, Case

NAMES = (
    "amount",
    "ask",
    "brand",
    "button",
    "consequence",
    "contact",
    "customer_name",
    "customer_portal_link",
    "deadline",
    "expires_in_minutes",
    "facts",
    "failed_on",
    "invoice_number",
    "language",
    "merchant_name",
    "next_step",
    "next_try",
    "privacy_url",
    "reason",
    "sign_in_link",
    "update_payment_method",
)
"""What a template may use; docs/mail.md says what each means."""

_BRANDS = {
    "amex": "American Express",
    "cartes_bancaires": "Cartes Bancaires",
    "diners": "Diners Club",
    "discover": "Discover",
    "eftpos_au": "eftpos",
    "jcb": "JCB",
    "mastercard": "Mastercard",
    "unionpay": "UnionPay",
    "visa": "Visa",
}


def variables(facts: Facts, language: str) -> dict[str, Any]:
    """Write out what a template in this language may say."""
    ours = words(language if language in languages() else "en")
    locale = locale_named(formats_of(facts.locale, language))
    sender = facts.sender
    given: dict[str, Any] = dict.fromkeys(NAMES)
    given |= {
        "language": language,
        "merchant_name": sender.name,
        "customer_name": greetable(facts.customer_name),
        "contact": sender.contact,
        "privacy_url": sender.privacy_url,
        "customer_portal_link": facts.portal_link,
        "update_payment_method": facts.pay_link,
        "sign_in_link": facts.sign_in_link,
        "expires_in_minutes": facts.expires_in_minutes,
        "facts": [],
    }
    if facts.kind is MessageKind.SIGN_IN:
        given["button"] = ours.buttons["sign_in"]
    elif facts.case is not None:
        given |= _of_case(facts, facts.case, ours, locale)
    return given


def _of_case(facts: Facts, case: Case, ours: Words, locale: Locale) -> dict[str, Any]:
    paid = facts.kind is MessageKind.ALL_SET
    next_try = None
    if case.next_try_at is not None and not paid:
        next_try = day(facts.local(case.next_try_at), locale)
    minor = case.recovered_minor or case.owed_minor if paid else case.owed_minor
    given: dict[str, Any] = {
        "ask": None if paid else _ask(facts.ask, next_try).value,
        "amount": money(minor, case.currency, locale),
        "brand": _BRANDS.get(case.brand or ""),
        "failed_on": day(facts.local(case.failed_at), locale),
        "next_try": next_try,
        "deadline": None if paid else instant(facts.local(case.resolve_by), locale),
        "invoice_number": case.invoice_number or case.invoice_id,
    }
    if not paid:
        given["reason"] = ours.reasons.get(reason_of(case), ours.reasons["unknown"])
        given["next_step"] = ours.next_steps[given["ask"]].format_map(given)
        given["consequence"] = ours.consequences[_consequence(case)].format_map(given)
        given["button"] = ours.buttons[given["ask"]]
    given["facts"] = _rows(given, ours, paid=paid)
    return given


def _ask(ask: Ask, next_try: str | None) -> Ask:
    return Ask.PAY if ask is Ask.NOTHING and next_try is None else ask


def _consequence(case: Case) -> str:
    """Without a subscription there is none to cancel."""
    return case.final_action.value if case.subscription_id else "nothing"


def _rows(given: dict[str, Any], ours: Words, *, paid: bool) -> list[dict[str, str]]:
    """List the facts that both parts of a mail show, in order, those without a value left out."""
    shown = [("invoice", "invoice_number"), ("paid" if paid else "amount", "amount")]
    if not paid:
        shown += [
            ("instrument", "brand"),
            ("failed_on", "failed_on"),
            ("next_try", "next_try"),
            ("deadline", "deadline"),
        ]
    return [{"label": ours.labels[label], "value": given[name]} for label, name in shown if given[name]]
