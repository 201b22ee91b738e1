"""What a customer does on a page: look, enter a new card, pay with a stored one, come back, look again.

No transaction stays open while another service is asked.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never
from uuid import UUID, uuid4

from recoup_chassis.postgres import Database, Tx
from recoup_events.settings import MailSetting, MerchantSetting, PortalSetting
from recoup_events.values import AttemptState
from recoup_portal_api.clients import internal
from recoup_portal_api.clients.gateway_adapter import (
    CardSession,
    GatewayAdapter,
    Settlement,
    StoredInstrument,
)
from recoup_portal_api.customer import domain, store
from recoup_portal_api.customer.domain import Bill, NotYet, Outcome, Owes, Standing
from recoup_portal_api.customer.store import Action
from recoup_portal_api.policy import store as policy
from recoup_portal_api.read_models import store as models
from recoup_portal_api.read_models.store import Customer

LOOKS, LOOK_EVERY = 10, 0.2
"""How often, and after how many seconds each, a page looks for a case that is not here yet."""


@dataclass(frozen=True)
class Face:
    """Who the merchant is to the customer."""

    merchant_id: str
    name: str
    contact: str | None
    privacy_url: str | None
    require_sign_in: bool


@dataclass(frozen=True)
class View:
    """A case as its customer may see it."""

    face: Face
    case_id: UUID
    standing: Standing
    customer: Customer | None


@dataclass(frozen=True)
class Begun:
    """Something was begun; its result is shown under this id. `url`: where the customer goes first, if anywhere."""

    action_id: UUID
    url: str | None = None


@dataclass(frozen=True)
class NothingToPay:
    """The case has closed meanwhile."""


@dataclass(frozen=True)
class NotPossible:
    """The gateway, or gateway-adapter, says no for now."""


@dataclass(frozen=True)
class NoSuchThing:
    """There is nothing of that name on this page."""


async def face(tx: Tx, merchant_id: str) -> Face | None:
    """Give the merchant's face; None where there is no such merchant."""
    found = await policy.setting(tx, merchant_id, "merchant")
    if found is None:
        return None
    mail = await policy.setting(tx, merchant_id, "mail")
    portal = await policy.setting(tx, merchant_id, "portal")
    wording = MailSetting.model_validate(mail.value if mail else {})
    return Face(
        merchant_id,
        MerchantSetting.model_validate(found.value).name,
        wording.contact,
        wording.privacy_url,
        PortalSetting.model_validate(portal.value if portal else {}).require_sign_in,
    )


async def view(tx: Tx, face: Face, case_id: UUID) -> View:
    """Look at a case."""
    case = await models.case(tx, face.merchant_id, case_id)
    if case is None:
        return View(face, case_id, NotYet(), None)
    account_id, customer_id = case["account_id"], case["customer_id"]
    locale = await models.locale(tx, face.merchant_id, account_id, customer_id)
    customer = Customer(account_id, customer_id, locale)
    bills = [_bill(found) for found in await models.open_cases(tx, face.merchant_id, customer)]
    return View(face, case_id, domain.standing(case_id, case["state"], bills), customer)


async def soon(db: Database, seen: View) -> View:
    """Look again for a moment: a mail may be quicker than what it is about."""
    for _ in range(LOOKS):
        await asyncio.sleep(LOOK_EVERY)
        async with db.transaction([seen.face.merchant_id]) as tx:
            now = await view(tx, seen.face, seen.case_id)
        if not isinstance(now.standing, NotYet):
            return now
    return seen


def _bill(case: models.OpenCase) -> Bill:
    return Bill(
        case.case_id,
        case.invoice_id,
        case.invoice_number,
        case.description,
        case.owed_minor,
        case.currency,
        case.invoice_status,
    )


async def statement(tx: Tx, face: Face, contact: bytes) -> list[View]:
    """Give what those whose address it is owe, one view a customer."""
    views = []
    for customer in await models.customers_of_contact(tx, face.merchant_id, contact):
        for case in await models.open_cases(tx, face.merchant_id, customer):
            seen = await view(tx, face, case.case_id)
            if isinstance(seen.standing, Owes):
                views.append(seen)
                break
    return views


async def belongs_to(tx: Tx, seen: View, contact: bytes) -> bool:
    """Tell whether a case's customer has this address now."""
    owner = seen.customer
    if owner is None:
        return False
    found = await models.contact_of_customer(tx, seen.face.merchant_id, owner.account_id, owner.customer_id)
    return found == contact


async def stored_cards(adapter: GatewayAdapter, seen: View) -> list[StoredInstrument] | None:
    """List the cards on file; None while that can't be told, for a new card is welcome all the same."""
    if seen.customer is None:
        return None
    try:
        return await adapter.instruments(
            seen.face.merchant_id, seen.customer.account_id, seen.customer.customer_id
        )
    except internal.CounterpartDown:
        return None


