"""Read models: whatever the order, however often, the same rows; and the API that shows them."""

from itertools import permutations
from typing import Any

import pytest
from tests.worlds.portal_events import WHEN, Customer
from tests.worlds.portal_house import House, Merchant

from recoup_events.models import Event, NotificationSent
from recoup_events.parts import Money
from recoup_events.values import CaseState, Channel, InvoiceStatus, MessageKind, RecoveryWay, fact_id

pytestmark = pytest.mark.postgres


async def rows(house: House, customer: Customer) -> dict[str, Any]:
    """Everything that is kept of a customer, without what differs between customers of the same story."""
    async with house.db.transaction([customer.merchant_id]) as tx:
        found = {}
        for table in ("cases", "timeline", "invoices", "customers"):
            kept = await tx.fetch(f"SELECT * FROM {table} WHERE customer_id = $1", customer.customer_id)  # noqa: S608  # names of ours
            unlike = {
                "merchant_id",
                "customer_id",
                "case_id",
                "event_id",
                "invoice_id",
                "contact_hash",
                "details",
            }
            found[table] = sorted(
                str({name: value for name, value in row.items() if name not in unlike}) for row in kept
            )
        return found


def story(customer: Customer) -> list[Event]:
    """A failure, its case in three revisions, an invoice in two versions."""
    recovered = customer.case(
        3,
        CaseState.RECOVERED,
        recovered_amount=Money(minor=1999, currency="EUR"),
        recovered_by=RecoveryWay.NEW_CARD,
    )
    return [
        customer.failed(),
        customer.case(1),
        customer.case(2, CaseState.TRYING),
        recovered,
        customer.invoice_updated(1, InvoiceStatus.OPEN),
        customer.invoice_updated(2, InvoiceStatus.PAID, 0),
    ]


async def test_every_order_and_every_repetition_tells_the_same_story(
    house: House, merchant: Merchant
) -> None:
    clean = Customer(merchant.merchant_id)
    await house.tell(story(clean))
    expected = await rows(house, clean)
    assert [len(found) for found in expected.values()] == [1, 4, 1, 0]
    for order in list(permutations(range(6)))[::29]:
        customer = Customer(merchant.merchant_id)
        told = story(customer)
        for n in order:
            await house.tell([told[n]])
        await house.tell(told)
        assert await rows(house, customer) == expected


async def test_a_case_tells_what_happened_when_and_why(house: House, merchant: Merchant) -> None:
    customer = Customer(merchant.merchant_id)
    mail = NotificationSent(
        id=fact_id(merchant.merchant_id, "notification.sent", customer.customer_id),
        time=WHEN,
        **customer.whose(),
        case_id=customer.case_id(),
        message_id=customer.case_id(),
        message=MessageKind.PAYMENT_FAILED,
        channel=Channel.EMAIL,
        language="en",
    )
    await house.tell([customer.failed(), customer.case(), mail, customer.new_card(5), customer.new_card(-5)])
    status, case = await house.ask("GET", f"/v1/cases/{customer.case_id()}", merchant)
    assert (status, case["state"], case["owed"]) == (
        200,
        "scheduled",
        {"minor": 1999, "currency": "EUR", "amount": "19.99"},
    )
    assert {(line["what"], line["why"]) for line in case["timeline"]} == {
        ("payment.failed", "A charge of 19.99 EUR (by unknown) failed: insufficient_funds."),
        ("notification.sent", "The payment_failed mail was handed over (en)."),
        ("recovery.changed", "Revision 1."),
        ("card.updated", "The customer's visa was added."),
    }
    instants = [line["at"] for line in case["timeline"]]
    assert instants == sorted(instants)


async def test_cases_come_page_by_page_and_by_state(house: House, merchant: Merchant) -> None:
    customers = [Customer(merchant.merchant_id) for _ in range(5)]
    await house.tell([customer.case() for customer in customers])
    await house.tell([customers[0].case(2, CaseState.ENDED)])
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        _, page = await house.ask("GET", "/v1/cases", merchant, params=query)
        seen += [case["case_id"] for case in page["cases"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(str(customer.case_id()) for customer in customers)
    _, ended = await house.ask("GET", "/v1/cases", merchant, params={"state": "ended"})
    assert [case["case_id"] for case in ended["cases"]] == [str(customers[0].case_id())]
    for wrong in ({"cursor": "x"}, {"state": "lost"}, {"limit": "0"}, {"limit": "201"}):
        status, answer = await house.ask("GET", "/v1/cases", merchant, params=wrong)
        assert (status, answer["error"]["fields"][0]["field"]) == (422, *wrong)


async def test_the_summary_adds_up_by_currency_and_way(house: House, merchant: Merchant) -> None:
    recovered, ended, waiting = (Customer(merchant.merchant_id) for _ in range(3))
    yen = Customer(merchant.merchant_id)
    await house.tell(
        [
            *story(recovered)[1:4],
            ended.case(2, CaseState.ENDED, tries_made=3),
            waiting.case(1, CaseState.WAITING),
            yen.case(1, invoice=yen.invoice(minor=500, currency="JPY")),
        ]
    )
    _, answer = await house.ask("GET", "/v1/summary", merchant)
    euro, japanese = answer["currencies"]
    assert (euro["failures"], euro["open"], euro["lost"], euro["tries"]) == (3, 1, 1, 3)
    assert euro["recovered"] == {"cases": 1, "amount_minor": 1999}
    assert euro["recovered_by"] == {"new_card": {"cases": 1, "amount_minor": 1999}}
    assert (japanese["currency"], japanese["open_minor"]) == ("JPY", 500)


async def test_who_was_erased_cannot_be_found_by_their_address(house: House, merchant: Merchant) -> None:
    customer = Customer(merchant.merchant_id)
    await house.tell([customer.updated(email="ada@example.org")])
    assert len((await rows(house, customer))["customers"]) == 1
    await house.erase(customer.updated())
    assert (await rows(house, customer))["customers"] == []


async def test_no_address_is_kept_anywhere(house: House, merchant: Merchant) -> None:
    customer = Customer(merchant.merchant_id)
    await house.tell([customer.case(), customer.updated(email="very.private@example.org")])
    tables = await house.as_owner(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
        "AND relname <> 'schema_migrations'"
    )
    async with house.db.transaction([merchant.merchant_id]) as tx:
        kept = [
            found["row"]
            for table in tables
            for found in await tx.fetch(f"SELECT t::text AS row FROM {table['relname']} AS t")  # noqa: S608  # names of ours
        ]
    assert any(customer.customer_id in row for row in kept)
    assert not any("very.private" in row for row in kept)
