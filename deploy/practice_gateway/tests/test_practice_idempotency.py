"""Idempotency keys, request faults, and the errors of bad requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import stripe

if TYPE_CHECKING:
    from deploy.practice_gateway.tests.conftest import Eventually, OpenShop, Shop


@pytest.fixture
async def invoice(shop: Shop) -> str:
    return await shop.open_invoice(await shop.customer())


async def _fault(shop: Shop, **rule: Any) -> None:
    await shop.control("PUT", f"/accounts/{shop.id}/faults", {"requests": [{"match": "/pay$", **rule}]})


async def _pay(shop: Shop, invoice: str, key: str, **form: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    return await shop.api("POST", f"/v1/invoices/{invoice}/pay", form or None, Idempotency_Key=key)


async def test_the_same_key_plays_the_first_answer_back(shop: Shop, invoice: str) -> None:
    first = await _pay(shop, invoice, "k")
    second = await _pay(shop, invoice, "k")

    assert first[:2] == second[:2]
    assert first[0] == 200
    assert "Idempotent-Replayed" not in first[2]
    assert second[2]["Idempotent-Replayed"] == "true"
    assert second[2]["Original-Request"] == first[2]["Request-Id"]
    assert len(await shop.ledger()) == 1


async def test_a_decline_is_played_back_too(shop: Shop) -> None:
    customer = await shop.customer([{"outcome": "do_not_honor", "tries": 1}])
    invoice = await shop.open_invoice(customer)

    assert [(await _pay(shop, invoice, key))[0] for key in ("a", "a", "b", "a")] == [402, 402, 200, 402]


async def test_a_key_belongs_to_one_request(shop: Shop, invoice: str) -> None:
    await _pay(shop, invoice, "k")

    status, body, _ = await _pay(shop, invoice, "k", off_session="false")

    assert (status, body["error"]["type"]) == (400, "idempotency_error")


async def test_while_the_first_request_runs_its_key_is_in_use(
    shop: Shop, invoice: str, eventually: Eventually
) -> None:
    account = shop.gateway.accounts[shop.id]
    async with account.invoices[invoice].lock:
        first = asyncio.create_task(_pay(shop, invoice, "k"))
        await eventually(lambda: "k" in account.idempotency)
        status, body, _ = await _pay(shop, invoice, "k")

    assert (status, body["error"]["code"]) == (409, "idempotency_key_in_use")
    assert (await first)[0] == 200
    assert (await _pay(shop, invoice, "k"))[0] == 200


async def test_what_never_ran_leaves_its_key_free(shop: Shop, invoice: str) -> None:
    status, body, _ = await _pay(shop, invoice, "k", no_such_parameter="1")
    assert (status, body["error"]["code"]) == (400, "parameter_unknown")

    assert (await _pay(shop, invoice, "k"))[0] == 200


async def test_a_key_is_forgotten_after_its_lifetime(shop: Shop, eventually: Eventually) -> None:
    customer = await shop.customer()
    shop.gateway.accounts[shop.id].idempotency.lifetime = 0.0

    made = [
        (await shop.api("POST", "/v1/setup_intents", {"customer": customer}, Idempotency_Key="k"))[1]["id"]
        for _ in range(2)
    ]

    assert made[0] != made[1]


async def test_an_answer_lost_before_the_capture_leaves_no_money_taken(shop: Shop, invoice: str) -> None:
    await _fault(shop, kind="lose_before", count=1)

    with pytest.raises(aiohttp.ClientError):
        await _pay(shop, invoice, "k")
    assert await shop.ledger() == []

    assert (await _pay(shop, invoice, "k"))[0] == 200


async def test_an_answer_lost_after_the_capture_is_had_again_by_its_key(shop: Shop, invoice: str) -> None:
    await _fault(shop, kind="lose_after", count=1)

    with pytest.raises(aiohttp.ClientError):
        await _pay(shop, invoice, "k")
    assert len(await shop.ledger()) == 1

    status, _, headers = await _pay(shop, invoice, "k")
    assert (status, headers["Idempotent-Replayed"]) == (200, "true")
    assert len(await shop.ledger()) == 1


async def test_a_500_after_the_capture_stays_a_500_for_its_key(shop: Shop, invoice: str) -> None:
    await _fault(shop, kind="error_after", status=500, count=1)

    answers = [(await _pay(shop, invoice, "k"))[0] for _ in range(2)]

    assert answers == [500, 500]
    assert len(await shop.ledger()) == 1
    assert (await shop.client().v1.invoices.retrieve_async(invoice)).status == "paid"


@pytest.mark.parametrize("status", [401, 409, 429, 500])
async def test_an_error_before_execution_keeps_nothing(shop: Shop, invoice: str, status: int) -> None:
    await _fault(shop, kind="error", status=status, count=1)

    assert [(await _pay(shop, invoice, "k"))[0] for _ in range(2)] == [status, 200]


async def test_the_official_client_knows_each_error(shop: Shop, invoice: str) -> None:
    kinds = {401: stripe.AuthenticationError, 429: stripe.RateLimitError, 500: stripe.APIError}
    for status, kind in kinds.items():
        await _fault(shop, kind="error", status=status, count=1)
        with pytest.raises(kind):
            await shop.client().v1.invoices.pay_async(invoice)


async def test_the_official_client_recovers_a_lost_answer_by_itself(shop: Shop, invoice: str) -> None:
    await _fault(shop, kind="lose_after", count=1)
    client = stripe.StripeClient(
        shop.key,
        base_addresses={"api": shop.address},
        http_client=stripe.AIOHTTPClient(session=shop.http),
        max_network_retries=2,
    )

    assert (await client.v1.invoices.pay_async(invoice)).status == "paid"
    assert len(await shop.ledger()) == 1


async def test_faults_strike_by_probability_and_seed(shop: Shop) -> None:
    customer = await shop.customer()
    runs = []
    for _ in range(2):
        rule = {"kind": "error", "status": 429, "match": "^GET /v1/customers/", "probability": 0.5, "seed": 3}
        await shop.control("PUT", f"/accounts/{shop.id}/faults", {"requests": [rule]})
        runs.append([(await shop.api("GET", f"/v1/customers/{customer}"))[0] for _ in range(20)])

    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 429}
    found = await shop.control("GET", f"/accounts/{shop.id}/faults")
    assert found["requests"][0]["struck"] == runs[1].count(429)


async def test_a_delay_answers_late_but_well(shop: Shop, invoice: str) -> None:
    await _fault(shop, kind="delay", seconds=0.05)

    assert (await _pay(shop, invoice, "k"))[0] == 200
    found = await shop.control("GET", f"/accounts/{shop.id}/faults")
    assert found["requests"][0]["struck"] == 1


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "explode"},
        {"kind": "delay", "seconds": -1},
        {"kind": "error", "status": 418},
        {"kind": "delay", "match": "("},
        {"kind": "delay", "probability": 2},
        {"kind": "delay", "surprise": 1},
    ],
)
async def test_a_bad_fault_rule_is_refused_with_its_reason(shop: Shop, rule: dict[str, Any]) -> None:
    status, answer = await shop.try_control("PUT", f"/accounts/{shop.id}/faults", {"requests": [rule]})

    assert status == 422
    assert "requests[0]" in answer["error"]


async def test_a_wrong_key_is_a_401(shop: Shop) -> None:
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
        await shop.client(key="sk_test_wrong").v1.customers.list_async()


async def test_accounts_do_not_see_each_other(shop: Shop, open_shop: OpenShop, invoice: str) -> None:
    other = await open_shop()

    with pytest.raises(stripe.InvalidRequestError, match="No such invoice") as caught:
        await other.client().v1.invoices.retrieve_async(invoice)
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


async def test_every_answer_has_a_request_id_and_its_version(shop: Shop) -> None:
    for path in ("/v1/customers", "/v1/customers/cus_none", "/v1/nothing"):
        status, body, headers = await shop.api("GET", path)
        assert headers["Request-Id"].startswith("req_")
        assert headers["Stripe-Version"] == "2020-08-27"
        assert status == 200 or body["error"]["request_log_url"].startswith("https://dashboard.stripe.com/")


async def test_an_invalid_version_is_a_400(shop: Shop) -> None:
    status, body, _ = await shop.api("GET", "/v1/customers", Stripe_Version="yesterday")

    assert status == 400
    assert "Invalid Stripe API version" in body["error"]["message"]


@pytest.mark.parametrize(
    "form",
    [
        {"metadata[a": "1"},
        {"[email]": "x"},
        {"a[b][c][d][e][f][g][h][i][j][k]": "1"},
        {"email[x]": "1"},
        {"preferred_locales": "it"},
        {"colour": "red"},
    ],
)
async def test_a_malformed_form_is_a_400(shop: Shop, form: dict[str, str]) -> None:
    status, body, _ = await shop.api("POST", "/v1/customers", form)

    assert (status, body["error"]["type"]) == (400, "invalid_request_error")


async def test_too_many_parameters_are_a_400(shop: Shop) -> None:
    form = {f"metadata[k{n}]": "v" for n in range(3_000)}

    status, body, _ = await shop.api("POST", "/v1/customers", form)

    assert status == 400
    assert "at most" in body["error"]["message"]


async def test_a_body_that_is_not_utf8_is_a_400(shop: Shop) -> None:
    headers = {"Authorization": f"Bearer {shop.key}"}
    async with shop.http.post(
        f"{shop.address}/v1/customers", data=b"email=\xff\xfe", headers=headers
    ) as response:
        assert response.status == 400


async def test_the_control_api_wants_its_token(shop: Shop) -> None:
    status, answer = await shop.try_control("GET", "/accounts", token="wrong")

    assert (status, "token" in answer["error"]) == (401, True)
