"""The path, end to end: webhooks in, charges out, on real Kafka and Postgres against the gateway's own ledger."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.conftest import OpenSandbox, mails_to

from recoup_local.demo.customers import Customers
from recoup_local.house import House
from recoup_local.practice import VERSIONS
from recoup_local.pytest_plugin import eventually
from recoup_local.sandbox import Sandbox

HOUR, DAY = 3600.0, 86_400.0
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


async def one_renewal(sandbox: Sandbox, reason: str, **how: Any) -> dict[str, Any]:
    """Let one subscription's renewal fail for a reason."""
    (renewal,) = await sandbox.renewals(1, mix={reason: 1}, **how)
    return renewal


async def case_of(sandbox: Sandbox, invoice: str) -> dict[str, Any] | None:
    return next((case for case in await sandbox.api.cases() if case["invoice_id"] == invoice), None)


async def case_is(sandbox: Sandbox, invoice: str, state: str) -> dict[str, Any]:
    """Wait until the case of an invoice is in a state."""

    async def look() -> dict[str, Any]:
        case = await case_of(sandbox, invoice)
        assert case is not None, "no case yet"
        assert case["state"] == state, f"{case['state']}: {case['reason']}"
        return case

    return await eventually(look, within=60)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_soft_decline_is_tried_again_on_schedule_and_recovered(
    merchant: OpenSandbox, house: House, version: str
) -> None:
    sandbox = await merchant(api_version=version)
    renewal = await one_renewal(sandbox, "processing_error_once")
    case = await case_is(sandbox, renewal["invoice"], "scheduled")
    assert case["tries_made"] == 0
    resolve_by, failed_at = (datetime.fromisoformat(case[name]) for name in ("resolve_by", "failed_at"))
    assert resolve_by - failed_at == timedelta(days=14)
    await sandbox.run_clock(DAY / 4)
    case = await case_is(sandbox, renewal["invoice"], "recovered")
    assert (case["recovered_by"], case["tries_made"]) == ("scheduled_retry", 1)
    ledger = (await sandbox.ledger())["invoices"][renewal["invoice"]]
    assert (ledger["captures"], ledger["captured"]) == (1, renewal["amount"])
    assert case["recovered"]["minor"] == renewal["amount"]
    mails = await eventually(lambda: _two_mails(house, renewal["email"]))
    assert case["invoice_number"] in mails[0]["text"]
    assert f"{house.portal_url}/pay/" in mails[0]["text"]


async def test_an_expired_card_burns_no_try_and_a_new_card_from_the_mail_pays_at_once(
    merchant: OpenSandbox, house: House
) -> None:
    sandbox = await merchant()
    renewal = await one_renewal(sandbox, "expired_card")
    case = await case_is(sandbox, renewal["invoice"], "waiting")
    assert case["waiting_for"] == "card"
    (mail,) = await eventually(lambda: mails_to(house, renewal["email"]))
    customer = Customers(house.mail.url, house.portal_url)
    link = next(link for link in mail["links"] if "/pay/" in link)
    await customer.mend(renewal["email"], link)
    assert (customer.mended, customer.gave_up) == (1, [])
    case = await case_is(sandbox, renewal["invoice"], "recovered")
    assert (case["recovered_by"], case["tries_made"]) == ("new_card", 0)
    assert (await sandbox.ledger())["invoices"][renewal["invoice"]]["captures"] == 1
    subscription = await sandbox.stripe("GET", f"/v1/subscriptions/{renewal['subscription']}")
    owner = await sandbox.stripe("GET", f"/v1/customers/{renewal['customer']}")
    new_card = owner["invoice_settings"]["default_payment_method"]
    assert new_card != renewal["payment_method"]
    assert subscription["default_payment_method"] in (None, new_card)