async def enter_card(
    db: Database, adapter: GatewayAdapter, seen: View, page: str
) -> Begun | NothingToPay | NotPossible:
    """Open the gateway's page for a new card, which settles all that the page shows. `page` is this page's address."""
    if not isinstance(seen.standing, Owes) or seen.customer is None:
        return NothingToPay()
    wanted = {
        "account_id": seen.customer.account_id,
        "customer_id": seen.customer.customer_id,
        "invoice_ids": [bill.invoice_id for bill in seen.standing.bills],
        "return_url": f"{page}/return",
        "cancel_url": page,
    }
    session = await adapter.open_card_session(seen.face.merchant_id, wanted)
    match session:
        case internal.Refused():
            return NotPossible()
        case CardSession():
            action = Action("card_session", session.card_session_id)
            return Begun(await _note(db, seen, [action]), str(session.url))
        case _:
            assert_never(session)


async def pay(
    db: Database, adapter: GatewayAdapter, seen: View, instrument_id: str
) -> Begun | NothingToPay | NotPossible | NoSuchThing:
    """Pay what the page shows with a stored card, one invoice after the other, until one does not pass."""
    if not isinstance(seen.standing, Owes) or seen.customer is None:
        return NothingToPay()
    owner = seen.customer
    on_file = await adapter.instruments(seen.face.merchant_id, owner.account_id, owner.customer_id)
    if instrument_id not in {card.instrument_id for card in on_file}:
        return NoSuchThing()
    begun: list[Action] = []
    for bill in seen.standing.bills:
        wanted = {
            "account_id": owner.account_id,
            "customer_id": owner.customer_id,
            "invoice_id": bill.invoice_id,
            "instrument_id": instrument_id,
        }
        try:
            settlement = await adapter.pay(seen.face.merchant_id, wanted)
        except internal.CounterpartDown:
            if not begun:
                raise
            break
        if isinstance(settlement, internal.Refused) or settlement.attempt_id is None:
            break
        begun.append(Action("payment", str(settlement.attempt_id), bill.invoice_id))
        if not domain.goes_on(_outcome(settlement)):
            break
    return Begun(await _note(db, seen, begun)) if begun else NotPossible()


async def _note(db: Database, seen: View, actions: Sequence[Action]) -> UUID:
    action_id = uuid4()
    async with db.transaction([seen.face.merchant_id]) as tx:
        await store.add_actions(tx, seen.face.merchant_id, seen.case_id, action_id, actions)
    return action_id


async def come_back(
    db: Database, adapter: GatewayAdapter, seen: View, card_session_id: str
) -> Begun | NoSuchThing | NotPossible:
    """Have the card session read at the gateway and its invoices charged at once. Safe to repeat."""
    async with db.transaction([seen.face.merchant_id]) as tx:
        action_id = await store.action_of_card_session(
            tx, seen.face.merchant_id, seen.case_id, card_session_id
        )
    if action_id is None:
        return NoSuchThing()
    state = await adapter.complete_card_session(seen.face.merchant_id, card_session_id)
    return NotPossible() if isinstance(state, internal.Refused) else Begun(action_id)


@dataclass(frozen=True)
class NoCardYet:
    """The gateway's page was left, or has expired, without a card."""


@dataclass(frozen=True)
class CardSaved:
    """The card is on file; nothing was left for this page to settle with it."""


async def results(
    db: Database, adapter: GatewayAdapter, seen: View, action_id: UUID
) -> list[Outcome] | CardSaved | NoCardYet | NoSuchThing:
    """Tell what became of what was begun, without effect."""
    async with db.transaction([seen.face.merchant_id]) as tx:
        actions = await store.actions(tx, seen.face.merchant_id, seen.case_id, action_id)
    if not actions:
        return NoSuchThing()
    outcomes: list[Outcome] = []
    for action in actions:
        match action.kind:
            case "card_session":
                session = await adapter.card_session(seen.face.merchant_id, action.reference)
                if isinstance(session, internal.Refused):
                    return NoSuchThing()
                if session.state != "completed":
                    return NoCardYet()
                outcomes += [_outcome(settlement) for settlement in session.settlements]
            case "payment":
                payment = await adapter.payment(seen.face.merchant_id, action.reference)
                known = (
                    Settlement(state=AttemptState.UNKNOWN)
                    if isinstance(payment, internal.Refused)
                    else payment
                )
                outcomes.append(_outcome(known, action.invoice_id))
            case _:
                assert_never(action.kind)
    return outcomes or CardSaved()


def _outcome(settlement: Settlement, invoice_id: str | None = None) -> Outcome:
    reason, url = settlement.decline_masked, settlement.authentication_url
    return Outcome(
        invoice_id or settlement.invoice_id,
        settlement.state,
        reason if isinstance(reason, str) else None,
        str(url) if url else None,
    )
