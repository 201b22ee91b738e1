"""Made-up facts, for previews: a customer who never was, and no merchant's figures."""

from datetime import datetime, timedelta
from uuid import UUID

from recoup_events.values import CaseState, FinalAction, MessageKind
from recoup_notifier.compose.domain import Facts, Sender
from recoup_notifier.compose.links import Links
from recoup_notifier.sequences.domain import Ask, Case

NO_CASE = UUID(int=0)
NAMES = {"it": "Anna Rossi"}


def facts(kind: MessageKind, language: str, sender: Sender, links: Links, now: datetime) -> Facts:
    """Give what a message of this kind could say; its links lead nowhere, since no case has this id."""
    paid = kind is MessageKind.ALL_SET
    case = Case(
        merchant_id=sender.merchant_id,
        case_id=NO_CASE,
        account_id="acct_sample",
        customer_id="cus_sample",
        revision=1,
        state=CaseState.RECOVERED if paid else CaseState.SCHEDULED,
        failed_at=now,
        resolve_by=now + timedelta(days=14),
        final_action=FinalAction.CANCEL,
        invoice_id="in_sample",
        invoice_number="2026-0042",
        subscription_id="sub_sample",
        owed_minor=2900,
        currency="EUR",
        next_try_at=None if paid else now + timedelta(days=3),
        brand="visa",
        decline_class="insufficient_funds",
    )
    signing_in = kind is MessageKind.SIGN_IN
    return Facts(
        kind=kind,
        sender=sender,
        portal_link=links.portal(sender.merchant_id),
        customer_name=NAMES.get(language, "Jane Doe"),
        locale=language,
        case=None if signing_in else case,
        ask=Ask.NOTHING,
        pay_link=None if signing_in else links.pay(sender.merchant_id, NO_CASE),
        sign_in_link=f"{links.portal(sender.merchant_id)}/sample" if signing_in else None,
        expires_in_minutes=10 if signing_in else None,
    )