@pytest.mark.parametrize(
    ("action", "status", "invoice_status"),
    [("cancel", "canceled", None), ("mark_unpaid", "past_due", "open"), ("nothing", "past_due", "open")],
)
async def test_what_nobody_mends_ends_in_its_final_action(
    merchant: OpenSandbox, house: House, action: str, status: str, invoice_status: str | None
) -> None:
    sandbox = await merchant()
    await sandbox.setting("recovery", {"schedule_days": [1, 2], "window_days": 3, "final_action": action})
    renewal = await one_renewal(sandbox, "generic_decline")
    await case_is(sandbox, renewal["invoice"], "scheduled")
    await sandbox.run_clock(DAY / 4)
    case = await case_is(sandbox, renewal["invoice"], "ended")
    assert case["tries_made"] == 2
    subscription = await sandbox.stripe("GET", f"/v1/subscriptions/{renewal['subscription']}")
    assert subscription["status"] == status
    if invoice_status:
        invoice = await sandbox.stripe("GET", f"/v1/invoices/{renewal['invoice']}")
        assert invoice["status"] == invoice_status
    if action == "mark_unpaid":
        assert subscription["pause_collection"] is not None
    sent = len(await mails_to(house, renewal["email"]))
    await sandbox.run_clock(DAY)
    assert len(await mails_to(house, renewal["email"])) == sent
    assert renewal["invoice"] not in (await sandbox.ledger())["invoices"]


async def test_a_stolen_card_is_never_tried_again_and_the_customer_is_not_told_why(
    merchant: OpenSandbox, house: House
) -> None:
    sandbox = await merchant()
    renewal = await one_renewal(sandbox, "stolen_card", italian=0)
    case = await case_is(sandbox, renewal["invoice"], "waiting")
    assert (case["masked"], case["waiting_for"]) == (True, "card")
    (mail,) = await eventually(lambda: mails_to(house, renewal["email"]))
    assert "your bank declined this card" in mail["text"].lower()
    assert "stolen" not in (mail["text"] + mail["html"]).lower()
    await sandbox.run_clock(DAY)
    case = await case_is(sandbox, renewal["invoice"], "ended")
    assert case["tries_made"] == 0


async def test_a_customer_who_must_authenticate_is_asked_to_and_not_charged_behind_their_back(
    merchant: OpenSandbox,
) -> None:
    sandbox = await merchant()
    renewal = await one_renewal(sandbox, "authentication_required")
    case = await case_is(sandbox, renewal["invoice"], "waiting")
    assert case["waiting_for"] == "customer"
    assert renewal["invoice"] not in (await sandbox.ledger())["invoices"]


async def test_under_gateway_default_the_gateway_retries_and_recoup_watches_and_speaks(
    merchant: OpenSandbox, house: House
) -> None:
    sandbox = await merchant(dunning={"enabled": True, "schedule": [1], "after_last": "past_due"})
    await sandbox.setting("recovery", {"precedence": "gateway_default"})
    renewal = await one_renewal(sandbox, "processing_error_once")
    await eventually(lambda: case_of(sandbox, renewal["invoice"]), within=60)
    await sandbox.run_clock(DAY / 4)
    case = await case_is(sandbox, renewal["invoice"], "recovered")
    assert (case["recovered_by"], case["tries_made"]) == ("gateway_retry", 0)
    assert await mails_to(house, renewal["email"])


async def test_while_the_stop_switch_is_on_nobody_is_charged_and_the_gateway_keeps_its_own_retries(
    merchant: OpenSandbox,
) -> None:
    sandbox = await merchant(dunning={"enabled": True, "schedule": [30], "after_last": "past_due"})
    await sandbox.setting("stop", {"everything": True})
    renewal = await one_renewal(sandbox, "processing_error_once")
    await case_is(sandbox, renewal["invoice"], "scheduled")
    await sandbox.run_clock(DAY)
    await eventually(lambda: _days_after(sandbox, renewal, 4))
    assert renewal["invoice"] not in (await sandbox.ledger())["invoices"]
    assert (await sandbox.obligations())[renewal["invoice"]]["next_payment_attempt"] is not None


async def _two_mails(house: House, address: str) -> list[dict[str, Any]] | None:
    mails = await mails_to(house, address)
    return mails if len(mails) >= 2 else None


async def _days_after(sandbox: Sandbox, renewal: dict[str, Any], days: float) -> bool:
    case = await case_of(sandbox, renewal["invoice"])
    assert case is not None
    return await sandbox.now() > datetime.fromisoformat(case["failed_at"]) + timedelta(days=days)
